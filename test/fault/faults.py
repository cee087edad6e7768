#!/usr/bin/python3
"""Real processes under faults that happen on purpose: each case does one kind of harm while messages flow, heals it, and holds
what the broker accepted against the effects at two receiving systems: nothing lost, none twice, order per subject kept.

  test/fault/faults.py                     every case, once; the programs of build/release, or of HUTONG_BUILD
  test/fault/faults.py cut clock --seed 7  only these
  test/fault/faults.py --list

Broker, publishers and receivers run in network namespaces of their own, joined by lines that are cut, slowed, made deaf in one
direction. Needs root, iproute2 and libfaketime; without them a case is skipped aloud. Exit status: 0 all is right; 1 a promise was broken; 2 usage;
3 a case was skipped and HUTONG_REQUIRE_REAL is set.
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
from lines import Lines, SmallDisk, reason_against  # noqa: E402
from patience import Patience  # noqa: E402

PUBLISHERS = ("a", "b")
RECEIVERS = {"housing": "housing/tenancy", "civil": "civil_affairs/registration"}
HEARTBEAT_MS = 500
LINE = 8  # bytes of a message in a log, about

ROUTES = "routes:\n" + "".join(f"""  - name: to-{edge}
    on: gov.public_security.v1.ResidenceRegistered
    from: public_security/population
    order_by: msg.resident.citizen_number
    to:
      - system: {system}
        agreement: FAULT-{edge}
        as: gov.housing.v1.OccupancyNotice
        map: {{ citizen_number: msg.resident.citizen_number, unit_code: msg.address.unit_code }}
    deliver: {{ retries: 20, backoff: 50ms..500ms, expires: 30d }}
