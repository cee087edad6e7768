"""The Kafka connector in both directions beside a plain producer and consumer on librdkafka with the same settings: a real Kafka of
one node, 4 partitions, idempotent producers, read_committed consumers. In: until the bus has accepted all. Out: from a backlog of
the bus until the topic has all, in transactions of as many messages."""
import json
import pathlib
import statistics
import sys
import time

import buses
import report
from workloads import Bench, say

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test" / "kafka"))
TYPE = buses.TYPE
PATIENCE = 600

ADAPTER = """bus: {{ endpoint: "{endpoint}", system: {system}, receive: {window} }}
catalogue: {catalogue}
state: {state}
kafka:
  brokers: {brokers}
"""
READ = "  group: bench.connector\n  read: [{{ topic: {topic}, format: protobuf, as: " + TYPE + " }}]\n"
WRITE = "  positions: {topic}.positions\n  take: [{{ on: " + TYPE + ", topic: {topic}, format: protobuf }}]\n"


class Case:
    """One cluster and one bus; topics are new for each run."""

    def __init__(self, options, cluster, number):
        self.options, self.cluster, self.number = options, cluster, number
        self.catalogue = options.bin.parent / "catalogue.binpb"

    def topic(self, name):
        topic = f"{name}{self.number}"
        self.cluster.create_topic(topic, 4)
        return topic

    def plain(self, bench, role, topic, *more):
        client = bench.start(f"plain-{role}", self.options.bin / "hutong-bench-kafka", role, "--brokers", self.cluster.bootstrap,
                             "--topic", topic, "--catalogue", self.catalogue, "--count", self.options.records, "--size",
                             self.options.size, *more)
        found = client.result(PATIENCE)
        return found["messages"] / found["seconds"]

    def adapter(self, bench, system, text):
        state = bench.folder / "adapter"
        state.mkdir()
        path = bench.folder / "adapter.yaml"
        path.write_text(ADAPTER.format(endpoint=bench.endpoint, system=system, window=2 * self.options.window, catalogue=self.catalogue,
                                       state=state, brokers=self.cluster.bootstrap) + text, "utf-8")
        return bench.start("adapter", self.options.bin / "hutong-adapter", "-c", path), state / "status.json"

    def come_in(self):
        with Bench(self.options, buses.w1()) as bench:
            topic = self.topic("in")
            self.plain(bench, "produce", topic)
            plain = self.plain(bench, "consume", topic)
            _, status = self.adapter(bench, "public_security/population", READ.format(topic=topic))
            took = growth(lambda: bench.journal()["payload_bytes"], lambda: counted(status, "accepted") >= self.options.records)
            return {"plain": plain, "connector": self.options.records / took}

    def go_out(self):
        with Bench(self.options, buses.w1(), f"limits:\n  queue_count: {self.options.records * 2}\n") as bench:
            plain = self.plain(bench, "produce", self.topic("plain"), "--transaction", self.options.window)
            topic = self.topic("out")
            self.cluster.create_topic(f"{topic}.positions", 1, **{"cleanup.policy": "compact"})
            bench.client("publish", bench.bus.publishers, "--messages", self.options.records).result(PATIENCE)
            _, status = self.adapter(bench, "housing/tenancy", WRITE.format(topic=topic))
            took = growth(self.ends(topic), lambda: counted(status, "done") >= self.options.records)
            return {"plain": plain, "connector": self.options.records / took}

    def ends(self, topic):
        """How far the topic has got."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": "bench.ends", "log_level": 0})
        return lambda: sum(consumer.get_watermark_offsets(TopicPartition(topic, p), 30)[1] for p in range(4))


def counted(status, key):
    try:
        return json.loads(status.read_text("utf-8"))[key]
    except (OSError, ValueError):
        return 0


def growth(look, finished):
    """Seconds from the first time that a number grows to the last."""
    before, first, last, end = look(), None, None, time.monotonic() + PATIENCE
    while not finished():
        now, value = time.monotonic(), look()
        if value != before:
            first, last, before = first or now, now, value
        if now > end:
            raise SystemExit("bench: kafka: it did not come to an end")
        time.sleep(0.02)
    return last - first


def measure(options):
    import server
    reason = server.unavailable()
    if reason:
        raise SystemExit(f"bench: no Kafka: {reason}")
    runs = {"in": [], "out": []}
    with server.Cluster() as cluster:
        for number in range(options.runs):
            say(f"kafka: run {number + 1} of {options.runs} …")
            case = Case(options, cluster, number)
            runs["in"].append(case.come_in())
            runs["out"].append(case.go_out())
    return {"benchmark": "kafka", "records": options.records, "size": options.size, "transaction": options.window,
            "directions": {way: summary(found) for way, found in runs.items()}}


def summary(found):
    ratios = [run["connector"] / run["plain"] for run in found]
    return {**{key: round(statistics.median(run[key] for run in found)) for key in ("plain", "connector")},
            "ratio": round(statistics.median(ratios), 3), "all": found, "due": 0.8}


def show(result):
    print(f"{result['records']:,} records of {result['size']} bytes, transactions of {result['transaction']:,}; medians\n")
    print(report.plain([("direction", "plain/s", "connector/s", "ratio", "due: at least 0.8")] + [
        (way, f"{found['plain']:,}", f"{found['connector']:,}", f"{found['ratio']:.2f}",
         "met" if found["ratio"] >= found["due"] else "not met") for way, found in result["directions"].items()]))
