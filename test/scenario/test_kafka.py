"""The Kafka connector with a real broker of ours and a real Kafka: each format both ways, what can't be read, restarts."""
import base64
import json
import os
import signal

import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, wait_until
from kafka_edge import TYPE, adapter, consume, kcat, marked, produce, reading, tenancy, writing

pytestmark = [pytest.mark.sanitize,
              pytest.mark.skipif("tsan" in os.environ.get("HUTONG_BUILD", ""),
                                 reason="librdkafka starts its threads by C11's thrd_create(), of which TSan knows nothing")]
CE = {"ce_specversion": "1.0", "ce_id": "a-1", "ce_source": "//example/register", "ce_type": TYPE}
CONFLUENT = b"\0" + (70001).to_bytes(4, "big") + bytes([2, 6])  # one index, 3; both in zigzag


@pytest.fixture
def broker(tmp_path):
    with Broker(tmp_path / "broker") as running:
        yield running


def receive(broker, count, settle=True):
    """What civil affairs gets."""
    with Client(broker.endpoint) as client:
        client.hello("civil_affairs/registration", receive=True, credit=(100000, 1 << 30))
        got = []
        while len(got) < count:
            assert client.wait_deliveries(1, patience=60), f"{len(got)} of {count}"  # a full spool is tried every 30 s
            got += [d.envelope for d in client.deliveries]
            client.settle(*[d.position for d in client.deliveries])
            client.deliveries.clear()
        assert not client.wait_deliveries(1, patience=0.3)
        return got


def publish(broker, envelopes):
    with Client(broker.endpoint) as client:
        client.hello("housing/tenancy")
        client.publish(*envelopes)
        assert client.wait_accepted(len(envelopes)) and not client.refusals, client.refusals


def envelope(subject, lease="L", **more):
    return bus.Envelope(id=f"id-{subject}-{lease}", type=TYPE, subject=subject, time_us=1795512600000000,
                        payload=marked(lease).SerializeToString(), **more)


def test_each_format_comes_in(kafka, broker, tmp_path):
    wire = marked("L1").SerializeToString()
    structured = json.dumps({"specversion": "1.0", "id": "s-1", "source": "/x", "type": "com.example.marked", "extra": 7,
                             "time": "2026-11-24T09:30:00+08:00", "data": {"leaseNumber": "L1", "mark": "DECEASED"}})
    encoded = json.dumps({"specversion": "1.0", "id": "s-2", "source": "/x", "type": TYPE, "subject": "of the event",
                          "data_base64": base64.b64encode(wire).decode()})
    event = {"content-type": "application/cloudevents+json; charset=UTF-8"}
    with reading(kafka, broker, tmp_path / "in", "formats") as running:
        produce(kafka, [
            ("formats.cloudevents", "k1", wire, {**CE, "content-type": "application/protobuf", "ce_traceparent": "00-1",
                                                 "X-Office": "西湖"}),
            ("formats.cloudevents", "k2", b'{"leaseNumber": "L1"}', {**CE, "ce_id": "a-2", "content-type": "application/json"}),
            ("formats.cloudevents", "k3", structured, event),
            ("formats.cloudevents", None, encoded, event),
            ("formats.protobuf", "k5", wire, {"office": "7"}),
            ("formats.confluent", "k6", CONFLUENT + wire, {}),
        ])
        kcat(kafka, "-P", "-t", "formats.json", "-K|", "-H", "office=kcat", text='k7|{"lease_number": "L1"}\n')
        got = {e.subject: e for e in receive(broker, 7)}
        assert running.end() == 0, running.log()
    assert sorted(got) == ["L1", "k1", "k2", "k3", "k5", "k6", "of the event"]
    assert {e.type for e in got.values()} == {TYPE} and {e.source for e in got.values()} == {"housing/tenancy"}
    assert {tenancy.TenancyMarked.FromString(e.payload).lease_number for e in got.values()} == {"L1"}
    assert (got["k1"].id, dict(got["k1"].attributes)) == (
        "a-1", {"cesource": "//example/register", "traceparent": "00-1", "xoffice": "西湖"})
    assert (got["k3"].id, got["k3"].time_us, got["k3"].attributes["extra"]) == ("s-1", 1795483800000000, "7")
    assert got["k5"].attributes["office"] == "7" and got["L1"].attributes["office"] == "kcat"


