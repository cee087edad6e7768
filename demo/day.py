#!/usr/bin/python3
"""A day in the town: moves, deaths, marriages, leases, and some rows that are wrong. What happens is planned from a seed and
applied through the departments' own means (the register's operations, the registry's counter, the tenancy service).
What must follow in the other departments is worked out from the plan alone, without the bus.

  day.py plan   --seed N --residents N --changes N --out FILE     the plan, one JSON object a line
  day.py live   --plan FILE --town DIR --housing URL --seconds S  applies it at a steady pace; writes FILE.applied
  day.py expect --plan FILE                                       the effects to be found, one JSON object a line
  day.py check  --plan FILE --town DIR                            looks for each of them, exactly once; 0 when all is right
"""
import argparse
import collections
import datetime
import http.client
import json
import pathlib
import random
import re
import sqlite3
import sys
import time
import urllib.parse
from xml.sax.saxutils import escape

import town as town_module
from town import DISTRICT, LEGACY, TODAY, civil, housing

RELATIONS = {}  # GB/T 4761 to housing's code, as the two departments agreed; worked out here apart from conf/codes
for first, code in zip("123456789", "SPOUSE CHILD CHILD GRANDCHILD PARENT GRANDPARENT SIBLING RELATIVE RELATIVE".split()):
    RELATIONS.update({f"{first}{second}": code for second in "0123456789"})
RELATIONS.update({"01": "SELF", "02": "SELF", "99": "NONE"})
STATUS = {"初婚": "21", "再婚": "22", "离婚": "40"}
SLASH, DASH, DIGITS = "%Y/%m/%d", "%Y-%m-%d", "%Y%m%d"
# Bytes that no terminal should send: no character in GB18030.
BAD_NAME = b"\xd5\xc5\xff\x80"


# ---- The plan ----

