"""hutong replay: messages of the journal to one system again, by the routes and agreements of today."""
import json

import pytest

from client.bus_client import Client
from hutong_bus import wait_until
from operators import H, NOTICE, PS, REGISTERED, citizen, make, notice, registered

pytestmark = pytest.mark.sanitize
CIVIL = "civil_affairs/registration"

MORE = """  - name: also
    on: gov.public_security.v1.ResidenceRegistered
    from: public_security/population
    to:
      - system: civil_affairs/registration
        agreement: TEST-3
        as: gov.housing.v1.OccupancyNotice
        map:
          citizen_number: msg.resident.citizen_number
"""
AGREEMENT = """agreement: TEST-3
title: more
provider: public_security/population
receiver: civil_affairs/registration
type: gov.housing.v1.OccupancyNotice
fields: [citizen_number]
purpose: a test
basis: a test
from: 2026-01-01
until: 2099-12-31
"""


@pytest.fixture(name="bus")
def running(tmp_path):
    broker, operator = make(tmp_path)
    with broker:
        yield operator


def send(operator, *envelopes):
    with Client(operator.broker.endpoint) as publisher:
        publisher.hello(PS)
        assert publisher.wait_accepted(publisher.publish(*envelopes))


def take(operator, count, system=H):
    with Client(operator.broker.endpoint) as receiver:
        receiver.hello(system, receive=True)
        for n in range(1, count + 1):
            assert receiver.wait_deliveries(n)
            receiver.settle(receiver.deliveries[n - 1].position)
        wait_until(lambda: operator.queue(system)["waiting"] == 0, "all settled")
        assert len(receiver.deliveries) == count
        return receiver.deliveries


def ids(deliveries):
    return [d.envelope.id for d in deliveries]


def test_what_was_delivered_comes_again_and_says_so(bus):
    send(bus, *(registered(n, unit=f"U-{n}") for n in range(1, 6)))
    assert ids(take(bus, 5)) == ["m1", "m2", "m3", "m4", "m5"]
    said = bus.replay("--type", REGISTERED, "--when", 'msg.address.unit_code in ["U-2", "U-4"]')
    assert (said["matched"], said["done"], said["refused"]) == (2, 2, 0)
    got = take(bus, 2)
    assert ids(got) == ["m2", "m4"] and all(d.replay for d in got) and notice(got[0]).unit_code == "U-2"
    assert got[0].envelope.type == NOTICE and got[0].envelope.source == PS
    record = bus.operated()[0]
    assert record["act"] == "replay" and record["why"] == "asked for" and "U-2" not in record["filter"]
    assert record["done"] and record["who"]
    # A replay is no message of its own: all messages are still five.
    assert bus.replay("--all")["done"] == 5
    assert ids(take(bus, 5)) == ["m1", "m2", "m3", "m4", "m5"]


def test_filters_choose_of_the_journal(bus):
    send(bus, registered(1), registered(2))
    take(bus, 2)

    def matched(*words):
        return bus.replay("--dry-run", *words)["matched"]

    assert matched("--all") == 2 and matched("--source", PS) == 2 and matched("--source", H) == 0
    assert matched("--since", "2000-01-01") == 2 and matched("--until", "2000-01-01") == 0
    assert matched("--since", "2100-01-01") == 0
    assert matched("--type", NOTICE) == 0 and matched("--type", REGISTERED) == 2
    send(bus, registered(3))
    take(bus, 1)
    last = [r for r in bus_records(bus) if r["kind"] == "message"][-1]["sequence"]
    assert matched("--from", last) == 1
    assert bus.queue(H)["waiting"] == 0 and bus.operated() == []


def bus_records(bus):
    return [json.loads(line) for line in bus.run("journal", "list", "--json", bus.journal, admin=False).splitlines()]


def test_a_new_system_gets_what_was_before_it(bus):
    """By today's routes: a message that no route gave anybody then, or to others."""
    send(bus, registered(1), registered(2))
    take(bus, 2)
    said = bus.replay("--all", to=CIVIL, code=1)
    assert said["done"] == 0 and said["refused"] == 2 and said["refusals"][0]["reason"] == "no_agreement"
    (bus.conf / "agreements/more.yaml").write_text(AGREEMENT, encoding="utf-8")
    routes = bus.conf / "routes/test.yaml"
    routes.write_text(routes.read_text("utf-8") + MORE, encoding="utf-8")
    bus.run("reload")
    assert bus.replay("--type", REGISTERED, to=CIVIL)["deliveries"] == 2
    got = take(bus, 2, CIVIL)
    assert ids(got) == ["m1", "m2"] and notice(got[0]).citizen_number == citizen(1) and got[0].replay
    assert bus.queue(H)["waiting"] == 0  # to nobody else


