"""`hutong journal export`: a bus changes over from files to a Kafka cluster, and nothing of it is lost or done twice."""
import contextlib
import json
import random
import signal
import subprocess

import confluent_kafka
import confluent_kafka.admin
import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, program, wait_until
from kafka_edge import consume
from messages import module
from test_kafka_bus import POPULATION, STREAM, TENANCY, Bus, envelope, ids, publish, receiver, records, settle, take

REGISTRATION = "civil_affairs/registration"
OTHER = b"fedcba9876543210"
LIMITS = {"queue_window": 100, "queue_held": 400}
marks = module("gov.housing.v1.tenancy")


@pytest.fixture
def shared(real_kafka, tmp_path):
    made = Bus(real_kafka, tmp_path)
    yield made
    for broker in made.brokers:
        broker.kill()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "files").mkdir()
    broker = Broker(tmp_path / "files", limits=LIMITS)
    yield broker
    broker.kill()


def subject_of(number, subjects=24):
    return envelope(number, f"33010619900101{number % subjects:04}")


def new_config(shared):
    """Of the first broker on Kafka, which is not started."""
    (shared.folder / "one").mkdir(exist_ok=True)
    journal = (f"  backend: kafka\n  kafka: {{ brokers: '{shared.kafka.bootstrap}', prefix: {shared.prefix}, name: one, "
               "partitions: 3, replication: 1 }\n")
    broker = Broker(shared.folder / "one", journal=journal, limits=LIMITS)
    shared.brokers.append(broker)
    return broker


