"""The simulation's checker on histories that really happened (test/fault/real_history.py): each broken promise is told."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import real_history  # noqa: E402

RIGHT = ["publish 0 7 1", "recorded 0 1", "publish 0 7 2", "recorded 1 2", "told 0", "told 1", "effect 0 1", "effect 1 2", "settled 1"]


def without(line):
    return [other for other in RIGHT if other != line]


def test_a_right_history():
    assert real_history.judge(RIGHT) == (True, "2 messages, 2 accepted, 2 effects")


@pytest.mark.parametrize("lines, said", [
    (without("recorded 1 2"), "promise 1: message 1 is called accepted, and the journal has it not"),
    (without("effect 1 2"), "promise 2: queue 0 position 2 (message 1) had no effect"),
    (without("effect 0 1"), "promise 2: queue 0 position 1 is settled, had no effect"),
    ([*RIGHT, "effect 1 2"], "promise 3: queue 0 position 2: a second effect"),
    ([*RIGHT, "recorded 1 3"], "promise 3: message 1 is in the journal twice"),
    ([*RIGHT[:6], "effect 1 2", "effect 0 1"], "promise 4: queue 0 position 1 had its effect after 2"),
    ([*RIGHT[:6], "effect 0 2"], "effect: queue 0 position 2 is message 0, and was message 1"),
    ([*RIGHT, "effect 0 0"], "effect: queue 0 position 0 is no message"),
])
def test_a_broken_promise_is_told(lines, said):
    held, text = real_history.judge(lines)
    assert not held and said in text, text


@pytest.mark.parametrize("line", ["effect 5 1", "settled 9", "publish 4 0 1", "publish 0 64 1", "told", "told x", "known 1", ""])
def test_a_line_that_is_no_fact(line):
    with pytest.raises(RuntimeError, match="line 10 is no fact"):
        real_history.judge([*RIGHT, line])
