"""adapters/housing/adapter.yaml with the legacy SOAP service, and the local endpoint of the HTTP connector."""
import http.client
import json
import random
import signal
import sqlite3
import subprocess
import time
import urllib.request

import pytest

from client.bus_client import Client, bus
from departments import Adapter, Departments, citizen
from hutong_bus import SOURCE, free_port, wait_until
from messages import module

residence = module("gov.public_security.v1.residence")
police = module("gov.public_security.v1.notice")
CONFIG = "adapters/housing/adapter.yaml"
NS = "http://tenancy.housing.example/2008/"
UNIT = "330106001001000010100101"


@pytest.fixture
def broker(tmp_path):
    with Departments(tmp_path / "broker") as running:
        yield running


class Service:
    """The tenancy service as a process; it may be stopped and started again on its port."""

    def __init__(self, folder, *options):
        self.store, self.port, self.options = folder / "housing.sqlite", free_port(), options
        self.url = f"http://127.0.0.1:{self.port}/TenancyService.asmx"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", SOURCE / "adapters/housing/legacy/housing.py", "--store", self.store, "--port", str(self.port),
             *self.options], stdout=subprocess.DEVNULL)
        wait_until(self.answers, "the service answers")
        return self

    def answers(self):
        try:
            urllib.request.urlopen(self.url + "?wsdl", timeout=2).read()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def rows(self, sql, *values):
        with sqlite3.connect(self.store, timeout=30) as db:
            return db.execute(sql, values).fetchall()

    def file_lease(self, n, tenant):
        body = "".join(f"<{k}>{v}</{k}>" for k, v in {
            "RecordNo": f"ZL{n:04}", "TenantCardNo": tenant, "TenantName": "王小明", "TenantSex": "M", "LandlordCardNo": citizen(1),
            "UnitCode": UNIT, "BeginDate": "2026-12-01", "EndDate": "2027-11-30", "MonthlyRent": "3500.50"}.items())
        envelope = (f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><FileLease xmlns="{NS}">{body}'
                    "</FileLease></s:Body></s:Envelope>")
        request = urllib.request.Request(self.url, envelope.encode(), {"Content-Type": "text/xml"})
        for _ in range(50):
            try:
                urllib.request.urlopen(request).read()
                return
            except OSError:  # flaky
                time.sleep(0.01)


@pytest.fixture
def service(tmp_path, request):
    running = Service(tmp_path, *getattr(request, "param", ())).start()
    running.rows("INSERT INTO units VALUES (?, 'E1', '330106001001', '88.00', '住宅')", UNIT)
    yield running
    running.stop()


def leases(broker, count):
    """What the register is told of leases."""
    got = []
    with Client(broker.endpoint) as client:
        client.hello("public_security/population", receive=True)
        while len(got) < count:
            assert client.wait_deliveries(1), f"{len(got)} of {count}"
            got += [police.LeaseNotice.FromString(d.envelope.payload) for d in client.deliveries]
            client.settle(*[d.position for d in client.deliveries])
            client.deliveries.clear()
        assert not client.wait_deliveries(1, patience=0.3)
    return got


@pytest.mark.parametrize("service", [("--charset", "utf-8"), ("--charset", "gbk")], indirect=True)
def test_leases(broker, service, tmp_path):
    service.file_lease(1, citizen(5))
    service.file_lease(2, citizen(6)[:17] + "#")  # the counters don't check
    service.file_lease(3, citizen(7))
    with Adapter(broker, tmp_path / "adapter", CONFIG, HOUSING_URL=service.url) as adapter:
        got = leases(broker, 2)
        assert [(n.lease_number, n.citizen_number, n.period.end_date) for n in got] == [
            ("ZL0001", citizen(5), "2027-11-30"), ("ZL0003", citizen(7), "2027-11-30")]
        assert adapter.end() == 0, adapter.log()
        adapter.start()  # goes on behind the last
        service.file_lease(4, citizen(8))
        assert [n.lease_number for n in leases(broker, 1)] == ["ZL0004"]
        assert adapter.log().count("source.refused") == 1