""" for edge, system in RECEIVERS.items())

AGREEMENT = """agreement: FAULT-{edge}
provider: public_security/population
receiver: {system}
type: gov.housing.v1.OccupancyNotice
fields: [citizen_number, unit_code]
purpose: a test
basis: a test
from: 2020-01-01
until: 2099-12-31
"""


def faketime_library():
    found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found[0]) if found else None


class Party:
    """One process of the load, with what starts it again."""

    def __init__(self, words, wrap, env, errors):
        self.words, self.wrap, self.env, self.errors = [str(word) for word in words], list(wrap), env, errors
        self.process = None

    def start(self, **more):
        self.process = subprocess.Popen([*self.wrap, *self.words], stderr=self.errors, env={**os.environ, **self.env, **more})

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def is_alive(self):
        return self.process.poll() is None


class Field:
    """A broker, two publishers and two receiving systems, each on a line of its own."""

    def __init__(self, folder, seed, rate=2000, subjects=40, journal_disk=0, faketime=False, journal="", say=print):
        """`journal_disk`: MiB of a small disk for the journal; `journal`: further lines of its settings."""
        self.folder, self.say = pathlib.Path(folder), say
        self.rng = random.Random(f"faults {seed}")
        self.lines = Lines([*PUBLISHERS, *RECEIVERS])
        self.disk = SmallDisk(self.folder / "journal", journal_disk) if journal_disk else None
        self.clock = self.folder / "clock"
        self.clock.write_text("+0")
        env = {"LD_PRELOAD": faketime_library(), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1",
               "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"} if faketime else {}
        self.broker = Broker(folder, curve=True, address=self.lines.address, wrap=self.lines.broker.wrap, env=env,
                             settings=f"{journal}heartbeat: {HEARTBEAT_MS}ms\nadmin: {folder}/admin.sock\n")
        for edge, system in RECEIVERS.items():
            (self.folder / f"conf/agreements/fault-{edge}.yaml").write_text(AGREEMENT.format(edge=edge, system=system))
        (self.folder / "conf/routes/test.yaml").write_text(ROUTES)
        self.errors = open(self.folder / "load.log", "a", encoding="utf-8")
        self.publishers = {name: self._party(name, "public_security/population", "fault-publisher", self.broker.endpoint, name,
                                             self.folder / f"accepted-{name}", self.folder / f"spool-{name}", subjects, rate)
                           for name in PUBLISHERS}
        self.receivers = {edge: self._party(edge, system, "fault-receiver", self.broker.endpoint, self.effects_log(edge), system)
                          for edge, system in RECEIVERS.items()}
        self.dead_expected = set()

    def _party(self, edge, system, name, *words):
        env = {"FAULT_KEY": str(self.broker.secret_file(system)), "FAULT_BROKER_KEY": str(self.broker.public_file())}
        return Party([program(name), *words], self.lines.wrap(edge), env, self.errors)

    def effects_log(self, edge):
        return self.folder / f"effects-{edge}"

    @property
    def parties(self):
        return {**self.publishers, **self.receivers}

    def start(self):
        self.broker.start()
        for party in self.parties.values():
            party.start()
        self.flow()

    # ---- Progress: conditions, never a while ----

    def _size(self, paths):
        return sum(path.stat().st_size for path in paths if path.exists())

    def accepted_size(self, names=PUBLISHERS):
        return self._size([self.folder / f"accepted-{name}" for name in names])

    def effects_size(self, edge):
        return self._size([self.effects_log(edge)])

    def check_alive(self, *but):
        if self.broker.process.poll() is not None:
            raise RuntimeError(f"the broker ended with {self.broker.process.returncode}:\n{self.broker.log()[-3000:]}")
        for name, party in self.parties.items():
            if name not in but and not party.is_alive():
                raise RuntimeError(f"{name} ended with {party.process.returncode}:\n{self.load_log()}")

    def load_log(self):
        return (self.folder / "load.log").read_text("utf-8")[-3000:]

    def flow(self, count=500, publishers=PUBLISHERS, receivers=tuple(RECEIVERS), but=()):
        """Until so many more messages, about, were accepted and had their effects."""
        accepted = self.accepted_size(publishers)
        effects = {edge: self.effects_size(edge) for edge in receivers}

        def moved():
            self.check_alive(*but)
            return self.accepted_size(publishers) >= accepted + count * LINE and all(
                self.effects_size(edge) >= effects[edge] + count * LINE for edge in receivers)

        wait_until(moved, f"{count} more messages from {publishers} to {receivers}", patience=60)

    def until_log(self, text, since=0):
        wait_until(lambda: text in self.broker.log()[since:], f"{text} in the broker's log", patience=60)

    # ---- The verdict ----

    def _wait_for_effects(self, wanted):
        sizes, quiet = None, Patience(15)
        while not quiet.over():
            now = [self.effects_size(edge) for edge in RECEIVERS]
            if now != sizes:
                sizes, quiet = now, Patience(15)
                if all(wanted <= set(checker.read_effects(self.effects_log(edge))) | self.dead_expected for edge in RECEIVERS):
                    return
            time.sleep(0.1)

    def judge(self):
        """What is wrong, as texts; and one line for the log."""
        for party in self.publishers.values():
            party.signal(signal.SIGTERM)
        undecided = [name for name, party in self.publishers.items() if party.process.wait(90) != 0]
        accepted = [pair for name in PUBLISHERS for pair in checker.read_accepted(self.folder / f"accepted-{name}")]
        self._wait_for_effects(set(accepted))
        wrong = [f"publisher {name} ended with undecided messages:\n{self.load_log()}" for name in undecided]
        words = []
        for edge in RECEIVERS:
            alive = [pair for pair in accepted if edge != "housing" or pair not in self.dead_expected]
            report = checker.check(alive, checker.read_effects(self.effects_log(edge)))
            words.append(f"{edge}: {checker.describe(report)}")
            if not checker.is_right(report):
                wrong.append(words[-1])
        if self.broker.stop() != 0:
            wrong.append(f"the broker ended with {self.broker.process.returncode}")
        done = subprocess.run([program("hutong"), "journal", "verify", self.folder / "journal"], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            wrong.append(f"the journal does not verify: {done.stdout}{done.stderr}")
        return wrong, "; ".join(words)

    def end(self):
        for party in self.parties.values():
            party.kill()
        self.broker.kill()
        self.errors.close()
        self.lines.end()
        if self.disk:
            self.disk.end()


# ---- Harm. Each takes a running field, harms and heals it. ----

def stop_broker(field):
    """Stopped for longer than heartbeats allow, and continued; and shortly."""
    for silence_ms in (4 * HEARTBEAT_MS, HEARTBEAT_MS // 2, 4 * HEARTBEAT_MS):
        field.broker.process.send_signal(signal.SIGSTOP)
        time.sleep(silence_ms / 1000)
        field.broker.process.send_signal(signal.SIGCONT)
        field.flow()


def stop_receiver(field):
    """A receiver that is stopped until its session is ended, then goes on where it was. The other system sees nothing of it."""
    seen = len(field.broker.log())
    field.receivers["housing"].signal(signal.SIGSTOP)
    field.until_log("system=housing/tenancy", seen)
    field.flow(2000, receivers=("civil",))
    field.receivers["housing"].signal(signal.SIGCONT)
    field.flow()


def stop_publisher(field):
    seen = len(field.broker.log())
    field.publishers["a"].signal(signal.SIGSTOP)
    field.until_log("system=public_security/population", seen)
    field.flow(publishers=("b",))
    field.publishers["a"].signal(signal.SIGCONT)
    field.flow(publishers=("a",))


def cut(field):
    """Lines are cut until the broker gives a session up, and for shorter; the other lines see nothing of it."""
    for edge in ("housing", "a"):
        seen = len(field.broker.log())
        field.lines.cut(edge)
        field.until_log("peer.", seen)
        field.flow(publishers=("b",), receivers=("civil",))
        field.lines.mend(edge)
        field.flow(publishers=("a",))
    for _ in range(10):
        edge = field.rng.choice(list(field.lines.edges))
        field.lines.cut(edge)
        time.sleep(field.rng.random() * 0.3)
        field.lines.mend(edge)
    field.flow()


def half_open(field):
    """The broker's words to an edge are lost while the edge's arrive."""
    for edge in ("housing", "b"):
        seen = len(field.broker.log())
        field.lines.deafen(edge)
        field.until_log("peer.", seen)
        field.flow(publishers=("a",), receivers=("civil",))
        field.lines.undeafen(edge)
        field.flow()


def slow_line(field):
    """A line of 1 Mbit/s to one receiver; the other system gets its messages all the while."""
    field.lines.slow("housing", "1mbit")
    field.flow(4000, receivers=("civil",))
    field.lines.quicken("housing")
    field.flow()


def slow_receiver(field):
    """Half a millisecond an effect, so it falls behind; the other system doesn't."""
    field.receivers["housing"].kill()
    field.receivers["housing"].start(FAULT_SLOW_US="2000")
    field.flow(6000, receivers=("civil",))
    field.receivers["housing"].kill()
    field.receivers["housing"].start()
    field.flow()


