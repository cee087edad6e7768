#!/usr/bin/python3
"""The broker is away for a long weekend: a backlog gathers in a spool, then drains, in order, at full speed, in flat memory.

  test/fault/spool72.py                        200,000 messages, received and held against what was published
  test/fault/spool72.py --messages 26000000    72 hours at 100 messages/s, written as fast as the disk takes them

Beyond 1,000,000 messages no route takes them: what is measured is the spool and the way to the broker's disk. The publisher is killed with
SIGKILL once when the spool is full, and once in the middle of draining (--no-kill: not). Exit status: 0 right; 1 not; 2 usage.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

os.environ.setdefault("HUTONG_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "release"))
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "scenario")]
import checker  # noqa: E402
from hutong_bus import Broker, program, wait_until  # noqa: E402

ROUTED = 1_000_000  # up to so many are received too
SUBJECTS = 1000
TSAN = "tsan" in os.environ.get("HUTONG_BUILD", "")  # its shadow memory is some three bytes for each
RSS_LIMIT = (256 if TSAN else 64) << 10  # KiB, of the publisher: up to 16 MiB wait for the disk, in buffers that grow twofold; however long the backlog


def rss(pid):
    """Resident KiB of a process; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    except OSError:
        return 0


class Publisher:
    """fault-backlog, with what it says and how large it is."""

    def __init__(self, broker, folder, messages):
        self.command = [program("fault-backlog"), broker.endpoint, folder / "spool", str(messages), str(SUBJECTS)]
        self.command += ["visits"] if messages > ROUTED else []
        self.log = open(folder / "backlog.log", "a", encoding="utf-8")
        self.said, self.process, self.largest = {}, None, {}
        self.phase = "filling"

    def start(self):
        self.said = {}
        self.process = subprocess.Popen([str(part) for part in self.command], stdout=subprocess.PIPE, stderr=self.log, text=True)
        threading.Thread(target=self.listen, args=(self.process,), daemon=True).start()
        threading.Thread(target=self.measure, args=(self.process,), daemon=True).start()
        return self

    def listen(self, process):
        for line in process.stdout:
            what, seconds, count = line.split()
            self.said[what] = (float(seconds), int(count))

    def measure(self, process):
        while process.poll() is None:
            self.largest[self.phase] = max(self.largest.get(self.phase, 0), rss(process.pid))
            time.sleep(0.02)

    def wait_for(self, what, patience):
        def heard():
            if what not in self.said and self.process.poll() not in (None, 0):
                raise RuntimeError(f"fault-backlog ended with {self.process.returncode}")
            return what in self.said
        wait_until(heard, what, patience)
        return self.said[what]

    def kill(self):
        self.process.kill()
        self.process.wait(30)


def expected(messages):
    return [(f"s-{n % SUBJECTS}", n // SUBJECTS + 1) for n in range(messages)]


def run(folder, messages, kills=True, patience=3600):
    """(right, lines of the report)"""
    report = []
    broker = Broker(folder / "broker", limits={"queue_count": 10 * messages})
    publisher = Publisher(broker, folder, messages).start()
    receiver = None
    seconds, count = publisher.wait_for("filled", patience)
    bytes_on_disk = sum(path.stat().st_size for path in (folder / "spool").iterdir())
    report.append(f"filled: {count} messages in {seconds:.1f} s ({count / seconds:.0f}/s), {bytes_on_disk / (1 << 20):.0f} MiB,"
                  f" RSS at most {publisher.largest['filling']} KiB")
    if kills:
        publisher.kill()
        publisher.phase = "opening"
        begun = time.monotonic()
        publisher.start()
        publisher.wait_for("filled", patience)  # it finds all of it
        report.append(f"opened again after SIGKILL in {time.monotonic() - begun:.2f} s")
        assert publisher.said["filled"][1] == 0, publisher.said
    publisher.phase = "draining"
    try:
        broker.start()
        if messages <= ROUTED:
            with open(folder / "receiver.log", "a", encoding="utf-8") as log:
                receiver = subprocess.Popen([program("fault-receiver"), broker.endpoint, folder / "effects"], stderr=log)
        if kills:
            half = folder / "broker" / "journal"
            wait_until(lambda: len(list(half.glob("*.segment"))) > 2 or "drained" in publisher.said, "some of it is there", patience)
            publisher.kill()
            publisher.start()
        seconds, count = publisher.wait_for("drained", patience)
        report.append(f"drained: {count} messages in {seconds:.1f} s ({count / max(seconds, 0.001):.0f}/s),"
                      f" RSS at most {publisher.largest['draining']} KiB; broker {rss(broker.process.pid)} KiB")
        left = sum(path.stat().st_size for path in (folder / "spool").iterdir())
        publisher.process.wait(60)
        right = max(publisher.largest.values()) <= RSS_LIMIT
        if not right:
            report.append(f"RSS over {RSS_LIMIT} KiB: {publisher.largest}")
        report.append(f"spool after: {left / (1 << 20):.0f} MiB")
        if receiver:
            wait_until(lambda: (folder / "effects").exists() and lines_of(folder / "effects") >= messages, "all effects", patience)
            found = checker.check(expected(messages), checker.read_effects(folder / "effects"))
            report.append(checker.describe(found))
            right = right and checker.is_right(found)
    finally:
        if receiver:
            receiver.terminate()
            receiver.wait(30)
        if publisher.process.poll() is None:
            publisher.kill()
        broker.stop()
    return right, report


def lines_of(path):
    with open(path, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, help="where spool and journal lie (about 1 KB a message); otherwise temporary")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spool72-", dir=arguments.folder) as folder:
        right, report = run(pathlib.Path(folder), arguments.messages, not arguments.no_kill)
    print("\n".join(report))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
