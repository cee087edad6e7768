"""Sees the changes go in and their effects come out, with the time between them."""
import collections
import json
import sqlite3
import time

import day
from show import percentile

TITLES = {"move": "move, birth, arrival", "death": "death", "marriage": "marriage, divorce", "lease": "lease"}


class Watch:
    def __init__(self, actions, town_folder, applied_path):
        self.watcher = day.Watcher(town_folder)
        self.applied_path = applied_path
        self.changes = len(actions)
        self.applied = {}   # change: microseconds since 1970
        self.position = 0   # in the file of applied changes
        self.wanted = {}    # (table, values): expected effect
        self.states = []    # effects that are a state of a row
        for effect in day.expected_effects(actions):
            if not effect["times"]:
                continue
            if effect["state"]:
                self.states.append(effect)
            else:
                self.wanted[effect["table"], day.values_of(effect)] = effect
        self.expected = len(self.wanted)
        self.waiting = {}   # seen before it was written down that the change was done: (table, values): microseconds
        self.times = collections.defaultdict(list)  # (kind, target): seconds
        self.took = {}      # (change, target): seconds
        self.received = collections.Counter()       # rows in each department's receiving tables
        self.found = 0
        self.last_found = time.monotonic()

    def poll(self):
        """Looks once; how many rows were new."""
        new = 0
        self.read_applied()
        try:
            for target, table, values in self.watcher.poll():
                now = time.time_ns() // 1000
                new += 1
                self.received[target] += 1
                if (table, values) in self.wanted:
                    self.found += 1
                    self.waiting[table, values] = now
        except sqlite3.OperationalError as error:  # a writer holds the file: the next look will do
            if "locked" not in str(error):
                raise
        if new:
            self.last_found = time.monotonic()
        self.match()
        return new

    def read_applied(self):
        if not self.applied_path.exists():
            return
        with open(self.applied_path, "rb") as file:
            file.seek(self.position)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.position += len(whole)
        for line in whole.splitlines():
            entry = json.loads(line)
            self.applied[entry["change"]] = entry["at_us"]

    def match(self):
        for key, seen_us in list(self.waiting.items()):
            effect = self.wanted[key]
            if effect["change"] in self.applied:
                taken = max(0, seen_us - self.applied[effect["change"]]) / 1e6
                self.times[effect["kind"], effect["target"]].append(taken)
                self.took[effect["change"], effect["target"]] = taken
                del self.waiting[key]

    def complete(self):
        return self.found >= self.expected and all(self.watcher.has_state(effect) for effect in self.states)

    def rows(self):
        """For a table: what, where, how many, p50, p99, longest."""
        everything = []
        for (kind, target), times in sorted(self.times.items()):
            times.sort()
            everything += times
            yield (TITLES[kind], target, len(times), *self.summary(times))
        if everything:
            everything.sort()
            yield ("all", "", len(everything), *self.summary(everything))

    @staticmethod
    def summary(times):
        return percentile(times, 0.5), percentile(times, 0.99), times[-1]
