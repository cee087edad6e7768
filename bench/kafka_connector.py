"""The Kafka connector in both directions beside plain programs on librdkafka with the same settings: a real Kafka of one node,
4 partitions, idempotent producers, read_committed consumers, 64 MiB of prefetch, offsets committed each 100 ms.

In, beside a plain consumer that forgets what it reads, and one with the connector's duty: what it reads is in a file, on disk before
its offsets are committed. The connector twice: alone, with no broker to send to, until Kafka has the offsets of all records (they
are in the spool, on disk); and until the bus has accepted all. Out, from a backlog of the bus until all is settled, beside a plain
producer in transactions of as many records. Rounds by turns; medians of the ratios within each round."""
import datetime
import re
import statistics
import sys
import time

import buses
import conditions
import kafka_cluster
import report
from processes import free_port, stat_cpu_s
from workloads import Bench, admin_status, say

TYPE = buses.TYPE
PATIENCE = 600
FORMATS = ("protobuf", "json", "cloudevents")
COMMIT_MS = 100

ADAPTER = """bus: {{ endpoint: "{endpoint}", system: {system}, receive: {window} }}
catalogue: {catalogue}
state: {state}
kafka:
  brokers: {brokers}
"""
READ = "  group: {group}\n  commit: {commit}ms\n  read: [{{ topic: {topic}, format: {format}, as: " + TYPE + " }}]\n"
WRITE = "  positions: {topic}.positions\n  take: [{{ on: " + TYPE + ", topic: {topic}, format: {format} }}]\n"
# What is compared: (way, the plain program, the connector).
PAIRS = (("in: the connector alone / plain, same duty", "kept", "alone"), ("in: to the bus / plain, same duty", "kept", "bus"),
         ("in: the connector alone / plain that forgets", "plain", "alone"), ("in: to the bus / plain that forgets", "plain", "bus"),
         ("out: from the bus / plain", "produced", "out"))


class Case:
    """One format on one cluster: the records that are read are written once, each run has a group of its own."""

    def __init__(self, options, cluster, kind):
        self.options, self.cluster, self.kind, self.serial = options, cluster, kind, 0
        self.catalogue = options.bin.parent / "catalogue.binpb"
        self.source = self.topic("in")
        with self.bench() as bench:
            self.plain(bench, "produce", "--topic", self.source)

    def bench(self):
        return Bench(self.options, buses.w1(), f"limits:\n  queue_count: {self.options.records * 2}\n")

    def name(self, what):
        self.serial += 1
        return f"{self.kind}.{what}.{self.serial}"

    def topic(self, what):
        topic = self.name(what)
        self.cluster.create_topic(topic, 4)
        return topic

    def figure(self, seconds, cpu_s):
        return {"per_s": self.options.records / seconds, "cpu_us": cpu_s / self.options.records * 1e6}

    def plain(self, bench, role, *more):
        client = bench.start(f"plain-{role}", self.options.bin / "hutong-bench-kafka", role, "--brokers", self.cluster.bootstrap,
                             "--catalogue", self.catalogue, "--format", self.kind, "--count", self.options.records, "--size",
                             self.options.size, *more)
        found = client.result(PATIENCE)
        return self.figure(found["seconds"], found["cpu_seconds"])

    def consume(self, bench, *more):
        return self.plain(bench, "consume", "--topic", self.source, "--group", self.name("group"), "--commit", COMMIT_MS, *more)

    def adapter(self, bench, system, text, endpoint=None):
        state = bench.folder / "adapter"
        state.mkdir()
        path = bench.folder / "adapter.yaml"
        path.write_text(ADAPTER.format(endpoint=endpoint or bench.endpoint, system=system, window=2 * self.options.window,
                                       catalogue=self.catalogue, state=state, brokers=self.cluster.bootstrap) + text, "utf-8")
        return bench.start("adapter", self.options.bin / "hutong-adapter", "-c", path)

    def run(self, bench, adapter, begins, look):
        """From what the adapter says when it may begin until `look` sees all records."""
        end = time.monotonic() + PATIENCE
        while look() < self.options.records:
            if time.monotonic() > end or adapter.child.poll() is not None:
                raise SystemExit(f"bench: kafka: it did not come to an end:\n{adapter.said()[-2000:]}")
            time.sleep(0.01)
        ended = time.time()
        return self.figure(ended - said_at(adapter.said(), begins), stat_cpu_s(adapter.pid))

    def read(self, bench, group, **how):
        text = READ.format(group=group, commit=COMMIT_MS, topic=self.source, format=self.kind)
        return self.adapter(bench, "public_security/population", text, **how)

    def come_in(self):
        """Into the spool alone, with nothing listening where the broker should be; then to the bus."""
        found = {}
        with self.bench() as bench:
            found["plain"] = self.consume(bench)
            found["kept"] = self.consume(bench, "--keep", bench.folder / "kept")
            (bench.folder / "kept").unlink()
            group = self.name("group")
            adapter = self.read(bench, group, endpoint=f"tcp://127.0.0.1:{free_port()}")
            found["alone"] = self.run(bench, adapter, "kafka.assigned", self.cluster.committed(group, self.source, 4))
        with self.bench() as bench:
            adapter = self.read(bench, self.name("group"))
            found["bus"] = self.run(bench, adapter, "kafka.assigned", lambda: counters(bench)["accepted"])
        return found

    def go_out(self):
        found = {}
        with self.bench() as bench:
            found["produced"] = self.plain(bench, "produce", "--topic", self.topic("plain"), "--transaction", self.options.window)
            topic = self.topic("out")
            self.cluster.create_topic(f"{topic}.positions", 1, **{"cleanup.policy": "compact"})
            bench.client("publish", bench.bus.publishers, "--messages", self.options.records).result(PATIENCE)
            adapter = self.adapter(bench, "housing/tenancy", WRITE.format(topic=topic, format=self.kind))
            found["out"] = self.run(bench, adapter, "adapter.connected", lambda: counters(bench)["settled"])
        return found


def counters(bench):
    return admin_status(bench.folder / "admin.sock")["counters"]


def said_at(log, event):
    stamp = re.search(rf"(?m)^(\S+)Z \w+ {re.escape(event)}\b", log).group(1)
    return datetime.datetime.fromisoformat(stamp).replace(tzinfo=datetime.timezone.utc).timestamp()


def measure(options):
    kafka_cluster.require()
    runs = {kind: [] for kind in options.formats or FORMATS}
    found_here = conditions.take(options)
    with kafka_cluster.Cluster() as cluster:
        cases = {kind: Case(options, cluster, kind) for kind in runs}
        for number in range(options.runs):
            for kind, case in cases.items():
                say(f"kafka: {kind}: run {number + 1} of {options.runs} …")
                runs[kind].append({**case.come_in(), **case.go_out()})
    return {"benchmark": "kafka", "conditions": found_here, "runs": options.runs, "records": options.records, "size": options.size, "transaction": options.window, "due": 0.8,
            "formats": {kind: summary(found) for kind, found in runs.items()}}


def summary(found):
    figures = {who: {key: round(statistics.median(run[who][key] for run in found), 2) for key in ("per_s", "cpu_us")} for who in found[0]}
    ratios = []
    for way, plain, ours in PAIRS:
        each = [round(run[ours]["per_s"] / run[plain]["per_s"], 3) for run in found]
        ratios.append({"way": way, "plain": plain, "connector": ours, "median": statistics.median(each), "all": each})
    return {"figures": figures, "ratios": ratios}


def show(result):
    print(f"{report.kafka_text(result)}\n")
    print(report.plain(report.kafka_rows(result)))
