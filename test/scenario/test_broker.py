"""The broker as a process: what it refuses to start on, a full disk, limits, and what a key proves."""
import re
import subprocess

import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, program
from messages import module
from patience import Patience

pytestmark = pytest.mark.sanitize

residence = module("gov.public_security.v1.residence")
PS = "public_security/population"


def envelope(number, size=0):
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = f"{number:018d}"
    message.address.text = "x" * size
    return bus.Envelope(id=str(number), type="gov.public_security.v1.ResidenceRegistered", time_us=1,
                        payload=message.SerializeToString())


def test_a_wrong_configuration_starts_nothing_and_says_everything(tmp_path):
    broker = Broker(tmp_path)
    conf = broker.folder / "conf"
    routes = (conf / "routes/test.yaml").read_text()
    (conf / "routes/test.yaml").write_text(
        routes.replace("msg.kind != Kind.VISIT", "msg.kin != Kind.VISIT").replace("agreement: TEST-2", "agreement: TEST-9"))
    (conf / "broker.yaml").write_text((conf / "broker.yaml").read_text().replace("curve: false", "curv: false"))
    result = subprocess.run([program("hutong-broker"), "-c", conf / "broker.yaml"], capture_output=True, text=True,
                            check=False, timeout=30)
    assert result.returncode == 2
    # The mistake in broker.yaml is said first; once it is mended, both of the routes are said in one run.
    assert re.search(r'broker\.yaml:\d+:1: error: .*"curv".*did you mean "curve"', result.stderr)
    (conf / "broker.yaml").write_text((conf / "broker.yaml").read_text().replace("curv: false", "curve: false"))
    result = subprocess.run([program("hutong-broker"), "-c", conf / "broker.yaml"], capture_output=True, text=True,
                            check=False, timeout=30)
    assert result.returncode == 2
    assert "did you mean kind?" in result.stderr and "TEST-9" in result.stderr
    assert not (broker.folder / "journal").exists()


def publish_until_full(broker):
    """How many were accepted before the journal had no more room."""
    with Client(broker.endpoint) as client:
        client.hello(PS)
        size = 0
        waiting = Patience(60)
        while " journal.full " not in broker.log():
            assert not waiting.over(), "the journal never got full"
            if client.sequence < client.publish_credit[0] and size < client.publish_credit[1]:
                size += 100_000
                client.publish(envelope(client.sequence + 1, 100_000))
            client.pump(lambda: False, 0.001)
        client.publish(envelope(client.sequence + 1, 100_000))  # all that was sent before may just have fitted
        client.pump(lambda: False, 0.5)
        assert client.accepted < client.sequence
        return client.accepted


def test_a_full_journal_pauses_and_loses_nothing(tmp_path):
    """The limit of the journal's size stands for a full disk."""
    broker = Broker(tmp_path, limits={"credit_bytes": "64MiB"})
    conf = broker.folder / "conf/broker.yaml"
    small = conf.read_text().replace("segment_size: 8MiB", "segment_size: 8MiB\n  limit: 32MiB").replace(
        "batch_limit: 4MiB", "batch_limit: 2MiB")
    conf.write_text(small)
    broker.start()
    try:
        accepted = publish_until_full(broker)
    finally:
        broker.kill()
    assert accepted > 0
    conf.write_text(small.replace("limit: 32MiB", "limit: 400MiB"))
    with broker, Client(broker.endpoint) as receiver:
        receiver.hello("housing/tenancy", receive=True)
        assert receiver.wait_deliveries(accepted)
        ids = [int(delivery.envelope.id) for delivery in receiver.deliveries]
        assert set(range(1, accepted + 1)) <= set(ids)


def test_a_second_broker_on_the_same_journal_is_refused(tmp_path):
    with Broker(tmp_path) as broker:
        conf = broker.folder / "conf/broker.yaml"
        other = conf.with_name("other.yaml")
        other.write_text(re.sub(r"listen: \S+", "listen: tcp://127.0.0.1:*", conf.read_text()))
        result = subprocess.run([program("hutong-broker"), "-c", other], capture_output=True, text=True, check=False, timeout=30)
        assert result.returncode == 1
        assert "broker.failed" in result.stderr
