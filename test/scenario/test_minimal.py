"""sdk/examples/minimal.c, the adapter of 60 lines, against the real broker."""
import os
import signal
import subprocess

import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, program, wait_until
from messages import module

pytestmark = pytest.mark.sanitize

residence = module("gov.public_security.v1.residence")
tenancy = module("gov.housing.v1.tenancy")


class Minimal:
    def __init__(self, broker, folder):
        self.broker = broker
        self.file = folder / "notices.txt"
        self.spool = folder / "spool"
        self.process = None

    def start(self):
        keys = []
        if self.broker.curve:
            keys = [self.broker.secret_file("housing/tenancy"), self.broker.public_file()]
        self.process = subprocess.Popen(
            [program("minimal"), self.broker.endpoint, "housing/tenancy", self.file, self.spool, *keys]
        )

    def end(self, number):
        os.kill(self.process.pid, number)
        return self.process.wait(30)

    def lines(self):
        return self.file.read_text().splitlines() if self.file.exists() else []


@pytest.fixture(params=[False, True], ids=["plain", "curve"])
def broker(request, tmp_path):
    with Broker(tmp_path, curve=request.param) as running:
        yield running


def publish(broker, numbers):
    with Client(broker.endpoint, broker.keys("public_security/population")) as client:
        client.hello("public_security/population")
        for number in numbers:
            message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
            message.resident.citizen_number = number
            message.address.unit_code = "U-" + number
            client.publish(
                bus.Envelope(
                    id=number,
                    type="gov.public_security.v1.ResidenceRegistered",
                    time_us=1,
                    payload=message.SerializeToString(),
                )
            )
        assert client.wait_accepted(len(numbers)) and not client.refusals


def marks(broker, count):
    """What the minimal adapter reported, as civil affairs receives it."""
    with Client(broker.endpoint, broker.keys("civil_affairs/registration")) as client:
        client.hello("civil_affairs/registration", receive=True)
        got = []
        while len(got) < count:
            assert client.wait_deliveries(1)
            got += [tenancy.TenancyMarked.FromString(d.envelope.payload).citizen_number for d in client.deliveries]
            client.settle(*[d.position for d in client.deliveries])
            client.deliveries.clear()
        return got


def test_it_takes_and_reports(broker, tmp_path):
    minimal = Minimal(broker, tmp_path)
    minimal.start()
    numbers = [f"3301061990{n:08}" for n in range(20)]
    publish(broker, numbers[:10])
    wait_until(lambda: len(minimal.lines()) == 10, "ten notices")
    assert minimal.end(signal.SIGTERM) == 0
    publish(broker, numbers[10:])
    minimal.start()
    wait_until(lambda: len(minimal.lines()) == 20, "twenty notices")
    assert [line.split()[1] for line in minimal.lines()] == numbers
    assert [line.split()[2] for line in minimal.lines()] == ["U-" + n for n in numbers]
    assert marks(broker, 20) == numbers
    assert minimal.end(signal.SIGTERM) == 0


def test_it_survives_being_killed(broker, tmp_path):
    minimal = Minimal(broker, tmp_path)
    minimal.start()
    numbers = [f"3301061990{n:08}" for n in range(200)]
    publish(broker, numbers)
    for least in (1, 60, 120):
        wait_until(lambda: len(minimal.lines()) >= least, f"{least} notices")
        minimal.end(signal.SIGKILL)
        minimal.start()
    wait_until(lambda: {line.split()[1] for line in minimal.lines()} == set(numbers), "all notices")
    assert set(marks(broker, 200)) <= set(numbers)
    assert minimal.end(signal.SIGTERM) == 0
