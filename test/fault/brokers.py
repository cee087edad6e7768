#!/usr/bin/python3
"""Three brokers with their journal on one Kafka, under harm: each round ends a broker or a Kafka node by kill -9, stops a broker for so
long that the cluster takes its part from it and lets it go on as a zombie, or moves an adapter to another broker. At the end
nothing that any of them accepted may be lost, twice in effect, or out of its subject's order; and the simulation's checker, given
what the cluster has, agrees.

    HUTONG_BUILD=build/release test/fault/brokers.py [--rounds 20] [--nodes 1|3] [--seed N]

0: all held; 1: something did not; 3: no Kafka can be had and HUTONG_REQUIRE_REAL is set (without: 0, said aloud)."""
import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
os.environ.setdefault("HUTONG_BUILD", str(HERE.parents[1] / "build" / "release"))
sys.path[:0] = [str(HERE), str(HERE.parent / "scenario"), str(HERE.parent / "kafka")]

import checker  # noqa: E402
import real_history  # noqa: E402
import server  # noqa: E402
from hutong_bus import Broker, program, wait_until  # noqa: E402
from patience import Patience  # noqa: E402

PUBLISHERS = ("a", "b")
BROKERS = ("one", "two", "three")
SUBJECTS, RATE, LINE = 50, 1000, 8
PATIENCE = 180
HARMS = ("kill_broker", "kill_broker", "make_zombie", "replace_zombie", "kill_node", "kill_adapter", "kill_adapter")
ZOMBIE_S = 16  # longer than the cluster waits for a group's member, and for a transaction


def journal(kafka, prefix, name, replication):
    return (f"  backend: kafka\n  kafka: {{ brokers: '{kafka.bootstrap}', prefix: {prefix}, name: {name}, partitions: 4, "
            f"replication: {replication} }}\n")


