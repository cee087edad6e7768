"""How long tests wait for what must happen."""
import time


class Patience:
    """So many seconds, of which a machine that stands still takes one at most from look to look."""

    def __init__(self, seconds):
        self.left, self.looked = seconds, time.monotonic()

    def over(self):
        now = time.monotonic()
        self.left -= min(now - self.looked, 1)
        self.looked = now
        return self.left <= 0
