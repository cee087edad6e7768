"""Routes of several types, and messages that are split: one message a member of a household, each settled for itself."""
import json
import subprocess

import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, program
from messages import module

pytestmark = pytest.mark.sanitize

query = module("gov.public_security.v1.query")
residence = module("gov.public_security.v1.residence")
tenancy = module("gov.housing.v1.tenancy")
PS, H, C = "public_security/population", "housing/tenancy", "civil_affairs/registration"

AGENCY = """agency: public_security
title: public_security
systems:
  - name: population
    title: population
    key_files: [keys/public_security-population]
    may_publish: [gov.public_security.v1.HouseholdReply, gov.public_security.v1.ResidenceRegistered,
                  gov.public_security.v1.ResidentDeregistered]
"""

AGREEMENT = """agreement: TEST-3
provider: public_security
receiver: civil_affairs/registration
type: gov.civil_affairs.v1.EconomicStatusReport
fields: [check_number, members, vehicle_plates]
purpose: a test
basis: a test
from: 2026-01-01
until: 2099-12-31
"""

ROUTES = """routes:
  - name: members
    on: gov.public_security.v1.HouseholdReply
    from: public_security/*
    when: msg.found
    split: msg.members
    order_by: item.person.citizen_number
    to:
      - system: housing/tenancy
        agreement: TEST-1
        as: gov.housing.v1.OccupancyNotice
        map:
          citizen_number: item.person.citizen_number
          unit_code: msg.address.unit_code + "/" + codes("gb4761_to_housing", item.relation)
  - name: report
    on: gov.public_security.v1.HouseholdReply
    from: public_security/population
    to:
      - system: civil_affairs/registration
        agreement: TEST-3
        as: gov.civil_affairs.v1.EconomicStatusReport
        map:
          check_number: msg.household_number
          members:
            for: member
            in: msg.members
            map:
              citizen_number: member.person.citizen_number
              deceased: member.died_on != ""
          vehicle_plates: [msg.household_number]
  - name: coming-and-going
    on: [gov.public_security.v1.ResidenceRegistered, gov.public_security.v1.ResidentDeregistered]
    from: public_security/population
    order_by: msg.resident.citizen_number
    to:
      - system: housing/tenancy
        agreement: TEST-1
        as: gov.housing.v1.OccupancyNotice
        map: { citizen_number: msg.resident.citizen_number }
"""


@pytest.fixture(name="broker")
def stopped_broker(tmp_path):
    broker = Broker(tmp_path)
    (broker.folder / "conf/agencies/public_security.yaml").write_text(AGENCY, "utf-8")
    (broker.folder / "conf/agreements/report.yaml").write_text(AGREEMENT, "utf-8")
    (broker.folder / "conf/routes/test.yaml").write_text(ROUTES, "utf-8")
    # A test beside the routes is none of them, and no part of the digest.
    (broker.folder / "conf/routes/test.test.yaml").write_text("anything: [", "utf-8")
    return broker


def household(number, *relations):
    reply = query.HouseholdReply(found=True, household_number=number)
    reply.address.unit_code = "U"
    for i, relation in enumerate(relations):
        member = reply.members.add(relation=relation)
        member.person.citizen_number = f"{number}-{i}"
    return bus.Envelope(id=f"h{number}", type="gov.public_security.v1.HouseholdReply", subject=number, time_us=1,
                        payload=reply.SerializeToString())


def notice(delivery):
    assert delivery.envelope.type == "gov.housing.v1.OccupancyNotice"
    return tenancy.OccupancyNotice.FromString(delivery.envelope.payload)


def records(broker, kind):
    out = subprocess.run([program("hutong"), "journal", "list", "--json", "--kind", kind, broker.folder / "journal"],
                         capture_output=True, text=True, check=True, timeout=60).stdout
    return [json.loads(line) for line in out.splitlines()]


def settled(broker):
    return sum(span["count"] for record in records(broker, "settled") for span in record["spans"])


