"""What the journal on Kafka stands on (broker/kafka), with a real Kafka: docs/decisions/0030-kafka-journal.md."""
import contextlib
import re

import pytest

from kafka_edge import kcat
from kafka_journal import Bus, FENCED, FULL, Failed, TENANCY, WRONG

pytestmark = pytest.mark.usefixtures("real_kafka")


@pytest.fixture
def bus(kafka):
    return Bus(kafka).made()


def values(records):
    return [record[3] for record in records]


# ---- Topics ----

def test_topics_are_made_and_kept_as_they_must_be(kafka):
    with Bus(kafka).driver() as one:
        one("make", 2, 1, TENANCY, "civil_affairs/registration")
        one("make", 2, 1, TENANCY, "civil_affairs/registration")  # they are there already
        one("check", 2, 1, TENANCY)
        prefix = one.process.args[2]
        assert sorted(t for t in kafka.admin().list_topics(timeout=10).topics if t.startswith(prefix + ".")) == [
            f"{prefix}.{t}" for t in ("bus", "dead.civil_affairs.registration", "dead.housing.tenancy", "record", "state",
                                      "streams", "to.civil_affairs.registration", "to.housing.tenancy")]
        with pytest.raises(Failed, match="other/one has no topic|there is no topic .*to.other.one: make it with 2"):
            one("agree", 2, 1, "other/one")
        with pytest.raises(Failed, match=r"can't be made: .*eplication factor") as failed:
            one("make", 2, 3, "other/one")
        assert failed.value.code == WRONG


def test_a_topic_that_is_kept_otherwise_is_named(kafka):
    bus = Bus(kafka)
    kafka.create_topic(bus.state, 2)
    kafka.create_topic(bus.to, 2, **{"retention.ms": 86400000, "max.message.bytes": 1048588})
    with bus.driver() as one:
        one("make", *bus.wanted)
        with pytest.raises(Failed) as failed:
            one("check", *bus.wanted)
    assert failed.value.code == WRONG
    for part in (f"topic {bus.state} has cleanup.policy=delete instead of compact",
                 f"topic {bus.to} has retention.ms=86400000 instead of -1",
                 f"topic {bus.to} has max.message.bytes=1048588 instead of 9502720 or more"):
        assert part in failed.value.text, failed.value.text


def test_two_first_brokers_agree_on_the_id(kafka):
    for _ in range(3):
        with (bus := Bus(kafka).made()).drivers("one", "two", "three") as drivers:
            for each in drivers:
                each.say("agree", *bus.wanted)
            ids = {each.hear() for each in drivers}
            assert len(ids) == 1 and re.fullmatch("[0-9a-f]{32}", *ids)
            assert {drivers[0]("agree", *bus.wanted)} == ids


def test_partitions_never_change(kafka, bus):
    with bus.driver() as one:
        found = one("agree", *bus.wanted)
        assert one("agree", 7, 1, TENANCY) == found  # what is wanted is for topics that are made
        from confluent_kafka.admin import NewPartitions
        admin = kafka.admin()
        admin.create_partitions([NewPartitions(bus.to, 3)])[bus.to].result(30)
        with pytest.raises(Failed, match=f"topic {bus.to} has 3 partitions, and by {bus.prefix}.bus it has 2.*with 2") as failed:
            one("agree", *bus.wanted)
        assert failed.value.code == WRONG


def test_records_are_deleted_from_the_front(bus):
    with bus.driver() as one:
        one("open")
        one.commit(*((bus.to, 0, "k", f"v{n}") for n in range(5)))
        assert one("delete", bus.to, 0, 3) == "3"
        assert one("delete", bus.to, 0, 3) == "3"
        one.join(bus.to)
        assert values(one.records(2)) == ["v3", "v4"]
        with pytest.raises(Failed, match="deleting records of topic .*partition 0.*out of range") as failed:
            one("delete", bus.to, 0, 100)
        assert failed.value.code == WRONG