def test_each_format_goes_out(kafka, broker, tmp_path):
    with writing(kafka, broker, tmp_path / "out", "out") as running:
        publish(broker, [envelope(s, attributes={"traceparent": "00-1"})
                         for s in ("binary", "structured", "protobuf", "confluent", "json")])
        got = {m.key().decode(): m for m in consume(
            kafka, [f"out.{t}" for t in ("cloudevents", "structured", "protobuf", "confluent", "json")], 5)}
        assert running.end() == 0, running.log()
    wire = marked("L").SerializeToString()
    headers = {key: value.decode() for key, value in got["binary"].headers()}
    assert headers == {"ce_specversion": "1.0", "ce_id": "id-binary-L", "ce_source": "housing/tenancy", "ce_type": TYPE,
                       "ce_subject": "binary", "ce_time": "2026-11-24T09:30:00Z", "ce_traceparent": "00-1",
                       "content-type": "application/protobuf"}
    assert got["binary"].value() == got["protobuf"].value() == wire and got["confluent"].value() == CONFLUENT + wire
    event = json.loads(got["structured"].value())
    assert (event["id"], event["subject"], event["traceparent"], event["data"]["leaseNumber"]) == (
        "id-structured-L", "structured", "00-1", "L")
    assert dict(got["protobuf"].headers()) == {"traceparent": b"00-1"}
    assert got["binary"].timestamp()[1] == 1795512600000
    read = kcat(kafka, "-C", "-t", "out.json", "-e", "-q", "-o", "beginning", "-X", "isolation.level=read_committed", "-f", "%k %s %h\n")
    assert read.startswith('json {"leaseNumber":"L"') and read.endswith("traceparent=00-1\n")


def test_what_cannot_be_read_is_a_dead_letter_of_its_place(kafka, broker, tmp_path):
    good = marked("L1").SerializeToString()
    with reading(kafka, broker, tmp_path / "in", "dead", partitions=1) as running:
        produce(kafka, [
            ("dead.json", "k", b"{no json", {}),                                  # 0
            ("dead.json", "k", b'{"leaseNumber": "after"}', {}),                  # 1: fine
            ("dead.json", "k", b'{"leaseNumber": ""}', {}),                       # 2: no subject
            ("dead.protobuf", "k", b"\xff\xff", {}),                              # 0
            ("dead.protobuf", None, good, {}),                                    # 1: no key
            ("dead.protobuf", "k", good, {"a-b": "1", "ab": "2"}),                # 2: two headers of one name
            ("dead.protobuf", "k", None, {}),                                     # 3: a tombstone
            ("dead.protobuf", "k", b"x" * 70000, {}),                             # 4: too large
            ("dead.protobuf", "k", good, {f"h{n}": "1" for n in range(17)}),      # 5
            ("dead.confluent", "k", good, {}),                                    # 0
            ("dead.confluent", "k", b"\0\0\0\0\1\0" + good, {}),                  # 1: another id
            ("dead.cloudevents", "k", good, {}),                                  # 0
            ("dead.cloudevents", "k", good, {**CE, "content-type": "text/plain"}),  # 1
            ("dead.cloudevents", "k", b"{}", {**CE, "ce_type": "no.such"}),       # 2
        ])
        assert [e.subject for e in receive(broker, 1)] == ["after"]
        path = running.state / "refused.jsonl"
        wait_until(lambda: path.exists() and len(path.read_text("utf-8").splitlines()) == 13, "13 refused")
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        assert running.end() == 0, running.log()
        places = [line["place"] for line in lines]
        assert len(set(places)) == 13 and {"dead.json[0]@0", "dead.protobuf[0]@4", "dead.cloudevents[0]@2"} <= set(places)
        by_place = {line["place"]: line for line in lines}
        assert base64.b64decode(by_place["dead.json[0]@0"]["row"]["value_base64"]) == b"{no json"
        assert "catalogue has" in by_place["dead.cloudevents[0]@2"]["reason"]
        assert running.log().count("source.refused") == 13 and 'place="dead.confluent[0]@1"' in running.log()
        running.start()  # they are through
        produce(kafka, [("dead.json", "k", b'{"leaseNumber": "again"}', {})])
        assert [e.subject for e in receive(broker, 1)] == ["again"]
        assert len(path.read_text("utf-8").splitlines()) == 13