class Planner:
    def __init__(self, seed, residents, changes):
        self.rng = random.Random(f"day {seed}")
        self.town = town_module.Town(seed, residents)
        self.changes = changes
        self.actions = []
        self.free = list(self.town.households)
        self.rng.shuffle(self.free)
        self.dwellings = list(self.town.spare_dwellings)
        self.next_id = len(self.town.persons) + 1
        self.next_household = 900000000

    def plan(self):
        share = self.changes / 100
        self.plan_moves(int(46 * share))
        self.plan_arrivals(int(10 * share), "01")
        self.plan_arrivals(int(6 * share), "05")
        self.plan_births(int(4 * share))
        self.plan_visits(int(3 * share))
        self.plan_deaths(int(5 * share))
        self.plan_marriages(int(12 * share))
        self.plan_leases(int(12 * share))
        self.plan_bad(max(2, int(0.5 * share)))
        order = list(range(len(self.actions)))
        self.rng.shuffle(order)
        shuffled = [self.actions[i] for i in order]
        actions = keep_order(shuffled)
        for i, action in enumerate(actions):
            action["change"] = i + 1
            seconds = 8 * 3600 + 1800 + i * 9 * 3600 // max(1, len(actions))
            action["at"] = f"{TODAY:%Y%m%d}{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
        return actions

    def add(self, kind, key, turn=0, **fields):
        self.actions.append({"kind": kind, "key": key, "turn": turn, **fields})

    def dwelling(self):
        if not self.dwellings:
            raise SystemExit("day.py: more changes than the town has free dwellings: fewer --changes or more --residents")
        return self.dwellings.pop()

    def household(self, wanted=lambda members: True):
        for i, household in enumerate(self.free):
            if wanted([person for person, _ in household["members"]]):
                return self.free.pop(i)
        raise SystemExit("day.py: too few residents for so many changes")

    def move(self, person, relation, dwelling, number, change_type, turn=0, previous=None, bad=None, enter=False):
        self.add("move", person["number"], turn, person=plain(person), relation=relation, dwelling=dwelling,
                 household=number, type=change_type, previous=previous, bad=bad, enter=enter)

    def new_number(self):
        self.next_household += 1
        return f"{self.next_household:09d}"

    def new_person(self, **fields):
        male = self.rng.random() < 0.5
        person = self.town.person(male, fields.pop("age", None) or self.rng.randrange(18, 60), **fields)
        person["id"] = self.next_id
        self.next_id += 1
        return person

    def plan_moves(self, rows):
        planned = 0
        while planned < rows:
            household = self.household()
            turns = 2 if self.rng.random() < 0.08 else 1  # some move twice: the second must stay the last
            for turn in range(turns):
                dwelling, number = self.dwelling(), self.new_number()
                for person, relation in household["members"]:
                    self.move(person, relation, dwelling, number, "03" if len(household["members"]) == 1 else "02", turn)
                    planned += 1

    def plan_arrivals(self, rows, change_type):
        for _ in range(rows):
            previous = self.rng.choice(["330102", "330105", "330110", "340102", "411502"])
            self.move(self.new_person(), "02" if change_type == "01" else "99", self.dwelling(), self.new_number(),
                      change_type, previous=previous, enter=True)

    def plan_births(self, rows):
        for _ in range(rows):
            household = self.household(lambda members: len(members) == 2)
            child = self.new_person(age=0.001)
            child["born"] = TODAY - datetime.timedelta(days=self.rng.randrange(3, 30))
            child["number"] = self.town.citizen_number(child["born"], child["sex"] == "1")
            self.move(child, "21" if child["sex"] == "1" else "31", household["dwelling"], household["number"], "04", enter=True)

    def plan_visits(self, rows):
        for _ in range(rows):
            person, _ = self.household()["members"][0]
            self.move(person, "97", self.rng.choice(self.town.dwellings), self.new_number(), "06")

    def plan_deaths(self, rows):
        for i in range(rows):
            household = self.household()
            person = household["members"][0][0]
            self.add("death", person["number"], person=plain(person), dwelling=household["dwelling"],
                     died_on=(TODAY - datetime.timedelta(days=self.rng.randrange(1, 5))).isoformat(),
                     cause=self.rng.choice(["I25.1", "I63.9", "C34.9", "J44.1", "I21.9"]), certificate=f"3301{i + 1:08d}")

    def plan_marriages(self, rows):
        def single(sex):
            return lambda m: len(m) == 1 and m[0]["sex"] == sex and m[0]["marital"] in ("10", "40")

        for i in range(rows):
            certificate = f"J{DISTRICT}-2026-{i + 1:06d}"
            roll = self.rng.random()
            if roll < 0.8:
                man, woman = (self.household(single(sex))["members"][0][0] for sex in "12")
                self.marry("IA", certificate, man, woman,
                           *("再婚" if p["marital"] == "40" else "初婚" for p in (man, woman)))
            else:
                couple = [p for p, _ in self.household(lambda m: len(m) >= 2 and m[0]["spouse"] == m[1]["number"])["members"][:2]]
                man, woman = sorted(couple, key=lambda p: p["sex"])
                business, status = ("IB", "离婚") if roll < 0.95 else ("ICA", "初婚")
                self.marry(business, certificate, man, woman, status, status)

    def marry(self, business, certificate, man, woman, man_status, woman_status, bad=None):
        self.add("marriage", man["number"], business=business, certificate=certificate, husband=plain(man), wife=plain(woman),
                 husband_status=man_status, wife_status=woman_status, date=TODAY.isoformat(), bad=bad)

    def plan_leases(self, rows):
        for i in range(rows):
            person, _ = self.household()["members"][0]
            self.lease(person, i + 1)

    def lease(self, person, serial, bad=None):
        landlord, _ = self.rng.choice(self.town.households)["members"][0]
        self.add("lease", person["number"], lease=f"ZL{DISTRICT}2026{serial:06d}", person=plain(person), landlord=landlord["number"],
                 dwelling=self.dwelling(), begin="2026-12-01", end="2027-11-30", bad=bad,
                 rent=f"{self.rng.randrange(1500, 9000)}.00")

    def plan_bad(self, rows):
        """Rows that are wrong at their source, as real ones are; nothing may follow from them."""
        for i in range(rows):
            wrong = self.new_person(wrong=True)
            self.move(wrong, "02", self.dwelling(), self.new_number(), "01", previous="330102", bad="check_character", enter=True)
            nowhere = dict(self.dwelling(), division="339999001001")
            nowhere["unit_code"] = "339999001001" + nowhere["unit_code"][12:]
            self.move(self.new_person(), "02", nowhere, self.new_number(), "01", bad="division", enter=True)
            for bad in ("check_character", "code_page"):
                man, woman = (self.town.person(male, 30, wrong=male and bad == "check_character") for male in (True, False))
                self.marry("IA", f"J{DISTRICT}-2026-9{i:04d}{bad[1]}", man, woman, "初婚", "初婚", bad)
            self.lease(self.town.person(True, 30, wrong=True), 900000 + i, "check_character")


