"""W1 with the journal on Kafka, with one broker and with three on one node, beside a plain producer and a plain consumer on
librdkafka that run at the same time over as many partitions: acks=all, idempotent, as many unacknowledged at most, read_committed,
offsets committed each 100 ms.

The plain pair twice: without transactions, which is what is due, and with transactions of as many records as the bus's had in
the same round. A publisher with a window of its own and a receiver at each broker; every message accepted comes exactly once, or the
bench fails. Before it counts each has run once, since a server in Java compiles what it uses. Rounds by turns; medians of the ratios
within each round."""
import contextlib
import itertools
import pathlib
import statistics
import tempfile
import time

import buses
import conditions
import kafka_cluster
import report
from processes import Measured, Process, Window
from workloads import Bench, say

SUBJECTS = 100000  # of hutong-bench: a publisher at each broker begins elsewhere, or they would wait for one another
COMMIT_MS = 100
PATIENCE = 120
TRIES = 3
DUE = 0.7
BROKERS = {"one": 1, "three": 3}
JOURNAL = "  backend: kafka\n  kafka: {{ brokers: '{}', prefix: {}, name: broker{}, partitions: {}, replication: 1 }}"
# What is compared: (in words, ours, the plain pair, what is due).
PAIRS = (("one broker / plain", "one", "plain", DUE), ("one broker / plain in transactions", "one", "transactions", None),
         ("three brokers / plain", "three", "plain", DUE), ("three brokers / plain in transactions", "three", "transactions", None))


class Group(Measured):
    """Several processes that do the same, as one."""

    def __init__(self, name, processes):
        super().__init__(name, None)
        self.all = [process.pid for process in processes if process.name == name]

    def pids(self):
        return self.all


