"""What is in the topics of a bus on Kafka, read as any consumer reads them, and whether that is all (docs/bus-on-kafka.md)."""
import collections
import datetime
import pathlib
import time

from bus import SYSTEMS
from processes import Failure, PATIENCE, wait_until

MESSAGE, REFUSED = 1, 3  # RecordKind in proto/hutong/bus/v1/journal.proto


def message_classes(catalogue):
    """By full name, from what the build made of proto/."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(catalogue).read_bytes()).file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(f"hutong.bus.v1.{name}"))


def outgoing(record):
    """The envelope of a record's one delivery: its own bytes, with long parts copied from the original's."""
    delivery = record.deliveries[0]
    numbers, whole, taken = iter(delivery.copies), b"", 0
    for before, begin, size in zip(numbers, numbers, numbers):
        whole += delivery.envelope[taken:taken + before] + record.envelope[begin:begin + size]
        taken += before
    return whole + delivery.envelope[taken:] or record.envelope


class Topics:
    def __init__(self, bootstrap, prefix, catalogue):
        self.bootstrap, self.prefix = bootstrap, prefix
        self.of = message_classes(catalogue)

    def to(self, system):
        return f"{self.prefix}.to.{system.replace('/', '.')}"

    def dead(self, system):
        return f"{self.prefix}.dead.{system.replace('/', '.')}"

    def consumer(self, group):
        from confluent_kafka import Consumer
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "isolation.level": "read_committed",
                         "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest", "log_level": 0})

    def read(self, *topics):
        """All that is committed in them, by topic and partition in order."""
        from confluent_kafka import TopicPartition
        consumer = self.consumer("hutong-demo")
        try:
            known = consumer.list_topics(timeout=PATIENCE).topics
            parts = [(topic, partition) for topic in topics if topic in known for partition in known[topic].partitions]
            consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in parts])
            return sorted(self.until_their_ends(consumer, set(parts)), key=lambda m: (m.topic(), m.partition(), m.offset()))
        finally:
            consumer.close()

    @staticmethod
    def until_their_ends(consumer, parts):
        from confluent_kafka import KafkaError
        deadline = time.monotonic() + PATIENCE
        while parts:
            message = consumer.poll(0.5)
            if message is not None and not message.error():
                yield message
            elif message is not None and message.error().code() == KafkaError._PARTITION_EOF:
                parts.discard((message.topic(), message.partition()))
            if time.monotonic() > deadline:
                raise Failure(f"not within {PATIENCE} s: the topics {sorted(parts)} are read to their ends")

    # ---- Messages ----

    def messages(self):
        """One for each, in its publisher's order: source, sequence, and where its deliveries stand. A delivery that stands there
        once more, since its publisher could not know that it was accepted, is void and left out."""
        found = {}
        for record in self.read(*map(self.to, SYSTEMS.values())):
            self.add_delivery(found, record)
        for record in self.read(f"{self.prefix}.record"):
            if self.kind(record) == MESSAGE:  # it went to nobody
                said = self.of("MessageRecord").FromString(record.value())
                self.message(found, said.source, said.sequence)
        return [found[key] for key in sorted(found)]

    @staticmethod
    def message(found, source, sequence):
        return found.setdefault((source, sequence), {"source": source, "sequence": sequence, "deliveries": []})

    def add_delivery(self, found, record):
        said = self.of("MessageRecord").FromString(record.value())
        envelope = self.of("Envelope").FromString(outgoing(said))
        message = self.message(found, said.source, said.sequence)
        message.setdefault("id", envelope.id)
        message.setdefault("time", datetime.datetime.fromtimestamp(record.timestamp()[1] / 1000, datetime.timezone.utc).isoformat())
        system = next(system for system in SYSTEMS.values() if self.to(system) == record.topic())
        if system not in [delivery["queue"] for delivery in message["deliveries"]]:
            message["deliveries"].append({"queue": system, "type": envelope.type, "topic": record.topic(),
                                          "partition": record.partition(), "offset": record.offset()})

    @staticmethod
    def kind(record):
        return dict(record.headers() or [])["kind"][0]

    def dead_letters(self):
        for system in SYSTEMS.values():
            for record in self.read(self.dead(system)):
                said = self.of("DeadRecord").FromString(record.value())
                yield {"queue": system, "sequence": record.offset(), "type": self.of("Envelope").FromString(said.envelope).type,
                       "reason": said.reason, "attempts": said.attempts}

    def refusals(self):
        for record in self.read(f"{self.prefix}.record"):
            if self.kind(record) == REFUSED:
                said = self.of("RefusedRecord").FromString(record.value())
                yield {"sequence": said.sequence, "source": said.source, "type": said.type, "reason": said.text}

    # ---- Whether that is all ----

    def accepted(self):
        """By system: the last sequence that its publisher was told."""
        last = collections.Counter()
        for record in self.read(f"{self.prefix}.streams"):
            system = record.key().split(b"\0")[0].decode()
            last[system] = max(last[system], self.of("StreamState").FromString(record.value()).sequence)
        return last

    def gaps(self, messages):
        """What was accepted and is nowhere, as texts. Each adapter of the demo has one stream."""
        there = collections.defaultdict(set)
        for record in (*messages, *self.refusals()):
            there[record["source"]].add(record["sequence"])
        for system, last in self.accepted().items():
            lost = set(range(1, last + 1)) - there[system]
            if lost:
                yield f"{len(lost)} messages of {system} that were accepted are in no topic, such as number {min(lost)}"

    def unsettled(self, last):
        """Topics whose consumer group is not behind the last record; {(topic, partition): offset} is given."""
        from confluent_kafka import TopicPartition
        behind = set()
        for topic in {topic for topic, _ in last}:
            consumer = self.consumer(topic)
            try:
                parts = [TopicPartition(topic, partition) for where, partition in last if where == topic]
                behind |= {topic for part in consumer.committed(parts, PATIENCE) if part.offset <= last[topic, part.partition]}
            finally:
                consumer.close()
        return sorted(behind)

    def verify(self):
        """(Whether all that was accepted is there and was settled, the text of that.)"""
        messages = self.messages()
        wrong = list(self.gaps(messages))
        last = {(record.topic(), record.partition()): record.offset() for record in self.read(*map(self.to, SYSTEMS.values()))}
        try:
            wait_until(lambda: not self.unsettled(last), "the groups are behind all records", patience=10)
        except Failure:
            wrong.append(f"not settled to their ends: {', '.join(self.unsettled(last))}")
        deliveries = sum(len(message["deliveries"]) for message in messages)
        return not wrong, "; ".join(wrong) or (
            f"all {len(messages):,} messages that were accepted are in its topics without a gap, and all of their {deliveries:,} "
            "deliveries are settled (a journal in files has a chain of digests to verify besides)")
