"""Brokers with their journal on one real Kafka (docs/decisions/0030-kafka-journal.md): adapters at any of them."""
import itertools

import pytest

from client.bus_client import Client, SessionError, bus
from hutong_bus import Broker, wait_until
from kafka_edge import consume
from messages import module

residence = module("gov.public_security.v1.residence")
tenancy = module("gov.housing.v1.tenancy")
records = module("hutong.bus.v1.journal")

POPULATION, TENANCY = "public_security/population", "housing/tenancy"
STREAM = b"0123456789abcdef"
names = (f"shared{n}" for n in itertools.count())


class Bus:
    def __init__(self, kafka, folder):
        self.kafka, self.folder, self.prefix = kafka, folder, next(names)
        self.brokers = []

    def broker(self, name, settings="", curve=False, retention="1096d"):
        (self.folder / name).mkdir()
        journal = (f"  backend: kafka\n  retention: {retention}\n"
                   f"  kafka: {{ brokers: '{self.kafka.bootstrap}', prefix: {self.prefix}, name: {name}, "
                   "partitions: 3, replication: 1 }\n")
        broker = Broker(self.folder / name, journal=journal, settings=settings, curve=curve)
        self.brokers.append(broker)
        broker.start()
        return broker


@pytest.fixture
def shared(real_kafka, tmp_path):
    made = Bus(real_kafka, tmp_path)
    yield made
    for broker in made.brokers:
        broker.stop()


def envelope(number, subject=None):
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = subject or f"33010619900000{number:04}"
    message.address.unit_code = f"U-{number}"
    return bus.Envelope(id=f"m{number}", type="gov.public_security.v1.ResidenceRegistered", time_us=1,
                        payload=message.SerializeToString())


def publish(broker, *envelopes, first=None):
    with Client(broker.endpoint, broker.keys(POPULATION)) as client:
        last = client.hello(POPULATION, stream=STREAM).last_sequence
        sequence = client.publish(*envelopes, first=first)
        assert client.wait_accepted(sequence, patience=60) and not client.refusals
        return last


def receiver(broker, instance="default"):
    client = Client(broker.endpoint, broker.keys(TENANCY))
    client.hello(TENANCY, instance, receive=True)
    return client


def take(client, count):
    """So many deliveries, which are not settled."""
    assert client.wait_deliveries(count, patience=60), f"{len(client.deliveries)} of {count}"
    got, client.deliveries = client.deliveries, []
    return got


def settle(client, got):
    client.settle(*[d.position for d in got])


def ids(got):
    return sorted(d.envelope.id for d in got)


def test_what_one_takes_in_another_delivers(shared):
    one, two = shared.broker("one"), shared.broker("two")
    assert publish(one, *(envelope(n) for n in range(20))) == 0
    with receiver(two) as client:
        got = take(client, 20)
        assert ids(got) == sorted(f"m{n}" for n in range(20))
        assert len({d.position for d in got}) == 20 and {d.position >> 48 for d in got} <= {1, 2, 3}
        settle(client, got)
        # What was accepted there is known here: nothing of it is taken in again.
        assert publish(two, envelope(20)) == 20
        assert publish(one, *(envelope(n) for n in range(15, 22)), first=16) == 21
        got = take(client, 2)
        assert ids(got) == ["m20", "m21"]
        settle(client, got)
        assert not client.wait_deliveries(1, patience=1)


def test_what_a_broker_commits_late_undoes_nothing(shared):
    """Its word on a stream is behind another's in the topic, and lower."""
    one = shared.broker("one")
    publish(one, *(envelope(n) for n in range(20)))
    topic = f"{shared.prefix}.streams"
    said = consume(shared.kafka, [topic], 1)[-1]
    stream = POPULATION.encode() + b"\0" + STREAM
    assert said.key() == stream + b"one"  # so compaction keeps what each of them said last
    late = module("hutong.bus.v1.cluster").StreamState(sequence=3).SerializeToString()
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": shared.kafka.bootstrap})
    for name in (b"late", b""):
        producer.produce(topic, late, stream + name, said.partition())
    assert producer.flush(60) == 0
    assert publish(shared.broker("two"), envelope(20)) == 20
    assert publish(one, envelope(21)) == 21


def test_nothing_that_was_settled_comes_again(shared):
    one = shared.broker("one")
    publish(one, *(envelope(n) for n in range(30)))
    with receiver(one) as client:
        got = take(client, 30)
        settle(client, got[:10] + got[20:])
        left = [d.envelope.id for d in got[10:20]]
        publish(one, envelope(30))  # one that comes back says that the settlements before it were committed
        settle(client, take(client, 1))
        publish(one, envelope(31))
        settle(client, take(client, 1))
        publish(one, envelope(32))
        assert ids(take(client, 1)) == ["m32"]
    one.kill()
    two = shared.broker("two")
    with receiver(two) as client:
        got = take(client, len(left))
        assert set(left) <= set(ids(got)) and set(ids(got)) <= {*left, "m31", "m32"}
        assert all(d.attempt > 1 for d in got)
        places = {d.envelope.id: d.position for d in got}
        settle(client, got)
    assert len(places) == len(got)