def plain(person):
    return {**{k: person[k] for k in ("number", "name", "sex", "ethnicity", "marital")}, "id": person.get("id"),
            "born": person["born"].isoformat()}


def keep_order(actions):
    """Puts the turns of one person back into their order, each at a place that the shuffle gave to that person."""
    places = collections.defaultdict(list)
    for i, action in enumerate(actions):
        places[action["key"]].append(i)
    out = list(actions)
    for own in places.values():
        for place, action in zip(own, sorted((actions[i] for i in own), key=lambda a: a["turn"])):
            out[place] = action
    return out


def read_plan(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# ---- What must follow ----

def expected_effects(actions):
    """For each change the rows that must be found in the other systems: kind, key, target, table, find, times. `state`: a
    row that is there anyway and must have these values at the end; otherwise a row of its own, exactly `times` times."""
    turns = collections.Counter()
    for action in actions:
        if action["kind"] == "move":
            turns["move"] += 1
            yield from effects_of_move(action, f"BG{turns['move']}")
        elif action["kind"] == "death":
            turns["death"] += 1
            yield from effects_of_death(action, f"SW{turns['death']}")
        elif action["kind"] == "marriage":
            yield from effects_of_marriage(action)
        else:
            yield from effects_of_lease(action)


def effect(action, target, table, find, state=False):
    silent = action.get("bad") or action.get("type") == "06" or action.get("business") == "ICA"
    return {"change": action["change"], "kind": action["kind"], "key": action["key"], "target": target, "table": table,
            "find": find, "times": 0 if silent else 1, "state": state}


def at(iso, form):
    return datetime.date.fromisoformat(iso).strftime(form)


def effects_of_move(action, entry):
    person, dwelling = action["person"], action["dwelling"]
    yield effect(action, "civil_affairs", "residence_changes", {
        "entry": entry, "number": person["number"], "name": person["name"], "division": dwelling["division"],
        "changed_on": TODAY.strftime(SLASH)})
    yield effect(action, "housing", "occupancies", {
        "card_no": person["number"], "unit_code": dwelling["unit_code"], "relation": RELATIONS[action["relation"]],
        "registered_on": TODAY.strftime(DASH)})


def effects_of_death(action, entry):
    person, died_on = action["person"], action["died_on"]
    yield effect(action, "civil_affairs", "deaths", {
        "entry": entry, "number": person["number"], "name": person["name"], "died_on": at(died_on, SLASH),
        "certificate": action["certificate"]})
    yield effect(action, "housing", "deceased", {"card_no": person["number"], "died_on": died_on})


def effects_of_marriage(action):
    man, woman = action["husband"], action["wife"]
    status = STATUS[action["husband_status"]], STATUS[action["wife_status"]]
    yield effect(action, "public_security", "T_HYBG", {
        "ZH": action["certificate"], "NFSFHM": man["number"], "NVFSFHM": woman["number"], "NFHYZK": status[0],
        "NVFHYZK": status[1], "DJRQ": at(action["date"], DIGITS)})
    if not action["bad"] and action["business"] != "ICA":
        for one, code in ((man, status[0]), (woman, status[1])):
            yield effect(action, "public_security", "T_CZRK", {"GMSFHM": one["number"], "HYZK": code}, state=True)
    yield effect(action, "housing", "marital_updates", {
        "husband_card": man["number"], "wife_card": woman["number"], "marital": "D" if action["business"] == "IB" else "M",
        "since": action["date"]})


def effects_of_lease(action):
    person, dwelling = action["person"], action["dwelling"]
    yield effect(action, "public_security", "T_ZLBA", {
        "BAH": action["lease"], "CZRSFHM": person["number"], "DZBM": dwelling["unit_code"],
        "QSRQ": at(action["begin"], DIGITS), "ZZRQ": at(action["end"], DIGITS)})
    yield effect(action, "civil_affairs", "leases", {
        "lease": action["lease"], "number": person["number"], "division": dwelling["division"], "yuan": action["rent"],
        "start_on": at(action["begin"], SLASH), "end_on": at(action["end"], SLASH)})


# ---- Living it ----

class Register:
    """The register's screens: the operations of operations.sql."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self.db.execute("PRAGMA synchronous = NORMAL")
        text = (LEGACY["public_security"] / "operations.sql").read_text("utf-8")
        self.operations = {}
        for part in text.split("-- operation: ")[1:]:
            name, _, body = part.partition("\n")
            body = re.sub(r"^--.*$", "", body, flags=re.M)
            self.operations[name.strip()] = [s.strip() for s in body.split(";") if s.strip()]

    def run(self, *steps):
        self.db.execute("BEGIN IMMEDIATE")
        for name, values in steps:
            for statement in self.operations[name]:
                wanted = set(re.findall(r":(\w+)", statement))
                self.db.execute(statement, {k: values[k] for k in wanted})
        self.db.execute("COMMIT")

    def move(self, action):
        person, dwelling = action["person"], action["dwelling"]
        values = {
            "ryid": person["id"], "bglx": action["type"], "qrssxq": action["previous"], "hh": action["household"],
            "yhzgx": action["relation"], "ssxq": dwelling["division"][:6], "sqdm": dwelling["division"], "wgdm": dwelling["grid"],
            "jdmc": dwelling["street"], "sqmc": dwelling["community"], "lmmp": dwelling["road"], "lz": dwelling["building"],
            "dyh": dwelling["unit"], "shh": dwelling["room"], "mlxz": dwelling["address"], "dzbm": dwelling["unit_code"],
            "djsj": action["at"], "djdw": town_module.STATIONS[0][0], "czy": "张三", "gmsfhm": person["number"],
            "xm": person["name"], "xb": person["sex"], "mz": person["ethnicity"], "csrq": at(person["born"], DIGITS),
            "hyzk": person["marital"]}
        steps = [("move", values)]
        self.run(*([("enter", values)] + steps if action["enter"] else steps))

    def death(self, action):
        self.run(("die", {
            "ryid": action["person"]["id"], "swrq": at(action["died_on"], DIGITS), "swyy": action["cause"],
            "swdd": action["dwelling"]["division"], "zmsbh": action["certificate"], "huohrq": TODAY.strftime(DIGITS),
            "djsj": action["at"], "djdw": town_module.STATIONS[0][0], "czy": "李四"}))


class Counter:
    """The tenancy service's own counter: files leases by SOAP, again when the line breaks."""

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.connection = None

    def post(self, body):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=10)
        self.connection.request("POST", self.url.path, body, {
            "Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{housing.NS}FileLease"'})
        return self.connection.getresponse().read()

    def lease(self, action):
        person = action["person"]
        fields = {"RecordNo": action["lease"], "TenantCardNo": person["number"], "TenantName": person["name"],
                  "TenantSex": "M" if person["sex"] == "1" else "F", "LandlordCardNo": action["landlord"],
                  "UnitCode": action["dwelling"]["unit_code"], "BeginDate": action["begin"], "EndDate": action["end"],
                  "MonthlyRent": action["rent"]}
        inner = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in fields.items())
        body = (f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{housing.SOAP}"><soap:Body>'
                f'<FileLease xmlns="{housing.NS}">{inner}</FileLease></soap:Body></soap:Envelope>').encode("utf-8")
        for _ in range(100):
            try:
                answer = self.post(body)
            except (OSError, http.client.HTTPException):
                self.connection = None
                continue
            if b"<Code>OK<" in answer or b"<Code>DUPLICATE<" in answer:
                return
            if b"soap:Client" in answer:
                raise RuntimeError(answer.decode("utf-8", "replace"))
            time.sleep(0.02)
        raise RuntimeError("the tenancy service doesn't answer")


def marriage(office, action):
    name = BAD_NAME if action["bad"] == "code_page" else action["husband"]["name"]
    office.marry(action["certificate"], (name, action["husband"]["number"], action["husband_status"]),
                 (action["wife"]["name"], action["wife"]["number"], action["wife_status"]), at(action["date"], SLASH),
                 action["business"])


def live(actions, town_folder, housing_url, seconds, applied_path, progress=None):
    """Applies the plan; writes when each change was done: {"change": n, "at_us": microseconds since 1970}."""
    folder = pathlib.Path(town_folder)
    register, office, counter = Register(folder / "register.sqlite"), civil.Civil(folder / "civil"), Counter(housing_url)
    steps = {"move": register.move, "death": register.death, "marriage": lambda a: marriage(office, a), "lease": counter.lease}
    start = time.monotonic()
    with open(applied_path, "w", encoding="utf-8", buffering=1) as applied:
        for i, action in enumerate(actions):
            pause = start + seconds * i / len(actions) - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            steps[action["kind"]](action)
            applied.write(json.dumps({"change": action["change"], "at_us": time.time_ns() // 1000}) + "\n")
            if progress:
                progress(i + 1, len(actions))
    office.close()


# ---- Looking for the effects ----

TABLES = {"public_security": ["T_HYBG", "T_ZLBA"], "civil_affairs": ["residence_changes", "deaths", "leases"],
          "housing": ["occupancies", "deceased", "marital_updates"]}
COLUMNS = {
    "T_HYBG": ("ZH", "NFSFHM", "NVFSFHM", "NFHYZK", "NVFHYZK", "DJRQ"), "T_ZLBA": ("BAH", "CZRSFHM", "DZBM", "QSRQ", "ZZRQ"),
    "residence_changes": ("entry", "number", "name", "division", "changed_on"),
    "deaths": ("entry", "number", "name", "died_on", "certificate"),
    "leases": ("lease", "number", "division", "yuan", "start_on", "end_on"),
    "occupancies": ("card_no", "unit_code", "relation", "registered_on"), "deceased": ("card_no", "died_on"),
    "marital_updates": ("husband_card", "wife_card", "marital", "since")}


def open_read_only(path):
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)


class Watcher:
    """Sees new rows in the receiving systems: poll() gives (target, table, values) of each, once, in order."""

    def __init__(self, town_folder):
        folder = pathlib.Path(town_folder)
        self.stores = {"public_security": open_read_only(folder / "register.sqlite"),
                       "civil_affairs": open_read_only(folder / "civil/ledger.sqlite"),
                       "housing": open_read_only(folder / "housing.sqlite")}
        self.seen = collections.Counter()

    def poll(self):
        for target, tables in TABLES.items():
            for table in tables:
                rows = self.stores[target].execute(
                    f"SELECT rowid, {', '.join(COLUMNS[table])} FROM {table} WHERE rowid > ? ORDER BY rowid",
                    (self.seen[table],)).fetchall()
                for row in rows:
                    self.seen[table] = row[0]
                    yield target, table, tuple(row[1:])

    def has_state(self, wanted):
        where = " AND ".join(f"{column} = ?" for column in wanted["find"])
        query = f"SELECT count(*) FROM {wanted['table']} WHERE {where}"
        return self.stores[wanted["target"]].execute(query, tuple(wanted["find"].values())).fetchone()[0] == 1


def values_of(wanted):
    return tuple(wanted["find"][column] for column in COLUMNS[wanted["table"]])


def check(actions, town_folder):
    """Compares what must be there with what is: {"expected", "found", "missing", "repeated", "unexpected", "out_of_order"};
    the last four are lists of short texts, empty when all is right."""
    watcher = Watcher(town_folder)
    found, places = collections.Counter(), {}
    for place, (_, table, values) in enumerate(watcher.poll()):
        found[table, values] += 1
        places.setdefault((table, values), place)
    report = {"expected": 0, "found": 0, "missing": [], "repeated": [], "unexpected": [], "out_of_order": []}
    last = {}
    for wanted in expected_effects(actions):
        if not wanted["times"]:
            continue
        report["expected"] += 1
        label = f"change {wanted['change']} ({wanted['kind']}) in {wanted['target']}.{wanted['table']}"
        if wanted["state"]:
            fine = watcher.has_state(wanted)
            report["found"] += fine
            report["missing"] += [] if fine else [label]
            continue
        key = wanted["table"], values_of(wanted)
        times = found.pop(key, 0)
        report["found"] += times > 0
        report["missing"] += [label] if times == 0 else []
        report["repeated"] += [f"{label}: {times} times"] if times > 1 else []
        person = wanted["table"], wanted["key"]
        if times and last.get(person, -1) > places[key]:
            report["out_of_order"].append(label)
        if times:
            last[person] = places[key]
    report["unexpected"] = [f"{table} {values} {times} times" for (table, values), times in found.items()]
    return report


# ---- The command ----

def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    plan = verbs.add_parser("plan")
    plan.add_argument("--seed", type=int, default=1)
    plan.add_argument("--residents", type=int, default=10000)
    plan.add_argument("--changes", type=int, default=3000)
    plan.add_argument("--out", required=True)
    for name in ("live", "expect", "check"):
        verb = verbs.add_parser(name)
        verb.add_argument("--plan", required=True)
        if name != "expect":
            verb.add_argument("--town", required=True)
        if name == "live":
            verb.add_argument("--housing", required=True, help="the tenancy service's URL")
            verb.add_argument("--seconds", type=float, default=60)
    return parser.parse_args()


def main():
    args = arguments()
    if args.verb == "plan":
        actions = Planner(args.seed, args.residents, args.changes).plan()
        with open(args.out, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(a, ensure_ascii=False) + "\n" for a in actions)
        print(*(f"{k}={n}" for k, n in sorted(collections.Counter(a["kind"] for a in actions).items())),
              f"bad={sum(bool(a.get('bad')) for a in actions)}")
        return 0
    actions = read_plan(args.plan)
    if args.verb == "live":
        live(actions, args.town, args.housing, args.seconds, args.plan + ".applied",
             lambda done, all: done % 50 and done != all or print(f"progress {done} {all}", flush=True))
    elif args.verb == "expect":
        for wanted in expected_effects(actions):
            print(json.dumps(wanted, ensure_ascii=False))
    else:
        report = check(actions, args.town)
        print(json.dumps({k: v if isinstance(v, int) else v[:20] for k, v in report.items()}, ensure_ascii=False, indent=1))
        return 1 if any(report[k] for k in ("missing", "repeated", "unexpected", "out_of_order")) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
