"""Dead letters of a bus on Kafka: looked at, sent again, given up, at any broker (docs/bus-on-kafka.md)."""
import contextlib
import http.client
import json
import signal
import socket

from hutong_bus import wait_until
from kafka_edge import consume
from messages import module
from operators import Operator, failures
from test_kafka_bus import TENANCY, envelope, ids, publish, receiver, settle, shared, take

records = module("hutong.bus.v1.journal")
assert shared  # a fixture
WORDS = "the table is locked"


def operated_broker(shared, name, **options):
    broker = shared.broker(name, settings="admin: ../admin.sock\n", **options)
    return broker, Operator(broker)


def reject(client, count):
    while count > 0:
        got = take(client, 1)
        client.settle(failures=failures([d.position for d in got], WORDS))
        count -= len(got)


def reject_all(broker, *envelopes, first=None):
    publish(broker, *envelopes, first=first)
    with receiver(broker) as client:
        reject(client, len(envelopes))


def died(shared, count):
    """All that ever died, and is still in the topic."""
    return [records.DeadRecord.FromString(m.value())
            for m in consume(shared.kafka, [f"{shared.prefix}.dead.housing.tenancy"], count)]


def letters(operator, count, *words):
    """So many that wait; what died a moment ago may come a moment later."""
    def found():
        got = operator.letters("--system", TENANCY, *words)
        return got if len(got) == count else None
    return [] if count == 0 and not operator.letters("--system", TENANCY, *words) else wait_until(found, f"{count} letters")


def acts(shared, count):
    """The records of who did what."""
    found = [records.OperatedRecord.FromString(m.value()) for m in consume(shared.kafka, [f"{shared.prefix}.record"], count)
             if dict(m.headers() or [])["kind"] == bytes([records.RECORD_OPERATED])]
    assert len(found) == count
    return found


def test_letters_are_seen_and_sent_again_at_any_broker(shared):
    one, at_one = operated_broker(shared, "one")
    reject_all(one, *(envelope(n) for n in range(6)))
    died(shared, 6)
    two, at_two = operated_broker(shared, "two")
    got = letters(at_two, 6)
    assert sorted(letter["id"] for letter in got) == [f"m{n}" for n in range(6)]
    assert {letter["text"] for letter in got} == {WORDS} and {letter["reason"] for letter in got} == {"rejected"}
    places = [letter["position"] for letter in got]
    assert places == sorted(places) and letters(at_one, 6) == got  # the same places at every broker
    shown = json.loads(at_one.run("dead", "show", "--system", TENANCY, "--json", places[2]))
    assert shown["position"] == places[2] and shown["data"]["citizenNumber"] == shown["subject"]

    assert "dropped 1 of 1 dead letter" in at_two.run("dead", "drop", "--system", TENANCY, "--why", "a double", places[0])
    said = at_one.run("dead", "replay", "--system", TENANCY, "--why", "mended", places[1], f"{places[3]}-{places[4]}")
    number = 1 + sum(places[3] <= place <= places[4] for place in places)
    assert f"replayed {number} of {number} dead letters" in said
    with receiver(two) as client:
        again = take(client, number)
        assert all(d.replay for d in again)
        settle(client, again)
        assert not client.wait_deliveries(1, patience=1)
    left = letters(at_one, 5 - len(again))
    assert sorted([letter["id"] for letter in left] + ids(again) + [got[0]["id"]]) == [f"m{n}" for n in range(6)]
    assert [(a.act, a.why, a.system) for a in acts(shared, 2)] in (
        [(1, "mended", TENANCY), (2, "a double", TENANCY)], [(2, "a double", TENANCY), (1, "mended", TENANCY)])
    assert all(a.who for a in acts(shared, 2))

    # What was done stays done, for who starts anew too.
    one.stop()
    two.kill()
    one.start()
    assert letters(at_one, len(left)) == left
    assert "not there any more" in at_one.run("dead", "drop", "--system", TENANCY, "--why", "again", places[0])


def test_a_letter_that_dies_again_is_sent_once_by_a_command(shared):
    one, operator = operated_broker(shared, "one")
    reject_all(one, *(envelope(n) for n in range(4)))
    letters(operator, 4)
    command = operator.start("dead", "replay", "--system", TENANCY, "--why", "mended", "--all")
    with receiver(one) as client:
        reject(client, 4)
        out, err = command.communicate(timeout=120)
        assert command.returncode == 0 and "replayed 4 of 4" in out, out + err
        assert not client.wait_deliveries(1, patience=1)
    letters(operator, 4)


