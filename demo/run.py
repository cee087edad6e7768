#!/usr/bin/python3
"""A town, three departments, one day on the bus. scripts/demo builds what this needs and starts it.

Exit status: 0 every expected effect was found exactly once, in order (or --kafka was skipped, which is said); 1 it was not, or
something failed; 2 wrong usage; 3 no Kafka can be had and HUTONG_REQUIRE_REAL is set.
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

import day
import town
from bus import Bus
from chaos import Chaos
from kafka_bus import KafkaBus
from processes import Failure
from show import Bar, seconds, table
from story import Story
from tally import Tally
from watch import Watch

DEADLINE_S = 120  # after the day, at most
LOOK_S = 0.02


def parse():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--residents", type=int, default=10000, help="of the town (default: 10000)")
    parser.add_argument("--changes", type=int, default=3000, help="of the day, about (default: 3000)")
    parser.add_argument("--seconds", type=float, default=45, help="that the day takes (default: 45)")
    parser.add_argument("--seed", type=int, default=1, help="of town and day (default: 1)")
    parser.add_argument("--kafka", action="store_true", help="the journal on a Kafka started for it, with two brokers that share it")
    parser.add_argument("--kill", action="store_true", help="kill brokers and adapters with SIGKILL at random; it must come out the same")
    parser.add_argument("--kill-seed", type=int, default=None, metavar="SEED", help="of the kills (default: a random one, printed)")
    parser.add_argument("--keep", action="store_true", help="leave it running at the end, and say how to look around")
    parser.add_argument("--routes", type=pathlib.Path, default=town.ROOT / "routes", metavar="FOLDER", help="other routes than routes/")
    args = parser.parse_args()
    if args.residents < 200 or args.changes < 20 or args.seconds < 0:
        parser.error("at least 200 residents, 20 changes and 0 seconds")
    if not args.routes.is_dir():
        parser.error(f"{args.routes} is no folder")
    if args.kill_seed is None:
        args.kill_seed = random.randrange(10**6)
    return args


def say(text=""):
    print(text, flush=True)


class Demo:
    def __init__(self, args, folder):
        self.args = args
        build = pathlib.Path(os.environ.get("HUTONG_BUILD", town.ROOT / "build/release")).resolve()
        self.bus = (KafkaBus if args.kafka else Bus)(folder, build, args.routes, outlives=args.keep, flaky=args.seed)
        self.actions = []
        self.watch = self.chaos = self.living = None

    # ---- Before ----

    def prepare(self):
        args = self.args
        made = town.build(args.seed, args.residents, self.bus.town)
        self.actions = day.Planner(args.seed, args.residents, args.changes).plan()
        plan = self.bus.folder / "plan"
        with open(plan, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(action, ensure_ascii=False) + "\n" for action in self.actions)
        self.watch = Watch(self.actions, self.bus.town, pathlib.Path(f"{plan}.applied"))
        say(f"  a town of {len(made.persons):,} residents in {len(made.households):,} households, "
            f"{len(made.communities)} communities of Xihu district (seed {args.seed})")
        say(f"  a day of {len(self.actions):,} changes, {sum(bool(a.get('bad')) for a in self.actions)} of them wrong at their "
            f"source; {self.watch.expected + len(self.watch.states):,} effects must follow")

    def start(self):
        self.bus.configure()
        self.bus.start_legacy()
        self.bus.start_brokers()
        self.bus.start_adapters()
        say(f"  {self.bus.whereabouts()}")

    # ---- The day ----

    def live(self):
        command = [sys.executable, town.ROOT / "demo/day.py", "live", "--plan", self.bus.folder / "plan", "--town", self.bus.town,
                   "--housing", self.bus.housing_url, "--seconds", self.args.seconds]
        self.living = self.bus.process("day", command)
        self.living.outlives = False
        self.living.start()
        if self.args.kill:
            self.chaos = Chaos(self.bus, self.args.kill_seed)
        bar = Bar()
        try:
            while self.living.alive():
                self.look(bar)
                if self.chaos:
                    self.chaos.tick()
            if self.living.child.returncode:
                raise Failure(f"living the day failed: {self.living.child.returncode}")
            if self.chaos:
                self.bus.wait_until_adapters_are_back()
            self.wait_for_effects(bar)
        finally:
            bar.end()

    def look(self, bar, force=False):
        self.watch.poll()
        self.bus.check()
        done, expected = self.watch.found, self.watch.expected
        bar.update(len(self.watch.applied) + done, self.watch.changes + expected,
                   f"{len(self.watch.applied):,} of {self.watch.changes:,} changes, {done:,} of {expected:,} effects"
                   + (f", {sum(self.chaos.kills().values())} kills" if self.chaos else ""), force)
        time.sleep(LOOK_S)

    def wait_for_effects(self, bar):
        """Until nothing is on its way any more: then also what must not come has had its time."""
        started, next_question = time.monotonic(), 0.0
        quiet_since = reason = None
        while time.monotonic() - started < DEADLINE_S:
            self.look(bar)
            now = time.monotonic()
            if now < next_question:
                continue
            next_question = now + 0.3
            reason = self.bus.idle_reason()
            if reason or now - self.watch.last_found < 1:
                quiet_since = None
                continue
            quiet_since = quiet_since or now
            if now - quiet_since >= (1 if self.watch.complete() else self.bus.QUIET_S):
                self.look(bar, force=True)
                return
        say(f"\n  not quiet within {DEADLINE_S} s after the day: {reason}")

    # ---- After ----

    def report(self):
        tally = Tally(self.bus, self.actions, self.watch.received)
        say("\nWhat each department sent, received and refused")
        say("\n".join(tally.departments()))
        say("\nRows that were refused, and why")
        say("\n".join(tally.reasons()))
        say("\nFrom a change in one system to its effect in another")
        rows = [(*row[:3], *map(seconds, row[3:])) for row in self.watch.rows()]
        say("\n".join(table(("change", "effect in", "effects", "p50", "p99", "longest"), rows, right=(2, 3, 4, 5))))
        say("\nThree records on their way")
        say("\n".join(Story(self.bus, self.actions, tally, self.watch.took).lines()))
        if self.chaos:
            say("\nKilled with SIGKILL: " + ", ".join(f"{name} {count}" for name, count in self.chaos.kills().items()))
            say(self.bus.AFTER_KILLS)
        return tally.trouble()

    def judge(self, trouble):
        found = day.check(self.actions, self.bus.town)
        mistakes = {kind: found[kind] for kind in ("missing", "repeated", "unexpected", "out_of_order") if found[kind]}
        if trouble:
            mistakes["trouble"] = trouble
        say()
        for kind, texts in mistakes.items():
            say(f"{kind.replace('_', ' ')}: {len(texts)}")
            for text in texts[:20]:
                say(f"  {text}")
            if len(texts) > 20:
                say(f"  … and {len(texts) - 20} more")
        whole, text = self.bus.verify()
        say(f"{self.bus.STORE}: {text}")
        right = not mistakes and whole
        say(f"{found['found']:,} of {found['expected']:,} expected effects found"
            + (", each exactly once and in order" if right else "") + (f" (kill seed {self.args.kill_seed})" if self.args.kill else ""))
        return right

    def finish(self):
        bad = self.bus.stop()
        if bad:
            say(f"did not end well on SIGTERM: {', '.join(bad)}")
        whole, text = self.bus.verify()
        if not whole:
            say(f"the {self.bus.STORE} after the end: {text}")
        return whole and not bad

    def show_tails(self):
        for process in filter(None, (*self.bus.processes(), self.living)):
            say(f"\n--- the end of {process.log.name}")
            say("\n".join(process.tail()))

    def say_where(self):
        stop = self.bus.write_stop()
        say("\nIt goes on running. To look around:")
        for text, command in (*self.bus.ways_to_look(), ("to end it", str(stop))):
            say(f"  # {text}\n  {command}")


def run(args, folder):
    demo = None
    kept = False
    try:
        say("== the town")
        demo = Demo(args, folder)
        demo.prepare()
        say("== the bus")
        demo.start()
        say("== the day" + (f", with kills (kill seed {args.kill_seed})" if args.kill else ""))
        demo.live()
        right = demo.judge(demo.report())
        kept = args.keep
        if kept:
            demo.say_where()
        elif not demo.finish():
            right = False
        if not right:
            demo.show_tails()
        return 0 if right else 1
    except (Failure, subprocess.SubprocessError, OSError) as failure:
        say(f"\nscripts/demo: {failure}")
        if demo:
            demo.show_tails()
        return 1
    finally:
        if demo and not kept:
            if demo.living:
                demo.living.stop()
            demo.bus.stop()
            demo.bus.close()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    args = parse()
    reason = KafkaBus.unavailable() if args.kafka else None
    if reason:
        say(f"SKIPPED: the demo on Kafka needs Java and Maven's Kafka, and there is none: {reason}")
        return 3 if os.environ.get("HUTONG_REQUIRE_REAL") else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored
    folder = tempfile.mkdtemp(prefix="hutong-demo-")
    try:
        return run(args, folder)
    except KeyboardInterrupt:
        say("\nscripts/demo: stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
