"""Kills brokers and adapters with SIGKILL at random moments, and starts each again at once."""
import random
import time


class Chaos:
    def __init__(self, bus, seed, least_s=0.4, most_s=2.0):
        self.bus, self.rng = bus, random.Random(f"chaos {seed}")
        self.least_s, self.most_s = least_s, most_s
        self.bag = []
        self.next = time.monotonic() + self.pause()

    def pause(self):
        return self.rng.uniform(self.least_s, self.most_s)

    def tick(self):
        if time.monotonic() < self.next:
            return
        # Now and then two at once: what one of them knew, the other must not have needed.
        victims = [self.victim()]
        if self.bag and self.rng.random() < 0.25:
            victims.append(self.victim())
        for process in victims:
            process.kill()
        for process in victims:
            self.bus.start_again(process)
        self.next = time.monotonic() + self.pause()

    def victim(self):
        """Each has its turn before one has a second."""
        if not self.bag:
            self.bag = [*self.bus.brokers.values(), *self.bus.adapters.values()]
            self.rng.shuffle(self.bag)
        return self.bag.pop()

    def kills(self):
        return {process.name: process.kills for process in (*self.bus.brokers.values(), *self.bus.adapters.values())}
