"""A mapped message whose long text stands in the original too: the journal keeps it once, and every way out has it whole."""
import json

import pytest

from client.bus_client import Client
from hutong_bus import wait_until
from operators import H, PS, failures, make, notice, registered

pytestmark = pytest.mark.sanitize
UNITS = [f"{n}号楼" + "长" * (300 + 100 * n) for n in range(1, 6)]


@pytest.fixture(name="bus")
def running(tmp_path):
    broker, operator = make(tmp_path)
    with broker:
        yield operator


def send(operator):
    with Client(operator.broker.endpoint) as publisher:
        publisher.hello(PS)
        assert publisher.wait_accepted(publisher.publish(*(registered(n, unit=UNITS[n - 1]) for n in range(1, 6))))


def take(operator, count, settle=True):
    with Client(operator.broker.endpoint) as receiver:
        receiver.hello(H, receive=True)
        assert receiver.wait_deliveries(count)
        got = receiver.deliveries[:count]
        if settle:
            receiver.settle(*(d.position for d in got))
            wait_until(lambda: operator.queue(H)["waiting"] == 0, "all settled")
        else:
            receiver.settle(failures=failures([d.position for d in got]))
            wait_until(lambda: len(operator.letters()) == count, "all are dead letters")
        return [notice(d).unit_code for d in got]


def messages(operator):
    out = operator.run("journal", "list", "--json", "--kind", "message", operator.journal, admin=False)
    return [json.loads(line) for line in out.splitlines()]


def test_it_is_kept_once_and_comes_whole_after_a_kill(bus):
    send(bus)
    bus.broker.kill()
    bus.broker.start()
    assert take(bus, 5) == UNITS
    for record, unit in zip(messages(bus), UNITS):
        text = len(unit.encode())
        sent = record["deliveries"][0]["sent"]
        assert sent["type"] == "gov.housing.v1.OccupancyNotice" and sent["payload_bytes"] > text
        assert record["bytes"] < text + 600, "the text stands in the record once"
    bus.run("journal", "verify", bus.journal, admin=False)


def test_it_is_whole_in_a_dead_letter_and_in_a_replay(bus):
    send(bus)
    assert take(bus, 5, settle=False) == UNITS
    bus.act("replay", "--all")
    assert take(bus, 5) == UNITS
    assert bus.replay("--all")["done"] == 5
    assert take(bus, 5) == UNITS
