"""Follows a record from the row in one system over the bus to the row or file in another."""
import pathlib
import sqlite3

from bus import SYSTEMS
from show import block, seconds


def one(path, query, *values):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    db.row_factory = sqlite3.Row
    try:
        return db.execute(query, values).fetchone()
    finally:
        db.close()


def plain(value):
    return value.decode("gb18030", "replace") if isinstance(value, bytes) else str(value)


def row_text(row):
    return ", ".join(f"{key}={plain(row[key])}" for key in row.keys() if row[key] is not None)


class Story:
    def __init__(self, bus, actions, tally, took):
        self.bus, self.actions, self.tally, self.took = bus, actions, tally, took
        self.register = bus.town / "register.sqlite"
        self.ledger = bus.town / "civil/ledger.sqlite"
        self.tenancies = bus.town / "housing.sqlite"
        self.by_id = {record["id"]: record for record in tally.messages if "id" in record}

    def choose(self, fits):
        """The first change of its kind whose person has a name that old systems can't write, if there is one."""
        good = [a for a in self.actions if not a.get("bad") and fits(a)]
        rare = [a for a in good if any(len(c.encode("gb18030")) == 4 for p in ("person", "husband") for c in a.get(p, {}).get("name", ""))]
        return (rare or good or [None])[0]

    # ---- Parts ----

    def journal_line(self, record):
        if record is None:
            return "(no record found)"
        return self.bus.place(record, self.tally.names)

    def file_line(self, table, column, value):
        """The line of the file that civil affairs' program took the row from."""
        row = one(self.ledger, f"SELECT file, line FROM {table} WHERE {column} = ?", value)
        if row is None:
            return "(not found)"
        path = pathlib.Path(self.bus.town / "civil/archive" / row["file"])
        text = path.read_bytes().split(b"\r\n")[row["line"] - 1].decode("gb18030")
        return f"{row['file']}, line {row['line']}: {text}"

    def after(self, action, target):
        taken = self.took.get((action["change"], target))
        return f" (after {seconds(taken)})" if taken is not None else ""

    def by_request(self, table, where, *values):
        """A row of the tenancy service, and the journal's record that it came from."""
        row = one(self.tenancies, f"SELECT * FROM {table} WHERE {where}", *values)
        return row, self.by_id.get(row["request_no"]) if row else None

    # ---- The three ----

    def move(self, action):
        person = action["person"]
        source = one(self.register, "SELECT h.BGLSH, p.XM, p.GMSFHM, h.BGLX, h.YHZGX, h.MLXZ, h.DZBM, h.DJSJ FROM T_HKBG h JOIN"
                     " T_CZRK p USING (RYID) WHERE p.GMSFHM = ? AND h.DZBM = ?", person["number"], action["dwelling"]["unit_code"])
        target, record = self.by_request("occupancies", "card_no = ? AND unit_code = ?", person["number"],
                                         action["dwelling"]["unit_code"])
        entry = f"BG{source['BGLSH']}" if source else ""
        return f"{person['name']} moves", [
            ("public security, T_HKBG", row_text(source) if source else "(not found)"),
            (f"the bus, {self.bus.STORE}", self.journal_line(record)),
            ("civil affairs, file" + self.after(action, "civil_affairs"), self.file_line("residence_changes", "entry", entry)),
            ("housing, occupancies" + self.after(action, "housing"), row_text(target) if target else "(not found)")]

    def marriage(self, action):
        source = one(self.ledger, "SELECT business, certificate, registered_on, husband_name, husband_number, husband_status,"
                     " wife_name, wife_number, wife_status FROM marriages WHERE certificate = ?", action["certificate"])
        target, record = self.by_request("marital_updates", "husband_card = ? AND since = ?", action["husband"]["number"],
                                         action["date"])
        letter = one(self.register, "SELECT ZH, NFSFHM, NVFSFHM, NFHYZK, NVFHYZK, DJRQ FROM T_HYBG WHERE ZH = ?",
                     action["certificate"])
        return f"{action['husband']['name']} and {action['wife']['name']} marry", [
            ("civil affairs, register of marriages", row_text(source) if source else "(not found)"),
            (f"the bus, {self.bus.STORE}", self.journal_line(record)),
            ("public security, T_HYBG" + self.after(action, "public_security"), row_text(letter) if letter else "(not found)"),
            ("housing, marital_updates" + self.after(action, "housing"), row_text(target) if target else "(not found)")]

    def lease(self, action):
        source = one(self.tenancies, "SELECT c.serial, t.record_no, t.tenant_name, t.tenant_card, t.unit_code, t.rent, c.filed_at"
                     " FROM lease_changes c JOIN tenancies t USING (record_no) WHERE record_no = ?", action["lease"])
        letter = one(self.register, "SELECT * FROM T_ZLBA WHERE BAH = ?", action["lease"])
        return f"{action['person']['name']} rents", [
            ("housing, tenancies", row_text(source) if source else "(not found)"),
            (f"the bus, {self.bus.STORE}", self.journal_line(self.lease_record(action["lease"]))),
            ("public security, T_ZLBA" + self.after(action, "public_security"), row_text(letter) if letter else "(not found)"),
            ("civil affairs, file" + self.after(action, "civil_affairs"), self.file_line("leases", "lease", action["lease"]))]

    def lease_record(self, lease):
        """The journal names no person and no lease; but leases are sent in the order in which they were filed."""
        db = sqlite3.connect(f"file:{self.tenancies}?mode=ro", uri=True, timeout=30)
        filed = [row[0] for row in db.execute("SELECT record_no FROM lease_changes ORDER BY serial")]
        db.close()
        bad = {action["lease"] for action in self.actions if action["kind"] == "lease" and action.get("bad")}
        sent = [record for record in self.tally.messages if record["source"] == SYSTEMS["housing"]]
        good = [number for number in filed if number not in bad]
        return sent[good.index(lease)] if len(sent) == len(good) and lease in good else None

    def lines(self):
        chosen = ((self.choose(lambda a: a["kind"] == "move" and a["type"] in ("02", "03")), self.move),
                  (self.choose(lambda a: a["kind"] == "marriage" and a["business"] == "IA"), self.marriage),
                  (self.choose(lambda a: a["kind"] == "lease"), self.lease))
        for action, tell in chosen:
            if action is not None:
                title, rows = tell(action)
                yield f"  {title}"
                yield from block(rows)
