"""Damage within a backlog: what can't be read becomes dead letters that say so, all else is delivered, and the broker stays up."""
import json
import subprocess

import pytest

from client.bus_client import Client
from hutong_bus import program, wait_until
from test_disk_full import H, PS, STREAM, Town, envelope

pytestmark = pytest.mark.sanitize

SIZE = 20_000  # bytes of a message
COUNT = 1500  # of them: three segments of 8 MiB and more


def hutong(town, *words):
    return subprocess.run([program("hutong"), *words, "--admin", town.admin], capture_output=True, text=True, timeout=60, check=False)


def publish(town):
    with Client(town.broker.endpoint) as publisher:
        publisher.hello(PS, stream=STREAM)
        while publisher.sequence < COUNT:
            assert publisher.wait_accepted(publisher.publish(*[envelope(publisher.sequence + 1 + i, SIZE) for i in range(50)]))


def damage(path, where):
    """One record (number `where`'s) or the index of all."""
    whole = bytearray(path.read_bytes())
    if where is None:
        whole[-8:] = b"damaged!"
    else:
        at = whole.index(f"{where:018d}".encode())
        whole[at:at + 4] = b"oops"
    path.write_bytes(whole)


def letters(town):
    done = hutong(town, "dead", "list", "--system", H, "--reason", "damaged", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def take_all(town, lost):
    got = []
    with Client(town.broker.endpoint) as receiver:
        receiver.hello(H, receive=True, credit=(1 << 20, 1 << 30))
        while len(got) < COUNT - lost:
            assert receiver.wait_deliveries(1)
            got += [int(d.envelope.id) for d in receiver.deliveries]
            receiver.settle(*[d.position for d in receiver.deliveries])
            receiver.deliveries.clear()
        wait_until(lambda: next(q for q in town.status()["queues"] if q["name"] == H)["waiting"] == 0, "all settled")
    return got


@pytest.mark.parametrize("whole", [False, True], ids=["record", "index"])
def test_the_rest_of_a_backlog_flows(tmp_path, whole):
    town = Town(tmp_path, )
    publish(town)
    assert town.broker.stop() == 0
    oldest = min((tmp_path / "journal").glob("*.segment"))
    data = oldest.read_bytes()
    there = [n for n in range(1, COUNT + 1) if f"{n:018d}".encode() in data] if whole else [7, 9]
    for where in [None] if whole else there:
        damage(oldest, where)
    town.broker.start()
    got = take_all(town, len(there))
    assert got == [n for n in range(1, COUNT + 1) if n not in there]
    dead = wait_until(lambda: len(found := letters(town)) == len(there) and found, "the dead letters")
    assert all(oldest.name in letter["text"] and "damaged at offset" in letter["text"] for letter in dead)
    assert town.status()["journal"]["unreadable"] >= len(there)
    assert " delivery.unreadable " in town.broker.log()
    replay = hutong(town, "dead", "replay", "--system", H, "--why", "x", str(dead[0]["position"]))
    assert "nothing to send" in replay.stdout + replay.stderr
    assert hutong(town, "dead", "drop", "--system", H, "--why", "x", "--all").returncode == 0
    assert not letters(town)
    assert town.broker.stop() == 0
    town.broker.start()  # nothing of it comes again
    assert town.status()["state"] == "running" and not letters(town)
    assert town.broker.stop() == 0