class Field:
    """Brokers, publishers and one receiver, each adapter at a broker of its choice."""

    def __init__(self, folder, kafka, nodes, rng):
        self.folder, self.kafka, self.rng = pathlib.Path(folder), kafka, rng
        self.brokers = {}
        for name in BROKERS:
            (self.folder / name).mkdir()
            self.brokers[name] = Broker(self.folder / name, journal=journal(kafka, "bus", name, nodes))
        self.errors = open(self.folder / "load.log", "a", encoding="utf-8")
        self.at = {adapter: rng.choice(BROKERS) for adapter in (*PUBLISHERS, "receiver")}
        self.processes = {}
        self.ended = 0  # brokers, by themselves

    def accepted_log(self, publisher):
        return self.folder / f"accepted-{publisher}"

    @property
    def effects_log(self):
        return self.folder / "effects"

    def command(self, adapter):
        endpoint = self.brokers[self.at[adapter]].endpoint
        if adapter == "receiver":
            return [program("fault-receiver"), endpoint, self.effects_log]
        return [program("fault-publisher"), endpoint, adapter, self.accepted_log(adapter), self.folder / f"spool-{adapter}", SUBJECTS, RATE]

    def start_adapter(self, adapter):
        self.processes[adapter] = subprocess.Popen([str(word) for word in self.command(adapter)], stderr=self.errors)

    def move(self, adapter):
        self.processes[adapter].kill()
        self.processes[adapter].wait()
        self.at[adapter] = self.rng.choice([name for name in BROKERS if name != self.at[adapter]])
        self.start_adapter(adapter)

    def start(self):
        for broker in self.brokers.values():
            broker.start()
        for adapter in self.at:
            self.start_adapter(adapter)

    def bytes_of(self, paths):
        return sum(path.stat().st_size for path in paths if path.exists())

    def check_alive(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{(self.folder / 'load.log').read_text()[-2000:]}")

    def flow(self, count=300):
        """Until so many more messages, about, were accepted from each publisher and had their effects."""
        before = {name: self.bytes_of([self.accepted_log(name)]) for name in PUBLISHERS}
        effects = self.bytes_of([self.effects_log])

        def moved():
            self.check_alive()
            self.supervise()
            return self.bytes_of([self.effects_log]) >= effects + count * LINE and all(
                self.bytes_of([self.accepted_log(name)]) >= was + count * LINE for name, was in before.items())

        wait_until(moved, f"{count} more messages; adapters at {self.at}", patience=PATIENCE)

    def supervise(self):
        """As a service manager: a broker that the cluster turned away ends, and starts again."""
        for name, broker in self.brokers.items():
            if broker.process.poll() is not None:
                self.ended += 1
                self.revive(name)

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        for broker in self.brokers.values():
            broker.kill()
        self.errors.close()

    # ---- Harm ----

    def kill_broker(self):
        name = self.rng.choice(BROKERS)
        self.brokers[name].kill()
        if self.rng.random() < 0.5:
            time.sleep(self.rng.random() * 3)
        self.revive(name)

    def revive(self, name):
        """A broker that can't reach its cluster ends; its service manager starts it again."""
        broker = self.brokers[name]
        for _ in range(10):
            try:
                broker.start()
                return
            except RuntimeError:
                time.sleep(0.5)
        broker.start()

    def make_zombie(self):
        name = self.rng.choice(BROKERS)
        process = self.brokers[name].process
        process.send_signal(signal.SIGSTOP)
        time.sleep(ZOMBIE_S)
        process.send_signal(signal.SIGCONT)

    def replace_zombie(self):
        """Another process of its name starts while it stands still; it goes on, takes in what its publisher has, and must end."""
        name = self.at[self.rng.choice(PUBLISHERS)]
        zombie = self.brokers[name].process
        zombie.send_signal(signal.SIGSTOP)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=name, dir=self.folder))
        spare = Broker(folder, journal=journal(self.kafka, "bus", name, len(self.kafka.nodes)))
        try:
            spare.start()
            zombie.send_signal(signal.SIGCONT)
            zombie.wait(PATIENCE)
        finally:
            spare.kill()
        self.revive(name)

    def kill_node(self):
        node = self.rng.choice(self.kafka.nodes)
        node.kill()
        time.sleep(self.rng.random() * 2)
        node.start()

    def kill_adapter(self):
        self.move(self.rng.choice(list(self.at)))

    # ---- The verdict ----

    def judge(self):
        for name in PUBLISHERS:
            self.processes[name].send_signal(signal.SIGTERM)
        undecided = [name for name in PUBLISHERS if self.processes[name].wait(PATIENCE) != 0]
        accepted = [pair for name in PUBLISHERS for pair in checker.read_accepted(self.accepted_log(name))]
        wanted, size, quiet = set(accepted), -1, Patience(60)
        while not quiet.over():
            self.supervise()
            now = self.bytes_of([self.effects_log])
            if now != size:
                size, quiet = now, Patience(60)
                if wanted <= set(checker.read_effects(self.effects_log)):
                    break
            time.sleep(0.2)
        report = checker.check(accepted, checker.read_effects(self.effects_log))
        text = checker.describe(report) + "".join(f"; {name} has undecided messages" for name in undecided)
        held, said = real_history.judge(real_history.collect(self.kafka, "bus", map(self.accepted_log, PUBLISHERS), self.effects_log))
        return (checker.is_right(report) and not undecided and held,
                f"{text}; {self.ended} brokers ended by themselves; the simulation's checker: {said}")


def run(folder, harms, nodes, rng, say=print):
    """(whether all is right, a text)."""
    with server.Cluster(nodes=nodes) as kafka:
        field = Field(folder, kafka, nodes, rng)
        try:
            field.start()
            field.flow()
            for number, harm in enumerate(harms, 1):
                began = time.monotonic()
                getattr(field, harm)()
                field.flow()
                say(f"round {number} of {len(harms)}: {harm}, {time.monotonic() - began:.1f} s", flush=True)
            return field.judge()
        finally:
            field.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, printed")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs")
    args = parser.parse_args()
    reason = server.unavailable()
    if reason:
        print(f"SKIPPED: {reason}")
        return 3 if os.environ.get("HUTONG_REQUIRE_REAL") else 0
    seed = random.randrange(10**6) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="hutong-brokers-")
    try:
        rng = random.Random(f"brokers {seed}")
        right, text = run(folder, rng.choices(HARMS, k=args.rounds), args.nodes, rng)
    finally:
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(("right  " if right else "WRONG  ") + text)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