@pytest.mark.usefixtures("real_kafka")
def test_a_kill_before_offsets_are_committed(kafka, broker, tmp_path):
    """Kafka never hears how far the reader got; the spool knows."""
    running = reading(kafka, broker, tmp_path / "in", "early")
    config = tmp_path / "in" / "adapter.yaml"
    config.write_text(config.read_text("utf-8").replace("commit: 100ms", "commit: 60s"), "utf-8")
    for part in range(3):
        running.start()
        produce(kafka, [("early.protobuf", f"k{part}-{n}", marked("L").SerializeToString(), {}) for n in range(100)])
        assert {e.subject for e in receive(broker, 100)} == {f"k{part}-{n}" for n in range(100)}
        running.end(signal.SIGKILL)
    assert committed(kafka, "early.group", "early.protobuf", 3) == 0


@pytest.mark.usefixtures("real_kafka")
def test_a_kill_between_commit_and_settlement(kafka, broker, tmp_path):
    """Kafka has the messages, the bus never hears that they are done: it delivers them again, and they aren't written again."""
    running = writing(kafka, broker, tmp_path / "out", "late")
    config = tmp_path / "out" / "adapter.yaml"
    config.write_text("log: debug\n" + config.read_text("utf-8").replace("settings: {", "settings: { debug: eos,"), "utf-8")
    running.start()
    publish(broker, [envelope("first")])
    consume(kafka, ["late.cloudevents"], 1)
    commits = lambda: running.log().count("InTransaction -> BeginCommit")  # noqa: E731
    before = commits()
    kafka.nodes[0].pause()
    try:
        publish(broker, [envelope(f"k{n}") for n in range(50)])
        wait_until(lambda: commits() > before, "the round is being committed")
        os.kill(broker.process.pid, signal.SIGSTOP)
    finally:
        kafka.nodes[0].resume()
    written = len(consume(kafka, ["late.cloudevents"], 2))
    running.end(signal.SIGKILL)
    broker.kill()
    broker.start()
    running.start()
    got = [m.key().decode() for m in consume(kafka, ["late.cloudevents"], 51, settle=2)]
    assert 1 < written <= 51 and sorted(got) == sorted(["first"] + [f"k{n}" for n in range(50)])
    assert running.end() == 0, running.log()


@pytest.mark.usefixtures("real_kafka")
def test_both_ways_through_kills(kafka, broker, tmp_path):
    """A topic to the bus to a topic; both adapters and the node are killed under load: each record once, in order by key."""
    rounds, each, keys = 4, 150, 20  # test/fault/kafka.py has more
    first = reading(kafka, broker, tmp_path / "in", "kills").start()
    second = writing(kafka, broker, tmp_path / "out", "killed").start()
    for part in range(rounds):
        produce(kafka, [("kills.protobuf", f"k{n % keys}", marked(f"{n:06}").SerializeToString(), {})
                        for n in range(part * each, (part + 1) * each)])
        victim = (first, second)[part % 2]
        victim.end(signal.SIGKILL)
        if part == 1:
            kafka.nodes[0].kill()
            kafka.nodes[0].start()
            kafka.wait()
        victim.start()
    got = consume(kafka, ["killed.cloudevents"], rounds * each, patience=90, settle=1)
    by_key = {}
    for message in got:
        by_key.setdefault(message.key().decode(), []).append(tenancy.TenancyMarked.FromString(message.value()).lease_number)
    assert by_key == {f"k{k}": [f"{n:06}" for n in range(k, rounds * each, keys)] for k in range(keys)}
    assert first.end() == 0, first.log()
    assert second.end() == 0, second.log()


