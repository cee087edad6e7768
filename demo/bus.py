"""The bus of the demo in a folder of its own: configuration, keys, broker, adapters, and the legacy programs beside them."""
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import sys

from processes import Failure, Process, wait_until
from town import LEGACY, ROOT

SYSTEMS = {"public_security": "public_security/population", "civil_affairs": "civil_affairs/registration",
           "housing": "housing/tenancy"}
TITLES = {"public_security": "public security 公安", "civil_affairs": "civil affairs 民政", "housing": "housing 住建"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Bus:
    """One broker with its journal in a folder."""
    BROKERS = ("broker",)
    STORE = "journal"  # what holds the messages, as the demo calls it
    QUIET_S = 3        # nothing on its way for so long: nothing more will come
    AFTER_KILLS = ""   # what is to be said of the times under kills

    def __init__(self, folder, build, routes=ROOT / "routes", outlives=False, flaky=None):
        self.folder, self.build, self.outlives = pathlib.Path(folder), pathlib.Path(build), outlives
        self.town = self.folder / "town"
        self.conf = self.folder / "conf"
        self.journal = self.folder / "run/journal"
        self.endpoints = {name: f"tcp://127.0.0.1:{free_port()}" for name in self.BROKERS}
        self.routes, self.flaky = routes, flaky
        self.housing_url = None
        self.brokers, self.adapters, self.legacy = {}, {}, {}
        if len(str(self.admin(self.BROKERS[0]))) > 100:  # a UNIX socket's path has 107 bytes at most
            raise Failure(f"{folder} is too long a path for a socket: choose a shorter TMPDIR")
        for name in ("hutong-broker", "hutong-adapter", "hutong"):
            if not self.program(name).exists():
                raise Failure(f"{self.program(name)} is not there: build it first (scripts/build), or start scripts/demo")

    def program(self, name):
        return self.build / "bin" / name

    def tool(self, *arguments):
        """Runs hutong(1)."""
        return subprocess.run([self.program("hutong"), *map(str, arguments)], capture_output=True, text=True, timeout=120)

    # ---- Configuration ----

    def configure(self):
        """A copy of conf/ and routes/ with an address, new keys and this build's catalogue."""
        shutil.copytree(ROOT / "conf", self.conf, ignore=shutil.ignore_patterns("keys"))
        shutil.copytree(self.routes, self.folder / "routes")
        for name in ("run", "state", "log"):
            (self.folder / name).mkdir()
        text = (self.conf / "broker.yaml").read_text("utf-8")
        (self.conf / "broker.yaml").unlink()
        for name in self.BROKERS:
            self.conf_file(name).write_text(self.adapted(text, self.settings(name)), "utf-8")
        (self.conf / "keys").mkdir()
        for name in ("broker", *SYSTEMS.values()):
            made = self.tool("keys", "generate", "-o", self.conf / "keys", name)
            if made.returncode:
                raise Failure(f"hutong keys: {made.stderr}")
        for name in self.BROKERS:
            checked = self.tool("check", self.conf_file(name))
            if checked.returncode:
                raise Failure(f"hutong check: {checked.stdout}{checked.stderr}")

    @staticmethod
    def adapted(text, settings):
        """broker.yaml with other values for some keys; what was indented below such a key goes."""
        for key, value in settings.items():
            text, changed = re.subn(rf"^{key}:.*\n(?: .*\n)*", lambda _, key=key, value=value: f"{key}: {value}\n", text, flags=re.M)
            if changed != 1:
                raise Failure(f"conf/broker.yaml: the demo expects one line \"{key}:\"")
        return text

    def settings(self, name):
        return {"listen": self.endpoints[name], "catalogue": self.build / "catalogue.binpb", "admin": self.admin(name)}

    def conf_file(self, name):
        return self.conf / f"{name}.yaml"

    def admin(self, name):
        return self.folder / f"run/{name}.sock"

    def broker_of(self, agency):
        """The name of the one that its adapter connects to."""
        return self.BROKERS[0]

    def key(self, agency):
        return self.conf / "keys" / (SYSTEMS[agency].replace("/", "-") + "_secret")

    def environment(self, agency):
        return {"HUTONG_ENDPOINT": self.endpoints[self.broker_of(agency)], "HUTONG_KEY": self.key(agency), "HUTONG_BROKER_KEY": self.conf / "keys/broker",
                "HUTONG_CATALOGUE": self.build / "catalogue.binpb", "HUTONG_CODES": self.conf / "codes",
                "HUTONG_STATE": self.state(agency), "CIVIL_HOME": self.town / "civil", "HOUSING_URL": self.housing_url,
                "REGISTER": f"Driver=SQLite3;Database={self.town / 'register.sqlite'};Timeout=5000"}

    def state(self, agency):
        return self.folder / "state" / agency

    # ---- Processes ----

    def process(self, name, command, environment=None):
        return Process(name, command, self.folder / "log" / f"{name}.log", environment, self.outlives)

    def start_legacy(self):
        command = [sys.executable, LEGACY["housing"] / "housing.py", "--store", self.town / "housing.sqlite"]
        if self.flaky is not None:
            command += ["--flaky", self.flaky]
        self.legacy["housing"] = self.process("legacy-housing", command)
        self.legacy["civil_affairs"] = self.process("legacy-civil-affairs", [
            sys.executable, LEGACY["civil_affairs"] / "civil.py", "--home", self.town / "civil", "run", "--interval", "0.5"])
        for process in self.legacy.values():
            process.start()
        self.legacy["housing"].wait_for("TenancyService.asmx\n")
        self.housing_url = self.legacy["housing"].log.read_text("utf-8").split()[0]

    def start_brokers(self):
        for name in self.BROKERS:
            self.brokers[name] = self.process(name, [self.program("hutong-broker"), "-c", self.conf_file(name)])
            self.brokers[name].start()
        for broker in self.brokers.values():
            broker.wait_for(" broker.ready ")

    def start_adapters(self):
        for agency in SYSTEMS:
            command = [self.program("hutong-adapter"), "-c", ROOT / "adapters" / agency / "adapter.yaml"]
            self.adapters[agency] = self.process(f"adapter-{agency}", command, self.environment(agency))
            self.adapters[agency].start()
        for adapter in self.adapters.values():
            adapter.wait_for(" bus.connected ", " adapter.connected ")

    def start_again(self, process):
        """After a kill."""
        process.start()

    def whereabouts(self):
        return f"broker at {self.endpoints['broker']} (CURVE), adapters of {', '.join(SYSTEMS)} connected"

    def processes(self):
        return [*self.adapters.values(), *self.brokers.values(), *self.legacy.values()]

    def check(self):
        for process in self.processes():
            process.check()

    def stop(self):
        """Adapters first, so that what they hold still reaches a broker. The names of those that didn't end well."""
        bad = []
        for group in map(list, (self.adapters.values(), self.brokers.values(), self.legacy.values())):
            group = [process for process in group if process.child]
            for process in group:
                process.ask_to_stop()
            legacy = group and group[0] in self.legacy.values()
            bad += [process.name for process in group if process.stop() != 0 and not legacy]
        return bad

    def close(self):
        """What holds the messages may end: nothing is read any more."""

    # ---- What they say about themselves ----

    def status(self, name):
        """A broker's, or None when it doesn't answer."""
        done = self.tool("status", "--admin", self.admin(name), "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def adapter_status(self, agency):
        try:
            return json.loads((self.state(agency) / "status.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}

    def idle_reason(self):
        """None when nothing is on its way anywhere; otherwise what still is."""
        for name in self.BROKERS:
            status = self.status(name)
            if status is None:
                return f"{name} doesn't answer"
            waiting = {queue["name"]: queue["waiting"] for queue in status["queues"]
                       if queue["waiting"] and not queue["name"].startswith("dead:")}
            if waiting:
                return f"queues of {name}: " + ", ".join(f"{queue} {count}" for queue, count in waiting.items())
        for agency in SYSTEMS:
            adapter = self.adapter_status(agency)
            if adapter.get("bus") != "connected" or adapter.get("trouble") or adapter.get("spooled") or adapter.get("held"):
                return f"adapter of {agency}: " + ", ".join(
                    f"{key} {adapter.get(key)}" for key in ("bus", "trouble", "spooled", "held") if adapter.get(key))
        return self.backlog()

    def backlog(self):
        """What the departments' systems have not yet given away or taken."""
        folder = self.town / "civil"
        files = [*folder.glob("in/*.csv"), *folder.glob("out/HYDJ_*.csv")]
        if files:
            return f"civil affairs: {len(files)} files"
        register = sqlite3.connect(f"file:{self.town / 'register.sqlite'}?mode=ro", uri=True, timeout=30)
        try:
            rows = register.execute("SELECT count(*) FROM hutong_outbox").fetchone()[0]
        finally:
            register.close()
        return f"register: {rows} rows in the outbox" if rows else None

    def records(self, *kinds):
        """The journal's records of these kinds, oldest first."""
        for kind in kinds:
            done = self.tool("journal", "list", "--json", "--kind", kind, self.journal)
            if done.returncode:
                raise Failure(f"hutong journal list: {done.stderr}")
            yield from map(json.loads, done.stdout.splitlines())

    def place(self, record, names):
        """Of a message: where it stands, and where what goes out does."""
        to = ", ".join(f"{names.get(d['queue'])} at {d['position']}" for d in record["deliveries"])
        return f"record {record['sequence']}, {record['time'][11:23]} UTC, {record['type'].rsplit('.', 1)[-1]}, for {to}"

    def verify(self):
        """(Whether what holds the messages has all of them, what is to be said of that.)"""
        done = self.tool("journal", "verify", self.journal)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def wait_until_adapters_are_back(self):
        for agency in SYSTEMS:
            wait_until(lambda agency=agency: self.adapter_status(agency).get("pid") == self.adapters[agency].child.pid
                       and self.adapter_status(agency).get("bus") == "connected", f"the adapter of {agency} is connected")

    # ---- --keep ----

    def groups_to_stop(self):
        """Each is ended once those before it have ended."""
        return [[*self.adapters.values(), *self.brokers.values(), *self.legacy.values()]]

    def write_stop(self):
        path = self.folder / "stop"
        lines = ["#!/bin/sh", "# Ends the demo's processes by their ids and removes its folder."]
        for group in self.groups_to_stop():
            pids = [process.child.pid for process in group]
            lines.append(f"kill {' '.join(map(str, pids))} 2>/dev/null")
            lines += [f"while kill -0 {pid} 2>/dev/null; do sleep 0.1; done" for pid in pids]
        path.write_text("\n".join([*lines, f"rm -rf {self.folder}", ""]), "utf-8")
        os.chmod(path, 0o755)
        return path

    def ways_to_look(self):
        """(What one sees, the command) each."""
        hutong = self.program("hutong")
        yield from self.ways_to_look_at_the_bus(hutong)
        yield "a move in the register", f"sqlite3 {self.town}/register.sqlite 'SELECT * FROM T_HKBG LIMIT 5'"
        yield "civil affairs: files it took", f"ls {self.town}/civil/archive"
        yield "housing: what it was told", f"sqlite3 {self.town}/housing.sqlite 'SELECT * FROM occupancies LIMIT 5'"
        yield "what a department's adapter says", f"cat {self.folder}/state/*/status.json"
        yield "logs, configuration, keys", f"ls {self.folder}/log {self.folder}/conf"

    def ways_to_look_at_the_bus(self, hutong):
        yield "peers, queues, rates", f"{hutong} status --admin {self.admin('broker')}"
        yield "what was accepted and delivered", f"{hutong} journal list --count 20 {self.journal}"
        yield "the proof that it is whole", f"{hutong} journal verify {self.journal}"