def test_what_others_have_under_way_delays_nobody(shared):
    """A lane waits for the partition that has its own state, not for those of other lanes."""
    from confluent_kafka import Producer
    one, state = shared.broker("one"), f"{shared.prefix}.state"
    publish(one, *subjects(0, 24))
    with receiver(one) as client:
        settle(client, take(client, 24))
        homes = {m.partition() for m in consume(shared.kafka, [state], 1)}
    one.stop()
    others = {0, 1, 2} - homes
    assert homes and others
    slow = Producer({"bootstrap.servers": shared.kafka.bootstrap, "transactional.id": f"{shared.prefix}.slow",
                     "transaction.timeout.ms": 300000, "log_level": 0})
    slow.init_transactions(30)
    slow.begin_transaction()
    for partition in others:
        slow.produce(state, b"x", b"another", partition)
    slow.flush(30)
    two = shared.broker("two")
    publish(two, *subjects(24, 24), first=25)
    with receiver(two) as client:
        take(client, 24)
    slow.abort_transaction(30)


def test_a_state_that_nobody_can_read_ends_no_broker(shared):
    from confluent_kafka import Producer
    one, state = shared.broker("one"), f"{shared.prefix}.state"
    publish(one, *subjects(0, 24))
    with receiver(one) as client:
        settle(client, take(client, 24))
        consume(shared.kafka, [state], 1)
    one.stop()
    spoiler = Producer({"bootstrap.servers": shared.kafka.bootstrap, "log_level": 0})
    for each in consume(shared.kafka, [state], 1):
        spoiler.produce(state, b"\xff\xff", each.key(), each.partition())
    assert spoiler.flush(30) == 0
    two = shared.broker("two")
    publish(two, *subjects(24, 24), first=25)
    with receiver(two) as client:
        office = Office()
        office.clients = {"a": client}
        office.work(lambda inbox: {f"m{n}" for n in range(24, 48)} <= {message for message, _ in inbox.values()})
    assert "can't be read" in two.log()


def test_a_failure_counts_on_at_the_next_owner(shared):
    one = shared.broker("one")
    publish(one, envelope(1))
    with receiver(one) as client:
        (got,) = take(client, 1)
        client.settle(failures=[bus.Failure(position=got.position, retry_after_ms=100, text="not yet")])
        (again,) = take(client, 1)
        assert (again.position, again.attempt) == (got.position, got.attempt + 1)
        client.settle(failures=[bus.Failure(position=got.position, retry_after_ms=100, text="not yet")])
        publish(one, envelope(2, "another"))
        assert {d.envelope.id for d in take(client, 1)} <= {"m1", "m2"}
    one.stop()
    two = shared.broker("two")
    with receiver(two) as client:
        got = {}
        while "m1" not in got:
            got.update({d.envelope.id: d for d in take(client, 1)})
        assert got["m1"].position == again.position and got["m1"].attempt > again.attempt
        client.settle(failures=[bus.Failure(position=again.position, reject=True, text="no such household")])
        topic = f"{shared.prefix}.dead.housing.tenancy"
        (dead,) = [records.DeadRecord.FromString(m.value()) for m in consume(shared.kafka, [topic], 1)]
        assert (dead.reason, dead.text, dead.position) == (bus.REASON_REJECTED, "no such household", again.position)
        assert bus.Envelope.FromString(dead.envelope).id == "m1"


def test_a_subject_keeps_its_order(shared):
    one, two = shared.broker("one"), shared.broker("two")
    with receiver(two) as client:
        publish(one, *(envelope(n, "330106199001011234") for n in range(3)))
        publish(two, *(envelope(n, "330106199001011234") for n in range(3, 6)))
        for number in range(6):
            (got,) = take(client, 1)
            assert got.envelope.id == f"m{number}"
            settle(client, [got])


def test_with_curve(shared):
    one, two = shared.broker("one", curve=True), shared.broker("two", curve=True)
    publish(one, envelope(1))
    with receiver(two) as client:
        settle(client, take(client, 1))
        assert publish(two, envelope(2)) == 1
        assert ids(take(client, 1)) == ["m2"]


class Office:
    """A system with instances at several brokers and one inbox."""

    def __init__(self):
        self.inbox, self.clients = {}, {}

    def work(self, done):
        """Each takes and settles what it gets, until `done` of the inbox."""
        def worked():
            for name, client in self.clients.items():
                client.wait_deliveries(1, patience=0.05)
                got, client.deliveries = client.deliveries, []
                for each in got:
                    self.inbox.setdefault(each.position, (each.envelope.id, name))
                settle(client, got)
            return done(self.inbox)
        wait_until(worked, "the office's work", patience=60)

    def by(self, name):
        return [message for message, who in self.inbox.values() if who == name]


