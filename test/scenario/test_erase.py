"""One person's message goes from the journal, with every copy of it, and the chain still verifies."""
import json
import pathlib
import subprocess

import pytest

from client.bus_client import Client
from hutong_bus import program, wait_until
from operators import H, PS, citizen, failures, make, registered

pytestmark = pytest.mark.sanitize


def publish(operator, *envelopes):
    with Client(operator.broker.endpoint) as publisher:
        publisher.hello(PS)
        assert publisher.wait_accepted(publisher.publish(*envelopes))


def take(operator, count, reject=False):
    with Client(operator.broker.endpoint) as receiver:
        receiver.hello(H, receive=True)
        for n in range(1, count + 1):
            assert receiver.wait_deliveries(n)
            position = receiver.deliveries[n - 1].position
            receiver.settle(failures=failures([position])) if reject else receiver.settle(position)
        wait_until(lambda: operator.queue(H)["waiting"] == 0, "all settled")


def erase(operator, sequence, *words, code=0, admin=True):
    return operator.run("journal", "erase", "--sequence", sequence, "--why", "PIPL 47, request 7", *words, operator.journal,
                        code=code, admin=admin)


def records(operator, kind):
    out = operator.run("journal", "list", "--json", "--kind", kind, operator.journal, admin=False)
    return [json.loads(line) for line in out.splitlines()]


def sequence_of(operator, name):
    return next(record["sequence"] for record in records(operator, "message") if record.get("id") == name)


def holds(operator, text):
    """Whether any byte of the journal's files says so."""
    return any(text.encode() in path.read_bytes() for path in pathlib.Path(operator.journal).iterdir())


def verdict(operator):
    return json.loads(operator.run("journal", "verify", "--json", operator.journal, admin=False))


def test_a_message_its_dead_letter_and_its_replays_go(tmp_path):
    broker, operator = make(tmp_path)
    with broker:
        publish(operator, registered(1), registered(2))
        first = sequence_of(operator, "m1")
        assert "is not settled" in erase(operator, first, code=1)
        take(operator, 2, reject=True)
        wait_until(lambda: operator.queue(f"dead:{H}")["waiting"] == 2, "dead letters")
        assert "hutong dead drop" in erase(operator, first, code=1)
        assert holds(operator, citizen(1)) and verdict(operator)["erased"] == 0
        operator.act("replay", "1")
        take(operator, 1)
        said = erase(operator, first, "--dry-run")
        assert said.count("would be erased") == 3 and verdict(operator)["erased"] == 0
        said = json.loads(erase(operator, first, "--json"))
        assert [record["kind"] for record in said["records"]] == ["message", "dead", "message"]
        assert not holds(operator, citizen(1)) and holds(operator, citizen(2))
        assert verdict(operator)["erased"] == 3
        assert "was erased before" in erase(operator, first)  # again: nothing more goes
        who = records(operator, "erased")
        assert len(who) == 3 and all(record["why"] == "PIPL 47, request 7" and "(" in record["who"] for record in who)
        assert "no message" in erase(operator, who[0]["sequence"], code=1)
        assert "no record" in erase(operator, 100000, code=1)
    with broker:  # a restart reads what is left
        assert operator.queue(H)["waiting"] == 0 and operator.queue(f"dead:{H}")["waiting"] == 1
        publish(operator, registered(3))
        take(operator, 1)


def test_the_broker_need_not_run(tmp_path):
    broker, operator = make(tmp_path)
    with broker:
        publish(operator, registered(1), registered(2), registered(3))
        with Client(broker.endpoint) as receiver:
            receiver.hello(H, receive=True)
            assert receiver.wait_deliveries(3)
            receiver.settle(receiver.deliveries[0].position)
            receiver.settle(receiver.deliveries[2].position)
            wait_until(lambda: operator.queue(H)["waiting"] == 1, "two are settled")
        first, second = sequence_of(operator, "m1"), sequence_of(operator, "m2")
        assert "another process" in erase(operator, first, code=1, admin=False)
    assert "is not settled" in erase(operator, second, code=1, admin=False)
    erase(operator, first, admin=False)
    assert not holds(operator, citizen(1)) and holds(operator, citizen(2))
    assert verdict(operator)["erased"] == 1
    with broker:
        assert operator.queue(H)["waiting"] == 1
        take(operator, 1)


def test_bad_use(tmp_path):
    def run(*words):
        done = subprocess.run([program("hutong"), "journal", "erase", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        return done.stderr

    assert "--sequence" in run("--why", "x", str(tmp_path))
    assert "--why" in run("--sequence", "1", str(tmp_path))
    assert "a number" in run("--sequence", "one", "--why", "x", str(tmp_path))
    assert "erase FOLDER" in run("--sequence", "1", "--why", "x")


def test_another_journals_folder_erases_nothing(tmp_path):
    """Its sequences are other messages, and what is erased is erased for good."""
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    (broker, operator), (other_broker, other) = (make(folder) for folder in folders)
    with other_broker:
        publish(other, registered(1))
        take(other, 1)
    with broker:
        publish(operator, registered(1))
        take(operator, 1)
        first = sequence_of(other, "m1")
        assert first == sequence_of(operator, "m1")
        for words in ([], ["--dry-run"]):
            said = operator.run("journal", "erase", "--sequence", first, "--why", "x", *words, other.journal, code=2)
            assert "is not the journal of this broker" in said
        assert verdict(operator)["erased"] == 0 and holds(operator, citizen(1))
        erase(operator, first)
        assert verdict(operator)["erased"] == 1
