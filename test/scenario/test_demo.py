"""The main job on a small town: demo/run.py with real processes, plainly, under kills, and with a part taken away."""
import re
import shutil
import signal

import pytest

from hutong_bus import SOURCE
from town_day import demo, keep_and_stop, stop_in_the_middle, temporary  # noqa: F401


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle_nothing_is_left(temporary, number):
    stop_in_the_middle(temporary, number, 7)


def test_kept_it_runs_until_it_is_stopped(temporary):
    keep_and_stop(temporary, 6)