def test_each_member_is_a_message_in_one_record(broker):
    with broker, Client(broker.endpoint) as sender, Client(broker.endpoint) as receiver:
        sender.hello(PS)
        receiver.hello(H, receive=True)
        sender.publish(household("1", "01", "no such relation", "10"))
        assert sender.wait_accepted(1)
        assert receiver.wait_deliveries(2)
        assert [delivery.envelope.id for delivery in receiver.deliveries] == ["h1#0", "h1#2"]
        assert [delivery.envelope.subject for delivery in receiver.deliveries] == ["1-0", "1-2"]
        assert [notice(delivery).citizen_number for delivery in receiver.deliveries] == ["1-0", "1-2"]
        receiver.settle(*[delivery.position for delivery in receiver.deliveries])
        receiver.pump(lambda: False, 0.2)
    (message,) = records(broker, "message")
    assert len(message["deliveries"]) == 3  # two members, and the report
    (dead,) = records(broker, "dead")
    assert (dead["reason"], dead["item"], dead["id"]) == ("unmapped", 1, "h1"), dead
    subprocess.run([program("hutong"), "journal", "verify", broker.folder / "journal"], check=True, timeout=60)


def test_a_list_goes_out_inside_of_one_message(broker):
    allowance = module("gov.civil_affairs.v1.allowance")
    with broker, Client(broker.endpoint) as sender, Client(broker.endpoint) as receiver:
        sender.hello(PS)
        receiver.hello(C, receive=True)
        sender.publish(household("1", "01", "77"))
        assert receiver.wait_deliveries(1)
        (delivery,) = receiver.deliveries
        assert delivery.envelope.id == "h1"
        report = allowance.EconomicStatusReport.FromString(delivery.envelope.payload)
        assert [member.citizen_number for member in report.members] == ["1-0", "1-1"]
        assert list(report.vehicle_plates) == ["1"]


def test_elements_survive_a_kill_each_for_itself(broker):
    members = 300
    broker.start()
    with Client(broker.endpoint) as sender, Client(broker.endpoint) as receiver:
        sender.hello(PS)
        receiver.hello(H, receive=True)
        sender.publish(household("1", *["10"] * members))
        assert sender.wait_accepted(1)
        assert receiver.wait_deliveries(members)
        # Every other one has its effect.
        receiver.settle(*[delivery.position for delivery in receiver.deliveries[::2]])
        receiver.pump(lambda: settled(broker) == members // 2)
    broker.stop()
    broker.start()
    broker.kill()
    with broker, Client(broker.endpoint) as receiver:
        receiver.hello(H, receive=True)
        assert receiver.wait_deliveries(members // 2)
        receiver.pump(lambda: False, 0.2)
        assert [delivery.envelope.id for delivery in receiver.deliveries] == [f"h1#{i}" for i in range(1, members, 2)]


def test_an_id_must_leave_room_and_a_list_has_a_limit(broker):
    with broker, Client(broker.endpoint) as sender, Client(broker.endpoint) as receiver:
        sender.hello(PS)
        receiver.hello(H, receive=True)
        long = household("1", "01")
        long.id = "x" * 127
        sender.publish(long)
        assert sender.wait_accepted(1)
        assert "too long" in sender.refusals[1].text
        sender.publish(household("2", *["01"] * 1001), household("3"))
        assert sender.wait_accepted(3)
        assert list(sender.refusals) == [1]
        receiver.pump(lambda: False, 0.2)
        assert not receiver.deliveries
    (dead,) = records(broker, "dead")
    assert (dead["reason"], dead["route"], dead["id"]) == ("too_large", "members", "h2"), dead


def test_one_route_takes_two_types(broker):
    with broker, Client(broker.endpoint) as sender, Client(broker.endpoint) as receiver:
        sender.hello(PS)
        receiver.hello(H, receive=True)
        for number, name in enumerate(("ResidenceRegistered", "ResidentDeregistered"), 1):
            message = getattr(residence, name)()
            message.resident.citizen_number = str(number)
            sender.publish(bus.Envelope(id=name, type=f"gov.public_security.v1.{name}", time_us=1,
                                        payload=message.SerializeToString()))
        assert receiver.wait_deliveries(2)
        assert [notice(delivery).citizen_number for delivery in receiver.deliveries] == ["1", "2"]
        assert {delivery.route for delivery in receiver.deliveries} == {"coming-and-going"}
