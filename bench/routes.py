"""bench/run routes: what routing costs a message, in nanoseconds of one core."""
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = (1, 10, 100, 1000)


def flags(build):
    """How the compiler was called for what is measured."""
    for command in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        if command["file"].endswith("core/schema/reader.c"):
            words = command["command"].split()
            return " ".join(word for word in words if re.match(r"-(O|g|f|m|std)", word))
    return ""


def conditions(options, result):
    cpu = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    revision = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0], "revision": revision.stdout.strip(),
        "compiler": result.pop("compiler"), "flags": flags(options.bin.parent), "rounds": result.pop("rounds"),
        "clock": "the thread's CPU time", "figures": "medians of the rounds, in which all cases take turns",
        "message_bytes": result.pop("message_bytes"), "message_not_ascii_characters": result.pop("message_characters"),
    }


def run(options, *arguments):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-bench-", dir=options.folder))
    try:
        command = [options.bin / "hutong-bench-routes", folder, options.bin.parent / "bench/routes.binpb", *arguments]
        return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    except subprocess.CalledProcessError as failed:
        raise SystemExit(f"bench: hutong-bench-routes ended with {failed.returncode}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(options):
    result = json.loads(run(options, options.rounds))
    ns = {name: case["median_ns"] for name, case in result["cases"].items()}
    result["benchmark"] = "routes"
    result["conditions"] = conditions(options, result)
    result["filters"] = [{
        "filters": size, "paths": result["paths"][i], "routes_that_match": result["matches"][i],
        "message_ns": ns[f"match-{size}"], "scan_ns": ns[f"scan-{size}"],
        "filter_ns": round((ns[f"match-{size}"] - ns[f"scan-{size}"]) / size, 1),
        "by_hand_ns": ns[f"by-hand-{size}"], "ratio": round(ns[f"match-{size}"] / ns[f"by-hand-{size}"], 1),
    } for i, size in enumerate(SIZES)]
    result["mapped"] = {
        "message_ns": ns["mapped"], "scan_ns": ns["mapped-scan"], "evaluation_ns": ns["mapped-evaluation"],
        "encoding_ns": round(ns["mapped"] - ns["mapped-scan"] - ns["mapped-evaluation"], 1),
    }
    return result


def show(result):
    ns = {name: case["median_ns"] for name, case in result["cases"].items()}
    print(json.dumps({"conditions": result["conditions"]}, ensure_ascii=False))
    print(f"routes  a whole check of the message {ns['check']:.1f} ns, a scan of {result['paths'][-1]} paths with it "
          f"{ns['scan-1000']:.1f} ns, of bytes that are known to be good {ns['paths-1000']:.1f} ns")
    print("routes  filters  paths  match  message ns   scan ns  a filter ns  by hand ns  ratio")
    for row in result["filters"]:
        print(f"routes  {row['filters']:7} {row['paths']:6} {row['routes_that_match']:6} {row['message_ns']:11.1f} {row['scan_ns']:9.1f} "
              f"{row['filter_ns']:12.1f} {row['by_hand_ns']:11.1f} {row['ratio']:6.1f}")
    mapped = result["mapped"]
    print(f"routes  a route with ten mapped fields {mapped['message_ns']:.1f} ns: scan {mapped['scan_ns']:.1f}, evaluation "
          f"{mapped['evaluation_ns']:.1f}, encoding and the rest {mapped['encoding_ns']:.1f}")
    for i, text in enumerate(result["sorts"]):
        print(f"routes  {ns[f'sort-{i}']:6.1f} ns  {text}")
