"""adapters/civil_affairs/adapter.yaml with the legacy program: files of GB18030 in and out, each row once, whatever is killed."""
import importlib.util
import random
import signal
import sqlite3
import time

import pytest

from client.bus_client import Client, bus
from departments import Adapter, Departments, citizen
from hutong_bus import SOURCE, wait_until
from messages import module

death = module("gov.public_security.v1.residence")
housing = module("gov.housing.v1.tenancy")
CONFIG = "adapters/civil_affairs/adapter.yaml"


def load_legacy():
    spec = importlib.util.spec_from_file_location("civil", SOURCE / "adapters/civil_affairs/legacy/civil.py")
    civil = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(civil)
    return civil


@pytest.fixture
def broker(tmp_path):
    with Departments(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def civil(tmp_path):
    program = load_legacy().Civil(tmp_path / "civil")
    yield program
    program.close()


def notices(broker, count):
    """What housing is told of marriages (it is told of deaths, too), and for a while that there is no more."""
    got = []
    with Client(broker.endpoint) as client:
        client.hello("housing/tenancy", receive=True, credit=(100000, 1 << 30))
        while client.wait_deliveries(1, patience=30 if len(got) < count else 0.5):
            got += [(d.position, housing.MaritalStatusNotice.FromString(d.envelope.payload)) for d in client.deliveries
                    if d.envelope.type == "gov.housing.v1.MaritalStatusNotice"]
            client.settle(*[d.position for d in client.deliveries])
            client.deliveries.clear()
    assert len(got) == count
    return [notice for _, notice in sorted(got, key=lambda one: one[0])]


def marry(civil, n, name="王小明"):
    civil.marry(f"J330106-2026-{n:06}", (name, citizen(2 * n), "初婚"), ("李𠮷", citizen(2 * n + 1), "再婚"), "2026/11/24")


def test_marriages(broker, civil, tmp_path):
    marry(civil, 1)
    marry(civil, 2, name=b"\xCD\xF5\xFF")  # as an old terminal left it
    civil.marry("J330106-2026-000003", ("某", citizen(6)[:17] + "#", "初婚"), ("某", citizen(7), "初婚"), "2026/11/24")
    marry(civil, 4)
    civil.marry("J330106-2026-000005", ("某", citizen(10), "离婚"), ("某", citizen(11), "离婚"), "2026/11/24", business="IB")
    (name,) = civil.drop()
    with Adapter(broker, tmp_path / "adapter", CONFIG, CIVIL_HOME=civil.home) as adapter:
        got = notices(broker, 3)
        rejects = civil.home / "out/rejects" / (name + ".rejects.csv")
        wait_until(rejects.exists, "the rejects file")
        wait_until((civil.home / "out/taken" / name).exists, "the file is put away")
        assert adapter.end() == 0, adapter.log()
    assert [(n.certificate_number[-1], n.marital_code, n.since) for n in got] == [
        ("1", "M", "2026-11-24"), ("4", "M", "2026-11-24"), ("5", "D", "2026-11-24")]
    assert got[0].husband_citizen_number == citizen(2)
    lines = rejects.read_bytes().split(b"\r\n")
    assert lines[0] == b"line,reason,row" and lines[3:] == [b""]
    assert lines[1].startswith(b'3,"line 3, column 43 (byte 44 ') and b"\xCD\xF5\xFF" in lines[1]
    assert lines[2].startswith(b"4,") and b"husband_number" in lines[2]


def deaths(broker, numbers):
    with Client(broker.endpoint) as client:
        client.hello("public_security/population")
        for number in numbers:
            message = death.DeathRegistered(died_on="2026-11-24", certificate_number="C" + number, entry_number="E" + number)
            message.resident.citizen_number = number
            message.resident.name.text = "王𠮷"
            client.publish(bus.Envelope(id=number, type="gov.public_security.v1.DeathRegistered", subject=number, time_us=1,
                                        payload=message.SerializeToString()))
        assert client.wait_accepted(len(numbers)) and not client.refusals


def ledger(civil, table):
    with sqlite3.connect(civil.home / "ledger.sqlite") as db:
        return db.execute(f"SELECT * FROM {table}").fetchall()


def test_deaths(broker, civil, tmp_path):
    numbers = [citizen(n) for n in range(3)]
    with Adapter(broker, tmp_path / "adapter", CONFIG, CIVIL_HOME=civil.home) as adapter:
        deaths(broker, numbers)
        wait_until(lambda: civil.poll() and len(ledger(civil, "deaths")) == 3, "three deaths in the ledger")
        assert adapter.end() == 0, adapter.log()
    row = ledger(civil, "deaths")[0]
    assert row[:5] == ("E" + numbers[0], numbers[0], "王𠮷", "2026/11/24", "C" + numbers[0])
    assert row[5].startswith("SWTZ_20") and ledger(civil, "refusals") == []


def test_killed_again_and_again(broker, civil, tmp_path):
    """Both ways at once; the legacy program takes files away meanwhile."""
    chance = random.Random(7)
    count = 400
    adapter = Adapter(broker, tmp_path / "adapter", CONFIG, CIVIL_HOME=civil.home).start()
    for part in range(0, count, 50):
        deaths(broker, [citizen(n) for n in range(part, part + 50)])
        for n in range(part, part + 50):
            marry(civil, n)
        civil.drop()
        for _ in range(3):
            time.sleep(chance.random() * 0.3)
            adapter.end(signal.SIGKILL)
            civil.poll()
            adapter.start()
    got = notices(broker, count)
    assert [n.certificate_number for n in got] == [f"J330106-2026-{n:06}" for n in range(count)]
    wait_until(lambda: civil.poll() and len(ledger(civil, "deaths")) >= count, "all deaths in the ledger")
    time.sleep(1.5)  # a file that should not come would have come by now
    civil.poll()
    assert [row[1] for row in sorted(ledger(civil, "deaths"), key=lambda row: int(row[5].split("_")[2].split(".")[0].split("-")[0]))] == [
        citizen(n) for n in range(count)]
    assert adapter.end() == 0, adapter.log()
