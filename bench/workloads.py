"""W1 to W5 through the bus, and W1 through the raw relay: processes started, one run measured, all of them ended."""
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import buses
from processes import Process, Window, free_port, wait_until

LOADS = (0.2, 0.5)
TRIES = 3


def say(text):
    print(text, file=sys.stderr, flush=True)


def admin_status(path):
    """GET /status on the broker's admin socket."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        link.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := link.recv(65536):
            answer += chunk
    return json.loads(answer.partition(b"\r\n\r\n")[2])


class Bench:
    """A bus in a folder of its own, with its broker running."""

    def __init__(self, options, bus, settings="", journal=None):
        self.options, self.bus = options, bus
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-bench-", dir=options.folder))
        self.processes = []
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.conf = buses.write_conf(bus, self.folder, options.bin.parent / "catalogue.binpb", self.endpoint,
                                     options.bin / "hutong" if options.curve else None,
                                     f"admin: {self.folder}/admin.sock\n" + settings, journal)

    def __enter__(self):
        try:
            self.broker = self.start("broker", self.options.bin / "hutong-broker", "-c", self.conf / "broker.yaml",
                                     ready="broker.ready")
            time.sleep(0.3)
            self.idle_kib = self.broker.rss_kib()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, *command, ready=None):
        process = Process(name, *command, ready=ready, folder=self.folder)
        self.processes.append(process)
        return process

    def client(self, role, systems, *more):
        keys = ["--keys", self.conf / "keys"] if self.options.curve else []
        return self.start("receiver" if role == "receive" else "publisher", self.options.bin / "hutong-bench", role,
                          "--endpoint", self.endpoint, "--systems", ",".join(systems), "--catalogue",
                          self.options.bin.parent / "catalogue.binpb", "--warm", self.options.warm, "--count", self.options.seconds,
                          "--window", self.options.window, "--size", self.options.size, "--copies", self.bus.copies,
                          "--divisions", ",".join(self.bus.divisions), *keys, *more, ready="ready")

    def journal(self):
        return admin_status(self.folder / "admin.sock")["journal"]


def check_whole(bus, published, received):
    wanted = published["accepted"] * bus.copies
    if received["received"] != wanted or received["repeated"] or received["gaps"]:
        raise SystemExit(f"bench: {bus.name}: {wanted} deliveries were due, {received['received']} came, "
                         f"{received['repeated']} twice, {received['gaps']} gaps")


def run_bus(options, bus, rate=0.0):
    """A run in which something was counted: a machine may stand still for all of a short one."""
    for _ in range(TRIES):
        result = run_once(options, bus, rate)
        if result["messages_per_s"]:
            return result
        say(f"{bus.name}: nothing came within the {options.seconds} s that count; once more …")
    raise SystemExit(f"bench: {bus.name}: nothing came within {options.seconds} s, {TRIES} times; the machine is too busy, or count longer")


def run_once(options, bus, rate):
    """Rates, latencies, CPU, memory, bytes written. `rate`: messages/s, open loop; 0: closed loop."""
    with Bench(options, bus) as bench:
        progress = ["--progress", bench.folder / "progress"]
        receiver = bench.client("receive", bus.receivers, *progress)
        publisher = bench.client("publish", bus.publishers, "--rate", rate, "--unconsumed", options.window, *progress)
        time.sleep(float(options.warm) + 0.3)
        window = Window(bench.processes)
        before = bench.journal()
        time.sleep(max(float(options.seconds) - 0.8, 0.5))
        after = bench.journal()
        window.end()
        loaded_kib = bench.broker.rss_kib()
        published = publisher.result(180)
        received = receiver.stop()
        check_whole(bus, published, received)
        deliveries = received["counted"] / float(options.seconds)
        payload = after["payload_bytes"] - before["payload_bytes"]
        return {
            "messages_per_s": deliveries / bus.copies, "deliveries_per_s": deliveries,
            "p50_us": received["p50_us"], "p99_us": received["p99_us"], "p999_us": received["p999_us"],
            "cpu_us_per_message": window.cpu_us_each(deliveries / bus.copies),
            "journal_bytes_per_byte": (after["written_bytes"] - before["written_bytes"]) / payload if payload else 0,
            "disk_bytes_per_byte": window.written[0] / payload if payload else 0,
            "syncs_per_s": (after["syncs"] - before["syncs"]) / window.seconds,
            "rss_idle_kib": bench.idle_kib, "rss_kib": loaded_kib, "accepted": published["accepted"],
        }


def run_relay(options, curve=None):
    """The raw ceiling: a plain ROUTER passes the same bytes on, one by one, without durability."""
    curve = options.curve if curve is None else curve
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-bench-", dir=options.folder))
    arguments = ["--endpoint", f"tcp://127.0.0.1:{free_port()}", "--size", options.size, "--warm", options.warm,
                 "--count", options.seconds]
    if curve:
        (folder / "keys").mkdir()
        for name in ("broker", "client"):
            subprocess.run([options.bin / "hutong", "keys", "generate", "-o", folder / "keys", name], check=True,
                           stdout=subprocess.DEVNULL)
        arguments += ["--keys", folder / "keys"]
    processes = []
    try:
        for role in ("relay", "relay-receive", "relay-publish"):
            processes.append(Process(role, options.bin / "hutong-bench", role, *arguments,
                                     ready=None if role == "relay-publish" else "ready", folder=folder))
            time.sleep(0.3)
        processes[2].result(120)
        received = processes[1].stop()
        return {"messages_per_s": received["counted"] / float(options.seconds), "p50_us": received["p50_us"],
                "p99_us": received["p99_us"]}
    finally:
        for process in reversed(processes):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


# ---- W5 ----

BACKLOG_RSS_SECONDS = 1.0


def backlog_bytes(options):
    """What the journal takes for the backlog: payload, envelope, record; and its settlements."""
    return int(options.backlog * (options.size + 160) * 1.1) + (256 << 20)


def check_room(options):
    need, free = backlog_bytes(options), shutil.disk_usage(options.folder).free
    say(f"w5: a backlog of {options.backlog:,} messages takes {need / 1e9:.1f} GB in {options.folder}; {free / 1e9:.1f} GB are free")
    if need > free:
        raise SystemExit(f"bench: w5: not enough room in {options.folder}; give --folder or a smaller --backlog")


def run_backlog(options):
    """Messages wait with nobody to receive them; then one receiver comes back."""
    check_room(options)
    bus = buses.w1()
    settings = f"limits:\n  queue_count: {options.backlog * 2}\n"
    with Bench(options, bus, settings) as bench:
        started = time.monotonic()
        publisher = bench.client("publish", bus.publishers, "--messages", options.backlog)
        published = publisher.result(7200)
        filled = time.monotonic() - started
        time.sleep(BACKLOG_RSS_SECONDS)
        waiting_kib = bench.broker.rss_kib()
        receiver = bench.client("receive", bus.receivers, "--messages", published["accepted"], "--progress", bench.folder / "progress")
        window = Window([bench.broker, receiver])
        peak_kib = [waiting_kib]
        wait_until(lambda: (peak_kib.append(bench.broker.rss_kib()), receiver.child.poll() is not None)[1], 7200, "w5: not drained")
        received = receiver.result(10)
        window.end()
        check_whole(bus, published, received)
        rate = received["received"] / received["seconds"]
        return {"backlog": published["accepted"], "rss_waiting_kib": waiting_kib, "rss_draining_kib": max(peak_kib),
                "fill_messages_per_s": published["accepted"] / filled, "drain_messages_per_s": rate,
                "journal_bytes": bench.journal()["bytes"], "rss_idle_kib": bench.idle_kib}


