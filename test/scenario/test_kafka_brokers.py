"""Three brokers on one real Kafka under harm (test/fault/brokers.py), a few rounds of it."""
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import brokers  # noqa: E402
import real_history  # noqa: E402
from messages import module  # noqa: E402

bus, records, tenancy = (module(name) for name in ("hutong.bus.v1.bus", "hutong.bus.v1.journal", "gov.housing.v1.tenancy"))


@pytest.mark.usefixtures("may_start_kafka")
def test_nothing_is_lost_twice_or_out_of_order(tmp_path):
    harms = ["kill_broker", "replace_zombie", "kill_node", "kill_adapter"]
    right, text = brokers.run(tmp_path, harms, 1, random.Random(1))
    print(text)
    assert right, text


class Record:
    """As a consumer has it: a delivery of the message a-1 `number`; so many bytes of it are copied from the original."""

    def __init__(self, offset, sequence, number, copied=0):
        notice = tenancy.OccupancyNotice(citizen_number="a-1", unit_code=str(number))
        envelope = bus.Envelope(id="x", type="gov.housing.v1.OccupancyNotice", payload=notice.SerializeToString()).SerializeToString()
        record = records.MessageRecord(sequence=sequence, envelope=b"before" + envelope)
        delivery = record.deliveries.add(envelope=envelope[:4] + envelope[4 + copied:])
        if copied:
            delivery.copies.extend([4, len(b"before") + 4, copied])
        self.place, self.content, self.sequence = offset, record.SerializeToString(), sequence

    def value(self):
        return self.content

    def headers(self):
        return [("origin", b"s" * 16 + self.sequence.to_bytes(8, "little") + bytes(4))]

    def partition(self):
        return 2

    def offset(self):
        return self.place


def test_a_repeat_on_the_cluster_is_void():
    deliveries = real_history.without_repeats([Record(0, 1, 5), Record(1, 2, 6), Record(3, 1, 5), Record(4, 2, 6), Record(5, 3, 7)])
    assert [(d.name, d.place & 0xffff) for d in deliveries] == [(("a-1", 5), 1), (("a-1", 6), 2), (("a-1", 7), 6)]


def test_copies_come_from_the_original():
    assert real_history.Delivery(Record(0, 1, 8, copied=20)).name == ("a-1", 8)