class Runs:
    """All on one cluster, each run in topics of its own."""

    def __init__(self, options, cluster):
        self.options, self.cluster, self.serial = options, cluster, itertools.count()
        self.warm, self.seconds = int(options.warm), int(options.seconds)

    def used(self, names, processes):
        """CPU of these and of Kafka over the middle of a run."""
        time.sleep(self.warm + 0.3)
        window = Window([Measured("kafka", self.cluster.nodes[0].process.pid), *(Group(name, processes) for name in names)])
        time.sleep(max(self.seconds - 0.8, 0.5))
        return window.end()

    def figure(self, window, counted, **more):
        per_s = counted / self.seconds
        return {"per_s": per_s, "cpu_us": window.cpu_us_each(per_s), **more}

    # ---- The bus ----

    def bus(self, brokers):
        prefix = f"bus{next(self.serial)}"
        with contextlib.ExitStack() as stack:
            benches = [stack.enter_context(Bench(self.options, buses.w1(), journal=JOURNAL.format(
                self.cluster.bootstrap, prefix, i, self.options.partitions))) for i in range(brokers)]
            return self.run_bus(benches, prefix)

    def run_bus(self, benches, prefix):
        bus, count = benches[0].bus, len(benches)
        progress = ["--progress", benches[0].folder / "progress"]
        receivers = [each.client("receive", bus.receivers, "--lanes", *progress) for each in benches]
        self.cluster.wait_for_members(f"{prefix}.to.{bus.receivers[0].replace('/', '.')}", count)
        before = sum(each.journal()["syncs"] for each in benches)
        # What came is counted of all receivers together: as if each message had as many copies as there are publishers.
        publishers = [each.client("publish", bus.publishers, "--unconsumed", self.options.window, "--copies", count,
                                  "--first", i * SUBJECTS // count, *progress) for i, each in enumerate(benches)]
        used = self.used(("broker", "receiver", "publisher"), [process for each in benches for process in each.processes])
        accepted = sum(publisher.result(PATIENCE)["accepted"] for publisher in publishers)
        batches = sum(each.journal()["syncs"] for each in benches) - before
        received = [receiver.stop() for receiver in receivers]
        check_whole(accepted, received)
        return self.figure(used, sum(each["counted"] for each in received), batch=round(accepted / max(batches, 1)),
                           p50_us=statistics.median(each["p50_us"] for each in received))

    # ---- Plain programs ----

    def plain(self, transaction):
        topic = f"plain{next(self.serial)}"
        self.cluster.create_topic(topic, self.options.partitions)
        with tempfile.TemporaryDirectory(prefix="hutong-bench-", dir=self.options.folder) as folder:
            processes = []
            try:
                return self.run_plain(pathlib.Path(folder), processes, topic, transaction)
            finally:
                for process in processes:
                    process.kill()

    def run_plain(self, folder, processes, topic, transaction):
        def start(role, seconds, *more):
            program = Process(role, self.options.bin / "hutong-bench-kafka", role, "--brokers", self.cluster.bootstrap, "--topic", topic,
                              "--catalogue", self.options.bin.parent / "catalogue.binpb", "--size", self.options.size, "--warm",
                              self.warm, "--seconds", seconds, *more, folder=folder)
            processes.append(program)
            return program
        consumer = start("consume", self.seconds, "--group", topic, "--commit", COMMIT_MS)
        self.cluster.wait_for_members(topic, 1)
        producer = start("produce", self.seconds + 2, "--transaction", transaction, "--window", self.options.window)
        used = self.used(("consume", "produce"), processes)
        found = consumer.result(PATIENCE)
        producer.result(PATIENCE)
        return self.figure(used, found["messages"])

    def until_counted(self, run, *arguments):
        """A machine may stand still for all of a short run: one that counted nothing is run again."""
        for _ in range(TRIES):
            found = run(*arguments)
            if found["per_s"]:
                return found
            say("kafka-bus: nothing came within what counts; once more …")
        raise SystemExit(f"bench: kafka-bus: nothing came, {TRIES} times; the machine is too busy, or count longer")

    def warm_up(self):
        say("kafka-bus: the server warms up …")
        batch = self.bus(1)["batch"]
        self.plain(batch)
        self.plain(0)

    def round(self, number):
        """Who begins changes from round to round; transactions have the size that the bus's had."""
        found = {}
        names = list(BROKERS) if number % 2 == 0 else list(BROKERS)[::-1]
        for name in names:
            say(f"kafka-bus: round {number + 1} of {self.options.runs}: {BROKERS[name]} of the bus's brokers …")
            found[name] = self.until_counted(self.bus, BROKERS[name])
        say(f"kafka-bus: round {number + 1} of {self.options.runs}: plain …")
        found["plain"] = self.until_counted(self.plain, 0)
        found["transactions"] = self.until_counted(self.plain, max(found["one"]["batch"], 1))
        return found


def check_whole(accepted, received):
    came, repeated = sum(each["received"] for each in received), sum(each["repeated"] for each in received)
    if came != accepted or repeated:
        raise SystemExit(f"bench: kafka-bus: {accepted} deliveries were due, {came} came, {repeated} twice")


def measure(options):
    kafka_cluster.require()
    found_here = conditions.take(options)
    with kafka_cluster.Cluster() as cluster:
        runs = Runs(options, cluster)
        runs.warm_up()
        rounds = [runs.round(number) for number in range(options.runs)]
    return {"benchmark": "kafka-bus", "conditions": found_here, "partitions": options.partitions, **summary(rounds)}


def middle(values):
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 2) if known else None


def summary(rounds):
    figures = {}
    for who, first in rounds[0].items():
        figures[who] = {key: middle(found[who][key] for found in rounds) for key in first if key != "cpu_us"}
        figures[who]["cpu_us"] = {name: middle(found[who]["cpu_us"][name] for found in rounds) for name in first["cpu_us"]}
    ratios = []
    for words, ours, plain, due in PAIRS:
        each = [round(found[ours]["per_s"] / found[plain]["per_s"], 3) for found in rounds]
        ratios.append({"words": words, "ours": ours, "plain": plain, "due": due, "median": statistics.median(each), "all": each})
    return {"figures": figures, "ratios": ratios}


def show(result):
    print(f"{report.kafka_bus_text(result)}\n")
    print(report.plain(report.kafka_bus_figures(result)) + "\n")
    print(report.plain(report.kafka_bus_rows(result)))
