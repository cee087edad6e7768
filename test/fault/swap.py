#!/usr/bin/python3
"""Swaps 1,000 routes again and again at full load, and proves that every message was routed wholly by one set, none lost, none twice.

  test/fault/swap.py                       1,000 routes, 100 swaps; the programs of build/release, or of HUTONG_BUILD
  test/fault/swap.py --kills 20 --seed 3   then also kills the broker with SIGKILL during reloads and rollbacks

Each set stamps what it delivers: two of its routes take a message, to two systems, and their maps give both the same constant. The
receivers write the stamps down; in the end both must have each message once, with the same stamp, in the order of its subject.
Sets are changed by hutong reload, SIGHUP and hutong routes rollback in turn; in between sets with an error are refused under load.
Exit status: 0 all is right; 1 a promise was broken; 2 usage.
"""
import argparse
import json
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
RECEIVERS = ("housing/tenancy", "civil_affairs/registration")
FILES = 4

AGREEMENT = """agreement: STAMP-{number}
provider: public_security/population
receiver: {receiver}
type: gov.housing.v1.OccupancyNotice
fields: [citizen_number, unit_code, relation]
purpose: a test
basis: a test
from: 2026-01-01
until: 2099-12-31
"""

ROUTE = """  - name: {subject}-{number}
    on: gov.public_security.v1.ResidenceRegistered
    from: public_security/population
    when: msg.resident.citizen_number == "{subject}"
    order_by: msg.resident.citizen_number
    to:
      - system: {receiver}
        agreement: STAMP-{number}
        as: gov.housing.v1.OccupancyNotice
        map: {{ citizen_number: msg.resident.citizen_number, unit_code: msg.address.unit_code, relation: '"{stamp}"' }}
"""


