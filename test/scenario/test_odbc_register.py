"""adapters/public_security/adapter.yaml, the same file, on SQLite, PostgreSQL and MariaDB: rows of the register become messages, messages
become rows, each once, while the adapter, the database and the broker come and go."""
import json
import os
import signal
import subprocess
import threading

import pytest

from client.bus_client import Client, bus
from databases import KINDS, open_database
from hutong_bus import BUILD, SOURCE, Broker, program, wait_until
from messages import module

notice = module("gov.public_security.v1.notice")
residence = module("gov.public_security.v1.residence")

TYPES = {"population": ["gov.public_security.v1.ResidenceRegistered", "gov.public_security.v1.DeathRegistered"],
         "tenancy": ["gov.public_security.v1.LeaseNotice"], "registration": ["gov.public_security.v1.MarriageNotice"]}
SYSTEMS = {"public_security": "population", "housing": "tenancy", "civil_affairs": "registration"}
FIELDS = {
    "gov.public_security.v1.ResidenceRegistered": "resident address kind relation registered_at organ household_number"
                                                  " previous_division entry_number",
    "gov.public_security.v1.DeathRegistered": "resident died_on cause place_division certificate_number certificate_organ cremated_on"
                                              " registered_at organ household_number entry_number address",
    "gov.public_security.v1.LeaseNotice": "lease_number citizen_number unit_code period filed_on",
    "gov.public_security.v1.MarriageNotice": "certificate_number husband_citizen_number wife_citizen_number"
                                             " husband_marital_status wife_marital_status registered_on organ"}
FLOWS = [("public_security/population", "housing/tenancy", "gov.public_security.v1.ResidenceRegistered", "resident.citizen_number"),
         ("public_security/population", "housing/tenancy", "gov.public_security.v1.DeathRegistered", "resident.citizen_number"),
         ("housing/tenancy", "public_security/population", "gov.public_security.v1.LeaseNotice", "citizen_number"),
         ("civil_affairs/registration", "public_security/population", "gov.public_security.v1.MarriageNotice", "certificate_number")]


class Bus(Broker):
    """The broker with whole messages between the register and two others."""

    def _write_conf(self, settings):
        super()._write_conf(settings)
        for agency, system in SYSTEMS.items():
            self._write(f"agencies/{agency}.yaml",
                        f"agency: {agency}\ntitle: {agency}\nsystems:\n  - name: {system}\n    title: {system}\n"
                        f"    key_files: [keys/{agency}-{system}]\n    may_publish: [{', '.join(TYPES[system])}]\n")
        for old in ("residence", "marks"):
            (self.folder / "conf" / "agreements" / f"{old}.yaml").unlink()
        routes = "routes:\n"
        for i, (provider, receiver, kind, subject) in enumerate(FLOWS):
            self._write(f"agreements/a{i}.yaml",
                        f"agreement: A-{i}\ntitle: a\nprovider: {provider}\nreceiver: {receiver}\ntype: {kind}\n"
                        f"fields: [{', '.join(FIELDS[kind].split())}]\npurpose: a test\nbasis: a test\n"
                        "from: 2026-01-01\nuntil: 2099-12-31\n")
            routes += (f"  - name: r{i}\n    on: {kind}\n    from: {provider}\n    order_by: msg.{subject}\n"
                       f"    to:\n      - system: {receiver}\n        agreement: A-{i}\n"
                       "    deliver: { retries: 10, backoff: 50ms..1s, expires: 1d }\n")
        self._write("routes/test.yaml", routes)


