"""Children of a benchmark: started, waited for, measured by /proc, ended by their ids."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise SystemExit(f"bench: {what} in {seconds} s")


def children_of(pid):
    """The process and all that it started."""
    found, waiting = [], [pid]
    while waiting:
        at = waiting.pop()
        found.append(at)
        try:
            for task in pathlib.Path(f"/proc/{at}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def stat_cpu_s(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_kib(pid):
    """Resident, without what is shared with other processes of a server (PostgreSQL's buffers count once)."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    found = {key: int(value) for key, value in re.findall(r"(RssAnon|RssFile|RssShmem):\s+(\d+)", status)}
    shared = found.get("RssShmem", 0)
    return found.get("RssAnon", 0) + found.get("RssFile", 0) + shared, shared


def written_bytes(pid):
    """Handed to the block layer, by the kernel's account of the process."""
    try:
        return int(re.search(r"\nwrite_bytes: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text()).group(1))
    except OSError:
        return 0


class Measured:
    """A process, with what it started where `family`."""

    def __init__(self, name, pid, family=False):
        self.name, self.pid, self.family = name, pid, family

    def pids(self):
        return children_of(self.pid) if self.family else [self.pid]

    def cpu_s(self):
        return sum(stat_cpu_s(pid) for pid in self.pids())

    def rss_kib(self):
        sizes = [rss_kib(pid) for pid in self.pids()]
        return sum(size - shared for size, shared in sizes) + max((shared for _, shared in sizes), default=0)

    def written_bytes(self):
        return sum(written_bytes(pid) for pid in self.pids())


class Process(Measured):
    """A child that says `ready` on standard error."""

    def __init__(self, name, *command, ready=None, folder=None, family=False, seconds=20, **how):
        self.log = open(pathlib.Path(folder) / f"{name}.log", "w+", encoding="utf-8")
        how = {"stdout": subprocess.PIPE, **how}
        self.child = subprocess.Popen([str(word) for word in command], stderr=self.log, text=True, **how)
        super().__init__(name, self.child.pid, family)
        if ready:
            self.wait_for(ready, seconds)

    def said(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")

    def wait_for(self, word, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if word in self.said():
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit(f"bench: {self.name} did not start:\n{self.said()}")

    def result(self, seconds):
        """What it printed, once it ends."""
        out, _ = self.child.communicate(timeout=seconds)
        if self.child.returncode != 0:
            raise SystemExit(f"bench: {self.name} failed with {self.child.returncode}: {out}\n{self.said()}")
        return json.loads(out)

    def stop(self, seconds=120):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.result(seconds)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()
        self.log.close()


class Window:
    """What processes used between two moments."""

    def __init__(self, processes):
        self.processes = processes
        self.started = time.monotonic()
        self.cpu = [process.cpu_s() for process in processes]
        self.written = [process.written_bytes() for process in processes]

    def end(self):
        self.seconds = time.monotonic() - self.started
        self.cpu = [process.cpu_s() - before for process, before in zip(self.processes, self.cpu)]
        self.written = [process.written_bytes() - before for process, before in zip(self.processes, self.written)]
        return self

    def cpu_us_each(self, per_s):
        """Microseconds of CPU for each of `per_s` things a second, by process."""
        return {process.name: round(cpu / self.seconds / per_s * 1e6, 2) if per_s else None
                for process, cpu in zip(self.processes, self.cpu)}
