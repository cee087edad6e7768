"""The day's own check, on the three systems without the bus: a plain loop in Python carries the changes across, and every
expected effect must be found; with one left out or done twice, the check must say so. Needs no build."""
import csv
import io
import pathlib
import re
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import day  # noqa: E402
import town  # noqa: E402

RESIDENTS, CHANGES = 3000, 400


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A town after its day: (folder, plan, URL of the tenancy service)."""
    folder = tmp_path_factory.mktemp("town") / "systems"
    town.build(7, RESIDENTS, folder)
    actions = day.Planner(7, RESIDENTS, CHANGES).plan()
    service = subprocess.Popen(
        [sys.executable, town.LEGACY["housing"] / "housing.py", "--store", folder / "housing.sqlite", "--flaky", "5"],
        stdout=subprocess.PIPE, text=True)
    url = service.stdout.readline().strip()
    try:
        day.live(actions, folder, url, 0, folder / "applied")
        yield folder, actions, url
    finally:
        service.terminate()
        service.wait(10)


class Carrier:
    """What the adapters and the routes do, without any of their promises."""

    def __init__(self, folder, url):
        self.folder, self.counter = folder, day.Counter(url)
        self.office = day.civil.Civil(folder / "civil")
        self.register = day.Register(folder / "register.sqlite")
        self.files = {}

    def call(self, operation, **fields):
        inner = "".join(f"<{k}>{v}</{k}>" for k, v in fields.items())
        body = (f'<s:Envelope xmlns:s="{day.housing.SOAP}"><s:Body><{operation} xmlns="{day.housing.NS}">{inner}'
                f"</{operation}></s:Body></s:Envelope>").encode()
        while True:
            try:
                answer = self.counter.post(body)
            except (OSError, day.http.client.HTTPException):
                self.counter.connection = None
                continue
            if b"soap:Server" not in answer:
                return answer

    def letter(self, prefix, *values):
        self.files.setdefault(prefix, []).append(values)

    def send_letters(self):
        for prefix, rows in self.files.items():
            text = b"heading\r\n" + b"".join(b",".join(day.civil.quote(v) for v in row) + b"\r\n" for row in rows)
            (self.folder / "civil/in" / f"{prefix}_1.csv").write_bytes(text)
        self.office.poll()

    def from_register(self):
        db = sqlite3.connect(self.folder / "register.sqlite")
        db.row_factory = sqlite3.Row
        for row in db.execute("SELECT * FROM hutong_outbox ORDER BY id"):
            if not row["division"].startswith(town.DISTRICT) or row["change_type"] == "06":
                continue
            number, on = row["citizen_number"], row["registered_at"][:10]
            if row["kind"] == "residence":
                self.letter("JZBG", row["entry_number"], number, row["name"], row["division"], row["address"],
                            on.replace("-", "/"))
                self.call("RegisterOccupancy", RequestNo=row["entry_number"], CardNo=number, UnitCode=row["unit_code"],
                          Relation=day.RELATIONS[row["relation"]], RegisteredOn=on)
            else:
                self.letter("SWTZ", row["entry_number"], number, row["name"], row["died_on"].replace("-", "/"),
                            row["certificate_number"])
                self.call("MarkTenancyDeceased", RequestNo=row["entry_number"], CardNo=number, DateOfDeath=row["died_on"])

    def from_civil(self):
        self.office.drop()
        for path in sorted((self.folder / "civil/out").glob("HYDJ*.csv")):
            for raw in path.read_bytes().split(b"\r\n")[1:]:
                try:
                    row = next(csv.reader(io.StringIO(raw.decode("gb18030"))), None)
                except UnicodeDecodeError:
                    continue
                if not row or row[0] == "ICA" or not valid(row[4]) or not valid(row[7]):
                    continue
                on = row[2].replace("/", "")
                self.register.run(("marriage_letter", {
                    "zh": row[1], "nfsfhm": row[4], "nvfsfhm": row[7], "nfhyzk": day.STATUS[row[5]],
                    "nvfhyzk": day.STATUS[row[8]], "djrq": on}))
                self.call("UpdateMaritalStatus", RequestNo=row[1], HusbandCardNo=row[4], WifeCardNo=row[7],
                          Marital="D" if row[0] == "IB" else "M", Since=row[2].replace("/", "-"))

    def from_housing(self):
        after, more = 0, True
        while more:
            answer = ET.fromstring(self.call("QueryLeaseChanges", AfterSerial=after, Max=50))
            more = answer.find(f".//{{{day.housing.NS}}}More").text == "true"
            for change in answer.iter(f"{{{day.housing.NS}}}LeaseChange"):
                f = {child.tag.split("}")[1]: child.text for child in change}
                after = int(f["Serial"])
                if not valid(f["TenantCardNo"]):
                    continue
                begin, end = f["BeginDate"], f["EndDate"]
                self.register.run(("lease_letter", {
                    "bah": f["RecordNo"], "czrsfhm": f["TenantCardNo"], "dzbm": f["UnitCode"], "qsrq": begin.replace("-", ""),
                    "zzrq": end.replace("-", ""), "barq": "20261124"}))
                self.letter("ZLBA", f["RecordNo"], f["TenantCardNo"], f["RegionCode"], f["MonthlyRent"],
                            begin.replace("-", "/"), end.replace("-", "/"))


def valid(number):
    return bool(re.fullmatch(r"\d{17}[\dX]", number)) and day.civil.check_character(number[:17]) == number[17]


@pytest.fixture(scope="module")
def carried(lived):
    folder, actions, url = lived
    assert day.check(actions, folder)["found"] == 0
    carrier = Carrier(folder, url)
    carrier.from_register()
    carrier.from_civil()
    carrier.from_housing()
    carrier.send_letters()
    return folder, actions


def test_every_expected_effect_is_found_once(carried):
    folder, actions = carried
    report = day.check(actions, folder)
    assert report["expected"] == report["found"] > 2 * CHANGES
    assert [report[k] for k in ("missing", "repeated", "unexpected", "out_of_order")] == [[], [], [], []]


def test_bad_rows_are_refused_by_the_systems(carried):
    folder, actions = carried
    bad = sum(a.get("bad") == "check_character" and a["kind"] == "move" for a in actions)
    ledger = sqlite3.connect(folder / "civil/ledger.sqlite")
    assert ledger.execute("SELECT count(*) FROM refusals").fetchone()[0] == bad > 0


def test_a_lost_and_a_repeated_effect_are_seen(carried):
    folder, actions = carried
    ledger = sqlite3.connect(folder / "civil/ledger.sqlite")
    deaths = ledger.execute("SELECT rowid, * FROM deaths ORDER BY rowid DESC LIMIT 1").fetchone()
    with ledger:
        ledger.execute("DELETE FROM deaths WHERE rowid = ?", deaths[:1])
    report = day.check(actions, folder)
    assert len(report["missing"]) == 1 and "deaths" in report["missing"][0]
    with ledger:
        for _ in range(2):
            ledger.execute("INSERT INTO deaths VALUES (?, ?, ?, ?, ?, ?, ?)", deaths[1:])
    report = day.check(actions, folder)
    assert report["missing"] == [] and len(report["repeated"]) == 1
    with ledger:
        ledger.execute("DELETE FROM deaths WHERE rowid = (SELECT max(rowid) FROM deaths)")
        ledger.execute("INSERT INTO deaths VALUES ('SW0', '1', 'x', '', '', 'x', 1)")
    assert len(day.check(actions, folder)["unexpected"]) == 1


def test_a_swapped_order_is_seen(carried):
    folder, actions = carried
    twice = next(a for a in actions if a["kind"] == "move" and a["turn"] == 1)
    store = sqlite3.connect(folder / "housing.sqlite", timeout=30)
    number = twice["person"]["number"]
    ids = [row[0] for row in store.execute("SELECT id FROM occupancies WHERE card_no = ? ORDER BY id", (number,))]
    with store:
        store.execute("UPDATE occupancies SET id = -1 WHERE id = ?", ids[:1])
        store.execute("UPDATE occupancies SET id = (SELECT max(id) + 1 FROM occupancies) WHERE id = -1")
    assert any("occupancies" in text for text in day.check(actions, folder)["out_of_order"])


def test_the_same_seed_gives_the_same_day():
    one, two = (day.Planner(3, 1000, 100).plan() for _ in range(2))
    assert one == two
    assert one != day.Planner(4, 1000, 100).plan()


def test_the_town_is_sound():
    made = town.Town(1, 2000)
    assert all(valid(p["number"]) for p in made.persons)
    assert len({p["number"] for p in made.persons}) == len(made.persons)
    assert all(p["number"][6:14] == f"{p['born']:%Y%m%d}" for p in made.persons)
    assert all(int(p["number"][16]) % 2 == (p["sex"] == "1") for p in made.persons)
    assert any(len(c.encode("gb18030")) == 4 for p in made.persons for c in p["name"])
