"""Processes with a log each, ended by their own ids."""
import ctypes
import os
import pathlib
import signal
import subprocess
import time

PATIENCE = 30  # seconds for anything that must happen
TAIL = 25      # lines of a log in a report of failure
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """The demo can't go on; the text is for the one who runs it."""


def wait_until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise Failure(f"not within {patience} s: {what}")


class Process:
    """A program with its log; started, killed and started again at will."""

    def __init__(self, name, command, log, environment=None, outlives=False):
        self.name, self.command, self.log = name, [str(part) for part in command], pathlib.Path(log)
        self.environment = {**os.environ, **{k: str(v) for k, v in (environment or {}).items()}}
        self.outlives = outlives  # the runner's end
        self.child = None
        self.seen = 0  # bytes of the log before this start
        self.kills = 0

    def start(self):
        self.seen = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            # A session of its own: Ctrl-C reaches the runner alone, which ends everything in order.
            self.child = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment,
                                          start_new_session=True, preexec_fn=None if self.outlives else die_with_parent)

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def said(self, text):
        """Whether it logged `text` since its last start; a process that ended won't any more."""
        with open(self.log, "rb") as log:
            log.seek(self.seen)
            if text.encode() in log.read():
                return True
        if not self.alive():
            raise Failure(f"{self.name} ended with {self.child.returncode} before it said \"{text}\"")
        return False

    def wait_for(self, *texts):
        for text in texts:
            wait_until(lambda text=text: self.said(text), f"{self.name} says \"{text}\"")

    def check(self):
        if not self.alive():
            raise Failure(f"{self.name} ended by itself with {self.child.returncode}")

    def kill(self):
        """SIGKILL: no time for anything."""
        if self.alive():
            os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(PATIENCE)
        self.kills += 1

    def ask_to_stop(self):
        if self.alive():
            os.kill(self.child.pid, signal.SIGTERM)

    def stop(self, patience=15):
        """SIGTERM, and SIGKILL if that doesn't help; its exit status."""
        if self.child is None:
            return None
        self.ask_to_stop()
        try:
            return self.child.wait(patience)
        except subprocess.TimeoutExpired:
            os.kill(self.child.pid, signal.SIGKILL)
            self.child.wait(PATIENCE)
            return None

    def tail(self):
        if not self.log.exists():
            return []
        return self.log.read_text("utf-8", "replace").splitlines()[-TAIL:]


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
