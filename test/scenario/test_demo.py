"""The main job on a small town: demo/run.py with real processes, plainly, under kills, and with a part taken away."""
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


def demo(folder, *arguments):
    return subprocess.run(command(*arguments), env=environment(folder), capture_output=True, text=True, timeout=280)


@pytest.mark.sanitize
def test_a_day(temporary):
    done = demo(temporary, "--seconds", 4)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 expected effects found, each exactly once and in order", done.stdout)
    for heading in ("sent, received and refused", "Rows that were refused", "its effect in another", "Three records"):
        assert heading in done.stdout
    assert "is no citizen number" in done.stdout and "is not GB18030" in done.stdout and "is no division" in done.stdout
    assert "journal: whole" in done.stdout and "(not found)" not in done.stdout and "(no record" not in done.stdout


@pytest.mark.sanitize
@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_with_kills(temporary, seed):
    done = demo(temporary, "--seconds", 12, "--kill", "--kill-seed", seed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 expected effects found, each exactly once and in order", done.stdout)
    killed = re.search(r"Killed with SIGKILL: (.*)", done.stdout)
    assert killed and all(int(count) > 0 for count in re.findall(r" (\d+)", killed[1])), done.stdout


def test_a_missing_route_is_found_out(temporary, tmp_path):
    routes = tmp_path / "routes"
    shutil.copytree(SOURCE / "routes", routes)
    (routes / "lease.yaml").unlink()
    done = demo(temporary, "--seconds", 2, "--routes", routes)
    assert done.returncode == 1, done.stdout + done.stderr
    missing = re.findall(r"^  change \d+ \((\w+)\) in ([\w.]+)$", done.stdout, re.M)
    assert {kind for kind, _ in missing} == {"lease"}
    assert {place for _, place in missing} <= {"public_security.T_ZLBA", "civil_affairs.leases"}
    assert re.search(r"^missing: \d+$", done.stdout, re.M)


def test_wrong_routes_are_refused_before_anything_starts(temporary, tmp_path):
    routes = tmp_path / "routes"
    shutil.copytree(SOURCE / "routes", routes)
    path = routes / "death.yaml"
    path.write_text(path.read_text("utf-8").replace("msg.died_on", "msg.dyed_on"), "utf-8")
    done = demo(temporary, "--seconds", 2, "--routes", routes)
    assert done.returncode == 1 and "dyed_on" in done.stdout and "died_on" in done.stdout, done.stdout + done.stderr


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def running(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle_nothing_is_left(temporary, number):
    process = subprocess.Popen(command("--seconds", 60), env=environment(temporary), stdout=subprocess.PIPE, text=True)
    while " of 206 changes" not in process.stdout.readline():
        assert process.poll() is None
    started = wait_until(lambda: len(children(process.pid)) >= 7 and children(process.pid), "broker, adapters, systems, day")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    wait_until(lambda: not any(map(running, started)), "all ended")
    if number == signal.SIGKILL:  # then nobody could remove the folder
        for folder in temporary.iterdir():
            shutil.rmtree(folder)


def test_kept_it_runs_until_it_is_stopped(temporary):
    done = demo(temporary, "--seconds", 1, "--keep")
    stop = re.search(r"^  (/\S+/stop)$", done.stdout, re.M)
    assert done.returncode == 0 and stop, done.stdout + done.stderr
    try:
        status = re.search(r"^  (\S+/hutong status --admin \S+)$", done.stdout, re.M)
        shown = subprocess.run(status[1].split(), capture_output=True, text=True, timeout=30)
        assert shown.returncode == 0 and "housing/tenancy" in shown.stdout
        pids = [int(pid) for pid in re.search(r"^kill ([\d ]+) 2>", pathlib.Path(stop[1]).read_text(), re.M)[1].split()]
        assert len(pids) == 6 and all(map(running, pids))
    finally:
        subprocess.run([stop[1]], timeout=60, check=True)
    assert not any(map(running, pids))
