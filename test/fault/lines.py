"""Lines between machines: each party has a network namespace of its own, joined to the broker's by a pair of virtual
interfaces, so that a line can be cut, slowed or made deaf in one direction while the processes know nothing of it.

Needs root and iproute2 (ip, tc); `reason_against()` says why it can't be had.
"""
import os
import pathlib
import shutil
import subprocess
import time


def command(*words, wrap=()):
    done = subprocess.run([*wrap, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


def reason_against():
    """None where lines can be had."""
    for name in ("ip", "tc", "unshare", "nsenter"):
        if not shutil.which(name):
            return f"{name} is not installed"
    done = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"no network namespaces here: {done.stderr.strip()}"


class Namespace:
    """Lives as long as a process that sleeps in it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        self.wrap = ["nsenter", "-t", str(self.holder.pid), "-n"]
        ours = os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == ours:
            if time.monotonic() > deadline:
                raise TimeoutError("no namespace within 10 s")
            time.sleep(0.005)
        command("ip", "link", "set", "lo", "up", wrap=self.wrap)

    def run(self, *words):
        command(*words, wrap=self.wrap)

    def end(self):
        self.holder.kill()
        self.holder.wait()


class Lines:
    def __init__(self, edges):
        self.broker = Namespace()
        # One address for all edges, that no line takes with it.
        self.broker.run("ip", "address", "add", "10.77.0.1/32", "dev", "lo")
        self.edges = {}
        self.addresses = {}
        for number, edge in enumerate(edges, start=1):
            self.edges[edge] = self._join(number, edge)

    def _join(self, number, edge):
        space = Namespace()
        here = f"hb{number}"
        command("ip", "link", "add", here, "netns", str(self.broker.holder.pid), "type", "veth", "peer", "name", "wire", "netns",
                str(space.holder.pid))
        self.broker.run("ip", "address", "add", f"10.77.{number}.1/24", "dev", here)
        self.broker.run("ip", "link", "set", here, "up")
        space.run("ip", "address", "add", f"10.77.{number}.2/24", "dev", "wire")
        space.run("ip", "link", "set", "wire", "up")
        space.run("ip", "route", "add", "default", "via", f"10.77.{number}.1")
        self.addresses[edge] = f"10.77.{number}.2"
        space.number = number
        return space

    @property
    def address(self):
        """The broker's, as each edge reaches it."""
        return "10.77.0.1"

    def wrap(self, edge):
        return self.edges[edge].wrap

    def cut(self, edge):
        """Nothing goes either way, and nobody is told."""
        self.broker.run("ip", "link", "set", f"hb{self.edges[edge].number}", "down")

    def mend(self, edge):
        self.broker.run("ip", "link", "set", f"hb{self.edges[edge].number}", "up")

    def deafen(self, edge):
        """What the broker sends to the edge is lost; what the edge sends arrives: a connection that is half open."""
        self.broker.run("ip", "route", "replace", "blackhole", f"{self.addresses[edge]}/32")

    def undeafen(self, edge):
        self.broker.run("ip", "route", "del", "blackhole", f"{self.addresses[edge]}/32")

    def slow(self, edge, rate):
        """Both directions, such as "2mbit"."""
        shape = ("root", "tbf", "rate", rate, "burst", "32kb", "latency", "400ms")
        self.broker.run("tc", "qdisc", "replace", "dev", f"hb{self.edges[edge].number}", *shape)
        self.edges[edge].run("tc", "qdisc", "replace", "dev", "wire", *shape)

    def quicken(self, edge):
        self.broker.run("tc", "qdisc", "del", "dev", f"hb{self.edges[edge].number}", "root")
        self.edges[edge].run("tc", "qdisc", "del", "dev", "wire", "root")

    def end(self):
        for space in (*self.edges.values(), self.broker):
            space.end()


class SmallDisk:
    """A file system in memory with a limit, mounted at `folder`; fill() leaves no room, until empty()."""

    def __init__(self, folder, mebibytes):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        command("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "none", str(self.folder))

    @staticmethod
    def reason_against(folder):
        try:
            SmallDisk(pathlib.Path(folder) / "probe", 1).end()
        except RuntimeError as error:
            return str(error)
        return None

    def fill(self):
        with open(self.folder / "ballast", "ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                pass

    def empty(self):
        (self.folder / "ballast").unlink(missing_ok=True)

    def end(self):
        command("umount", str(self.folder))