def moves(broker, numbers, unit=UNIT):
    with Client(broker.endpoint) as client:
        client.hello("public_security/population")
        for number in numbers:
            message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN, relation="10", entry_number="E" + number)
            message.resident.citizen_number = number
            message.address.unit_code = unit
            message.registered_at.seconds = 1795512600
            client.publish(bus.Envelope(id=f"{unit}-{number}", type="gov.public_security.v1.ResidenceRegistered", subject=number,
                                        time_us=1, payload=message.SerializeToString()))
        assert client.wait_accepted(len(numbers)) and not client.refusals


def test_occupancies(broker, service, tmp_path):
    with Adapter(broker, tmp_path / "adapter", CONFIG, HOUSING_URL=service.url) as adapter:
        moves(broker, [citizen(1)])
        moves(broker, [citizen(2)], unit="<&>")  # escaped, and unknown there
        moves(broker, [citizen(3)])
        wait_until(lambda: len(service.rows("SELECT * FROM occupancies")) == 2, "two occupancies")
        wait_until(lambda: "UNKNOWN_UNIT" in adapter.log(), "the rejection")
        assert adapter.end() == 0, adapter.log()
    assert service.rows("SELECT card_no, unit_code, relation, registered_on FROM occupancies") == [
        (citizen(1), UNIT, "SPOUSE", "2026-11-24"), (citizen(3), UNIT, "SPOUSE", "2026-11-24")]


@pytest.mark.parametrize("service", [("--flaky", "3")], indirect=True)
def test_everything_breaks(broker, service, tmp_path):
    """Faults, lost answers, the service away, the adapter killed: each effect once."""
    chance = random.Random(3)
    count = 120
    adapter = Adapter(broker, tmp_path / "adapter", CONFIG, HOUSING_URL=service.url).start()
    for part in range(0, count, 30):
        moves(broker, [citizen(n) for n in range(part, part + 30)])
        for n in range(part, part + 30):
            service.file_lease(n, citizen(n))
        time.sleep(chance.random() * 0.3)
        adapter.end(signal.SIGKILL)
        if part == 30:
            service.stop()
        adapter.start()
        if part == 30:
            time.sleep(0.5)
            service.start()
    wait_until(lambda: len(service.rows("SELECT * FROM occupancies")) >= count, "all occupancies", patience=90)
    got = service.rows("SELECT card_no FROM occupancies")
    assert sorted(got) == sorted((citizen(n),) for n in range(count))
    told = leases(broker, count)
    assert [n.lease_number for n in told] == [f"ZL{n:04}" for n in range(count)]
    assert adapter.end() == 0, adapter.log()


# ---- The local endpoint ----

LISTEN = """bus: {{ endpoint: "${{HUTONG_ENDPOINT}}", system: housing/tenancy }}
catalogue: ${{HUTONG_CATALOGUE}}
codes: ${{HUTONG_CODES}}
state: ${{HUTONG_STATE}}
http:
  listen:
    on: 127.0.0.1:{port}
    token_env: POST_TOKEN
    body_limit: 4KiB
    paths:
      - path: /leases
        id: /request_no
        columns:
          lease_number: {{ from: lease_no, required: true }}
          citizen_number: {{ from: /tenant/card, check: citizen_number, required: true }}
          filed_on: {{ type: date, required: true }}
        give:
          - as: gov.housing.v1.LeaseFiled
            subject: row.citizen_number
            map:
              tenancy: {{ lease_number: row.lease_number, tenant: {{ citizen_number: row.citizen_number }} }}
              kind: Kind.NEW
              filed_on: row.filed_on
      - path: /messages
        messages:
          - {{ type: gov.housing.v1.LeaseFiled, subject: msg.tenancy.tenant.citizen_number }}
"""
TOKEN = "a token for tests only"