def start_export(broker, folder):
    return subprocess.Popen([program("hutong"), "journal", "export", "--config", broker.folder / "conf" / "broker.yaml", folder],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def export(broker, folder):
    run = start_export(broker, folder)
    out, err = run.communicate(timeout=120)
    return run.returncode, out, err


def export_whole(broker, folder):
    code, out, err = export(broker, folder)
    assert code == 0, (code, out, err)
    return out


def ends(shared, topic):
    """How many records lie in a topic, also in transactions that are not committed."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": shared.kafka.bootstrap, "group.id": "export-test"})
    with contextlib.closing(reader), contextlib.suppress(confluent_kafka.KafkaException):  # it isn't there yet
        return sum(reader.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p))[1] for p in range(3))
    return 0


def kill_when_written(broker, folder, shared, more):
    """Kills an export as soon as it has written so many deliveries, also in transactions that are not committed. Whether it
    wasn't over before."""
    topic = f"{shared.prefix}.to.housing.tenancy"
    before = ends(shared, topic)
    with start_export(broker, folder) as run:
        wait_until(lambda: ends(shared, topic) >= before + more or run.poll() is not None, "an export that writes", patience=60)
        run.kill()
    assert run.returncode in (0, -signal.SIGKILL)
    return run.returncode != 0


def publish_stream(broker, system, stream, *envelopes):
    with Client(broker.endpoint, broker.keys(system)) as client:
        last = client.hello(system, stream=stream).last_sequence
        assert client.wait_accepted(client.publish(*envelopes), patience=60) and not client.refusals
        return last


def mark(number):
    message = marks.TenancyMarked(lease_number=f"L{number}", citizen_number="330106199001011234")
    return bus.Envelope(id=f"mark{number}", type="gov.housing.v1.TenancyMarked", time_us=1,
                        payload=message.SerializeToString())


def work_on_files(files, count):
    """A bus with two publishers' streams, something that failed, dead letters, and settled ones between those that wait. What
    is in effect: position -> id; what failed: id -> position; what died; and which bus it is."""
    files.start()
    for first in range(0, count, 1000):
        publish(files, *(subject_of(n) for n in range(first, min(first + 1000, count))))
    publish_stream(files, POPULATION, OTHER, *(subject_of(n) for n in range(count, count + 10)))
    publish_stream(files, TENANCY, STREAM, *(mark(n) for n in range(5)))
    with receiver(files) as client:
        got = take(client, 24)  # one of each subject
        done = {d.position: d.envelope.id for d in got[:20]}
        settle(client, got[:18])
        client.settle(failures=[bus.Failure(position=d.position, reject=True, text="no such household") for d in got[20:22]])
        client.settle(failures=[bus.Failure(position=d.position, retry_after_ms=2000, text="not yet") for d in got[22:]])
        # Settlements that the broker doesn't have: their effects are there, in got[18:20].
        wait_until(lambda: client.wait_deliveries(18, patience=0.2), "those behind the settled ones")
        failed = {d.envelope.id: d.position for d in got[22:]}
        known_as = client.welcome.bus
    files.stop()
    return done, failed, {d.envelope.id for d in got[20:22]}, known_as


def erase_one(folder):
    """The first message, which was settled."""
    tool = [program("hutong"), "journal"]
    listed = subprocess.run([*tool, "list", "--kind", "message", "--count", "1", "--json", folder], capture_output=True, check=True)
    subprocess.run([*tool, "erase", "--sequence", str(json.loads(listed.stdout)["sequence"]), "--why", "a test", folder], check=True)
    subprocess.run([*tool, "verify", folder], check=True)


def drain(client, inbox, wanted):
    """Takes and settles, in effect once by the positions of the inbox, until all of `wanted` are in effect."""
    order = []

    def worked():
        client.wait_deliveries(1, patience=0.2)
        got, client.deliveries = client.deliveries, []
        for each in got:
            if each.position not in inbox:
                inbox[each.position] = each.envelope.id
                order.append(each)
        settle(client, got)
        return wanted <= set(inbox.values())

    wait_until(worked, "all that waited", patience=120)
    return order


def test_killed_at_any_moment_it_goes_on(shared, files):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    count = 4000
    inbox, failed, dead, before = work_on_files(files, count)
    in_effect = set(inbox.values())
    folder, one = files.folder / "journal", new_config(shared)
    assert kill_when_written(one, folder, shared, chance.randrange(3))  # perhaps before anything is
    kills = 1 + sum(kill_when_written(one, folder, shared, chance.randrange(1, 1000)) for _ in range(3))
    out = export_whole(one, folder)
    print("kills", kills, out)
    waiting = count + 10 - 18 - 2
    assert kills > 1 and f"{TENANCY}: {waiting} deliveries, of which 2 had failed; 2 dead letters" in out, out
    assert f"{REGISTRATION}: 5 deliveries" in out and "3 streams" in out, out
    assert "exported before" in export_whole(one, folder)

    erase_one(folder)  # of the old folder, which is kept as the record
    assert "exported before" in export_whole(one, folder)
    one.start()
    wanted = {f"m{n}" for n in range(count + 10)} - dead
    with Client(one.endpoint) as client:
        assert client.hello(TENANCY, receive=True, credit=(count + 100, 1 << 30)).bus == before
        order = drain(client, inbox, wanted)
        # Each once in effect: what was done and not settled before the change is known by its old position.
        assert sorted(inbox.values()) == sorted(set(inbox.values()))
        assert not in_effect & {d.envelope.id for d in order}
        assert {d.envelope.id: (d.position, d.attempt > 2) for d in order if d.envelope.id in failed} == {
            m: (position, True) for m, position in failed.items()}
        # So many the broker on files can have sent, and those keep their positions.
        assert sum(d.position < 1 << 48 for d in order) + 2 == sum(LIMITS.values())
        assert {d.position >> 48 for d in order} == {0, 1, 2, 3}
        by_subject = {}
        for number in (int(d.envelope.id[1:]) for d in order):
            by_subject.setdefault(number % 24, []).append(number)
        assert all(numbers == sorted(numbers) for numbers in by_subject.values())
    # Publishers go on where they were.
    assert publish(one, envelope(9000)) == count
    assert publish_stream(one, POPULATION, OTHER, envelope(9001)) == 10
    with Client(one.endpoint) as client:
        client.hello(REGISTRATION, receive=True)
        assert ids(take(client, 5)) == [f"mark{n}" for n in range(5)]
    letters = [records.DeadRecord.FromString(m.value()) for m in consume(shared.kafka, [f"{shared.prefix}.dead.housing.tenancy"], 2)]
    assert {bus.Envelope.FromString(letter.envelope).id for letter in letters} == dead
    assert all(letter.text == "no such household" and letter.position for letter in letters)


def some_left(files):
    """Two deliveries wait in the journal's folder."""
    with files:
        publish(files, envelope(1), envelope(2))
    return files.folder / "journal"


def test_a_folder_in_use_or_without_a_journal_is_refused(shared, files):
    one = new_config(shared)
    with files:
        publish(files, envelope(1))
        code, _, err = export(one, files.folder / "journal")
        assert code == 2 and "another process has this journal open" in err
    code, _, err = export(one, shared.folder / "nowhere")
    assert code == 2 and "nowhere" in err and not (shared.folder / "nowhere").exists()
    code, _, err = export(files, files.folder / "journal")
    assert code == 2 and "backend: kafka" in err


def test_the_old_broker_does_not_start_again(shared, files):
    folder, one = some_left(files), new_config(shared)
    export_whole(one, folder)
    files.spawn()
    assert files.process.wait(30) == 1
    assert f"was exported to a Kafka cluster (journal.kafka.prefix: {shared.prefix})" in files.log()
    # To go back: the mark goes, and then the export belongs to another time.
    (folder / "left").unlink()
    with files:
        publish(files, envelope(3))
    code, _, err = export(one, folder)
    assert code == 2 and "the journal went on after its export had begun" in err
    assert not (folder / "left").exists()


def test_killed_before_it_said_that_all_is_there_it_writes_nothing_again(shared, files):
    folder, one = some_left(files), new_config(shared)
    export_whole(one, folder)
    bus_topic, streams = f"{shared.prefix}.bus", f"{shared.prefix}.streams"
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": shared.kafka.bootstrap})
    admin.delete_topics([bus_topic])[bus_topic].result()  # so nothing is said
    wait_until(lambda: bus_topic not in admin.list_topics().topics, "the topic's end")
    before = ends(shared, streams)
    assert "written by this run: 0" in export_whole(one, folder)
    assert ends(shared, streams) == before
    one.start()


def test_another_bus_is_refused(shared, files):
    folder = some_left(files)
    shared.broker("one").stop()
    code, _, err = export(shared.brokers[0], folder)
    assert code == 2 and "there is a bus with these names already" in err
    with files:  # nothing was done to the folder
        publish(files, envelope(3))


def test_no_broker_starts_before_all_is_there(shared, files):
    folder, one = some_left(files), new_config(shared)
    topic = f"{shared.prefix}.to.housing.tenancy"
    shared.kafka.create_topic(topic, 3)
    code, _, err = export(one, folder)
    assert code == 2 and f"topic {topic} has retention.ms=" in err, err
    one.spawn()
    assert one.process.wait(60) == 1 and "run hutong journal export again" in one.log()
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": shared.kafka.bootstrap})
    admin.delete_topics([topic])[topic].result()
    wait_until(lambda: topic not in admin.list_topics().topics, "the topic's end")
    export_whole(one, folder)
    one.start()
    with receiver(one) as client:
        got = take(client, 2)
        assert ids(got) == ["m1", "m2"] and [d.position >> 48 for d in got] == [0, 0]
        # What came from files dies as any other.
        client.settle(failures=[bus.Failure(position=d.position, reject=True, text="no") for d in got])
    letters = consume(shared.kafka, [f"{shared.prefix}.dead.housing.tenancy"], 2)
    assert sorted(records.DeadRecord.FromString(m.value()).position for m in letters) == sorted(d.position for d in got)


def test_a_damaged_journal_is_not_exported(shared, files):
    folder, one = some_left(files), new_config(shared)
    segment = sorted(folder.glob("*.segment"))[0]
    data = segment.read_bytes()
    at = data.index(b"U-1")
    segment.write_bytes(data[:at] + b"X" + data[at + 1:])
    code, _, err = export(one, folder)
    assert code == 1 and segment.name in err, err
    assert not (folder / "left").exists()


def test_a_cluster_that_is_away_is_said(files, tmp_path):
    folder = some_left(files)
    (tmp_path / "one").mkdir()
    one = Broker(tmp_path / "one", journal="  backend: kafka\n  kafka: { brokers: '127.0.0.1:1', name: one }\n")
    code, _, err = export(one, folder)
    assert code == 1 and "127.0.0.1:1" in err, err
    with files:
        publish(files, envelope(3))