def poison(field):
    """A receiver that does not survive one message: started again each time, it rejects it at last. The rest goes on."""
    subject = ("a-3", field.accepted_size() // LINE // 40 + 50)
    field.dead_expected.add(subject)
    name = f"{subject[0]} {subject[1]}"
    poisoned = {"FAULT_POISON": name, "FAULT_POISON_TRIES": "4"}
    receiver = field.receivers["housing"]
    receiver.kill()
    receiver.start(**poisoned)
    for _ in range(3):
        wait_until(lambda: not receiver.is_alive(), f"the end of the receiver by {name}", patience=60)
        receiver.start(**poisoned)
    field.flow(2000)


def clock(field):
    """The machine's clock jumps, also while the broker is down: hours forward, and back."""
    for jump in ("+3h", "+0", "-3h", "+26h", "-2d", "+0"):
        field.clock.write_text(jump)
        field.flow(2000)
    field.clock.write_text("-1d")
    field.broker.kill()
    field.broker.start()
    field.flow(2000)


def full_disk(field):
    """No room for the journal, twice, the second time across a kill of the broker; it goes on by itself when there is room."""
    for kill in (False, True):
        seen = len(field.broker.log())
        field.disk.fill()
        field.until_log("journal.full", seen)
        if kill:
            field.broker.kill()
            field.broker.spawn()
            field.until_log("broker.ready", seen)
        field.disk.empty()
        field.flow(2000)


def kill_all(field):
    """SIGKILL of everybody, in turn and at once."""
    for _ in range(10):
        for party in field.rng.sample(list(field.parties.values()), field.rng.randrange(0, 4)):
            party.kill()
            party.start()
        field.broker.kill()
        field.broker.start()
        field.flow(200)


CASES = {"kill": kill_all, "stop-broker": stop_broker, "stop-receiver": stop_receiver, "stop-publisher": stop_publisher, "cut": cut,
         "half-open": half_open, "slow-line": slow_line, "slow-receiver": slow_receiver, "poison": poison, "clock": clock,
         "full-disk": full_disk}
OPTIONS = {"clock": {"faketime": True}, "full-disk": {"journal_disk": 64}}


def reason_to_skip(name, folder):
    """None, or why this machine can't do the case."""
    reason = reason_against()
    if not reason and name == "clock" and not faketime_library():
        reason = "libfaketime is not installed"
    if not reason and name == "full-disk":
        reason = SmallDisk.reason_against(folder)
    return reason


def run_case(name, folder, seed, say=print):
    """(whether all is right, a text)."""
    field = Field(folder, seed, say=say, **OPTIONS.get(name, {}))
    try:
        field.start()
        CASES[name](field)
        wrong, text = field.judge()
    finally:
        field.end()
    return not wrong, f"{name}, seed {seed}: {text}" + "".join(f"\n  wrong: {one}" for one in wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, printed")
    parser.add_argument("--list", action="store_true", help="the cases, and end")
    parser.add_argument("--keep", action="store_true", help="keep the folders with journals and logs")
    args = parser.parse_args()
    unknown = [name for name in args.cases if name not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]}; there are {', '.join(CASES)}")
    if args.list:
        print("\n".join(f"{name:14} {' '.join((function.__doc__ or '').split())}" for name, function in CASES.items()))
        return 0
    seed = random.randrange(10**6) if args.seed is None else args.seed
    failed, skipped = 0, 0
    for name in args.cases or CASES:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-faults-"))
        reason = reason_to_skip(name, folder)
        if reason:
            print(f"SKIPPED {name}: {reason}", flush=True)
            skipped += 1
            continue
        try:
            right, text = run_case(name, folder, seed)
        finally:
            if args.keep:
                print(f"kept: {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
        print(("right  " if right else "WRONG  ") + text, flush=True)
        failed += not right
    print(f"{failed} wrong, {skipped} skipped")
    return 1 if failed else 3 if skipped and os.environ.get("HUTONG_REQUIRE_REAL") else 0


if __name__ == "__main__":
    sys.exit(main())
