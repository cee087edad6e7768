"""What broker/kafka reported as durable is there, once and in order, while a real cluster of three loses one node after the
other, and the writer is killed too."""
import threading
import time

import pytest

import server
from kafka_edge import kcat
from kafka_journal import Bus, Failed
from patience import Patience


@pytest.fixture
def cluster(may_start_kafka):
    with server.Cluster(3) as running:
        yield running


class Writer(threading.Thread):
    """Numbered batches, each into three partitions. A process that ended, by a kill or a fatal error, has another of its name
    after it; whether its last batch was committed is then not known."""

    def __init__(self, bus):
        super().__init__()
        self.bus, self.over = bus, threading.Event()
        self.durable, self.unknown = [], []
        self.process, self.said, self.failed = None, [], None

    def run(self):
        try:
            while not self.over.is_set():
                with self.bus.driver("one") as self.process:
                    self.live()
                    self.said.append(self.process.said())
        except BaseException as failure:
            self.failed = failure
            raise

    def live(self):
        self.process("open", 60000)
        while not self.over.is_set():
            number = len(self.durable) + len(self.unknown)
            try:
                self.process.commit(*((topic, partition, "k", number) for topic, partition in self.places()))
                self.durable.append(number)
            except (Failed, AssertionError, OSError) as why:
                self.said.append(f"ended: {why}")
                self.unknown.append(number)
                return

    def places(self):
        return (self.bus.to, 0), (self.bus.to, 1), (self.bus.state, 0)

    def grow(self, more=5):
        """Waits for so many batches."""
        aim, patience = len(self.durable) + more, Patience(120)
        while len(self.durable) < aim:
            assert self.failed is None, self.failed
            assert not patience.over(), f"{len(self.durable)} of {aim}: {self.said} {self.process.said()}"
            time.sleep(0.05)


def disturb(cluster, writer):
    """Two nodes are killed and come back, the writer is killed, and the third node stands still for a while."""
    for node in cluster.nodes[1:]:
        writer.grow()
        node.kill()
        writer.grow()
        node.start()
        cluster.wait()
    for _ in range(3):
        writer.grow()
        writer.process.process.kill()
    writer.grow()
    cluster.nodes[0].pause()
    writer.grow()
    cluster.nodes[0].resume()
    writer.grow()


def read_committed(cluster, topic, partition):
    return [int(n) for n in kcat(cluster, "-C", "-t", topic, "-p", str(partition), "-e", "-q", "-o", "beginning", "-f", "%s ",
                                 "-X", "isolation.level=read_committed").split()]


def test_what_is_durable_stays_while_nodes_are_lost(cluster):
    bus = Bus(cluster, replication=3).made()
    writer = Writer(bus)
    writer.start()
    try:
        disturb(cluster, writer)
    except BaseException:
        writer.process.kill()  # it may be waiting for an answer
        raise
    finally:
        writer.over.set()
        writer.join()
    found = [read_committed(cluster, *place) for place in writer.places()]
    assert found[0] == found[1] == found[2]  # all of a batch or nothing
    assert [n for n in found[0] if n not in writer.unknown] == writer.durable
    assert found[0] == sorted(set(found[0]))
    with bus.driver("reader") as reader:
        reader.join(bus.to)
        read = reader.records(2 * len(found[0]))
        assert [[int(v) for p, _, _, v, _ in read if p == partition] for partition in (0, 1)] == found[:2]
