"""What really happened on a Kafka cluster, as facts for the simulation's checker (test/sim/judge.c): the cluster's own word for what
is in the journal, publishers' logs for what was accepted, the receiver's for effects and their positions. It reads the topics as any
consumer could, and works out by itself which deliveries are void repeats (docs/bus-on-kafka.md)."""
import pathlib
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "scenario")]
from hutong_bus import program  # noqa: E402
from kafka_edge import consume  # noqa: E402
from messages import module  # noqa: E402

import checker  # noqa: E402

LANE = 48  # a position: partition + 1 << 48 | offset + 1
SYSTEM = "housing.tenancy"


class Delivery:
    """One record of a destination's topic."""

    def __init__(self, message):
        record = module("hutong.bus.v1.journal").MessageRecord.FromString(message.value())
        origin = dict(message.headers())["origin"]
        notice = module("gov.housing.v1.tenancy").OccupancyNotice.FromString(payload(record))
        self.name = (notice.citizen_number, int(notice.unit_code))
        self.stream, self.sequence = origin[:16], int.from_bytes(origin[16:24], "little")
        self.order = (self.sequence, int.from_bytes(origin[24:28], "little"))
        self.partition, self.offset = message.partition(), message.offset()
        self.place = self.partition + 1 << LANE | self.offset + 1


def payload(record):
    """Of the envelope as it goes out, with its copies from the original."""
    delivery = record.deliveries[0]
    numbers, whole, taken = iter(delivery.copies), b"", 0
    for before, begin, size in zip(numbers, numbers, numbers):
        whole += delivery.envelope[taken:taken + before] + record.envelope[begin:begin + size]
        taken += before
    whole += delivery.envelope[taken:]
    return module("hutong.bus.v1.bus").Envelope.FromString(whole or record.envelope).payload


def without_repeats(records):
    """A stream's delivery that isn't above its highest before it in the partition is void."""
    highest = {}
    for delivery in sorted(map(Delivery, records), key=lambda d: d.place):
        lane = (delivery.partition, delivery.stream)
        if delivery.order > highest.get(lane, (0, 0)):
            highest[lane] = delivery.order
            yield delivery


def settled_offsets(kafka, prefix):
    """By partition: all before it is settled."""
    from confluent_kafka import Consumer, TopicPartition
    topic = f"{prefix}.to.{SYSTEM}"
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic, "log_level": 0})
    try:
        parts = [TopicPartition(topic, p) for p in consumer.list_topics(topic, 10).topics[topic].partitions]
        return {part.partition: part.offset for part in consumer.committed(parts, 30)}
    finally:
        consumer.close()


def read_effects(path):
    """(position, subject, number) of each line, as they happened."""
    lines = (line.split() for line in pathlib.Path(path).read_text("utf-8").splitlines())
    return [(int(place), subject, int(number)) for place, subject, number in lines]


class Facts:
    def __init__(self, deliveries):
        self.lines, self.messages = [], {}
        self.deliveries = list(deliveries)
        self.positions = {delivery.place: index + 1 for index, delivery in enumerate(self.deliveries)}

    def number(self, name, sequence=0):
        """Of the message (subject, number); it is published when it is first named."""
        if name not in self.messages:
            publisher, subject = name[0].split("-")
            self.lines.append(f"publish {ord(publisher) - ord('a')} {subject} {sequence}")
            self.messages[name] = len(self.messages)
        return self.messages[name]

    def add_journal(self):
        for delivery in sorted(self.deliveries, key=lambda d: d.order):
            self.lines.append(f"recorded {self.number(delivery.name, delivery.sequence)} {self.positions[delivery.place]}")

    def add_told(self, accepted):
        self.lines += [f"told {self.number(name)}" for name in accepted]

    def add_effects(self, effects):
        """A place that the journal doesn't have, or only as a void repeat, is position 0: no message's."""
        self.lines += [f"effect {self.number((subject, number))} {self.positions.get(place, 0)}" for place, subject, number in effects]

    def add_settled(self, offsets):
        self.lines += [f"settled {self.positions[d.place]}" for d in self.deliveries if d.offset < offsets[d.partition]]


def collect(kafka, prefix, accepted_logs, effects_log):
    facts = Facts(without_repeats(consume(kafka, [f"{prefix}.to.{SYSTEM}"], 1)))
    facts.add_journal()
    for path in accepted_logs:
        facts.add_told(checker.read_accepted(path))
    facts.add_effects(read_effects(effects_log))
    facts.add_settled(settled_offsets(kafka, prefix))
    return facts.lines


def judge(lines):
    """(whether all promises held, what the checker says)."""
    done = subprocess.run([program("sim-judge")], input="\n".join([*lines, ""]), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return done.returncode == 0, done.stdout.strip()
