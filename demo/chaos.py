"""Kills broker and adapters with SIGKILL at random moments, and starts each again at once."""
import random
import time


class Chaos:
    def __init__(self, bus, seed, least_s=0.4, most_s=2.0):
        self.bus, self.rng = bus, random.Random(f"chaos {seed}")
        self.least_s, self.most_s = least_s, most_s
        self.next = time.monotonic() + self.pause()

    def pause(self):
        return self.rng.uniform(self.least_s, self.most_s)

    def tick(self):
        if time.monotonic() < self.next:
            return
        process = self.rng.choice([self.bus.broker, *self.bus.adapters.values()])
        process.kill()
        process.start()
        self.next = time.monotonic() + self.pause()

    def kills(self):
        return {process.name: process.kills for process in (self.bus.broker, *self.bus.adapters.values())}
