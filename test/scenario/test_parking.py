"""A full queue that parks its publishers: who waits, who doesn't, and what is said of it, with real processes."""
import json
import subprocess
import urllib.request

import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, free_port, program, wait_until
from messages import module

pytestmark = pytest.mark.sanitize

residence = module("gov.public_security.v1.residence")
tenancy = module("gov.housing.v1.tenancy")
PS, H, C = "public_security/population", "housing/tenancy", "civil_affairs/registration"
STREAM = b"0123456789abcdef"


def move(number):
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = f"{number:018d}"
    return bus.Envelope(id=str(number), type="gov.public_security.v1.ResidenceRegistered", time_us=1,
                        payload=message.SerializeToString())


def mark(number):
    message = tenancy.TenancyMarked(lease_number=f"L-{number}")
    return bus.Envelope(id=str(number), type="gov.housing.v1.TenancyMarked", time_us=1,
                        payload=message.SerializeToString())


class Bus:
    """A broker whose housing/tenancy parks at twenty deliveries; its admin interface."""

    def __init__(self, folder):
        self.port = free_port()
        self.broker = Broker(folder, settings=f"admin: 127.0.0.1:{self.port}\n")
        self.housing = self.broker.folder / "conf/agencies/housing.yaml"
        self.plain = self.housing.read_text("utf-8")
        self.park("{ count: 20, when_full: park }")
        self.broker.start()

    def park(self, queue):
        self.housing.write_text(self.plain + f"    queue: {queue}\n", "utf-8")

    def run(self, *words):
        return subprocess.run([program("hutong"), *words, "--admin", f"127.0.0.1:{self.port}"], capture_output=True,
                              text=True, timeout=60, check=True).stdout

    def status(self):
        return json.loads(self.run("status", "--json"))

    def parked(self):
        return [(peer["system"], peer["parked"]["queue"]) for peer in self.status()["peers"] if "parked" in peer]

    def client(self, system, **options):
        client = Client(self.broker.endpoint)
        client.hello(system, **options)
        return client


@pytest.fixture(name="town")
def running(tmp_path):
    town = Bus(tmp_path)
    yield town
    assert town.broker.stop() == 0


def parked_publisher(town, count=30):
    publisher = town.client(PS, stream=STREAM)
    publisher.publish(*[move(n) for n in range(1, count + 1)])
    assert publisher.pump(lambda: publisher.hold and publisher.accepted == 20)
    return publisher


def drain(client, count):
    """Takes and settles until so many have come."""
    taken = 0
    while taken < count:
        assert client.wait_deliveries(taken + 1)
        client.settle(*[d.position for d in client.deliveries[taken:]])
        taken = len(client.deliveries)
    return [int(d.envelope.id) for d in client.deliveries]


def test_who_sends_to_a_full_queue_waits_and_nobody_else(town):
    publisher = parked_publisher(town)
    assert publisher.hold.reason == bus.REASON_QUEUE_FULL
    assert publisher.hold.text == "housing/tenancy is full"
    assert town.parked() == [(PS, H)]
    assert "parked: public_security/population default has waited 0s for room in housing/tenancy" in town.run(
        "status", "--interval", "0")
    with urllib.request.urlopen(f"http://127.0.0.1:{town.port}/metrics", timeout=30) as answer:
        assert 'hutong_queue_parked{queue="housing/tenancy"} 1\n' in answer.read().decode()
    # Another publisher, to another system, is served as ever.
    with town.client(H, instance="out") as other:
        last = other.publish(*[mark(n) for n in range(200)])
        assert other.wait_accepted(last)
        assert not other.hold
    assert " peer.parked " in town.broker.log()
    assert " peer.resumed " not in town.broker.log()
    with town.client(H, receive=True) as receiver:
        assert drain(receiver, 30) == list(range(1, 31))
    assert publisher.wait_accepted(30)
    assert not publisher.hold
    assert town.parked() == []
    assert " peer.resumed " in town.broker.log()
    assert town.status()["counters"]["dead"] == 0
    publisher.close()


def test_a_crash_while_publishers_wait(town):
    publisher = parked_publisher(town)
    town.broker.kill()
    publisher.close(bye=False)
    town.broker.start()
    publisher = town.client(PS, stream=STREAM)
    assert publisher.welcome.last_sequence == 20
    publisher.publish(*[move(n) for n in range(21, 31)])
    assert publisher.pump(lambda: publisher.hold)
    with town.client(H, receive=True) as receiver:
        assert drain(receiver, 30) == list(range(1, 31))
    assert publisher.wait_accepted(30)
    publisher.close()


def test_a_reload_frees_who_waits(town):
    publisher = parked_publisher(town)
    town.park("{ count: 1000, when_full: park }")
    town.run("reload")
    assert publisher.wait_accepted(30)
    assert not publisher.hold
    town.park("{ count: 20 }")  # dead letters again
    town.run("reload")
    wait_until(lambda: town.status()["counters"]["dead"] == 10, "the oldest are dead letters")
    publisher.close()


def test_a_parked_publisher_that_leaves_and_a_drain(town):
    publisher = parked_publisher(town)
    publisher.close()
    wait_until(lambda: town.parked() == [], "nobody waits")
    again = parked_publisher(town)
    assert again.welcome.last_sequence == 20
    assert town.broker.stop() == 0
    assert "drained=yes" in town.broker.log()
    again.close(bye=False)
    town.broker.start()
