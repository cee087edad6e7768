"""A real disk without room under the broker: a small tmpfs. Needs the right to mount; without it, skipped aloud."""
import json
import os
import subprocess
import time
import warnings

import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, program, wait_until
from messages import module

pytestmark = pytest.mark.sanitize

residence = module("gov.public_security.v1.residence")
PS, H = "public_security/population", "housing/tenancy"
STREAM = b"0123456789abcdef"
LOOKS_S = 2  # between looks of retention while the journal is full
SIZE = 20 << 20  # of the disk: two segments of 8 MiB, and a file of 4 MiB to be removed


def envelope(number, size):
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = f"{number:018d}"
    message.address.text = "x" * size
    return bus.Envelope(id=str(number), type="gov.public_security.v1.ResidenceRegistered", time_us=1,
                        payload=message.SerializeToString())


@pytest.fixture(name="disk")
def small_disk(tmp_path):
    """The journal's folder, on a disk of its own."""
    folder = tmp_path / "journal"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "tmpfs", folder], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        warnings.warn(f"NOT TESTED: a full disk, since mounting is not permitted here: {done.stderr.strip()}")
        pytest.skip("mounting is not permitted")
    yield folder
    subprocess.run(["umount", folder], check=True)


class Town:
    def __init__(self, folder, journal=""):
        """`journal`: further lines of its settings."""
        self.admin = f"{folder}/admin.sock"
        self.broker = Broker(folder, settings=f"{journal}admin: {self.admin}\nheartbeat: 500ms\n")
        self.broker.start()

    def status(self):
        done = subprocess.run([program("hutong"), "status", "--json", "--admin", self.admin], capture_output=True,
                              text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def cpu_ticks(self):
        with open(f"/proc/{self.broker.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])


def publish_until_full(town, client):
    deadline = time.monotonic() + 60
    size = 0
    while not (client.hold and client.hold.reason == bus.REASON_BUSY):
        assert time.monotonic() < deadline, "the disk never got full"
        if client.sequence < client.publish_credit[0] and size + 100_000 < client.publish_credit[1]:
            size += 100_000
            client.publish(envelope(client.sequence + 1, 100_000))
        client.pump(lambda: client.hold, 0.001)
    wait_until(lambda: " journal.full " in town.broker.log(), "journal.full")
    client.publish(envelope(client.sequence + 1, 100_000))  # all that was sent before may just have fitted


def test_a_full_disk_pauses_and_goes_on_by_itself(disk, tmp_path):
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(11 << 20))  # the second segment doesn't fit
    town = Town(tmp_path)
    publisher = Client(town.broker.endpoint)
    publisher.hello(PS, stream=STREAM)
    publish_until_full(town, publisher)
    assert publisher.hold.text == "the broker's journal has no room"
    assert town.status()["state"] == "disk_full"
    assert town.status()["journal"]["full"] == 1
    accepted = publisher.accepted
    assert 0 < accepted < publisher.sequence
    # It rests: two seconds cost no more than a fifth of a second of CPU, with heartbeats, retries and questions.
    before = town.cpu_ticks()
    publisher.pump(lambda: False, 2)
    assert town.cpu_ticks() - before < os.sysconf("SC_CLK_TCK") // 5
    # Sessions are kept, and a receiver that comes now gets what is durable.
    with Client(town.broker.endpoint) as receiver:
        receiver.hello(H, receive=True)
        assert receiver.wait_deliveries(accepted)
        receiver.settle(*[d.position for d in receiver.deliveries])
        assert publisher.accepted == accepted
        ballast.unlink()
        assert publisher.wait_accepted(publisher.sequence)
        assert not publisher.hold
        assert receiver.wait_deliveries(publisher.sequence)
        assert [int(d.envelope.id) for d in receiver.deliveries] == list(range(1, publisher.sequence + 1))
    assert " journal.room " in town.broker.log()
    assert town.status()["state"] == "running"
    publisher.close()
    assert town.broker.stop() == 0


def test_a_kill_on_a_full_disk_loses_nothing(disk, tmp_path):
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(11 << 20))
    town = Town(tmp_path)
    publisher = Client(town.broker.endpoint)
    publisher.hello(PS, stream=STREAM)
    publish_until_full(town, publisher)
    accepted = publisher.accepted
    town.broker.kill()
    publisher.close(bye=False)
    ballast.unlink()
    town.broker.start()
    with Client(town.broker.endpoint) as again, Client(town.broker.endpoint) as receiver:
        assert again.hello(PS, stream=STREAM).last_sequence >= accepted
        receiver.hello(H, receive=True)
        assert receiver.wait_deliveries(accepted)
        assert [int(d.envelope.id) for d in receiver.deliveries][:accepted] == list(range(1, accepted + 1))
    assert town.broker.stop() == 0