def subjects(first, count):
    return [envelope(n, f"33010619900101{n % 24:04}") for n in range(first, first + count)]


def test_instances_at_several_brokers_share_the_work(shared):
    one, two = shared.broker("one"), shared.broker("two")
    office = Office()
    office.clients = {"a": receiver(one, "a"), "b": receiver(one, "b"), "c": receiver(two, "c")}
    sent = 0

    def publish_until(done):
        nonlocal sent
        while not done():
            publish((one, two)[sent // 48 % 2], *subjects(sent, 48))
            sent += 48
            office.work(lambda inbox: len(inbox) >= sent)

    publish_until(lambda: all(map(office.by, "abc")))  # each partition is of one broker, there each subject of one instance
    office.clients.pop("c").close()
    before = len(office.by("a") + office.by("b"))
    publish_until(lambda: len(office.by("a") + office.by("b")) >= before + 48 * 2)
    numbers = [int(message[1:]) for message, _ in office.inbox.values()]
    assert sorted(numbers) == list(range(sent))
    for subject in range(24):
        of_subject = [n for n in numbers if n % 24 == subject]
        assert of_subject == sorted(of_subject)
    for client in office.clients.values():
        client.close()


def test_large_messages_to_many_fit_a_transaction(shared):
    """Each delivery is written by itself: what has 900 KiB in the batch comes to 44 MiB."""
    one = shared.broker("one")
    wide = "".join(f"""  - name: marks-{number}
    on: gov.housing.v1.TenancyMarked
    from: housing/tenancy
    to:
      - system: civil_affairs/registration
        agreement: TEST-2
""" for number in range(49))
    one.stop()
    with open(one.folder / "conf" / "routes" / "test.yaml", "a", encoding="utf-8") as routes:
        routes.write(wide)
    one.start()
    marked = tenancy.TenancyMarked(lease_number="L" * (900 << 10), citizen_number="1", mark=tenancy.TenancyMarked.DECEASED)
    with Client(one.endpoint) as client:
        client.hello(TENANCY, stream=STREAM)
        for n in range(3):
            client.publish(bus.Envelope(id=f"m{n}", type="gov.housing.v1.TenancyMarked", source=TENANCY, time_us=1,
                                        payload=marked.SerializeToString()))
        assert client.wait_accepted(3, patience=60) and not client.refusals, client.refusals
    with Client(one.endpoint) as client:
        client.hello("civil_affairs/registration", receive=True, credit=(1000, 1 << 30))
        got = set()
        while len(got) < 150:
            some = take(client, 1)
            settle(client, some)
            got |= {d.position for d in some}


def test_a_peer_that_says_hello_again_and_again_is_one_guest(shared):
    one = shared.broker("one")
    publish(one, envelope(1))
    with Client(one.endpoint) as client:
        client.wait_for_handshake()
        for _ in range(200):
            client.send(bus.Frame(hello=bus.Hello(protocol=1, system=POPULATION, instance="i", stream=STREAM)))
        frame, _ = client.next_frame(60)
        assert frame.welcome.last_sequence == 1
    assert one.log().count(" peer.ended ") <= 1  # at most for what came after the welcome, in the session


@pytest.mark.usefixtures("real_kafka")
def test_who_was_ended_while_its_hello_waited_is_not_let_in(shared):
    one = shared.broker("one")
    publish(one, envelope(1))
    waiting = bus.Hello(protocol=1, system=POPULATION, instance="waiting", stream=STREAM)
    with Client(one.endpoint) as client:
        client.wait_for_handshake()
        shared.kafka.nodes[0].pause()  # so it waits
        try:
            client.send(bus.Frame(hello=waiting))
            client.send(bus.Frame(heartbeat=bus.Heartbeat()))
            with pytest.raises(SessionError, match="the first frame of a session is hello"):
                client.next_frame(60)
        finally:
            shared.kafka.nodes[0].resume()
        publish(one, envelope(2))  # its hello came later, and was answered
        assert client.next_frame(0) is None
    came = [line for line in one.log().splitlines() if " peer.up " in line]
    assert came and not any("waiting" in line for line in came), one.log()


def test_a_cluster_that_is_away_is_said(shared, tmp_path):
    broker = Broker(tmp_path, journal="  backend: kafka\n  kafka: { brokers: '127.0.0.1:1', name: one }\n")
    broker.spawn()
    assert broker.process.wait(90) == 1
    assert "127.0.0.1:1" in broker.log() and " broker.failed " in broker.log()
