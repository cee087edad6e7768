"""Under what a run was made."""
import os
import pathlib
import platform
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def filesystem(folder):
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    here = str(pathlib.Path(folder).resolve())
    return max((mount for mount in mounts if here.startswith(mount[1])), key=lambda mount: len(mount[1]))[2]


def take(options):
    cpu = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    revision = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(), "kernel": platform.release(), "filesystem": filesystem(options.folder),
        "load_before": round(os.getloadavg()[0], 2), "revision": revision.stdout.strip(), "message_bytes": options.size,
        "window": options.window, "warm_s": float(options.warm), "counted_s": float(options.seconds), "runs": options.runs,
        "transport": "tcp loopback", "durable": "fdatasync before each acknowledgement, chain and Merkle root on",
    }
