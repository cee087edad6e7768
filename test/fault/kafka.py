#!/usr/bin/python3
"""Kafka to the bus to Kafka, under kills: a producer writes on, and each round ends one of both adapters, the broker or a Kafka
node by kill -9 and starts it again. At the end a consumer of whole transactions must have each acknowledged record once, in
order by key.

    HUTONG_BUILD=build/release test/fault/kafka.py [--rounds 20] [--nodes 1|3] [--seed N] [--pause SECONDS]

0: all held; 1: something did not; 3: no Kafka can be had and HUTONG_REQUIRE_REAL is set (without: 0, said aloud)."""
import argparse
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scenario"), str(HERE.parent / "kafka")]

import server  # noqa: E402
from hutong_bus import Broker, wait_until  # noqa: E402
from kafka_edge import consume, marked, reading, tenancy, writing  # noqa: E402

KEYS = 50


class Load:
    """A producer that goes on through kills; what it counts is acknowledged."""

    def __init__(self, kafka, topic):
        from confluent_kafka import Producer
        self.topic, self.sent, self.failed, self.ending = topic, 0, [], False
        self.producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all", "enable.idempotence": True,
                                  "message.timeout.ms": 300000, "log_level": 0})
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending:
            try:
                self.producer.produce(self.topic, marked(f"{self.sent:08}").SerializeToString(), f"k{self.sent % KEYS}",
                                      on_delivery=lambda why, _: why and self.failed.append(why))
                self.sent += 1
            except BufferError:
                pass
            self.producer.poll(0)
            if self.sent % 20 == 0:
                time.sleep(0.02)

    def end(self):
        self.ending = True
        self.thread.join()
        assert self.producer.flush(120) == 0 and not self.failed, self.failed[:3]
        return self.sent


def end_and_start(kind, parts):
    if kind == "node":
        node = random.choice(parts["kafka"].nodes)
        node.kill()
        time.sleep(random.random())
        node.start()
        parts["kafka"].wait()
    elif kind == "broker":
        parts["broker"].kill()
        parts["broker"].start()
    else:
        parts[kind].end(signal.SIGKILL)
        time.sleep(random.random() * 0.5)
        parts[kind].start()


def check(records, sent):
    by_key = {}
    for message in records:
        by_key.setdefault(message.key().decode(), []).append(int(tenancy.TenancyMarked.FromString(message.value()).lease_number))
    problems = []
    for key in range(KEYS):
        expected, got = list(range(key, sent, KEYS)), by_key.get(f"k{key}", [])
        if got != expected:
            problems.append(f"k{key}: lost {sorted(set(expected) - set(got))[:5]}, {len(got) - len(set(got))} twice, "
                            f"{'in order' if got == sorted(got) else 'out of order'}")
    return problems


def run(arguments, folder, kafka):
    with Broker(folder / "broker") as broker:
        parts = {"kafka": kafka, "broker": broker, "in": reading(kafka, broker, folder / "in", "fault").start(),
                 "out": writing(kafka, broker, folder / "out", "faulted").start()}
        try:
            load = Load(kafka, "fault.protobuf")
            for number in range(arguments.rounds):
                time.sleep(random.random() * arguments.pause)
                kind = ("in", "out", "node", "broker")[number % 4]
                end_and_start(kind, parts)
                print(f"round {number + 1}: {kind} killed, {load.sent} records sent", flush=True)
            sent = load.end()
            records = consume(kafka, ["faulted.cloudevents"], sent, patience=180, settle=2)
        except TimeoutError as late:
            print(f"FAILED: {late}\n{parts['in'].log()[-2000:]}\n{parts['out'].log()[-2000:]}")
            return 1
        finally:
            parts["in"].end()
            parts["out"].end()
    problems = check(records, sent)
    for problem in problems:
        print(f"FAILED: {problem}")
    print(f"{arguments.rounds} rounds, {sent} records acknowledged, {len(records)} read, {len(problems)} keys wrong")
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=2, help="seconds between rounds, at most")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    reason = server.unavailable()
    if reason:
        print(f"SKIPPED: no Kafka: {reason}")
        return 3 if os.environ.get("HUTONG_REQUIRE_REAL") else 0
    with tempfile.TemporaryDirectory(prefix="hutong-fault-") as folder, server.Cluster(arguments.nodes) as kafka:
        return run(arguments, pathlib.Path(folder), kafka)


if __name__ == "__main__":
    sys.exit(main())
