#!/usr/bin/python3
"""Hours of the same harm: lines cut and slowed, processes stopped and continued, configurations swapped, while messages flow; memory
and file descriptors of the processes must stay flat, and in the end nothing may be lost, twice or out of order.

  test/fault/soak.py --minutes 120 --seed 7 [--rate 500]     the programs of build/release, or of HUTONG_BUILD

No process is killed, so that what grows is seen. Flat means: the median of the last quarter is not above that of the second by more
than a tenth and 4 MiB, and file descriptors not by more than 2. Prints a line a sample. Exit status: 0 right; 1 something grew or a promise was broken; 2 usage.
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import faults  # noqa: E402

HARM = ("stop-broker", "stop-receiver", "stop-publisher", "cut", "half-open", "slow-line")
SLACK_KIB, SLACK_SHARE, SLACK_FDS = 4096, 1.1, 2
RETENTION = "  retention: 10m\n"  # so that segments retire and are used again


def sample(pid):
    """(resident KiB, open file descriptors)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return rss, len(os.listdir(f"/proc/{pid}/fd"))


def grew(name, samples):
    """What is not flat, as texts."""
    quarter = len(samples) // 4
    early, late = samples[quarter:2 * quarter], samples[-quarter:]
    wrong = []
    for what, place, allowed in (("memory in KiB", 0, lambda was: max(was * SLACK_SHARE, was + SLACK_KIB)),
                                 ("file descriptors", 1, lambda was: was + SLACK_FDS)):
        was, now = (statistics.median(one[place] for one in part) for part in (early, late))
        if now > allowed(was):
            wrong.append(f"{name}: {what} grew from {was:.0f} to {now:.0f}")
    return wrong


def soak(field, minutes, say):
    """Samples by process, as long as it says; at least 16 rounds."""
    # The receivers' memory is their own: the set of positions they have seen.
    pids = {"broker": field.broker.process.pid, **{name: party.process.pid for name, party in field.publishers.items()}}
    samples = {name: [] for name in pids}
    until = time.monotonic() + 60 * minutes
    rounds = 0
    while time.monotonic() < until or rounds < 16:
        harm = field.rng.choice(HARM)
        faults.CASES[harm](field)
        os.kill(field.broker.process.pid, signal.SIGHUP)
        field.flow()
        for name, pid in pids.items():
            samples[name].append(sample(pid))
        rounds += 1
        say(f"{rounds} {harm}: " + ", ".join(f"{name} {all_[-1][0]} KiB {all_[-1][1]} fds" for name, all_ in samples.items()), flush=True)
    return samples


def run(folder, minutes, seed, rate, say=print):
    """(whether all is right, a text)."""
    field = faults.Field(folder, seed, rate=rate, journal=RETENTION, say=say)
    try:
        field.start()
        samples = soak(field, minutes, say)
        wrong, text = field.judge()
    finally:
        field.end()
    wrong += [one for name, all_ in samples.items() for one in grew(name, all_)]
    return not wrong, text + "".join(f"\n  wrong: {one}" for one in wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, printed")
    parser.add_argument("--rate", type=int, default=500, help="messages/s of each of two publishers (default: 500)")
    args = parser.parse_args()
    reason = faults.reason_against()
    if reason:
        print(f"SKIPPED: {reason}")
        return 3 if os.environ.get("HUTONG_REQUIRE_REAL") else 0
    seed = random.randrange(10**6) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="hutong-soak-")
    try:
        right, text = run(folder, args.minutes, seed, args.rate)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(("right  " if right else "WRONG  ") + text)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