def test_what_is_old_and_behind_goes_from_the_front(bus):
    with bus.driver() as one:
        one("open")
        one.commit(*((bus.to, p, "k", f"v{n}") for n in range(4) for p in (0, 1)))
        one("shorten", 1, f"{bus.to}:0:3", f"{bus.to}:1:3")  # nothing is so old
        assert firsts(bus) == [0, 0]
        far = 2**53
        one("shorten", far, f"{bus.to}:1:2", f"{bus.to}:0:3", f"{bus.prefix}.to.nobody.there:0:3")
        assert firsts(bus) == [3, 2]
        one("shorten", far, f"{bus.to}:0:1", f"{bus.to}:1:4")  # what is gone already is asked for no more
        assert firsts(bus) == [3, 4]
        one("shorten", far, f"{bus.to}:1:100", f"{bus.to}:7:1", f"{bus.state}:0:1")  # the first two can't be
        assert firsts(bus) == [3, 4]
        assert f"topic {bus.to}: " in one.said() and bus.prefix + ".to.nobody.there" not in one.said()
        assert f"{bus.prefix}.to.nobody.there" not in bus.kafka.admin().list_topics(timeout=10).topics
        young = int(kcat(bus.kafka, "-C", "-t", bus.to, "-p", "0", "-e", "-q", "-o", "beginning", "-f", "%T").split()[0])
        one.commit(*((bus.to, 0, "k", f"w{n}") for n in range(4)))
        one("shorten", young + 1, f"{bus.to}:0:8")
        assert firsts(bus) in ([4, 4], [5, 4])  # v3, and the mark behind it where it is as old


def firsts(bus):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bus.kafka.bootstrap, "group.id": "firsts", "log_level": 0})
    found = [consumer.get_watermark_offsets(TopicPartition(bus.to, p), 10)[0] for p in (0, 1)]
    consumer.close()
    return found


# ---- Transactions ----

def test_a_batch_is_there_when_it_is_committed(bus):
    with bus.drivers("one", "two") as (one, two):
        one("open")
        two.join(bus.to)
        one.put((bus.to, 0, "a", "1"), (bus.to, 1, "b", "2"), (bus.state, 0, "s", "3"))
        assert two.nothing_more()
        assert one.commit() == (1, 0, [])
        assert sorted(two.records(2)) == [(0, 0, "a", "1", "one"), (1, 0, "b", "2", "one")]
        assert two.nothing_more()


def test_four_ids_in_turn(bus):
    with bus.driver() as one:
        one("open")
        for n in range(8):
            assert one.commit((bus.to, 0, "k", f"v{n}")) == (n + 1, 0, [])
        read = kcat(bus.kafka, "-C", "-t", bus.to, "-p", "0", "-e", "-q", "-o", "beginning", "-f", "%s ").split()
        assert read == [f"v{n}" for n in range(8)]
        assert ids_used(bus) == {f"{bus.prefix}.one.{n}" for n in range(4)}


def ids_used(bus):
    """The transactional ids that wrote something, as the cluster's own log of transactions has them."""
    read = kcat(bus.kafka, "-C", "-t", "__transaction_state", "-e", "-q", "-o", "beginning", "-f", "%k|%S\n",
                "-X", "isolation.level=read_uncommitted")
    # A record of an id that was only taken over has no partitions: it is the shortest.
    sizes = {}
    for found, size in re.findall(rf"({re.escape(bus.prefix)}\.one\.\d)\|(\d+)", read):
        sizes.setdefault(found, set()).add(int(size))
    return {found for found, several in sizes.items() if len(several) > 1}


def test_who_was_taken_over_commits_nothing(bus):
    with bus.drivers("one", "one", "reader") as (zombie, heir, reader):
        zombie("open", 60000)
        zombie.put((bus.to, 0, "k", "zombie"))
        heir("open")
        zombie("start")
        with pytest.raises(Failed) as failed:
            zombie("collect")
        assert failed.value.code == FENCED
        zombie.put((bus.to, 0, "k", "zombie"))
        with pytest.raises(Failed) as failed:
            zombie("start")
        assert failed.value.code == FENCED
        assert heir.commit((bus.to, 0, "k", "heir")) == (1, 0, [])
        reader.join(bus.to)
        assert values(reader.records(1)) == ["heir"] and reader.nothing_more()