class Endpoint:
    def __init__(self, port):
        self.port = port

    def post(self, path, body, method="POST", token=TOKEN, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = "Bearer " + token
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body if isinstance(body, (str, bytes)) else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def ready(self):
        try:
            return self.post("/", "", method="GET")[0] == 404
        except OSError:
            return False


@pytest.fixture
def endpoint(broker, tmp_path):
    port = free_port()
    config = tmp_path / "listen.yaml"
    config.write_text(LISTEN.format(port=port))
    adapter = Adapter(broker, tmp_path / "adapter", config, POST_TOKEN=TOKEN).start()
    endpoint = Endpoint(port)
    endpoint.adapter = adapter
    wait_until(endpoint.ready, "the endpoint answers")
    yield endpoint
    assert adapter.end() == 0, adapter.log()


JSON = "application/json"


def lease(n):
    return {"tenancy": {"leaseNumber": f"L{n}", "tenant": {"citizenNumber": citizen(n)}}, "kind": "NEW", "filedOn": "2026-11-24"}


def test_posts(broker, endpoint):
    row = {"request_no": "R1", "lease_no": "L1", "tenant": {"card": citizen(1)}, "filed_on": "2026/11/24"}
    event = {"specversion": "1.0", "id": "e1", "source": "counter/3", "type": "gov.housing.v1.LeaseFiled", "data": lease(3)}
    structured = "application/cloudevents+json"
    binary = {"ce_specversion": "1.0", "ce_id": "e2", "ce_source": "counter/3", "ce_type": "gov.housing.v1.LeaseFiled",
              "ce_subject": citizen(4), "ce_time": "2026-11-24T09:30:00+08:00"}
    accepted = (202, {"status": "accepted"})
    for _ in range(2):  # the same id again: the same answer, no effect
        assert endpoint.post("/leases", row, Content_Type=JSON) == accepted
        assert endpoint.post("/messages", lease(2), Content_Type=JSON, Idempotency_Key="k1") == accepted
        assert endpoint.post("/messages", event, Content_Type=structured) == accepted
        assert endpoint.post("/messages", lease(4), Content_Type=JSON, **binary) == accepted
    assert [n.lease_number for n in leases(broker, 4)] == ["L1", "L2", "L3", "L4"]
    endpoint.adapter.end(signal.SIGKILL)
    endpoint.adapter.start()
    wait_until(endpoint.ready, "the endpoint answers again")
    assert endpoint.post("/leases", row, Content_Type=JSON) == accepted
    assert endpoint.post("/messages", event, Content_Type=structured) == accepted
    assert endpoint.post("/messages", lease(5), Content_Type=JSON, Idempotency_Key="k5") == accepted
    assert [n.lease_number for n in leases(broker, 1)] == ["L5"]


def test_refused_posts(endpoint):
    def refused(status, path="/messages", body=None, contains="", **headers):
        headers = {"Content_Type": JSON, "Idempotency_Key": "x", **headers}
        got, answer = endpoint.post(path, lease(1) if body is None else body, **headers)
        assert got == status, answer
        assert contains in answer["error"], answer

    refused(401, token=None)
    refused(404, path="/nothing")
    refused(405, method="PUT")
    refused(413, body=json.dumps({"x": "x" * 5000}))
    refused(415, Content_Type="text/xml")
    refused(400, Idempotency_Key="", contains="Idempotency-Key")
    refused(400, body="{", contains="")
    refused(400, body={"tenancy": {"leaseNumber": 7}}, contains="tenancy.")
    refused(400, body={"tenancy": {}}, contains="subject")
    refused(400, path="/leases", body={"request_no": "1", "lease_no": "1", "tenant": {"card": "1"}}, contains="citizen_number")
    refused(400, body={"specversion": "1.0"}, Content_Type="application/cloudevents+json", contains="id")
    refused(400, body={"specversion": "1.0", "id": "1", "source": "s", "type": "gov.housing.v1.Tenancy", "data": {}},
            Content_Type="application/cloudevents+json", contains="not taken")
