"""Damage within a backlog: what can't be read becomes dead letters that say so, all else is delivered, and the broker stays up."""
import importlib.util
import json
import os
import pathlib
import re
import struct
import subprocess

import pytest

from client.bus_client import Client, bus
from hutong_bus import program, wait_until
from test_disk_full import H, PS, STREAM, Town, envelope

pytestmark = pytest.mark.sanitize

SIZE = 20_000  # bytes of a message
VERIFIER = importlib.util.spec_from_file_location("verify", pathlib.Path(__file__).parent.parent / "conformance/journal/verify.py")
verify = importlib.util.module_from_spec(VERIFIER)
VERIFIER.loader.exec_module(verify)
crc32c = verify.crc32c

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


# ---- Whole by their CRCs, and yet no records of ours ----

def rewrite(path, number, change):
    """Changes the body of the record that holds this number, and gives it the CRC of what it is now."""
    whole = bytearray(path.read_bytes())
    at = whole.index(f"{number:018d}".encode())

    def is_record(start):
        length = struct.unpack_from("<I", whole, start)[0]
        return 48 < length < 1 << 20 and start + length > at and struct.unpack_from("<I", whole, start + 4)[0] == crc32c(
            whole[start + 8:start + length])

    start = next(s for s in range(at - 48, at - 1000, -1) if is_record(s))
    length, _, _, _, entries = struct.unpack_from("<IIBBH", whole, start)
    body = start + 48 + 12 * entries
    whole[body:start + length] = change(bytes(whole[body:start + length]))
    struct.pack_into("<I", whole, start + 4, crc32c(whole[start + 8:start + length]))
    path.write_bytes(whole)


def test_records_that_make_no_sense_are_dead_letters(tmp_path):
    town = Town(tmp_path)
    publish(town)
    assert town.broker.stop() == 0
    oldest = min((tmp_path / "journal").glob("*.segment"))
    rewrite(oldest, 7, lambda body: b"\xff" + body[1:])  # no field begins so
    rewrite(oldest, 9, lambda body: b"\x7a" + body[1:])  # it does, but there is no such delivery
    town.broker.start()
    got = take_all(town, 2)
    assert got == [n for n in range(1, COUNT + 1) if n not in (7, 9)]
    dead = wait_until(lambda: len(found := letters(town)) == 2 and found, "the dead letters")
    assert all(oldest.name in letter["text"] and "damaged at offset" in letter["text"] and "can't be decoded" in letter["text"]
               for letter in dead)
    replay = hutong(town, "replay", "--to", H, "--dry-run", "--all", str(tmp_path / "journal"))
    assert replay.returncode == 1 and "can't be decoded, and is left out" in replay.stderr, replay.stderr
    assert town.status()["state"] == "running"
    assert town.broker.stop() == 0


def one_not_open(town, folder):
    """A whole segment that the broker has not opened: the start and what looks ahead have the first ones."""
    fds = pathlib.Path(f"/proc/{town.broker.process.pid}/fd")
    opened = {os.readlink(fd) for fd in fds.iterdir() if fd.is_symlink()}
    return next(s for s in reversed(sorted(folder.glob("*.segment"))[:-1]) if str(s) not in opened)


def test_a_disk_that_fails_for_a_while_costs_no_message(tmp_path):
    town = Town(tmp_path)
    publish(town)
    assert town.broker.stop() == 0
    with open(min((tmp_path / "conf" / "agencies").iterdir()), "a", encoding="utf-8") as agency:
        agency.write("# changed\n")  # with a new activation the start reads no old one
    town.broker.start()
    second = one_not_open(town, tmp_path / "journal")
    away = second.with_suffix(".away")
    second.rename(away)
    second.mkdir()  # each reading of it fails
    with Client(town.broker.endpoint) as receiver:
        receiver.hello(H, receive=True, credit=(1 << 20, 1 << 30))
        assert receiver.pump(lambda: " delivery.unread " in town.broker.log(), 30)
    queue = next(q for q in town.status()["queues"] if q["name"] == H)
    assert queue["read_failures"] and second.name in town.status()["journal"]["read_failure"]
    assert town.broker.log().count(" delivery.unread ") == 1
    assert "CAN'T BE READ" in hutong(town, "status").stdout
    listed = hutong(town, "replay", "--to", H, "--dry-run", "--all", str(tmp_path / "journal"))
    assert listed.returncode == 1 and second.name in listed.stderr
    second.rmdir()
    away.rename(second)
    assert take_all(town, 0) == list(range(1, COUNT + 1))
    wait_until(lambda: next(q for q in town.status()["queues"] if q["name"] == H)["read_failures"] == 0, "all is well")
    assert not letters(town)
    assert town.broker.stop() == 0


def test_a_damaged_dead_letter_is_said_to_who_asks(tmp_path):
    town = Town(tmp_path)
    with Client(town.broker.endpoint) as publisher, Client(town.broker.endpoint) as receiver:
        publisher.hello(PS, stream=STREAM)
        receiver.hello(H, receive=True)
        assert publisher.wait_accepted(publisher.publish(*[envelope(1 + i, SIZE) for i in range(3)]))
        assert receiver.wait_deliveries(3)
        receiver.settle(failures=[bus.Failure(position=d.position, reject=True, text="no") for d in receiver.deliveries])
        wait_until(lambda: town.status()["counters"]["dead"] == 3, "the dead letters")
    publish(town)
    assert town.broker.stop() == 0
    oldest = min((tmp_path / "journal").glob("*.segment"))
    whole = bytearray(oldest.read_bytes())
    second = [m.start() for m in re.finditer(f"{2:018d}".encode(), whole)][-1]  # behind the message itself
    whole[second:second + 4] = b"oops"
    oldest.write_bytes(whole)
    town.broker.start()
    for words in [("list",), ("drop", "--why", "x", "--all"), ("replay", "--why", "x", "--all")]:
        done = hutong(town, "dead", *words, "--system", H)
        assert done.returncode == 1 and oldest.name in done.stderr and "damaged at offset" in done.stderr, done
    assert town.status()["state"] == "running"
    assert " journal.unreadable " in town.broker.log()
    assert town.broker.stop() == 0