@pytest.mark.usefixtures("real_kafka")
def test_a_second_writer_takes_over(kafka, broker, tmp_path):
    """Two processes of one `positions`: the older one is fenced and ends; nothing comes twice."""
    old = writing(kafka, broker, tmp_path / "old", "fenced").start()
    publish(broker, [envelope(f"k{n}") for n in range(10)])
    assert len(consume(kafka, ["fenced.cloudevents"], 10)) == 10
    text = (tmp_path / "old" / "adapter.yaml").read_text("utf-8").replace("registration }", "registration, instance: new }")
    new = adapter(kafka, broker, tmp_path / "new", text).start()
    wait_until(lambda: "adapter.connected" in new.log(), "the second")
    with Client(broker.endpoint) as client:
        client.hello("housing/tenancy", instance="more")
        client.publish(*[envelope(f"m{n}") for n in range(100)])
        assert client.wait_accepted(100)
    wait_until(lambda: old.process.poll() == 1, "the fenced one has ended")
    assert len({m.key() for m in consume(kafka, ["fenced.cloudevents"], 110, settle=1)}) == 110
    assert len(consume(kafka, ["fenced.cloudevents"], 110)) == 110
    assert "another process writes as" in old.log()
    assert new.end() == 0, new.log()


@pytest.mark.usefixtures("real_kafka")
def test_aborted_transactions_are_not_read(kafka, broker, tmp_path):
    from confluent_kafka import Producer
    with reading(kafka, broker, tmp_path / "in", "aborted", partitions=1) as running:
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": "aborted.writer", "log_level": 0})
        producer.init_transactions(30)
        for number, commits in enumerate((True, False, True, False)):
            producer.begin_transaction()
            producer.produce("aborted.protobuf", marked("L").SerializeToString(), f"k{number}")
            producer.flush(30)
            producer.commit_transaction(30) if commits else producer.abort_transaction(30)
        assert [e.subject for e in receive(broker, 2)] == ["k0", "k2"]
        assert running.end() == 0, running.log()


def committed(kafka, group, topic, partitions):
    """The sum of a group's offsets."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group, "log_level": 0})
    try:
        found = consumer.committed([TopicPartition(topic, p) for p in range(partitions)], 30)
        return sum(max(each.offset, 0) for each in found)
    finally:
        consumer.close()


@pytest.mark.usefixtures("real_kafka")
def test_two_members_of_a_group(kafka, broker, tmp_path):
    """Partitions move to a new member and back under load: nothing twice, and each key in order."""
    count, keys = 900, 30
    first = reading(kafka, broker, tmp_path / "a", "group").start()
    text = (tmp_path / "a" / "adapter.yaml").read_text("utf-8").replace("housing/tenancy }", "housing/tenancy, instance: b }")
    second = adapter(kafka, broker, tmp_path / "b", text)
    for part in range(3):
        produce(kafka, [("group.protobuf", f"k{n % keys}", marked(f"{n:06}").SerializeToString(), {})
                        for n in range(part * count // 3, (part + 1) * count // 3)])
        if part == 0:
            second.start()
            wait_until(lambda: "kafka.assigned" in second.log(), "the second has a share")
        if part == 1:
            assert second.end() == 0, second.log()
    got = {}
    for each in receive(broker, count):
        got.setdefault(each.subject, []).append(tenancy.TenancyMarked.FromString(each.payload).lease_number)
    assert got == {f"k{k}": [f"{n:06}" for n in range(k, count, keys)] for k in range(keys)}
    wait_until(lambda: committed(kafka, "group.group", "group.protobuf", 3) == count, "all offsets are committed")
    assert first.end() == 0, first.log()


@pytest.mark.usefixtures("real_kafka")
def test_what_another_member_committed_is_not_taken_back(kafka, broker, tmp_path):
    """The adapter's own position is behind the group's: it goes on at the group's, and commits nothing before it."""
    from confluent_kafka import Consumer, TopicPartition
    wire = marked("L").SerializeToString()
    with reading(kafka, broker, tmp_path / "in", "back", partitions=1) as running:
        produce(kafka, [("back.protobuf", f"k{n}", wire, {}) for n in range(3)])
        assert len(receive(broker, 3)) == 3
        assert running.end() == 0, running.log()
        produce(kafka, [("back.protobuf", f"another's {n}", wire, {}) for n in range(2)])
        another = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "back.group", "log_level": 0})
        another.commit(offsets=[TopicPartition("back.protobuf", 0, 5)], asynchronous=False)
        another.close()
        running.start()
        produce(kafka, [("back.confluent", "mine", CONFLUENT + wire, {})])
        assert [e.subject for e in receive(broker, 1)] == ["mine"]
        wait_until(lambda: committed(kafka, "back.group", "back.confluent", 1) == 1, "the offset is committed")
        assert running.end() == 0, running.log()
    assert committed(kafka, "back.group", "back.protobuf", 1) == 5


