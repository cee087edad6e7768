#!/usr/bin/python3
"""Kills the broker with SIGKILL at random moments under load, and proves that nothing it accepted was lost, happened twice
in effect, or changed places with another message of its subject.

  test/fault/kill.py --rounds 100 --seed 7      the programs of build/release, or of HUTONG_BUILD
  test/fault/kill.py --rounds 5 --broker hutong-broker-lossy      a broker that lies: must end with 1

A round waits for the broker, then for a random number of acknowledgements more, then kills it; every fifth kill falls into
the broker's start instead. Publishers and receiver are killed now and then too. Exit status: 0 all is right; 1 a promise was broken; 2 usage.
"""
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

os.environ.setdefault("HUTONG_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "release"))
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "scenario")]
import checker  # noqa: E402
from hutong_bus import PATIENCE, Broker, program, wait_until  # noqa: E402
from patience import Patience  # noqa: E402

PUBLISHERS = ("a", "b")
LINE = 8  # bytes of an acknowledgement in a publisher's log, about
EFFECT_LINE = 17  # of an effect in the receiver's


class Load:
    """Two publishers and a receiver, and what they wrote down."""

    def __init__(self, folder, endpoint, subjects, rate):
        self.folder, self.endpoint, self.subjects, self.rate = folder, endpoint, subjects, rate
        self.errors = open(folder / "load.log", "a", encoding="utf-8")
        self.publishers, self.receiver = {}, None

    def accepted_log(self, instance):
        return self.folder / f"accepted-{instance}"

    @property
    def effects_log(self):
        return self.folder / "effects"

    def start(self):
        for instance in PUBLISHERS:
            self.start_publisher(instance)
        self.start_receiver()

    def start_publisher(self, instance):
        command = [program("fault-publisher"), self.endpoint, instance, self.accepted_log(instance), self.folder / f"spool-{instance}",
                   self.subjects, self.rate]
        self.publishers[instance] = subprocess.Popen([str(part) for part in command], stderr=self.errors)

    def kill_publisher(self, instance):
        self.publishers[instance].kill()
        self.publishers[instance].wait(PATIENCE)
        self.start_publisher(instance)

    def start_receiver(self):
        command = [program("fault-receiver"), self.endpoint, self.effects_log]
        self.receiver = subprocess.Popen([str(part) for part in command], stderr=self.errors)

    def kill_receiver(self):
        self.receiver.kill()
        self.receiver.wait(PATIENCE)
        self.start_receiver()

    def kill_one(self, rng):
        victim = rng.choice([*PUBLISHERS, "receiver"])
        if victim == "receiver":
            self.kill_receiver()
        else:
            self.kill_publisher(victim)

    def acknowledged_bytes(self):
        paths = [self.accepted_log(instance) for instance in PUBLISHERS]
        return sum(path.stat().st_size for path in paths if path.exists())

    def effects_bytes(self):
        return self.effects_log.stat().st_size if self.effects_log.exists() else 0

    def check_alive(self):
        for process in (*self.publishers.values(), self.receiver):
            if process.poll() is not None:
                raise RuntimeError(f"a program of the load ended with {process.returncode}:\n{self.log()}")

    def log(self):
        return (self.folder / "load.log").read_text("utf-8")[-2000:]

    def wait_for_publishers(self):
        """Until each has had something accepted: one that was only just started would end at once of a SIGTERM."""
        paths = [self.accepted_log(instance) for instance in PUBLISHERS]
        sizes = [path.stat().st_size if path.exists() else 0 for path in paths]

        def all_went_on():
            self.check_alive()
            return all(path.exists() and path.stat().st_size > size for path, size in zip(paths, sizes))

        wait_until(all_went_on, "an acknowledgement of each publisher")

    def stop_publishers(self):
        """They go on until everything is accepted; whether that was so."""
        for process in self.publishers.values():
            process.send_signal(signal.SIGTERM)
        return all([process.wait(90) == 0 for process in self.publishers.values()])

    def accepted(self):
        return [pair for instance in PUBLISHERS for pair in checker.read_accepted(self.accepted_log(instance))]

    def end(self):
        for process in filter(None, (*self.publishers.values(), self.receiver)):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.errors.close()


