"""Real processes under harm (test/fault/faults.py), the soak's judge, and a short soak."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import faults  # noqa: E402
import soak  # noqa: E402

SANITIZED = ("kill", "cut", "stop-receiver", "poison")  # not all: CI has an hour
SEED = int(os.environ.get("HUTONG_FAULT_SEED", "1"))


def must_run(name, folder):
    """Skips where the case can't run. In CI only for want of the machine's permission."""
    reason = faults.reason_to_skip(name, folder)
    if reason and os.environ.get("HUTONG_REQUIRE_REAL") and "not permitted" not in reason:
        pytest.fail(f"must run here: {reason}")
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.sanitize] if name in SANITIZED else [])
                                  for name in faults.CASES])
def test_nothing_is_lost_twice_or_out_of_order(name, tmp_path):
    must_run(name, tmp_path)
    right, text = faults.run_case(name, tmp_path, SEED)
    print(text)
    assert right, text


def test_the_clock_of_the_broker_is_the_one_that_jumps(tmp_path):
    """What the case of the clock rests on: the broker's log has the times that were set."""
    must_run("clock", tmp_path)
    field = faults.Field(tmp_path, SEED, faketime=True)
    try:
        field.clock.write_text("-400d")
        field.broker.start()
        years = {line[:4] for line in field.broker.log().splitlines()}
        field.broker.kill()
        field.clock.write_text("+0")
        seen = len(field.broker.log())
        field.broker.start()
        assert years.isdisjoint({line[:4] for line in field.broker.log()[seen:].splitlines()})
    finally:
        field.end()


# ---- The soak ----

FLAT = [(20000, 30)] * 16


def test_what_is_flat():
    assert soak.grew("broker", FLAT) == []
    assert soak.grew("broker", [(20000 + 100 * (number % 7), 30 + number % 2) for number in range(16)]) == []


def test_what_grows_is_told():
    assert soak.grew("broker", [(20000 + 1000 * number, 30) for number in range(16)]) == [
        "broker: memory in KiB grew from 25500 to 33500"]
    assert soak.grew("broker", [(20000, 30 + number) for number in range(16)]) == [
        "broker: file descriptors grew from 36 to 44"]
