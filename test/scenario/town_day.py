"""demo/run.py with a small town, for scenarios."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from hutong_bus import BUILD, SOURCE, wait_until

SMALL = ["--residents", "1000", "--changes", "200"]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where the demo makes its folder: nothing may be left in it. Short, for the admin's socket."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hd-"))
    yield folder
    left = list(folder.iterdir())
    shutil.rmtree(folder)
    assert left == []


def command(*arguments):
    return [sys.executable, SOURCE / "demo/run.py", *SMALL, *map(str, arguments)]


def environment(folder):
    return {**os.environ, "HUTONG_BUILD": str(BUILD), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def demo(folder, *arguments, **more):
    env = {**environment(folder), **more}
    return subprocess.run(command(*arguments), env=env, capture_output=True, text=True, timeout=280)


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def running(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def stop_in_the_middle(temporary, number, processes, *arguments):
    process = subprocess.Popen(command("--seconds", 60, *arguments), env=environment(temporary), stdout=subprocess.PIPE, text=True)
    while " of 206 changes" not in process.stdout.readline():
        assert process.poll() is None
    started = wait_until(lambda: len(children(process.pid)) >= processes and children(process.pid), "all processes")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    wait_until(lambda: not any(map(running, started)), "all ended")
    if number == signal.SIGKILL:  # then nobody could remove the folder
        for folder in temporary.iterdir():
            shutil.rmtree(folder)


def keep_and_stop(temporary, processes, *arguments):
    done = demo(temporary, "--seconds", 1, "--keep", *arguments)
    stop = re.search(r"^  (/\S+/stop)$", done.stdout, re.M)
    assert done.returncode == 0 and stop, done.stdout + done.stderr
    try:
        status = re.search(r"^  (\S+/hutong status --admin \S+)$", done.stdout, re.M)
        shown = subprocess.run(status[1].split(), capture_output=True, text=True, timeout=30)
        assert shown.returncode == 0 and "housing/tenancy" in shown.stdout
        lines = re.findall(r"^kill ([\d ]+) 2>", pathlib.Path(stop[1]).read_text(), re.M)
        pids = [int(pid) for line in lines for pid in line.split()]
        assert len(pids) == processes and all(map(running, pids))
    finally:
        subprocess.run([stop[1]], timeout=60, check=True)
    assert not any(map(running, pids))
