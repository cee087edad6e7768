"""What was delivered and is past its time goes from the topics of a bus on Kafka (docs/bus-on-kafka.md)."""
from client.bus_client import bus
from hutong_bus import wait_until
from kafka_edge import consume
from messages import module
from test_kafka_bus import envelope, ids, publish, receiver, settle, shared, take  # shared: a fixture

cluster = module("hutong.bus.v1.cluster")
records = module("hutong.bus.v1.journal")
assert shared


def values_of(shared, topic):
    return [m.value() for m in consume(shared.kafka, [topic], 0)]


def numbers_left(shared):
    """Of the messages that the topic still holds."""
    held = [records.MessageRecord.FromString(v) for v in values_of(shared, f"{shared.prefix}.to.housing.tenancy")]
    return sorted(int(bus.Envelope.FromString(d.envelope or m.envelope).id[1:]) for m in held for d in m.deliveries)


def test_what_is_delivered_and_past_its_time_goes(shared):
    one = shared.broker("one", retention="1ms")
    # Three subjects, so three queues within the queue: of each the last one stays.
    publish(one, *(envelope(n, f"33010619900000000{n % 3}") for n in range(12)))
    with receiver(one) as client:
        for _ in range(3):
            settle(client, take(client, 3))
        left = ids(take(client, 3))
    assert numbers_left(shared) == list(range(12))
    wait_until(lambda: is_noted(shared, 9), "how far repeats are known")
    one.stop()
    one.start()
    wait_until(lambda: numbers_left(shared) == [9, 10, 11], "what was delivered is gone")
    with receiver(one) as client:
        got = take(client, 3)
        assert ids(got) == left
        settle(client, got)
        publish(one, envelope(12, "330106199000000000"))
        settle(client, take(client, 1))
    wait_until(lambda: is_noted(shared, 4), "how far repeats are known")
    two = shared.broker("two", retention="1ms")  # nobody takes at it, nor anywhere
    wait_until(lambda: not numbers_left(shared), "all is gone")
    with receiver(two) as client:
        assert publish(two, *(envelope(n) for n in range(10, 14)), first=11) == 13
        got = take(client, 1)
        assert ids(got) == ["m13"]
        settle(client, got)
        assert not client.wait_deliveries(1, patience=1)


def is_noted(shared, count):
    """Whether so many deliveries, that the topic still holds, are such that no owner will read them again."""
    state = {m.key(): m.value() for m in consume(shared.kafka, [f"{shared.prefix}.state"], 0)}
    past = {int.from_bytes(key[-5:-1], "little"): min(cluster.LaneState.FromString(state[key[:-1]]).settled,
                                                      cluster.LaneStreams.FromString(value).upto)
            for key, value in state.items() if len(key.partition(b"\0")[2]) == 5}
    held = consume(shared.kafka, [f"{shared.prefix}.to.housing.tenancy"], 0)
    return sum(m.offset() < past.get(m.partition(), 0) for m in held) == count