def test_two_operators_at_once_send_each_letter_once(shared):
    one, at_one = operated_broker(shared, "one")
    two, at_two = operated_broker(shared, "two")
    count = 40
    reject_all(one, *(envelope(n) for n in range(count)))
    died(shared, count)
    words = ("dead", "replay", "--system", TENANCY, "--why", "mended", "--all")
    with receiver(one) as client:
        commands = [operator.start(*words) for operator in (at_one, at_two)]
        said = [command.communicate(timeout=180) for command in commands]
        assert [command.returncode for command in commands].count(0) >= 1 and not letters(at_two, 0), said
        got = take(client, count)
        assert ids(got) == sorted(f"m{n}" for n in range(count)) and all(d.replay for d in got)
        assert not client.wait_deliveries(1, patience=1)
        settle(client, got)


def test_a_broker_that_is_killed_at_it_loses_and_doubles_nothing(shared):
    one, at_one = operated_broker(shared, "one")
    count = 60
    reject_all(one, *(envelope(n) for n in range(count)))
    letters(at_one, count)
    # Each command has one letter more than the one before; the broker is killed beside it.
    for size in (3, 5, 8):
        places = [letter["position"] for letter in at_one.letters("--system", TENANCY)]
        command = at_one.start("dead", "replay", "--system", TENANCY, "--why", "mended", *places[:size])
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: command.poll() is not None, "the command", patience=0.02 * size)
        one.kill()
        command.communicate(timeout=120)
        one.start()
    left = len(at_one.letters("--system", TENANCY))
    at_one.run("dead", "replay", "--system", TENANCY, "--why", "mended", "--all")
    assert left and letters(at_one, 0) == []
    with receiver(one) as client:
        got = {}
        while len(got) < count:
            for each in take(client, 1):
                assert each.envelope.id not in got or got[each.envelope.id] == each.position, "sent twice"
                got[each.envelope.id] = each.position
                settle(client, [each])
        assert not client.wait_deliveries(1, patience=1)
    assert sorted(got) == sorted(f"m{n}" for n in range(count))


def test_a_broker_that_stood_still_at_it_sends_nothing_twice(shared):
    one, at_one = operated_broker(shared, "one")
    two, at_two = operated_broker(shared, "two")
    count = 120
    reject_all(one, *(envelope(n) for n in range(count)))
    places = [letter["position"] for letter in letters(at_one, count)]
    # Each fourth at the first broker, a command each; it is stopped in the middle of them.
    commands = [at_one.start("dead", "replay", "--system", TENANCY, "--why", "mended", place) for place in places[::4]]
    wait_until(lambda: "dead.replayed" in one.log(), "the first act")
    one.process.send_signal(signal.SIGSTOP)
    said = at_two.run("dead", "replay", "--system", TENANCY, "--why", "mended", "--all")
    assert "dead letters" in said and not letters(at_two, 0)
    one.process.send_signal(signal.SIGCONT)
    for command in commands:
        command.communicate(timeout=120)
    with receiver(two) as client:
        got = take(client, count)
        assert ids(got) == sorted(f"m{n}" for n in range(count)) and all(d.replay for d in got)
        settle(client, got)
        assert not client.wait_deliveries(1, patience=2)
    assert letters(at_one, 0) == []


def test_settled_letters_past_their_time_go(shared):
    one, operator = operated_broker(shared, "one", retention="1ms")
    reject_all(one, *(envelope(n) for n in range(5)))
    letters(operator, 5)
    operator.run("dead", "drop", "--system", TENANCY, "--why", "old", "--all")
    assert len(died(shared, 5)) == 5
    one.stop()
    one.start()
    wait_until(lambda: not died(shared, 0), "they are gone")
    reject_all(one, envelope(5))
    assert [letter["id"] for letter in letters(operator, 1)] == ["m5"]


def test_nothing_is_replayed_from_the_record(shared):
    _, operator = operated_broker(shared, "one")
    status, said = post(operator, "/replay", {"system": TENANCY, "why": "lost", "filter": "", "sequences": [[1, 1]]})
    assert status == 409 and "hutong dead replay" in said["error"], said


def post(operator, path, body):
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(operator.admin)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
