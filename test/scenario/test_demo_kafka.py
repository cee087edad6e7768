"""The main job on a Kafka that the demo starts: two brokers, plainly, under kills, stopped in the middle, and left running."""
import re
import signal

import pytest

from town_day import demo, keep_and_stop, stop_in_the_middle, temporary  # noqa: F401


def test_a_day(temporary, kafka_of_its_own):
    done = demo(temporary, "--kafka", "--seconds", 4)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 expected effects found, each exactly once and in order", done.stdout)
    where = re.search(r"broker-1 at \S+ for (.*), broker-2 at \S+ for (.*) \(CURVE\)", done.stdout)
    assert where and where.groups() == ("public_security and housing", "civil_affairs"), done.stdout
    assert re.search(r"^Kafka: all 196 messages that were accepted are in its topics .* their 376 deliveries are settled", done.stdout, re.M)
    assert done.stdout.count("ResidenceNotice in hutong.to.civil_affairs.registration, partition ") == 1  # the move that is followed
    assert "is not GB18030" in done.stdout and "(not found)" not in done.stdout and "(no record" not in done.stdout


def test_a_day_with_kills(temporary, kafka_of_its_own):
    done = demo(temporary, "--kafka", "--seconds", 12, "--kill", "--kill-seed", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 expected effects found, each exactly once and in order", done.stdout)
    killed = re.search(r"Killed with SIGKILL: (.*)", done.stdout)
    counts = dict(re.findall(r"(\S+) (\d+)", killed[1]))
    assert {"broker-1", "broker-2"} < set(counts) and len(counts) == 5 and "0" not in counts.values()
    assert re.search(r"^Kafka: all 196 messages .* their 376 deliveries are settled", done.stdout, re.M)


def test_where_no_kafka_can_be_had_it_is_skipped_aloud(temporary):
    environment = {"PATH": "/nowhere"}
    done = demo(temporary, "--kafka", **environment, HUTONG_REQUIRE_REAL="")
    assert done.returncode == 0 and re.match("SKIPPED: .* Kafka.*: java is not installed", done.stdout), done.stdout + done.stderr
    done = demo(temporary, "--kafka", **environment, HUTONG_REQUIRE_REAL="1")
    assert done.returncode == 3 and done.stdout.startswith("SKIPPED"), done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_nothing_is_left(temporary, number, kafka_of_its_own):
    stop_in_the_middle(temporary, number, 9, "--kafka")


def test_kept_it_runs_until_it_is_stopped(temporary, kafka_of_its_own):
    keep_and_stop(temporary, 8, "--kafka")