@pytest.mark.usefixtures("real_kafka")
def test_offsets_wait_for_the_spool(kafka, tmp_path):
    """The bus is away and the spool small: what doesn't fit stays in Kafka, uncommitted, and comes when there is room."""
    count, size = 1000, 50000
    away = Broker(tmp_path / "broker")
    running = reading(kafka, away, tmp_path / "in", "full", partitions=1)
    text = (tmp_path / "in" / "adapter.yaml").read_text("utf-8").replace("housing/tenancy }", "housing/tenancy, spool: 32MiB }")
    (tmp_path / "in" / "adapter.yaml").write_text(text, "utf-8")
    produce(kafka, [("full.protobuf", f"k{n}", marked(f"{n:06}", "x" * size).SerializeToString(), {}) for n in range(count)])
    with running:
        wait_until(lambda: "source.retry" in running.log(), "the spool is full")
        stored = wait_until(lambda: committed(kafka, "full.group", "full.protobuf", 1), "some offsets are committed")
        assert 0 < stored < count
        with away as broker:
            got = [tenancy.TenancyMarked.FromString(e.payload).lease_number for e in receive(broker, count)]
            assert sorted(got) == [f"{n:06}" for n in range(count)]
            wait_until(lambda: committed(kafka, "full.group", "full.protobuf", 1) == count, "all offsets are committed")
        assert running.end() == 0, running.log()


@pytest.mark.usefixtures("real_kafka")
def test_tls_and_sasl_pass_through(kafka, broker, tmp_path):
    """With the password from a file; a wrong one is no end, and neither is in the log."""
    running = reading(kafka, broker, tmp_path / "in", "secure", partitions=1)
    running.environment |= {"KAFKA": kafka.secure_bootstrap, "CERTIFICATE": str(kafka.certificate)}
    config, secret = tmp_path / "in" / "adapter.yaml", tmp_path / "in" / "password"
    config.write_text(config.read_text("utf-8").replace(
        "  settings: {", "  password_file: password\n  settings: { security.protocol: SASL_SSL, sasl.mechanisms: PLAIN, "
        "sasl.username: hutong, ssl.ca.location: \"${CERTIFICATE}\", debug: security,"), "utf-8")
    secret.write_text("not the password\n")
    running.start()
    wait_until(lambda: "Authentication failed" in running.log(), "the wrong password")
    assert running.end() == 0, running.log()
    secret.write_text(kafka.password + "\n")
    with running:
        produce(kafka, [("secure.json", "k", b'{"leaseNumber": "L"}', {})])
        assert [e.subject for e in receive(broker, 1)] == ["L"]
        assert running.end() == 0, running.log()
    assert kafka.password not in running.log() and "not the password" not in running.log()