def test_what_was_left_open_ends_with_the_takeover(bus):
    """Until then it hides what others commit behind it, in its partitions only."""
    with bus.drivers("one", "other", "reader") as (one, other, reader), left_open(bus, "one.2", (bus.to, 0, "left")) as left:
        other("open")
        reader.join(bus.to)
        other.commit((bus.to, 0, "k", "behind"), (bus.to, 1, "k", "beside"))
        assert values(reader.records(1)) == ["beside"] and reader.nothing_more()
        one("open")
        assert values(reader.records(1)) == ["behind"]
        from confluent_kafka import KafkaError, KafkaException
        with pytest.raises(KafkaException) as failed:
            left.commit_transaction(30)
        assert failed.value.args[0].code() == KafkaError._FENCED
        assert reader.nothing_more()


@contextlib.contextmanager
def left_open(bus, name, *records):
    """A producer in the middle of a transaction."""
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": bus.kafka.bootstrap, "transactional.id": f"{bus.prefix}.{name}",
                         "transaction.timeout.ms": 600000, "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    for topic, partition, value in records:
        producer.produce(topic, value, "k", partition)
    assert producer.flush(30) == 0
    yield producer


# ---- Groups ----

def test_offsets_are_committed_with_the_batch(bus):
    with bus.driver() as one:
        one("open")
        one.commit(*((bus.to, p, "k", f"{p}.{n}") for p in (0, 1) for n in range(3)))
        assert one.join(bus.to) == {0: -1, 1: -1}
        assert len(one.records(6)) == 6
        part = one("part", "now")
        one("offset", part, bus.to, 1, 2)
        assert one.commit((bus.state, 0, "s", "x", part)) == (2, 0, [])
        one("leave")
        one.event("left")
    with bus.driver("two") as two:
        assert two.join(bus.to) == {0: -1, 1: 2}
        assert sorted(values(two.records(4))) == ["0.0", "0.1", "0.2", "1.2"]
        assert two.nothing_more()


def test_a_group_is_paused_and_set_back(bus):
    with bus.driver() as one:
        one("open")
        one.join(bus.to)
        one.commit(*((bus.to, 0, "k", f"v{n}") for n in range(3)))
        assert values(one.records(3)) == ["v0", "v1", "v2"]
        one("pause", 0)
        one.commit((bus.to, 0, "k", "v3"), (bus.to, 1, "k", "w"))
        assert values(one.records(1)) == ["w"] and one.nothing_more()
        one("resume", 0)
        assert values(one.records(1)) == ["v3"]
        one("seek", 0, 1)
        assert values(one.records(3)) == ["v1", "v2", "v3"] and one.nothing_more()


def test_the_end_is_told(bus):
    with bus.driver() as one:
        one("open")
        one.commit(*((bus.to, 0, "k", f"v{n}") for n in range(3)))
        one.join(bus.to)
        ends = {tuple(one.event("end", without=("record", "trouble"))[1:]) for _ in range(2)}
        assert ends == {("0", "4"), ("1", "0")}  # a transaction's mark is a record too


def settle(driver, bus, token, partition, following):
    """A batch with the group's part, and a record of its own. What was refused."""
    part = driver("part", token)
    driver("offset", part, bus.to, partition, following)
    return driver.commit((bus.state, 0, "state", "mine", part), (bus.state, 0, "common", driver.process.args[3]))[2]


def states(bus):
    return kcat(bus.kafka, "-C", "-t", bus.state, "-e", "-q", "-o", "beginning", "-f", "%k=%s ",
                "-X", "isolation.level=read_committed").split()


def test_settlements_of_an_earlier_generation_are_refused(bus):
    with bus.drivers("one", "two") as (one, two):
        one("open")
        one.commit(*((bus.to, p, "k", "v") for p in (0, 1)))
        one.join(bus.to)
        one.records(2)
        one("keep")
        two("join", bus.to)
        assert sorted(one.event("revoked")[1:]) == ["0:-1", "1:-1"]
        with pytest.raises(Failed):
            one("part", "now")  # from here on there is no generation to speak for
        one("release")
        mine, others = one.go_on(), two.go_on()
        assert len(mine) == len(others) == 1 and mine.keys() != others.keys()
        (partition,) = mine
        assert settle(one, bus, "kept", partition, 1) == [1]
        assert states(bus) == ["common=one"]
        assert settle(one, bus, "now", partition, 1) == []
        assert states(bus) == ["common=one", "state=mine", "common=one"]


