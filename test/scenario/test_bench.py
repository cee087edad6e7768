"""bench/run as a developer calls it: short runs with real processes; figures are not looked at, but what is counted is."""
import json
import os
import shutil
import subprocess
import sys

import pytest

from hutong_bus import BUILD, SOURCE

SHORT = ["--no-build", "--runs", "1", "--seconds", "0.5", "--warm", "0.2", "--json"]


def bench(tmp_path, *arguments, env=None, ok=True):
    command = ["/usr/bin/python3", SOURCE / "bench/bench.py", *arguments, *SHORT, "--folder", tmp_path]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=180,
                          env={**os.environ, "HUTONG_BUILD": str(BUILD), **(env or {})})
    assert (done.returncode == 0) == ok, done.stderr
    return (json.loads(done.stdout) if ok else None), done.stderr


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path):
    yield
    assert not list(tmp_path.iterdir()), "a run left something behind"


def test_each_message_goes_to_three_departments(tmp_path):
    result, _ = bench(tmp_path, "w2", "--window", 500)
    full = result["workloads"]["w2"]["full"]
    assert full["messages_per_s"] > 0
    assert full["deliveries_per_s"] == pytest.approx(3 * full["messages_per_s"])
    assert set(full["cpu_us_per_message"]) == {"broker", "receiver", "publisher"}
    assert full["disk_bytes_per_byte"] > 0 and result["workloads"]["w2"]["at_20_percent"]["p99_us"] > 0


def test_a_backlog_waits_and_drains(tmp_path):
    result, said = bench(tmp_path, "w5", "--backlog", 20000, "--window", 2000)
    backlog = result["workloads"]["w5"]
    assert backlog["backlog"] == 20000 and backlog["drain_messages_per_s"] > 0
    assert "20,000 messages takes" in said
    assert [row["met"] is None for row in result["due"] if row["figure"].startswith("W5")] == [False, False]


def test_a_backlog_that_does_not_fit_is_not_begun(tmp_path):
    _, said = bench(tmp_path, "w5", "--backlog", 10**12, ok=False)
    assert "not enough room" in said


def test_a_peer_loses_and_repeats_nothing(tmp_path):
    if not shutil.which("redis-server") or not (BUILD / "bin/hutong-bench-redis").exists():
        pytest.skip("redis-server or hiredis is not installed")
    result, _ = bench(tmp_path, "w1", "--peers", "--only", "redis", "--window", 500)
    always, everysec = result["peers"]["w1"]["results"]
    assert always["mode"] == "always" and always["messages_per_s"] > 0 and everysec["messages_per_s"] > 0
    if shutil.which("strace"):
        assert always["syncs_per_message_when_alone"] > 0.5 > everysec["syncs_per_message_when_alone"]
    ratio = next(row for row in result["due"] if "fastest peer" in row["figure"])
    assert ratio["found"] == pytest.approx(
        result["workloads"]["w1"]["full"]["messages_per_s"] / always["messages_per_s"], abs=0.001)


def test_a_chart_is_drawn_and_peers_that_are_not_installed_are_skipped_aloud(tmp_path):
    only = [word for name in ("redis", "nats") for word in ("--only", name)]
    result, said = bench(tmp_path, "w1", "--peers", *only, "--window", 500, "--chart", tmp_path / "w1.svg",
                         env={"PATH": os.path.dirname(sys.executable) + ":/nowhere"})
    text = (tmp_path / "w1.svg").read_text(encoding="utf-8")
    (tmp_path / "w1.svg").unlink()
    assert text.startswith("<svg") and len(result["chart"]) == 10
    skipped = result["peers"]["w1"]["skipped"]
    if not shutil.which("redis-server", path=os.path.dirname(sys.executable)):
        assert {skip["peer"] for skip in skipped} == {"redis", "nats"} and len(skipped) == 4
        assert said.count("SKIPPED") == 4 and "redis-server is not installed" in said


def test_what_cannot_be_asked_of_peers_is_refused(tmp_path):
    _, said = bench(tmp_path, "w3", "--peers", ok=False)
    assert "can be asked w1 and w2, not w3" in said
