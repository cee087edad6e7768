"""The Kafka connector, or a broker with its journal on Kafka, is asked to end while Kafka stands still: it ends within what `drain`
says and some seconds, and nothing is lost by that."""
import os
import signal
import time

import pytest

import server
from databases import missing
from client.bus_client import Client
from hutong_bus import Broker, wait_until
from kafka_edge import consume, marked, produce, reading, writing
from operators import Operator, make
from test_kafka import envelope, publish, receive
from test_kafka_bus import envelope as residence

DRAIN, BESIDES = 3, 8  # seconds: what the adapters are allowed, and what a busy machine takes besides


@pytest.fixture
def cluster():
    reason = server.unavailable()
    if reason:
        missing(f"Kafka ({reason})")
    with server.Cluster(1) as running:
        yield running


@pytest.fixture
def broker(tmp_path):
    with make(tmp_path / "broker")[0] as running:
        yield running


def with_drain(adapter):
    adapter.config.write_text(f"drain: {DRAIN}s\n" + adapter.config.read_text("utf-8"), "utf-8")
    return adapter


def end_in_time(adapter):
    began = time.monotonic()
    os.kill(adapter.process.pid, signal.SIGTERM)
    try:
        assert adapter.process.wait(60) == 0, adapter.log()
    finally:
        took = time.monotonic() - began
        print(f"ended after {took:.1f} s\n{adapter.log()}")
    assert took < DRAIN + BESIDES


@pytest.mark.parametrize("when", ["idle", "committing"])
def test_the_writer_ends(cluster, broker, tmp_path, when):
    with with_drain(writing(cluster, broker, tmp_path / "out", "stop")) as running:
        publish(broker, [envelope("binary")])
        consume(cluster, ["stop.cloudevents"], 1)
        cluster.nodes[0].pause()
        try:
            if when == "committing":
                publish(broker, [envelope("binary", "2")])
                wait_until(lambda: Operator(broker).queue("civil_affairs/registration")["in_flight"], "a message at the adapter")
            end_in_time(running)
        finally:
            cluster.nodes[0].resume()
        with running:
            assert len(consume(cluster, ["stop.cloudevents"], 1 + (when == "committing"))) == 1 + (when == "committing")


def test_the_reader_ends(cluster, broker, tmp_path):
    with with_drain(reading(cluster, broker, tmp_path / "in", "stop")) as running:
        produce(cluster, [("stop.protobuf", "k1", marked("L1").SerializeToString(), {})])
        wait_until(lambda: "kafka.assigned" in running.log(), "partitions")
        receive(broker, 1, settle=True)
        cluster.nodes[0].pause()
        try:
            end_in_time(running)
        finally:
            cluster.nodes[0].resume()
        produce(cluster, [("stop.protobuf", "k2", marked("L2").SerializeToString(), {})])
        with running:
            assert [e.subject for e in receive(broker, 1)] == ["k2"]


def test_a_broker_on_kafka_ends(cluster, tmp_path):
    journal = f"  backend: kafka\n  kafka: {{ brokers: '{cluster.bootstrap}', prefix: stop, name: one, partitions: 3, replication: 1 }}\n"
    with Broker(tmp_path, journal=journal, settings=f"drain: {DRAIN}s\n") as one, Client(one.endpoint) as client:
        client.hello("public_security/population", stream=b"0123456789abcdef")
        assert client.wait_accepted(client.publish(residence(1)), patience=60)
        cluster.nodes[0].pause()
        try:
            client.publish(residence(2))
            wait_until(lambda: client.next_frame(0.1) is None, "nothing is said of it")
            began = time.monotonic()
            os.kill(one.process.pid, signal.SIGTERM)
            assert one.process.wait(60) == 0, one.log()
            assert time.monotonic() - began < DRAIN + 3 + BESIDES, one.log()
        finally:
            cluster.nodes[0].resume()
        assert " broker.bye " in one.log()
        one.start()
        with Client(one.endpoint) as again:
            assert again.hello("public_security/population", stream=b"0123456789abcdef").last_sequence in (1, 2)
            assert again.wait_accepted(again.publish(residence(2), first=2), patience=60)
