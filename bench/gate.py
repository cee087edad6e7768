"""Fails when the hot path takes more instructions a message than was agreed: counted by valgrind, so that no busy machine matters.

Counts the broker's step with its journal on a file (bench/hotpath.c), for W1 (one filter, one receiver) and W2 (three
mappings, three receivers), and compares our own code with bench/gate.json. The C library, OpenSSL and the like are not compared,
since they choose their code by the CPU; how often they are called is.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

import buses
import callgrind

ROOT = pathlib.Path(__file__).resolve().parent.parent
AGREED = ROOT / "bench/gate.json"
CASES = ("w1", "w2")
MESSAGES = 8192
TOLERANCE = 3.0   # percent of the instructions of a case
CALLS_TOLERANCE = 0.05  # of a call a message
SHOWN = 0.5       # instructions a message: functions below that are not worth a line


def count(build, case, folder):
    """Instructions a message by function, by library, and calls a message."""
    bus = buses.BUSES[case]()
    conf = buses.write_conf(bus, folder, build / "catalogue.binpb", "tcp://127.0.0.1:7400")
    binary = build / "bin/hutong-bench-hotpath"
    out = callgrind.run([binary, conf / "broker.yaml", bus.publishers[0], MESSAGES, *bus.divisions], "hotpath_counted",
                        folder / "callgrind.out")
    done = json.loads(out)
    if abs(done["deliveries_per_message"] - bus.copies) > 0.001:
        sys.exit(f"gate: {case} made {done['deliveries_per_message']} deliveries a message, not {bus.copies}")
    counts = callgrind.read(folder / "callgrind.out", binary)
    each = done["messages"]
    return {
        "instructions": round(sum(counts.own.values()) / each, 1),
        "functions": {name: round(n / each, 1) for name, n in counts.own.most_common() if n / each >= SHOWN},
        "libraries": {name: round(n / each, 1) for name, n in counts.libraries.most_common() if n / each >= SHOWN},
        "calls": {name: round(n / each, 2) for name, n in counts.calls.most_common() if n / each >= CALLS_TOLERANCE},
    }


def count_all(build, cases):
    found = {}
    for case in cases:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-gate-"))
        try:
            found[case] = count(build, case, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def grown(before, after):
    """Functions by how much more they take, most first."""
    names = before.keys() | after.keys()
    changes = [(after.get(name, 0) - before.get(name, 0), name) for name in names]
    return sorted((change for change in changes if change[0] >= SHOWN), reverse=True)


def compare(case, agreed, found):
    """Lines that say what is over; none: all is well."""
    over = []
    limit = agreed["instructions"] * (1 + TOLERANCE / 100)
    if found["instructions"] > limit:
        over.append(f"{case}: {found['instructions']:.0f} instructions a message, agreed are {agreed['instructions']:.0f} and "
                    f"{TOLERANCE:g} %. What grew:")
        over.append(f"  {'function':44} {'agreed':>8} {'now':>8} {'more':>8}")
        for more, name in grown(agreed["functions"], found["functions"])[:20]:
            over.append(f"  {name:44} {agreed['functions'].get(name, 0):8.1f} {found['functions'].get(name, 0):8.1f} {more:+8.1f}")
    for name, times in found["calls"].items():
        if times > agreed["calls"].get(name, 0) + CALLS_TOLERANCE:
            over.append(f"{case}: {name} is called {times:.2f} times a message, agreed is {agreed['calls'].get(name, 0):.2f}")
    return over


def show(case, found, functions):
    calls = ", ".join(f"{name} {n:.2f}" for name, n in found["calls"].items())
    print(f"{case}: {found['instructions']:.0f} instructions a message in our own code; calls a message: {calls}")
    print("    not compared: " + ", ".join(f"{name} {n:.0f}" for name, n in found["libraries"].items()))
    if functions:
        for name, n in found["functions"].items():
            print(f"    {n:8.1f} {100 * n / found['instructions']:5.1f} %  {name}")


def main():
    parser = argparse.ArgumentParser(prog="bench/gate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="w1, w2 (default: both)")
    parser.add_argument("--update", action="store_true", help="write what was counted into bench/gate.json")
    parser.add_argument("--show", action="store_true", help="each function, not only the sums")
    parser.add_argument("--no-build", action="store_true", help="take the build as it is")
    options = parser.parse_args()
    build = pathlib.Path(os.environ.get("HUTONG_BUILD", ROOT / "build/release")).resolve()
    found = count_all(build, options.cases or CASES)
    for case, counted in found.items():
        show(case, counted, options.show)
    agreed = json.loads(AGREED.read_text(encoding="utf-8")) if AGREED.exists() else {}
    if options.update:
        AGREED.write_text(json.dumps({**agreed, **found}, indent=1) + "\n", encoding="utf-8")
        return
    missing = [case for case in found if case not in agreed]
    over = [line for case in found if case in agreed for line in compare(case, agreed[case], found[case])]
    if missing or over:
        sys.exit("\n".join([f"gate: {case} is not in bench/gate.json: bench/gate --update" for case in missing] + over +
                           ["What is worth it is agreed anew: bench/gate --update"]))
    lower = [case for case in found if found[case]["instructions"] < agreed[case]["instructions"] * (1 - TOLERANCE / 100)]
    if lower:
        print(f"gate: {', '.join(lower)} takes less than agreed: keep it with bench/gate --update")


if __name__ == "__main__":
    main()