class Adapter:
    def __init__(self, broker, database, folder):
        self.state = folder / "state"
        self.log_path = folder / "adapter.log"
        keys = {}
        if broker.curve:
            keys = {"HUTONG_KEY": str(broker.secret_file("public_security/population")), "HUTONG_BROKER_KEY": str(broker.public_file())}
        self.environment = {**os.environ, "REGISTER": database.connection, "HUTONG_ENDPOINT": broker.endpoint,
                            "HUTONG_STATE": str(self.state), "HUTONG_CATALOGUE": str(BUILD / "catalogue.binpb"), **keys}
        # psqlodbc loses 320 bytes for each statement that is prepared and never run.
        suppressions = folder / "lsan"
        suppressions.write_text("leak:psqlodbc\n")
        self.environment["LSAN_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"
        self.process = None

    def command(self, *options):
        return [program("hutong-adapter"), "-c", SOURCE / "adapters/public_security/adapter.yaml", *options]

    def start(self):
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command(), env=self.environment, stderr=log)

    def end(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, number)
            self.process.wait(30)
        return self.process.returncode if self.process else 0

    def status(self):
        path = self.state / "status.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def log(self):
        return self.log_path.read_text()


@pytest.fixture(params=KINDS)
def database(request):
    with open_database(request.param) as opened:
        yield opened


@pytest.fixture
def broker(tmp_path):
    with Bus(tmp_path, curve=True) as running:
        yield running


@pytest.fixture
def adapter(broker, database, tmp_path):
    made = Adapter(broker, database, tmp_path)
    yield made
    made.end()


# ---- The register's screens ----

CHECK = "10X98765432"
WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]


def citizen(i):
    first = f"33010619800101{i:03d}"
    return first + CHECK[sum(int(c) * w for c, w in zip(first, WEIGHTS)) % 11]


def enter(i, number=None):
    return (f"INSERT INTO T_CZRK (RYID, GMSFHM, XM, XB, MZ, CSRQ, HYZK, HH, YHZGX, SSXQ, RYZT) VALUES ({i}, '{number or citizen(i)}',"
            f" '张𠮷{i}', '1', '01', '19800101', '10', '100000001', '02', '330106', '0');")


def move(i, room="501"):
    return ("INSERT INTO T_HKBG (RYID, BGLX, QRSSXQ, HH, YHZGX, SSXQ, SQDM, JDMC, SQMC, LMMP, LZ, DYH, SHH, MLXZ, DZBM, DJSJ, DJDW)"
            f" VALUES ({i}, '02', NULL, '100000001', '02', '330106', '330106002051', '北山街道', '上保社区', '保俶路1号', '3', '2', '{room}',"
            f" '保俶路1号3幢2单元{room}室', '330106002051000030200501', '20261124093000', '330106450000');")


def die(i):
    return (f"INSERT INTO T_SWDJ (RYID, SWRQ, SWYY, SWDD, ZMSBH, DJSJ, DJDW) VALUES ({i}, '20261123', 'I25.1', '330106', 'Z{i}',"
            " '20261124100000', '330106450000');")


class Peer(Client):
    """Another department: receives, settles, publishes."""

    def __init__(self, broker, system, receive=False):
        super().__init__(broker.endpoint, broker.keys(system))
        self.hello(system, receive=receive)
        self.settled = 0

    def take(self, count):
        """What was delivered, `count` of them in all, in order. Settles each as it comes: the next of its subject waits for it."""
        while self.settled < count:
            assert self.wait_deliveries(self.settled + 1, 60), f"{self.settled} of {count}"
            self.settle(*[d.position for d in self.deliveries[self.settled:]])
            self.settled = len(self.deliveries)
        return [d.envelope for d in self.deliveries]

    def send_messages(self, *messages):
        self.publish(*[bus.Envelope(id=f"{message.DESCRIPTOR.name}-{self.sequence + i}", type=message.DESCRIPTOR.full_name,
                                    subject=subject, time_us=1, payload=message.SerializeToString())
                       for i, (subject, message) in enumerate(messages)])
        assert self.wait_accepted(self.sequence) and not self.refusals, self.refusals


def lease(i, tenants=7):
    """One of several tenants in turn: the bus keeps each one's in order, and only those."""
    tenant = citizen(1 + i % tenants)
    message = notice.LeaseNotice(lease_number=f"ZL{i}", citizen_number=tenant, unit_code="U", filed_on="2026-11-24")
    message.period.start_date = "2026-12-01"
    return tenant, message


