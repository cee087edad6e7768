"""bench/run profile: what each microsecond of the broker's CPU buys in W1 at full load, by perf's samples of the CPU's clock."""
import collections
import pathlib
import re
import shutil
import subprocess
import time

import buses
import workloads
from processes import Window

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("core", "broker")
MEMORY = re.compile(r"malloc|calloc|realloc|free|unlink_chunk|arena|sysmalloc|tcache")
COPIES = re.compile(r"mem(move|cpy|set)")
SHOWN = 0.005  # of all: less is "the rest"


def folders_of_functions():
    """In which folder a function of ours is defined, by its name at the start of a line."""
    found = {}
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.[ch]"))):
        if path.name.endswith(("_test.c", "_fuzz.c", "_bench.c", "testing.c")):
            continue
        for name in re.findall(r"(?m)^(?!return|typedef|#)[A-Za-z_][\w \*\(\)\"\.]*?\b(\w+)\((?![(\"])", path.read_text(encoding="utf-8")):
            found.setdefault(name, str(path.parent.relative_to(ROOT)))
    return found


def kind(thread, library, symbol, folders):
    """What a sample belongs to."""
    own_thread = "ZeroMQ's thread" if thread.startswith("ZMQ") else "core thread"
    if library.startswith("[kernel") or library.startswith("[unknown"):
        return f"kernel, in {own_thread}: " + ("sockets" if own_thread.startswith("ZeroMQ") else "disk and wake-ups")
    if library.startswith("libcrypto"):
        return "libcrypto: digests of records, batch and chain"
    if library.startswith("libzmq"):
        return f"libzmq, in {own_thread}"
    if library.startswith(("libc.", "libc-", "ld-", "[vdso")):
        if COPIES.search(symbol):
            return "libc: copies of memory"
        return "libc: allocation" if MEMORY.search(symbol) else "libc: the rest"
    if library == "hutong-broker":
        return folders.get(re.sub(r"\..*", "", symbol), "hutong-broker: the rest")
    return library


def samples(data):
    """(thread, library, symbol, count) of each."""
    out = subprocess.run(["perf", "report", "-i", data, "--no-children", "-g", "none", "-n", "--sort", "comm,dso,symbol", "-t", "|"],
                         capture_output=True, text=True, check=False).stdout
    for line in out.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 5 and fields[1].isdigit():
            yield fields[2], fields[3], re.sub(r"^\[.\] ", "", fields[4]), int(fields[1])


def record(bench, seconds):
    data = bench.folder / "perf.data"
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-p", str(bench.broker.pid), "-o", data, "--", "sleep",
                           str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench: perf record failed: {done.stderr}")
    return data


def measure(options):
    if not shutil.which("perf"):
        raise SystemExit("bench: perf is not installed (Debian: linux-perf)")
    bus, folders = buses.w1(), folders_of_functions()
    with workloads.Bench(options, bus) as bench:
        progress = ["--progress", bench.folder / "progress"]
        receiver = bench.client("receive", bus.receivers, *progress)
        publisher = bench.client("publish", bus.publishers, "--unconsumed", options.window, *progress)
        time.sleep(float(options.warm))
        window = Window([bench.broker])
        data = record(bench, max(float(options.seconds) - 0.5, 0.5))
        window.end()
        workloads.check_whole(bus, publisher.result(180), received := receiver.stop())
        cpu_us = window.cpu[0] / window.seconds / (received["counted"] / float(options.seconds)) * 1e6
        counts, functions = collections.Counter(), collections.Counter()
        for thread, library, symbol, count in samples(data):
            counts[kind(thread, library, symbol, folders)] += count
            if library == "hutong-broker":
                functions[symbol] += count
    total = sum(counts.values())
    if not total:
        raise SystemExit("bench: perf took no samples")
    return {"samples": total, "cpu_us_per_message": cpu_us, "parts": shares(counts, total, cpu_us),
            "functions": shares(functions, total, cpu_us)}


def shares(counts, total, cpu_us):
    rows = [{"what": what, "share": count / total, "us": count / total * cpu_us} for what, count in counts.most_common()
            if count / total >= SHOWN]
    return rows[:24]
