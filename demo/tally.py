"""What each department sent, received and refused, from its own system, its adapter's log, and the journal."""
import collections
import re
import sqlite3

from bus import SYSTEMS, TITLES
from show import block, table

SOURCES = {"move": "public_security", "death": "public_security", "marriage": "civil_affairs", "lease": "housing"}
REFUSED = re.compile(r' source\.refused place=("(?:[^"\\]|\\.)*"|\S+) reason=("(?:[^"\\]|\\.)*"|\S+)')


def unquote(text):
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def refused_rows(bus, agency):
    """(place, reason) of each row that the adapter refused; once, also when it was read again after a kill."""
    log = bus.adapters[agency].log.read_text("utf-8", "replace")
    return list(dict.fromkeys((unquote(place), unquote(reason)) for place, reason in REFUSED.findall(log)))


def refused_by_system(bus):
    """What civil affairs' own program refused of the files that it was given: place and reason."""
    ledger = sqlite3.connect(f"file:{bus.town / 'civil/ledger.sqlite'}?mode=ro", uri=True, timeout=30)
    try:
        return [(f"{file}:{line}", reason) for file, line, reason in ledger.execute("SELECT file, line, reason FROM refusals")]
    finally:
        ledger.close()


class Tally:
    def __init__(self, bus, actions, received):
        self.made = collections.Counter(SOURCES[action["kind"]] for action in actions)
        self.bad = collections.Counter(SOURCES[action["kind"]] for action in actions if action.get("bad"))
        self.received = received
        self.messages = list(bus.records("message"))
        self.sent = collections.Counter(record["source"] for record in self.messages)
        self.delivered = collections.Counter()
        self.names = {record["queue"]: record["name"] for record in bus.records("queue")}
        for record in self.messages:
            for delivery in record["deliveries"]:
                self.delivered[self.names.get(delivery["queue"])] += 1
        self.dead = list(bus.records("dead"))
        self.refusals = list(bus.records("refused"))
        self.refused = {agency: refused_rows(bus, agency) for agency in SYSTEMS}
        self.refused_by_civil = refused_by_system(bus)

    def departments(self):
        rows = []
        for agency, system in SYSTEMS.items():
            dead = sum(self.names.get(record["queue"]) == system for record in self.dead)
            rows.append((TITLES[agency], self.made[agency], len(self.refused[agency]), self.sent[system],
                         self.delivered[system], self.received[agency], dead))
        return table(("department", "changes", "rows refused", "sent", "addressed to it", "received", "dead letters"), rows,
                     right=(1, 2, 3, 4, 5, 6))

    def reasons(self):
        """Each reason with how often and where first, by department."""
        rows = []
        for agency in SYSTEMS:
            groups = {}
            for place, reason in self.refused[agency]:
                groups.setdefault(same(reason), []).append((place, reason))
            for group in groups.values():
                rows.append((f"{TITLES[agency]}, {len(group)} rows", f"{group[0][1]} (such as {group[0][0]})"))
        if self.refused_by_civil:
            place, reason = self.refused_by_civil[0]
            rows.append((f"civil affairs' own program, {len(self.refused_by_civil)} rows", f"{reason} (such as {place})"))
        return block(rows) if rows else ["  none"]

    def trouble(self):
        """What must not happen on this day: refusals by the broker, dead letters."""
        out = []
        for record in self.refusals:
            out.append(f"refused by the broker: record {record['sequence']}, {record.get('type')}: {record.get('reason')}")
        for record in self.dead:
            out.append(f"dead letter: record {record['sequence']}, {record.get('type')} for "
                       f"{self.names.get(record['queue'])}: {record.get('reason')} after {record.get('attempts')} attempts")
        for agency in SYSTEMS:
            if len(self.refused[agency]) != self.bad[agency]:
                out.append(f"{TITLES[agency]}: {self.bad[agency]} rows were wrong, and {len(self.refused[agency])} were refused")
        return out


def same(reason):
    """A reason without what differs from row to row."""
    return re.sub(r'"[^"]*"|0x[0-9A-Fa-f]+|\d[\dX]*', "…", reason)