# ---- The scenarios ----


def test_rows_become_messages(broker, database, adapter):
    adapter.start()
    with Peer(broker, "housing/tenancy", receive=True) as peer:
        database.run(enter(1) + enter(2) + enter(3, "330106198001010031") + move(1) + move(3) + move(2) + die(2))
        first, second, third = peer.take(3)
        moved = residence.ResidenceRegistered.FromString(first.payload)
        assert (first.type, first.subject, first.source) == (
            "gov.public_security.v1.ResidenceRegistered", citizen(1), "public_security/population")
        assert moved.resident.name.text == "张𠮷1" and moved.resident.birth_date == "1980-01-01"
        assert moved.kind == residence.ResidenceRegistered.MOVE_WITHIN and moved.address.room == "501"
        assert moved.registered_at.seconds == 1795483800 and first.time_us == 1795483800 * 10**6
        assert moved.organ.name == "派出所" and moved.previous_division == ""
        assert residence.ResidenceRegistered.FromString(second.payload).resident.citizen_number == citizen(2)
        died = residence.DeathRegistered.FromString(third.payload)
        assert died.died_on == "2026-11-23" and died.cremated_on == "" and died.cause == "I25.1"
    wait_until(lambda: adapter.status().get("accepted") == 3 and adapter.status().get("refused_rows") == 1, "the counts")
    assert database.run("SELECT count(*) FROM hutong_outbox;") == [["0"]]
    refused = [json.loads(line) for line in (adapter.state / "refused.jsonl").read_text().splitlines()]
    assert len(refused) == 1 and "GB 11643" in refused[0]["reason"] and refused[0]["row"]["name"] == "张𠮷3"
    assert "330106198001010031" not in adapter.log() and "张𠮷" not in adapter.log()
    assert adapter.end() == 0


def test_messages_become_rows(broker, database, adapter):
    database.run(enter(1) + enter(2))
    adapter.start()
    marriage = notice.MarriageNotice(certificate_number="J1", husband_citizen_number=citizen(1), wife_citizen_number=citizen(2),
                                     husband_marital_status="21", wife_marital_status="22", registered_on="2026-11-24")
    too_long = notice.LeaseNotice(lease_number="Z" * 40, citizen_number=citizen(1), filed_on="2026-11-24")
    with Peer(broker, "civil_affairs/registration") as civil, Peer(broker, "housing/tenancy") as housing:
        civil.send_messages(("J1", marriage))
        housing.send_messages(lease(1), (citizen(2), too_long), lease(2))
        wait_until(lambda: database.run("SELECT count(*) FROM T_ZLBA WHERE BAH LIKE 'ZL%';") == [["2"]], "leases")
        wait_until(lambda: adapter.status().get("held") == 0 and adapter.status()["received"] == 4, "all settled")
    assert database.run("SELECT ZH, DJRQ FROM T_HYBG;") == [["J1", "20261124"]]
    assert database.run("SELECT HYZK, POSFHM FROM T_CZRK ORDER BY RYID;") == [["21", citizen(2)], ["22", citizen(1)]]
    assert database.run("SELECT QSRQ, ZZRQ IS NULL FROM T_ZLBA WHERE BAH = 'ZL1';")[0][0] == "20261201"
    if "SQLite" not in database.connection:  # which takes any length
        assert adapter.status()["rejected"] == 1 and "sink.reject" in adapter.log()
        assert database.run("SELECT count(*) FROM hutong_inbox;") == [["3"]]


