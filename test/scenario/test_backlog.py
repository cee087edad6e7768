"""The broker is away for days (test/fault/spool72.py)."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import spool72  # noqa: E402

MESSAGES = int(os.environ.get("HUTONG_BACKLOG_MESSAGES", "200000"))


@pytest.mark.sanitize
def test_a_backlog_drains_in_order(tmp_path):
    right, report = spool72.run(tmp_path, MESSAGES)
    print("\n".join(report))
    assert right, report
