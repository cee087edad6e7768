"""A queue's limit holds for all brokers of a bus on Kafka, where its system has publishers wait (docs/bus-on-kafka.md)."""
from client.bus_client import Client, bus
from test_kafka_bus import POPULATION, STREAM, envelope, publish, receiver, settle, shared, take

assert shared  # a fixture
LIMIT = 30
OTHER_STREAM = b"fedcba9876543210"


def limited(shared, name):
    broker = shared.broker(name)
    housing = broker.folder / "conf/agencies/housing.yaml"
    housing.write_text(housing.read_text("utf-8") + f"    queue: {{ count: {LIMIT}, when_full: park }}\n", "utf-8")
    broker.stop()
    broker.start()
    return broker


def test_what_waits_at_one_broker_holds_publishers_at_another(shared):
    one, two = limited(shared, "one"), limited(shared, "two")
    for n in range(LIMIT):  # each in a transaction of its own: as many marks as deliveries
        publish(one, envelope(n))
    # What is decided at the other one while it isn't known there yet may be more than the limit.
    with Client(two.endpoint) as client:
        client.hello(POPULATION, stream=OTHER_STREAM)
        number = LIMIT
        while not client.hold:
            number += 1
            client.publish(envelope(number))
            client.wait_accepted(number - LIMIT, patience=0.2)
        assert client.hold.reason == bus.REASON_QUEUE_FULL and "housing/tenancy is full" in client.hold.text
        accepted = client.accepted
        assert not client.wait_accepted(accepted + 1, patience=3)
        with receiver(one) as housing:
            got = 0
            while got < LIMIT + accepted:
                some = take(housing, 1)
                settle(housing, some)
                got += len(some)
            assert client.wait_accepted(number - LIMIT, patience=60)