def test_killed_at_any_time_each_effect_is_there_once(broker, database, adapter):
    rows, leases = 60, 60
    stopped = threading.Event()

    def work():
        for i in range(1, rows + 1):
            database.run(enter(i) + move(i))
            stopped.wait(0.02)

    adapter.start()
    worker = threading.Thread(target=work)
    with Peer(broker, "housing/tenancy", receive=True) as peer:
        worker.start()
        for i in range(0, leases, 10):
            peer.send_messages(*[lease(i + k) for k in range(10)])
            wait_until(lambda: adapter.log().count("adapter.connected") > i // 10 or adapter.process.poll() is not None, "the adapter")
            stopped.wait(0.05 * (i // 10))
            adapter.end(signal.SIGKILL)
            adapter.start()
        worker.join()
        envelopes = peer.take(rows)
        wait_until(lambda: database.run("SELECT count(*) FROM T_ZLBA;") == [[str(leases)]], "leases")
        wait_until(lambda: adapter.status().get("spooled") == 0 and adapter.status().get("held") == 0, "rest")
        assert not peer.pump(lambda: len(peer.deliveries) > rows, 1)
    assert [e.subject for e in envelopes] == [citizen(i) for i in range(1, rows + 1)]
    assert database.run("SELECT BAH, count(*) FROM T_ZLBA GROUP BY BAH HAVING count(*) > 1;") == []
    for tenant in range(7):
        entered = database.run(f"SELECT BAH FROM T_ZLBA WHERE CZRSFHM = '{citizen(1 + tenant)}' ORDER BY LSH;")
        assert [row[0].strip() for row in entered] == [f"ZL{i}" for i in range(tenant, leases, 7)]


@pytest.mark.parametrize("database", [k for k in KINDS if k != "sqlite"], indirect=True)
def test_a_database_that_is_away(broker, database, adapter):
    database.run(enter(1) + move(1))
    adapter.start()
    with Peer(broker, "housing/tenancy", receive=True) as peer:
        peer.take(1)
        database.stop()
        peer.send_messages(*[lease(i, 20) for i in range(20)])
        wait_until(lambda: "sink.retry" in adapter.log() and "source.retry" in adapter.log(), "trouble")
        wait_until(lambda: adapter.status().get("held") == 20, "held")
        database.start()
        wait_until(lambda: database.run("SELECT count(*) FROM T_ZLBA;") == [["20"]], "leases", 60)
        database.run(move(1, "502"))
        assert residence.ResidenceRegistered.FromString(peer.take(2)[1].payload).address.room == "502"
    wait_until(lambda: adapter.status().get("held") == 0, "settled")
    assert adapter.status()["retried"] == 0 and adapter.status()["rejected"] == 0


def test_the_bus_is_away(broker, database, adapter):
    database.run(enter(1) + move(1))
    broker.stop()
    adapter.start()
    wait_until(lambda: database.run("SELECT count(*) FROM hutong_outbox;") == [["0"]], "the spool has it")
    assert adapter.end() == 0  # nothing to wait for: the spool keeps it
    broker.start()
    adapter.start()
    with Peer(broker, "housing/tenancy", receive=True) as peer:
        assert [e.subject for e in peer.take(1)] == [citizen(1)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_check_and_mistakes(broker, database, adapter, tmp_path):
    checked = subprocess.run(adapter.command("--check"), env=adapter.environment, capture_output=True, text=True)
    assert checked.returncode == 0 and checked.stderr == "" and "fine" in checked.stdout
    del adapter.environment["REGISTER"]
    checked = subprocess.run(adapter.command("--check"), env=adapter.environment, capture_output=True, text=True)
    assert checked.returncode == 2 and "adapter.yaml:17:12: error: the environment variable REGISTER is not set" in checked.stderr
    wrong = tmp_path / "adapter.yaml"
    wrong.write_text("bus: {endpoint: x}\nodbc: {connect: y}\nhttp: {}\n")
    checked = subprocess.run([program("hutong-adapter"), "-c", wrong], capture_output=True, text=True)
    assert checked.returncode == 2
    for text in ('"system"', '"catalogue"', '"state"', "one connector"):
        assert text in checked.stderr, checked.stderr
    assert subprocess.run([program("hutong-adapter")], capture_output=True).returncode == 2
