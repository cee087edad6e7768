"""The Kafka of test/kafka for benchmarks, and what a group has committed there."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test" / "kafka"))
import server  # noqa: E402


def require():
    reason = server.unavailable()
    if reason:
        raise SystemExit(f"bench: no Kafka: {reason}")


class Cluster(server.Cluster):
    def committed(self, group, topic, partitions):
        """A function that says how many records of the topic the group has committed."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0})
        parts = [TopicPartition(topic, p) for p in range(partitions)]
        return lambda: sum(max(part.offset, 0) for part in consumer.committed(parts, 30))