def test_behind_what_waits_and_after_a_crash(bus):
    send(bus, registered(1, person=7))
    take(bus, 1)
    send(bus, registered(2, person=7))
    bus.replay("--from", 1, "--until", "2100-01-01", "--type", REGISTERED)
    bus.broker.kill()
    bus.broker.start()
    got = take(bus, 3)  # m2 was chosen too: it had been accepted
    assert ids(got) == ["m2", "m1", "m2"] and [d.replay for d in got] == [False, True, True]


def test_what_can_not_be_made_today_is_left_out_and_said(bus):
    send(bus, registered(1, unit="0"), registered(2, unit="5"))
    take(bus, 2)
    bus.change("routes/test.yaml", "unit_code: msg.address.unit_code", "unit_code: string(5/int(msg.address.unit_code))")
    bus.run("reload")
    said = bus.replay("--all", code=1)
    assert said["done"] == 1 and said["refused"] == 1 and said["refusals"][0]["reason"] == "unmapped"
    assert ids(take(bus, 1)) == ["m2"]
    assert bus.queue(f"dead:{H}")["waiting"] == 0


def test_wrong_input(bus):
    assert "did you mean \"housing/tenancy\"?" in bus.run("replay", "--to", "housing/tenanci", "--why", "x", "--all", bus.journal,
                                                          code=2)
    assert "--why" in bus.run("replay", "--to", H, "--all", bus.journal, code=2)
    assert "--all" in bus.run("replay", "--to", H, "--why", "x", bus.journal, code=2)
    assert "FOLDER" in bus.run("replay", "--to", H, "--why", "x", "--all", code=2)
    assert "--when:1:" in bus.run("replay", "--to", H, "--why", "x", "--type", REGISTERED, "--when", "msg.x", bus.journal, code=2)
    assert bus.run("replay", "--to", H, "--why", "x", "--all", bus.journal / "nowhere", code=2)
    assert "no segment" in bus.run("replay", "--to", H, "--why", "x", "--all", bus.conf, code=2)
    assert "a number from 1" in bus.run("replay", "--to", H, "--why", "x", "--from", 1 << 70, bus.journal, code=2)


def test_only_the_brokers_own_journal(bus, tmp_path):
    """The sequences of another would choose other messages."""
    send(bus, registered(1))
    take(bus, 1)
    (tmp_path / "other").mkdir()
    broker, other = make(tmp_path / "other")
    with broker:
        send(other, registered(2))
    said = bus.run("replay", "--to", H, "--why", "x", "--all", other.journal, code=2)
    assert "is not the journal of this broker" in said and "broker.yaml" in said
    assert bus.run("replay", "--to", H, "--dry-run", "--all", other.journal, code=2)
    assert bus.queue(H)["waiting"] == 0 and bus.operated() == []


def test_a_second_run_is_warned_of(bus):
    def warned(*words):
        done = bus.start("replay", "--to", H, "--why", "x", *words, bus.journal)
        said = done.communicate(timeout=60)[1]
        assert done.returncode == 0
        return said

    send(bus, registered(1), registered(2), registered(3))
    take(bus, 3)
    assert warned("--all", "--dry-run") == ""
    assert warned("--type", REGISTERED, "--when", "msg.address.unit_code == 'U-1'", "--subject", "nobody") == ""
    assert "warning" not in warned("--all")
    take(bus, 3)
    assert f"3 of them were sent to {H} by a replay before" in warned("--all", "--dry-run")
    assert f"3 of them had been sent to {H} by a replay before" in warned("--all")
    take(bus, 3)
    assert "3 of them" in warned("--all", "--dry-run")  # not 6


def test_many_in_parts(bus):
    count = 1500
    with Client(bus.broker.endpoint) as publisher:
        publisher.hello(PS)
        for first in range(1, count + 1, 500):
            publisher.publish(*(registered(n) for n in range(first, first + 500)))
            assert publisher.wait_accepted(publisher.sequence)
    assert bus.replay("--all")["done"] == count
    assert len(bus.operated()) >= 3
    with Client(bus.broker.endpoint) as receiver:
        receiver.hello(H, receive=True, credit=(count * 4, 64 << 20))
        assert receiver.wait_deliveries(count)
        receiver.settle(*(d.position for d in receiver.deliveries))  # a subject's replay waits behind it
        assert receiver.wait_deliveries(2 * count)
        assert ids(receiver.deliveries)[:count] == [f"m{n}" for n in range(1, count + 1)]
        assert len(set(ids(receiver.deliveries)[count:])) == count  # of many subjects, each behind its own
        assert [d.replay for d in receiver.deliveries] == [False] * count + [True] * count
