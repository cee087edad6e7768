"""W1 and W2 through the peers: the same discipline as the bus's own clients, each peer in its strongest durability and its default."""
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from peers.servers import SERVERS, NotHere
from processes import Process, Window
from workloads import say

QUEUES = {"w1": 1, "w2": 3}
SYNC_CALLS = "fsync,fdatasync,sync_file_range,msync"
CHECK_RATE = 100.0  # messages/s: so few that each is alone
CHECK_SECONDS = 2.0


class Run:
    """A producer and a consumer on a server that is there."""

    def __init__(self, options, server, queues):
        self.options, self.server, self.queues = options, server, queues
        self.program = options.bin / f"hutong-bench-{server.name}"
        if not self.program.exists():
            raise NotHere(f"{self.program.name} was not built: its library is not installed")

    def client(self, role, *more, ready="ready"):
        return Process(role, self.program, role, "--folder", self.server.folder, "--port", self.server.port, "--mode",
                       self.server.mode.name, "--size", self.options.size, "--queues", self.queues, "--window", self.options.window,
                       *more, ready=ready, folder=self.server.folder)

    def prepare(self):
        process = self.client("prepare", ready=None)
        try:
            process.result(60)
        finally:
            process.kill()

    def load(self, rate, warm, seconds, during=time.sleep):
        timing = ["--warm", warm, "--count", seconds, "--progress", self.server.folder / "progress"]
        (self.server.folder / "progress").unlink(missing_ok=True)
        processes = []
        try:
            receiver = self.client("receive", *timing)
            processes.append(receiver)
            publisher = self.client("publish", "--rate", rate, "--unconsumed", self.options.window, *timing)
            processes.append(publisher)
            time.sleep(warm)
            window = Window([self.server.main, receiver, publisher])
            during(max(seconds - 0.8, 0.3))
            window.end()
            rss = self.server.main.rss_kib()
            published = publisher.result(120)
            received = receiver.stop()
            return published, received, window, rss
        finally:
            for process in reversed(processes):
                process.kill()

    def measure(self, rate=0.0):
        seconds = float(self.options.seconds)
        published, received, window, rss = self.load(rate, float(self.options.warm), seconds)
        self.check(published, received)
        deliveries = received["counted"] / seconds
        each = deliveries / self.queues
        return {"messages_per_s": each, "deliveries_per_s": deliveries, "p50_us": received["p50_us"], "p99_us": received["p99_us"],
                "p999_us": received["p999_us"], "cpu_us_per_message": window.cpu_us_each(each), "rss_kib": rss}

    def check(self, published, received):
        wanted = published["accepted"] * self.queues
        if received["received"] != wanted or received["repeated"] or received["gaps"] or received["strayed"]:
            raise SystemExit(f"bench: {self.server.name}, {self.server.mode.name}: {wanted} deliveries were due, "
                             f"{received['received']} came, {received['repeated']} twice, {received['gaps']} gaps")

    def syncs_per_message(self):
        """How often the server syncs for each message when each is alone; None where strace can't tell."""
        if not shutil.which("strace"):
            return None
        counted = {}

        def trace(seconds):
            out = self.server.folder / "strace"
            pids = [word for pid in self.server.main.pids() for word in ("-p", str(pid))]
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", f"trace={SYNC_CALLS}", "-o", out, *pids],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(seconds)
            tracer.terminate()
            tracer.wait()
            text = out.read_text(errors="replace") if out.exists() else ""
            counted["syncs"] = len(re.findall(r"(?:sync|sync_file_range)\(", text))
            counted["seconds"] = seconds

        self.load(CHECK_RATE, 0.5, CHECK_SECONDS + 0.8, trace)
        return round(counted["syncs"] / (counted["seconds"] * CHECK_RATE), 2)


def measure_mode(options, kind, mode, workload):
    """One peer in one mode: medians of full load, and its own 20 %."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-peer-", dir=options.folder))
    try:
        with kind(folder, mode) as server:
            run = Run(options, server, QUEUES[workload])
            run.prepare()
            idle = server.main.rss_kib()
            full = [run.measure() for _ in range(options.runs)]
            rate = statistics.median(result["messages_per_s"] for result in full)
            paced = run.measure(rate * 0.2)
            return {
                "peer": kind.name, "version": server.version(), "mode": mode.name, "words": mode.words, "syncs": mode.syncs,
                "settled": kind.settled, "messages_per_s": rate,
                **{key: statistics.median(result[key] for result in full)
                   for key in ("deliveries_per_s", "p50_us", "p99_us", "p999_us", "rss_kib")},
                "all_messages_per_s": [round(result["messages_per_s"]) for result in full],
                "cpu_us_per_message": full[0]["cpu_us_per_message"], "rss_idle_kib": idle,
                "at_20_percent": {key: paced[key] for key in ("messages_per_s", "p50_us", "p99_us", "p999_us")},
                "syncs_per_message_when_alone": run.syncs_per_message() if workload == "w1" else None,
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def chosen(only):
    return [kind for kind in SERVERS if not only or kind.name in only]


def measure(options, workload):
    """All peers that are here. Returns their figures and what was skipped, which is told aloud."""
    results, skipped = [], []
    for kind in chosen(options.only):
        for mode in kind.modes:
            try:
                say(f"{workload}: {kind.name}, {mode.words} …")
                kind(options.folder, mode).version()
                results.append(measure_mode(options, kind, mode, workload))
            except NotHere as why:
                say(f"{workload}: SKIPPED {kind.name}, {mode.words}: {why}")
                skipped.append({"peer": kind.name, "mode": mode.name, "words": mode.words, "why": str(why)})
    return {"results": results, "skipped": skipped}