class Swaps:
    def __init__(self, folder, routes, seed, rate, program_name="hutong-broker", say=print):
        self.rng, self.say, self.rate = random.Random(f"swap {seed}"), say, rate
        self.folder = pathlib.Path(folder)
        self.subjects = routes // 2 // len(PUBLISHERS)  # of a publisher: two routes each
        self.broker = Broker(folder, settings=f"admin: {folder}/admin.sock\n", program_name=program_name)
        self.conf = self.broker.folder / "conf"
        self.errors = open(self.folder / "load.log", "a", encoding="utf-8")
        self.load, self.stamps, self.memory = [], [], []
        self.activated = self.refused = self.kills = 0
        self.slowest, self.still = 0.0, []
        for number, receiver in enumerate(RECEIVERS):
            (self.conf / f"agreements/stamp-{number}.yaml").write_text(AGREEMENT.format(number=number, receiver=receiver))
        self.write_set("S0")

    # ---- Sets ----

    def write_set(self, stamp, mistake=False):
        """Every file of the routes, whole one by one; the broker sees none of it until it is asked to."""
        routes = [(f"{instance}-{i}", number) for instance in PUBLISHERS for i in range(self.subjects)
                  for number in range(len(RECEIVERS))]
        self.rng.shuffle(routes)
        for place in range(FILES):
            text = "routes:\n" + "".join(ROUTE.format(subject=subject, number=number, receiver=RECEIVERS[number], stamp=stamp)
                                         for subject, number in routes[place::FILES])
            if mistake and place == FILES - 1:
                text = text.replace("msg.address.unit_code", "msg.address.unit_kode", 1)
            (self.conf / f"routes/set-{place}.yaml").write_text(text)
        (self.conf / "routes/test.yaml").unlink(missing_ok=True)

    def hutong(self, *words):
        done = subprocess.run([program("hutong"), *words, "--json", "--admin", f"{self.folder}/admin.sock"],
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else {"error": done.stderr}

    def active(self):
        return self.hutong("routes", "history", "--count", "1")[1][0]

    # ---- Load ----

    def start_load(self):
        for instance in PUBLISHERS:
            self.load.append(subprocess.Popen([str(part) for part in (
                program("fault-publisher"), self.broker.endpoint, instance, self.folder / f"accepted-{instance}",
                self.folder / f"spool-{instance}", self.subjects, self.rate)], stderr=self.errors))
        for number, receiver in enumerate(RECEIVERS):
            self.load.append(subprocess.Popen([str(part) for part in (
                program("fault-receiver"), self.broker.endpoint, self.folder / f"effects-{number}", receiver)], stderr=self.errors))

    def check_alive(self):
        for process in self.load:
            if process.poll() is not None:
                raise RuntimeError(f"a program of the load ended with {process.returncode}:\n"
                                   + (self.folder / "load.log").read_text("utf-8")[-2000:])

    def accepted_bytes(self):
        paths = [self.folder / f"accepted-{instance}" for instance in PUBLISHERS]
        return sum(path.stat().st_size for path in paths if path.exists())

    def let_flow(self, count=200):
        """Until so many more messages, about, were accepted."""
        self.check_alive()
        before = self.accepted_bytes()
        wait_until(lambda: self.accepted_bytes() >= before + 8 * count, "messages between two swaps")

    # ---- One swap ----

    def swap(self, number):
        started = time.monotonic()
        kind = ("reload", "SIGHUP", "reload", "rollback")[number % 4]
        if kind == "rollback" and number > 3:
            code, answer = self.hutong("routes", "rollback")
        else:
            self.write_set(f"S{number}")
            code, answer = self.hutong("reload") if kind != "SIGHUP" else self.hang_up()
        if code != 0 or answer["result"] != "activated":
            raise RuntimeError(f"swap {number} by {kind}: {answer}")
        self.slowest = max(self.slowest, time.monotonic() - started)
        if "swap_us" in answer:
            self.still.append(answer["swap_us"])
        self.activated += 1

    def hang_up(self):
        before = self.active()["number"]
        os.kill(self.broker.process.pid, signal.SIGHUP)
        wait_until(lambda: f"configuration.activated number={before + 1} " in self.broker.log(), "the activation by SIGHUP")
        return 0, {"result": "activated"}

    def refuse(self):
        before = self.active()["digest"]
        kept = {path: path.read_text() for path in (self.conf / "routes").iterdir()}
        self.write_set("S-wrong", mistake=True)
        code, answer = self.hutong("reload")
        if code != 2 or answer["errors"] != 1 or "did you mean unit_code" not in answer["text"]:
            raise RuntimeError(f"a wrong set was not refused: {answer}")
        if self.active()["digest"] != before:
            raise RuntimeError("a refused set changed what is in force")
        for path, text in kept.items():
            path.write_text(text)
        self.refused += 1

    def note_memory(self):
        for line in pathlib.Path(f"/proc/{self.broker.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                self.memory.append(int(line.split()[1]) // 1024)

    def run_swaps(self, count):
        for number in range(1, count + 1):
            self.let_flow()
            if number % 10 == 5:
                self.refuse()
            self.swap(number)
            if number % 10 == 0:
                self.note_memory()
                self.say(f"{number} of {count} swaps, {self.accepted_bytes() // 8} messages, about; "
                         f"broker {self.memory[-1]} MiB", flush=True)

    # ---- Kills in the middle ----

    def kill_during_a_swap(self, number):
        """Starts with the one or the other set, whole: its digest is one of both, and hutong check says the same."""
        self.let_flow()
        before = self.active()["digest"]
        words = ("reload",) if number % 2 else ("routes", "rollback")
        if words == ("reload",):
            self.write_set(f"K{number}")
        asked = subprocess.Popen([str(program("hutong")), *words, "--admin", f"{self.folder}/admin.sock"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(self.rng.random() * 0.25)  # anywhere in it
        self.broker.kill()
        asked.wait(PATIENCE)
        self.kills += 1
        checked = subprocess.run([program("hutong"), "check", "--json", self.conf / "broker.yaml"], capture_output=True,
                                 text=True, check=False)
        on_disk = json.loads(checked.stdout)
        if on_disk["errors"] or on_disk["routes"] != self.subjects * len(PUBLISHERS) * len(RECEIVERS):
            raise RuntimeError(f"a kill left half a set: {on_disk['problems'][:3]}")
        self.broker.start()
        now = self.active()
        if now["digest"] != on_disk["digest"]:
            raise RuntimeError("another set is in force than is on the disk")
        self.say(f"kill {number + 1}: during {' '.join(words)}; {'the old' if now['digest'] == before else 'the new'} set",
                 flush=True)

    # ---- The verdict ----

    def stop_load(self):
        publishers, receivers = self.load[: len(PUBLISHERS)], self.load[len(PUBLISHERS):]
        for process in publishers:
            process.send_signal(signal.SIGTERM)
        decided = all([process.wait(90) == 0 for process in publishers])
        accepted = [pair for instance in PUBLISHERS for pair in checker.read_accepted(self.folder / f"accepted-{instance}")]
        self.wait_for_effects(accepted)
        for process in receivers:
            process.terminate()
            process.wait(PATIENCE)
        return decided, accepted

    def wait_for_effects(self, accepted):
        """Until both have as many as were accepted, or nothing moves any more."""
        paths = [self.folder / f"effects-{number}" for number in range(len(RECEIVERS))]
        size, quiet = -1, Patience(8)
        while not quiet.over():
            now = sum(path.stat().st_size for path in paths if path.exists())
            if now != size:
                size, quiet = now, Patience(8)
                if all(len(read_stamped(path)) >= len(accepted) for path in paths):
                    return
            time.sleep(0.2)

    def end(self):
        for process in self.load:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.errors.close()
        return self.broker.stop() if self.broker.process else 0


def read_stamped(path):
    """(subject, number, stamp) of each whole line "POSITION SUBJECT NUMBER STAMP"."""
    text = pathlib.Path(path).read_text("utf-8")
    lines = (line.split() for line in text[: text.rfind("\n") + 1].splitlines())
    return [(fields[1], int(fields[2]), fields[3]) for fields in lines if len(fields) == 4]


def judge(accepted, effects):
    """What is wrong, as texts; nothing when all is right. `effects`: of each receiver what read_stamped() gives."""
    wrong = []
    for receiver, lines in zip(RECEIVERS, effects):
        report = checker.check(accepted, [(subject, number) for subject, number, _ in lines])
        if not checker.is_right(report):
            wrong.append(f"{receiver}: {checker.describe(report)}")
    stamps = [{(subject, number): stamp for subject, number, stamp in lines} for lines in effects]
    mixed = [message for message, stamp in stamps[0].items() if stamps[1].get(message, stamp) != stamp]
    alone = stamps[0].keys() ^ stamps[1].keys()
    if mixed:
        wrong.append(f"{len(mixed)} routed by two sets, such as {mixed[0]}: {stamps[0][mixed[0]]} and {stamps[1][mixed[0]]}")
    if alone:
        wrong.append(f"{len(alone)} came to one system only, such as {min(alone)}")
    return wrong


def run(folder, routes=1000, swaps=100, kills=0, seed=1, rate=100000, say=print):
    """(whether all is right, a text)."""
    one = Swaps(folder, routes, seed, rate, say=say)
    started = time.monotonic()
    try:
        one.broker.start()
        one.start_load()
        one.run_swaps(swaps)
        seconds = time.monotonic() - started
        for number in range(kills):
            one.kill_during_a_swap(number)
        history = one.hutong("routes", "history", "--count", "0")[1]
        decided, accepted = one.stop_load()
        effects = [read_stamped(one.folder / f"effects-{number}") for number in range(len(RECEIVERS))]
        wrong = judge(accepted, effects)
    finally:
        ended = one.end()
    if ended != 0:
        wrong.append(f"the broker ended with {ended}: {one.broker.log()[-2000:]}")
    if not decided:
        wrong.append("not everything that was published was decided in the end")
    if [entry["number"] for entry in history] != list(range(len(history), 0, -1)) or len(history) < swaps + 1:
        wrong.append(f"the history has {len(history)} activations")
    grown = one.memory[-1] - one.memory[0] if one.memory else 0
    if grown > 48:
        wrong.append(f"the broker grew by {grown} MiB: {one.memory}")
    verified = subprocess.run([program("hutong"), "journal", "verify", one.broker.folder / "journal"], capture_output=True, text=True,
                              check=False)
    if verified.returncode:
        wrong.append(f"the journal does not verify: {verified.stdout}{verified.stderr}")
    used = len({stamp for _, _, stamp in effects[0]})
    text = (f"{routes} routes, {one.activated} swaps in {seconds:.0f} s (slowest {one.slowest:.2f} s, "
            f"the core stood still for {sorted(one.still)[len(one.still) // 2]} us in the median, {max(one.still)} us at most), {one.refused} sets refused, "
            f"{one.kills} kills; {len(accepted)} accepted, {sum(map(len, effects))} effects by {used} sets; "
            f"broker {one.memory[0] if one.memory else 0} to {one.memory[-1] if one.memory else 0} MiB; "
            + ("each message by one set, none lost, none twice" if not wrong else "; ".join(wrong)))
    return not wrong, text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", type=int, default=1000)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=100000, help="messages a second of a publisher at most")
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal and logs")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="hutong-swap-")
    try:
        right, text = run(folder, args.routes, args.swaps, args.kills, args.seed, args.rate)
    finally:
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(text)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