class Torment:
    def __init__(self, folder, rounds, seed, broker_program, rate=10000, subjects=50, say=print):
        self.rng = random.Random(f"kill {seed}")
        self.rounds, self.say = rounds, say
        self.broker = Broker(folder, program_name=broker_program)
        self.load = Load(folder, self.broker.endpoint, subjects, rate)
        self.kills = self.early_kills = self.load_kills = 0

    def round(self, number):
        if number % 5 == 4:
            self.kill_while_starting()
        self.broker.start()
        before = self.load.acknowledged_bytes()
        more = self.rng.randrange(1, 4000) * LINE

        def progressed():
            self.load.check_alive()
            return self.load.acknowledged_bytes() >= before + more

        wait_until(progressed, f"{more // LINE} more acknowledgements")
        time.sleep(self.rng.random() * 0.02)  # anywhere between two batches
        self.broker.kill()
        self.kills += 1
        if self.rng.random() < 0.2:
            self.load.kill_one(self.rng)
            self.load_kills += 1
        self.say(f"round {number + 1} of {self.rounds}: {self.load.acknowledged_bytes() // LINE} acknowledged, "
                 f"{self.load.effects_bytes() // EFFECT_LINE} effects, about", flush=True)

    def kill_while_starting(self):
        self.broker.spawn()
        time.sleep(self.rng.random() * 0.03)
        self.broker.kill()
        self.kills += 1
        self.early_kills += 1

    def wait_for_effects(self, accepted):
        """Until all that was accepted has its effect, or nothing moves any more."""
        wanted = len(set(accepted))
        size, looked, quiet = -1, -1, Patience(15)
        while not quiet.over():
            now = self.load.effects_bytes()
            if now != size:
                size, quiet = now, Patience(15)
            elif now != looked:
                looked = now
                if len(set(checker.read_effects(self.load.effects_log))) >= wanted:
                    return
            time.sleep(0.05)

    def run(self):
        """The checker's report."""
        self.load.start()
        try:
            for number in range(self.rounds):
                self.round(number)
            self.broker.start()
            self.load.wait_for_publishers()
            all_decided = self.load.stop_publishers()
            accepted = self.load.accepted()
            self.wait_for_effects(accepted)
            report = checker.check(accepted, checker.read_effects(self.load.effects_log))
            report["undecided"] = not all_decided
            return report
        finally:
            self.load.end()
            if self.broker.process:
                self.broker.stop()


def verify_journal(folder):
    done = subprocess.run([program("hutong"), "journal", "verify", folder], capture_output=True, text=True)
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def run_rounds(folder, rounds, seed, broker_program="hutong-broker", say=print):
    """(whether all is right, the checker's report, a text)."""
    torment = Torment(pathlib.Path(folder), rounds, seed, broker_program, say=say)
    report = torment.run()
    whole, text = verify_journal(torment.broker.folder / "journal")
    summary = (f"seed {seed}: {torment.kills} kills ({torment.early_kills} while starting, publishers or receiver "
               f"killed {torment.load_kills} times): {checker.describe(report)}")
    if report["undecided"]:
        summary += "; not everything that was published was accepted in the end"
    if not whole:
        summary += f"; the journal does not verify: {text}"
    return checker.is_right(report) and whole and not report["undecided"], report, summary


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, printed")
    parser.add_argument("--broker", default="hutong-broker", help="a program of the build folder")
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal and logs")
    args = parser.parse_args()
    seed = random.randrange(10**6) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="hutong-kill-")
    try:
        right, _, summary = run_rounds(folder, args.rounds, seed, args.broker)
    finally:
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(summary)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
