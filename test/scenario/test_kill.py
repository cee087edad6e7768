"""kill -9 of the broker under load (test/fault/kill.py), and the proof that its checker can fail."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import checker  # noqa: E402
import kill  # noqa: E402

ROUNDS = int(os.environ.get("HUTONG_KILL_ROUNDS", "50"))

ACCEPTED = [("a-0", 1), ("a-1", 1), ("a-0", 2), ("a-1", 2)]


# ---- The checker on made-up histories ----

def test_a_right_history():
    report = checker.check(ACCEPTED, [("a-1", 1), ("a-0", 1), ("a-0", 2), ("a-1", 2)])
    assert checker.is_right(report)
    assert checker.describe(report) == "4 accepted, 4 effects, 0 lost, 0 twice, 0 swapped"


def test_what_was_never_acknowledged_may_have_its_effect():
    assert checker.is_right(checker.check(ACCEPTED[:2], ACCEPTED))


def test_a_lost_message():
    report = checker.check(ACCEPTED, ACCEPTED[:3])
    assert report["lost"] == [("a-1", 2)] and not checker.is_right(report)
    assert "1 lost (a-1 2)" in checker.describe(report)


def test_an_effect_that_happened_twice():
    report = checker.check(ACCEPTED, ACCEPTED + ACCEPTED[:1])
    assert report["twice"] == [("a-0", 1)] and not report["lost"] and not checker.is_right(report)


def test_swapped_messages_of_one_subject():
    report = checker.check(ACCEPTED, [("a-0", 2), ("a-0", 1), ("a-1", 1), ("a-1", 2)])
    assert report["swapped"] == [("a-0", 1)] and not report["twice"] and not checker.is_right(report)


def test_half_a_line_is_no_line(tmp_path):
    (tmp_path / "effects").write_text("1 a-0 1\n2 a-0 2\n3 a-0 ")
    assert checker.read_effects(tmp_path / "effects") == [("a-0", 1), ("a-0", 2)]
    (tmp_path / "accepted").write_text("a-0 1\na-0 1")
    assert checker.read_accepted(tmp_path / "accepted") == [("a-0", 1)]
    assert checker.read_accepted(tmp_path / "none") == []


# ---- The broker ----

@pytest.mark.sanitize
def test_nothing_is_lost_or_happens_twice(tmp_path):
    right, report, summary = kill.run_rounds(tmp_path, ROUNDS, 1)
    print(summary)
    assert right, summary
    assert report["accepted"] > 100 * ROUNDS


def test_a_broker_that_lies_is_caught(tmp_path):
    right, report, summary = kill.run_rounds(tmp_path, 6, 2, "hutong-broker-lossy")
    print(summary)
    assert not right and report["lost"], summary