def consume_until_accepted(town, publisher):
    """A receiver settles what comes, until there was room for all that the publisher sent."""
    with Client(town.broker.endpoint) as receiver:
        receiver.hello(H, receive=True, credit=(1 << 20, 1 << 30))
        settled = 0

        def consumed():
            nonlocal settled
            receiver.pump(lambda: len(receiver.deliveries) > settled, 0.05)
            receiver.settle(*[d.position for d in receiver.deliveries[settled:]])
            settled = len(receiver.deliveries)
            publisher.pump(lambda: False, 0.01)
            return publisher.accepted == publisher.sequence and not publisher.hold

        wait_until(consumed, "all that was published is accepted", patience=60)


def test_a_full_disk_that_was_consumed_goes_on_by_itself(disk, tmp_path):
    """Nobody makes room but the journal itself, as soon as what was delivered is settled: and that needs records."""
    (disk / "ballast").write_bytes(bytes(2 << 20))
    town = Town(tmp_path, journal="  retention: 0s\n")
    publisher = Client(town.broker.endpoint)
    publisher.hello(PS, stream=STREAM)
    for _ in range(2):
        publish_until_full(town, publisher)
        consume_until_accepted(town, publisher)
    assert town.broker.log().count(" journal.room ") >= 2
    publisher.close()
    assert town.broker.stop() == 0


def test_a_journal_at_its_limit_that_was_consumed_goes_on_by_itself(tmp_path):
    """What is settled needs records too: without room for them nothing could ever go. Again and again."""
    town = Town(tmp_path, journal="  limit: 32MiB\n  retention: 0s\n")
    publisher = Client(town.broker.endpoint)
    publisher.hello(PS, stream=STREAM)
    for _ in range(2):
        publish_until_full(town, publisher)
        assert publisher.accepted < publisher.sequence
        consume_until_accepted(town, publisher)
    assert town.broker.log().count(" journal.room ") >= 2
    publisher.close()
    assert town.broker.stop() == 0


def test_damage_that_keeps_segments_from_going_is_said_once(tmp_path):
    town = Town(tmp_path, journal="  limit: 32MiB\n  retention: 1h\n")
    publisher = Client(town.broker.endpoint)
    publisher.hello(PS, stream=STREAM)
    publish_until_full(town, publisher)
    publisher.close()
    with Client(town.broker.endpoint) as receiver:
        receiver.hello(H, receive=True, credit=(1 << 20, 1 << 30))
        assert receiver.wait_deliveries(publisher.accepted)
        receiver.settle(*[d.position for d in receiver.deliveries])
        wait_until(lambda: all(queue["waiting"] == 0 for queue in town.status()["queues"]), "the settlement")
    assert town.broker.stop() == 0
    oldest = min((tmp_path / "journal").glob("*.segment"))
    whole = oldest.read_bytes()
    oldest.write_bytes(whole[:-8] + b"damaged!")
    yaml = tmp_path / "conf" / "broker.yaml"
    yaml.write_text(yaml.read_text("utf-8").replace("retention: 1h", "retention: 0s"), "utf-8")
    town.broker.start()
    with Client(town.broker.endpoint) as publisher:
        publisher.hello(PS, stream=STREAM)  # that is a record, and there is no room behind it
        wait_until(lambda: town.status()["state"] == "disk_full", "the pause")
    status = wait_until(lambda: (got := town.status())["journal"]["damaged"] and got, "the damage")
    assert f"{oldest.name}: damaged at offset" in status["journal"]["damage"]
    said = subprocess.run([program("hutong"), "status", "--interval", "0", "--admin", town.admin], capture_output=True,
                          text=True, timeout=60, check=True).stdout
    assert f"journal DAMAGED, nothing retires: {oldest.name}: damaged" in said
    time.sleep(2 * LOOKS_S + 1)
    assert town.broker.log().count(" journal.damaged ") == 1
    assert town.broker.stop() == 0
    # Put back, it goes, and all is well again.
    oldest.write_bytes(whole)
    town.broker.start()
    wait_until(lambda: not oldest.exists(), "the segment to go")
    assert town.status()["journal"]["damaged"] == 0
    assert town.broker.stop() == 0