def test_who_was_cut_off_settles_nothing(bus):
    """Stopped for longer than its session, it goes on without having heard of anything."""
    with bus.drivers("one", "two") as (one, two):
        one("open")
        two("open")
        one.commit(*((bus.to, p, "k", "v") for p in (0, 1)))
        one.join(bus.to)
        one.records(2)
        one("keep")
        one.stop()
        assert two.join(bus.to) == {0: -1, 1: -1}
        assert settle(two, bus, "now", 0, 1) == []
        one.go()
        assert settle(one, bus, "kept", 0, 0) == [1]
        assert states(bus) == ["state=mine", "common=two", "common=one"]
        assert "lost" in one.event("revoked", without=("record", "end", "trouble"))


def test_committed_offsets_wait_for_a_transaction_that_holds_some(bus):
    """A new owner doesn't begin at an offset that is about to change."""
    with bus.drivers("one", "two") as (one, two):
        one("open")
        one.commit((bus.to, 0, "k", "v"))
        with left_open(bus, "three.0", (bus.to, 0, "open")) as left:
            from confluent_kafka import Consumer, TopicPartition
            consumer = Consumer({"bootstrap.servers": bus.kafka.bootstrap, "group.id": bus.to, "log_level": 0})
            left.send_offsets_to_transaction([TopicPartition(bus.to, 0, 1)], consumer.consumer_group_metadata(), 30)
            two("join", bus.to)
            with pytest.raises(AssertionError, match="UNSTABLE|nstable|none of"):
                two.event("assigned", patience=6)
            left.commit_transaction(30)
        assert two.go_on() == {0: 1, 1: -1}


# ---- Following ----

def test_values_by_key(bus):
    with bus.driver() as one:
        one("open")
        one.commit((bus.state, 0, "a", "1"), (bus.state, 1, "b", "1"), (bus.state, 0, "a", "2"), (bus.state, 1, "b", "-"))
        one("follow", bus.state, 2)
        one("ask", -1, 7)
        one.answered(7)
        assert (one("get", "a"), one("get", "b")) == ("2", "-")
        one.commit((bus.state, 1, "b", "3"))
        one("ask", 1, 8)
        one.answered(8)
        assert one("get", "b") == "3"


def test_what_was_committed_before_the_question_is_there_with_the_answer(bus):
    with bus.drivers("one", "two") as (one, two):
        one("open")
        two("follow", bus.state, 2)
        for n in range(40):
            one.commit((bus.state, n % 2, "k", f"v{n}"), (bus.to, 0, "k", "v"))
            two("ask", n % 2, n)
            two.answered(n)
            assert two("get", "k") == f"v{n}"


def test_an_answer_waits_for_open_transactions_before_the_end(bus):
    with bus.drivers("one", "two") as (one, two):
        one("open")
        two("follow", bus.state, 2)
        with left_open(bus, "other.0", (bus.state, 0, "open")) as left:
            one.commit((bus.state, 0, "one", "1"), (bus.state, 1, "one", "1"))
            two("ask", 0, 1)
            two("ask", -1, 2)
            two("ask", 1, 3)
            two.answered(3)  # nothing is open there
            assert two("work", 2500) == "nothing"
            left.abort_transaction(30)
        two.answered(1, 2)
        assert (two("get", "one"), two("get", "k")) == ("1", "-")


def test_what_is_followed_has_a_bound(bus):
    with bus.driver() as one:
        one("open")
        one("follow", bus.state, 2, 300)
        one.commit((bus.state, 0, "a", "1"), (bus.state, 0, "b", "2"))
        one("ask", 0, 1)
        one.answered(1)
        one.commit((bus.state, 0, "a", "-"), (bus.state, 0, "c", "3"), (bus.state, 0, "c", "4"))
        one("ask", 0, 2)
        one.answered(2)
        one.commit((bus.state, 0, "d", "5" * 100))
        one("ask", 0, 3)
        with pytest.raises(Failed, match="has more than 300 bytes") as failed:
            one.answered(3)
        assert failed.value.code == FULL
