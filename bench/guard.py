"""Fails when routing takes more instructions a message than it should: counted by valgrind, so that no busy machine matters.

Usage: guard.py BIN_FOLDER. The limits stand a quarter above what was counted when they were set (docs/performance.md); what makes
routing dearer by more than that should be worth it, and then sets them anew.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

MESSAGES = 200
LIMITS = {  # instructions a message
    "check": 3400,
    "scan-1000": 4400,
    "match-1": 4400,
    "match-1000": 175000,
    "mapped": 13200,
}


def symbol(binary):
    """What the compiler made of the name run_case."""
    names = subprocess.run(["nm", binary], capture_output=True, text=True, check=True).stdout
    return re.search(r" [tT] (run_case\S*)", names).group(1)


def count(binary, catalogue, cases):
    """Instructions a message of each case: callgrind writes a part for each."""
    with tempfile.TemporaryDirectory(prefix="hutong-guard-") as folder:
        conf = pathlib.Path(folder) / "conf"
        conf.mkdir()
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
                   f"--toggle-collect={symbol(binary)}", f"--dump-after={symbol(binary)}", binary, conf, catalogue, MESSAGES, *cases]
        run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        parts = [pathlib.Path(folder) / f"out.{i}" for i in range(1, len(cases) + 1)]
        if run.returncode != 0 or not all(part.exists() for part in parts):
            sys.exit(f"guard: nothing could be counted:\n{run.stderr}")
        found = [int(re.search(r"(?m)^summary: (\d+)", part.read_text()).group(1)) for part in parts]
        if min(found) < MESSAGES * 100:
            sys.exit(f"guard: too little was counted: {found}")
        return [round(number / MESSAGES) for number in found]


def main():
    bin_folder = pathlib.Path(sys.argv[1]).resolve()
    over = []
    counted = count(bin_folder / "hutong-bench-routes", bin_folder.parent / "bench/routes.binpb", list(LIMITS))
    for (case, limit), found in zip(LIMITS.items(), counted):
        print(f"{case:12} {found:7} instructions a message, at most {limit}", flush=True)
        if found > limit:
            over.append(case)
    if over:
        sys.exit(f"guard: over the limit: {', '.join(over)}")


if __name__ == "__main__":
    main()
