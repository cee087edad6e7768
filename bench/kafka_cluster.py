"""The Kafka of test/kafka for benchmarks, and what a group has committed there."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test" / "kafka"))
import server  # noqa: E402
from processes import wait_until  # noqa: E402


def require():
    reason = server.unavailable()
    if reason:
        raise SystemExit(f"bench: no Kafka: {reason}")


class Cluster(server.Cluster):
    def wait_for_members(self, group, count):
        """Until so many are in the group, and each knows its partitions."""
        admin = self.admin()

        def is_whole():
            found = [each for each in admin.list_groups(timeout=10) if each.id == group]
            return bool(found) and found[0].state == "Stable" and len(found[0].members) == count
        wait_until(is_whole, server.PATIENCE, f"group {group} had not {count} members")

    def committed(self, group, topic, partitions):
        """A function that says how many records of the topic the group has committed."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0})
        parts = [TopicPartition(topic, p) for p in range(partitions)]
        return lambda: sum(max(part.offset, 0) for part in consumer.committed(parts, 30))
