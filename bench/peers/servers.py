"""The peers' servers, each on private ports in a folder of its own, ended by their ids.

A mode has a name for the client, words for the table, and whether an answer of it waits for the disk.
"""
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from processes import Process, children_of, free_port, wait_until


@dataclasses.dataclass
class Mode:
    name: str
    words: str
    syncs: bool


class NotHere(Exception):
    """The peer, or a mode of it, can't be measured on this machine: told, and counted."""


def need(*programs):
    for program in programs:
        if not shutil.which(program) and not pathlib.Path(program).exists():
            raise NotHere(f"{program} is not installed")


def output(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False).stdout.strip()


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    name = ""
    settled = ""  # how a receiver settles what it got
    modes = []

    def __init__(self, folder, mode):
        self.folder, self.mode, self.port, self.processes = pathlib.Path(folder), mode, free_port(), []

    def version(self):
        raise NotImplementedError

    def launch(self):
        """Starts the process that is measured and returns it."""
        raise NotImplementedError

    def __enter__(self):
        try:
            self.main = self.launch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def run(self, name, *command, **how):
        process = Process(name, *command, folder=self.folder, family=True, stdout=subprocess.DEVNULL, **how)
        self.processes.append(process)
        return process

    def wait_for_port(self, process, seconds=60):
        wait_until(lambda: answers(self.port) or process.child.poll() is not None, seconds, f"{self.name} does not answer")
        if process.child.poll() is not None:
            raise SystemExit(f"bench: {self.name} did not start:\n{process.said()}")
        return process

    def __exit__(self, *_):
        family = [pid for process in self.processes for pid in children_of(process.pid)]
        for process in reversed(self.processes):
            self.ask_to_end(process)
        end = time.monotonic() + 15
        while time.monotonic() < end and any(process.child.poll() is None for process in self.processes):
            time.sleep(0.05)
        for process in self.processes:
            process.kill()
        for pid in family:
            if pathlib.Path(f"/proc/{pid}").exists() and str(self.folder).encode() in environment(pid):
                os.kill(pid, signal.SIGKILL)

    def ask_to_end(self, process):
        if process.child.poll() is None:
            process.child.send_signal(signal.SIGTERM)


def environment(pid):
    """Environment and command of a process: does it belong to a folder of ours?"""
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes() + pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class RabbitMq(Server):
    name = "rabbitmq"
    settled = "the last of what was read, for all before it"
    modes = [Mode("quorum", "quorum queue", True), Mode("classic", "classic queue, persistent messages", True)]
    program = "/usr/lib/rabbitmq/bin/rabbitmq-server"

    def version(self):
        need(self.program, "epmd")
        return "RabbitMQ " + output("dpkg-query", "-W", "-f=${Version}", "rabbitmq-server").partition("-")[0]

    def launch(self):
        epmd = free_port()
        for name in ("mnesia", "log", "home"):
            (self.folder / name).mkdir()
        (self.folder / "plugins").write_text("[].\n")
        # A free disk and memory are not what is measured: no alarms.
        (self.folder / "rabbitmq.conf").write_text("loopback_users = none\ndisk_free_limit.absolute = 1MB\n"
                                                   f"listeners.tcp.default = 127.0.0.1:{self.port}\n")
        env = {**os.environ, "HOME": str(self.folder / "home"), "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
               "RABBITMQ_NODENAME": f"bench{self.port}@localhost", "RABBITMQ_DIST_PORT": str(free_port()),
               "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"), "RABBITMQ_LOG_BASE": str(self.folder / "log"),
               "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"), "RABBITMQ_CONF_ENV_FILE": "/dev/null",
               "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"), "RABBITMQ_PID_FILE": str(self.folder / "pid")}
        self.run("epmd", "epmd", "-port", epmd, "-address", "127.0.0.1", env=env)
        return self.wait_for_port(self.run("rabbitmq", self.program, env=env, cwd=self.folder), 240)


class Nats(Server):
    name = "nats"
    settled = "the last of what was read, for all before it (ack_policy all)"
    modes = [Mode("default", "JetStream in files, default: syncs every 2 minutes", False),
             Mode("always", "JetStream in files, sync_interval always", True)]

    def version(self):
        need("nats-server")
        return "NATS " + output("nats-server", "--version").rpartition("v")[2]

    def launch(self):
        number = tuple(int(part) for part in re.findall(r"\d+", self.version())[:2])
        if self.mode.syncs and number < (2, 10):
            raise NotHere(f"{self.version()} has no setting of its syncs (2.10 has sync_interval): it has no mode that syncs before "
                          "it answers")
        sync = "sync_interval: always" if self.mode.syncs else ""
        (self.folder / "nats.conf").write_text(f"host: 127.0.0.1\nport: {self.port}\n"
                                               f"jetstream {{ store_dir: {self.folder}/store, max_file: 40GB, {sync} }}\n")
        return self.wait_for_port(self.run("nats", "nats-server", "-c", self.folder / "nats.conf"))


class Redis(Server):
    name = "redis"
    settled = "one XACK with all of what was read"
    modes = [Mode("always", "Streams, appendfsync always", True), Mode("everysec", "Streams, appendfsync everysec (default)", False)]

    def version(self):
        need("redis-server")
        return "Redis " + re.search(r"v=(\S+)", output("redis-server", "--version")).group(1)

    def launch(self):
        return self.wait_for_port(self.run(
            "redis", "redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--appendonly", "yes",
            "--appendfsync", self.mode.name, "--save", "", "--daemonize", "no", "--no-appendfsync-on-rewrite", "no"))


class PostgreSql(Server):
    name = "postgresql"
    settled = "a transaction that deletes all of what was read"
    modes = [Mode("on", "tables as queues, batched commits (default: synchronous)", True),
             Mode("off", "tables as queues, synchronous_commit off", False)]

    def folder_of_programs(self):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise NotHere("postgresql is not installed")
        return found[-1].parent

    def version(self):
        return output(self.folder_of_programs() / "postgres", "--version").replace("postgres (PostgreSQL)", "PostgreSQL").partition(" (")[0]

    def as_user(self, *command):
        """It refuses to run as root."""
        return ("runuser", "-u", "postgres", "--", *command) if os.geteuid() == 0 else command

    def launch(self):
        programs = self.folder_of_programs()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        subprocess.run([str(word) for word in self.as_user(programs / "initdb", "-D", data, "-E", "UTF8", "--locale=C.UTF-8",
                                                           "-U", "postgres", "-A", "trust")],
                       check=True, capture_output=True, cwd="/")
        settings = [f"unix_socket_directories={self.folder}", "listen_addresses=", "shared_buffers=512MB", "max_wal_size=8GB",
                    f"synchronous_commit={self.mode.name}", "fsync=on", f"port={self.port}"]
        process = self.run("postgresql", *self.as_user(programs / "postgres", "-D", data,
                                                       *[word for setting in settings for word in ("-c", setting)]), cwd="/")
        wait_until(lambda: "ready to accept connections" in process.said() or process.child.poll() is not None, 60,
                   "postgresql does not answer")
        if process.child.poll() is not None:
            raise SystemExit(f"bench: postgresql did not start:\n{process.said()}")
        return process

    def ask_to_end(self, process):
        pidfile = self.folder / "data/postmaster.pid"
        if pidfile.exists():
            os.kill(int(pidfile.read_text().split()[0]), signal.SIGINT)  # ends without waiting for clients


SERVERS = [PostgreSql, RabbitMq, Redis, Nats]
