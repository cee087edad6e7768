"""What broker/kafka reported as durable is there, once and in order, while a real cluster of three loses one node after the
other: killed, or standing still."""
import threading
import time

import pytest

import server
from databases import missing
from kafka_edge import kcat
from kafka_journal import Bus
from patience import Patience


@pytest.fixture
def cluster():
    reason = server.unavailable()
    if reason:
        missing(f"Kafka ({reason})")
    with server.Cluster(3) as running:
        yield running


def write_until(driver, bus, over, written):
    """Numbered batches, each into three partitions; `written` are those that were reported durable."""
    while not over.is_set():
        n = len(written)
        driver.commit((bus.to, 0, "k", n), (bus.to, 1, "k", n), (bus.state, 0, "k", n))
        written.append(n)


def grow(written, more, thread):
    """So many batches later."""
    aim, patience = len(written) + more, Patience(120)
    while len(written) < aim:
        assert thread.is_alive() and not patience.over(), f"{len(written)} of {aim}"
        time.sleep(0.05)


def disturb(cluster, written, thread):
    """Each node is killed and comes back; one stands still for a while."""
    for node in cluster.nodes:
        grow(written, 5, thread)
        node.kill()
        grow(written, 5, thread)
        node.start()
        cluster.wait()
    grow(written, 5, thread)
    cluster.nodes[0].pause()
    grow(written, 5, thread)
    cluster.nodes[0].resume()
    grow(written, 5, thread)


def test_nodes_are_lost_in_the_middle_of_batches(cluster):
    bus, over, written = Bus(cluster, replication=3).made(), threading.Event(), []
    with bus.drivers("one", "reader") as (one, reader):
        one("open", 120000)
        thread = threading.Thread(target=write_until, args=(one, bus, over, written))
        thread.start()
        try:
            disturb(cluster, written, thread)
        except BaseException:
            print(one.said())
            raise
        finally:
            over.set()
            thread.join()
        expected = [str(n) for n in written]
        for topic, partition in ((bus.to, 0), (bus.to, 1), (bus.state, 0)):
            read = kcat(cluster, "-C", "-t", topic, "-p", partition, "-e", "-q", "-o", "beginning", "-f", "%s ",
                        "-X", "isolation.level=read_committed").split()
            assert read == expected
        reader.join(bus.to)
        read = reader.records(2 * len(written))
        assert [[v for p, _, _, v, _ in read if p == partition] for partition in (0, 1)] == [expected, expected]
