"""The broker holds docs/protocol.md: seen by an independent client."""
import os
import time

import pytest
import zmq

from client.bus_client import Client, HandshakeRefused, SessionError, bus, pack_body
from hutong_bus import Broker, wait_until
from messages import module

pytestmark = pytest.mark.sanitize

residence = module("gov.public_security.v1.residence")
tenancy = module("gov.housing.v1.tenancy")
REGISTERED = "gov.public_security.v1.ResidenceRegistered"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("curve"), curve=True, settings="heartbeat: 1s\n") as running:
        yield running
        assert running.stop() == 0, running.log()


@pytest.fixture
def connect(broker):
    """connect(system, …) says hello and returns the client."""
    clients = []

    def open_one(system, **hello):
        client = Client(broker.endpoint, broker.keys(system))
        clients.append(client)
        client.hello(system, **hello)
        return client

    yield open_one
    for client in clients:
        client.close()


@pytest.fixture
def queue(broker):
    """Leaves the queue of housing/tenancy empty."""
    yield
    with Client(broker.endpoint, broker.keys("housing/tenancy")) as client:
        client.hello("housing/tenancy", instance="default", receive=True)
        while client.wait_deliveries(1, patience=0.5):
            client.settle(*[d.position for d in client.deliveries])
            client.deliveries.clear()


def registered(number, unit="U1"):
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = number
    message.address.unit_code = unit
    return message


def envelope(id, payload=None, type=REGISTERED, **attributes):
    payload = registered("330106199001011237") if payload is None else payload
    payload = payload if isinstance(payload, bytes) else payload.SerializeToString()
    return bus.Envelope(id=id, type=type, payload=payload, time_us=int(time.time() * 1e6), **attributes)


def stream():
    return os.urandom(16)


# ---- The way of a message ----


def test_published_received_settled(queue, connect):
    receiver = connect("housing/tenancy", receive=True)
    publisher = connect("public_security/population", stream=stream())
    assert publisher.welcome.system == "public_security/population"
    assert publisher.welcome.last_sequence == 0 and len(publisher.welcome.bus) == 16
    other = registered("330106199001011229")
    last = publisher.publish(envelope("a-1", registered("330106199001011237", "U7")), envelope("a-2", other))
    assert publisher.wait_accepted(last)
    assert not publisher.refusals
    assert receiver.wait_deliveries(2)
    first, second = receiver.deliveries
    assert first.attempt == 1 and first.route == "residence"
    assert second.position == first.position + 1
    assert first.envelope.source == "public_security/population"
    assert first.envelope.type == "gov.housing.v1.OccupancyNotice"
    notice = tenancy.OccupancyNotice.FromString(first.envelope.payload)
    assert (notice.citizen_number, notice.unit_code) == ("330106199001011237", "U7")
    receiver.settle(first.position, second.position)
    receiver.close()
    again = connect("housing/tenancy", receive=True)
    assert not again.wait_deliveries(1, patience=0.5)


def test_a_repeat_is_dropped(queue, connect):
    name = stream()
    publisher = connect("public_security/population", stream=name)
    publisher.publish(envelope("b-1"), envelope("b-2"))
    assert publisher.wait_accepted(2)
    publisher.close()
    publisher = connect("public_security/population", stream=name)
    assert publisher.welcome.last_sequence == 2
    publisher.publish(envelope("b-1"), envelope("b-2"), envelope("b-3"), first=1)
    assert publisher.wait_accepted(3)
    receiver = connect("housing/tenancy", receive=True)
    for count in range(1, 4):  # one subject: each waits for the one before
        assert receiver.wait_deliveries(count)
        receiver.settle(receiver.deliveries[-1].position)
    assert [d.envelope.id for d in receiver.deliveries] == ["b-1", "b-2", "b-3"]
    assert not receiver.wait_deliveries(4, patience=0.5)


def test_gaps_are_allowed(queue, connect):
    publisher = connect("public_security/population", stream=stream())
    publisher.publish(envelope("g-1"), first=10)
    assert publisher.wait_accepted(10)
    publisher.publish(envelope("g-2"), first=20)
    assert publisher.wait_accepted(20)


def test_what_is_not_settled_comes_again(queue, connect):
    publisher = connect("public_security/population")
    publisher.publish(envelope("c-1"))
    receiver = connect("housing/tenancy", receive=True)
    assert receiver.wait_deliveries(1)
    position = receiver.deliveries[0].position
    receiver.close()
    receiver = connect("housing/tenancy", receive=True)
    assert receiver.wait_deliveries(1)
    assert receiver.deliveries[0].position == position and receiver.deliveries[0].attempt == 2
    receiver.settle(position)


def test_failures_are_tried_again_or_rejected(queue, connect):
    publisher = connect("public_security/population")
    receiver = connect("housing/tenancy", receive=True)
    publisher.publish(envelope("d-1"))
    assert receiver.wait_deliveries(1)
    position = receiver.deliveries[0].position
    receiver.settle(failures=[bus.Failure(position=position, retry_after_ms=200)])
    start = time.monotonic()
    assert receiver.wait_deliveries(2)
    assert time.monotonic() - start >= 0.15
    assert receiver.deliveries[1].position == position and receiver.deliveries[1].attempt == 2
    receiver.settle(failures=[bus.Failure(position=position, reject=True, text="no such dwelling")])
    assert not receiver.wait_deliveries(3, patience=0.5)


def test_credit_bounds_deliveries(queue, connect):
    publisher = connect("public_security/population")
    for number in range(5):
        publisher.publish(envelope(f"e-{number}", registered(str(number))))
    assert publisher.wait_accepted(5)
    receiver = connect("housing/tenancy", receive=True, credit=(2, 1 << 20))
    assert receiver.wait_deliveries(2)
    assert not receiver.wait_deliveries(3, patience=0.5)
    receiver.grant(5, 1 << 20)
    assert receiver.wait_deliveries(5)
    receiver.settle(*[d.position for d in receiver.deliveries])


# ---- Refusals ----


def test_refusals_have_reasons(queue, connect):
    publisher = connect("public_security/population")
    cases = [
        (envelope("f-1"), None),
        (envelope("f-2", b"", type="gov.public_security.v1.NoSuchType"), bus.REASON_UNKNOWN_TYPE),
        (envelope("f-3", tenancy.TenancyMarked(), type="gov.housing.v1.TenancyMarked"), bus.REASON_NOT_ALLOWED),
        (envelope("", b""), bus.REASON_ENVELOPE),
        (b"\xff\xff", bus.REASON_ENVELOPE),
        (envelope("f-6", b"\x0a\x05x"), bus.REASON_INVALID),
        (envelope("f-7", source="housing/tenancy"), bus.REASON_SOURCE),
        (envelope("f-8", expires_us=1), bus.REASON_EXPIRED),
        (envelope("f-9"), None),
    ]
    publisher.publish(*[case for case, _ in cases])
    assert publisher.wait_accepted(len(cases))
    for number, (_, reason) in enumerate(cases, 1):
        got = publisher.refusals.get(number)
        assert (got.reason if got else None) == reason, f"{number}: {got}"
        assert not got or got.text


def test_a_large_message_is_refused_alone(queue, connect):
    publisher = connect("public_security/population")
    limits = publisher.welcome.limits
    publisher.publish(envelope("h-1", b"\x00" * limits.message_bytes))
    with pytest.raises(SessionError) as ended:
        assert publisher.wait_accepted(1)
        assert publisher.refusals[1].reason == bus.REASON_TOO_LARGE
        publisher.publish(envelope("h-2", b"\x00" * (limits.message_bytes + limits.batch_bytes)))
        publisher.wait_accepted(2)
    assert ended.value.reason == bus.REASON_TOO_LARGE


# ---- Who may speak ----


def refused_handshake(endpoint, keys):
    with Client(endpoint, keys) as client:
        with pytest.raises((HandshakeRefused, ConnectionError)) as why:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                client.monitor.poll(20)
                assert not client.check_monitor(), "the handshake was completed"
    return why.value


def test_an_unknown_key_is_refused(broker):
    _, _, server = broker.keys("housing/tenancy")
    public, secret = zmq.curve_keypair()
    why = refused_handshake(broker.endpoint, (public, secret, server))
    assert isinstance(why, HandshakeRefused)


def test_a_wrong_broker_key_is_found(broker):
    public, secret, _ = broker.keys("housing/tenancy")
    refused_handshake(broker.endpoint, (public, secret, zmq.curve_keypair()[0]))


def test_without_curve_nobody_enters(broker):
    refused_handshake(broker.endpoint, None)


def test_the_key_is_the_identity(broker):
    with Client(broker.endpoint, broker.keys("housing/tenancy")) as client:
        with pytest.raises(SessionError) as ended:
            client.hello("public_security/population")
    assert ended.value.reason == bus.REASON_IDENTITY


def test_a_newer_session_ends_the_older(connect):
    older = connect("housing/tenancy", instance="one")
    other = connect("housing/tenancy", instance="two")
    connect("housing/tenancy", instance="one")
    with pytest.raises(SessionError) as ended:
        older.pump(lambda: False, 5)
    assert ended.value.reason == bus.REASON_SUPERSEDED
    assert not other.pump(lambda: False, 0.3)


def test_instances_share_and_take_over(queue, connect):
    first = connect("housing/tenancy", instance="one", receive=True, credit=(1, 1 << 20))
    second = connect("housing/tenancy", instance="two", receive=True)
    publisher = connect("public_security/population")
    numbers = [f"33010619900101{n:04d}" for n in range(40)]
    publisher.publish(*[envelope(f"i-{number}", registered(number)) for number in numbers])
    assert first.wait_deliveries(1) and second.wait_deliveries(1)
    second.pump(lambda: False, 0.3)
    taken = [d.position for d in second.deliveries]
    assert len(first.deliveries) == 1 and 5 < len(taken) < 39  # the first has its share, and credit for one
    first.close()
    assert second.wait_deliveries(40)
    attempts = {d.position: d.attempt for d in second.deliveries}
    assert len(attempts) == 40 and attempts[first.deliveries[0].position] == 2
    second.settle(*attempts)


# ---- Frames that are wrong ----


def ended_with(client):
    with pytest.raises(SessionError) as ended:
        while client.next_frame(20):
            pass
    return ended.value.reason


@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"\x62\x05"],
        [b"\x63"],
        [b"\xff" * 100],
        [b"\x42\x00"],
        [b"\x62\x00\x62\x00"],
        [b"\x1a\x00", b""],
        [bus.Frame(publish=bus.Publish(first_sequence=1, count=1)).SerializeToString()],
        [bus.Frame(publish=bus.Publish(first_sequence=1, count=2)).SerializeToString(), pack_body([envelope("x", b"", type="none")])],
        [bus.Frame(publish=bus.Publish(first_sequence=1, count=1)).SerializeToString(), pack_body([envelope("x", b"", type="none")] * 2)],
        [bus.Frame(publish=bus.Publish(first_sequence=1, count=1)).SerializeToString(), b"\x05x"],
        [bus.Frame(publish=bus.Publish(first_sequence=1, count=1)).SerializeToString(), b"\x81\x00x"],
        [bus.Frame(publish=bus.Publish(first_sequence=0, count=1)).SerializeToString(), pack_body([envelope("x")])],
        [bus.Frame(heartbeat=bus.Heartbeat()).SerializeToString(), b"", b""],
        [bus.Frame(settle=bus.Settle(done=[bus.PositionRange(first=3, last=2)])).SerializeToString()],
        [bus.Frame(welcome=bus.Welcome(bus=b"0" * 16)).SerializeToString()],
        [bus.Frame(hello=bus.Hello(protocol=1, system="housing/tenancy")).SerializeToString()],
        [b"\x5a\xff\xff\x7f" + b"\x00" * (300 << 10)],
    ],
    ids=lambda parts: parts[0][:12].hex() or "empty",
)
def test_nonsense_ends_the_session(connect, parts):
    client = connect("public_security/population")
    client.send_raw(*parts)
    assert ended_with(client) == bus.REASON_PROTOCOL
    client.close(bye=False)


@pytest.mark.parametrize("frame", ["heartbeat", "publish", "settle", "credit"])
def test_hello_comes_first(broker, frame):
    with Client(broker.endpoint, broker.keys("housing/tenancy")) as client:
        client.wait_for_handshake()
        made = bus.Frame()
        getattr(made, frame).SetInParent()
        if frame == "publish":
            made.publish.first_sequence = made.publish.count = 1
            client.send(made, pack_body([envelope("x")]))
        else:
            client.send(made)
        assert ended_with(client) == bus.REASON_PROTOCOL


def test_another_version_is_not_spoken(broker):
    with Client(broker.endpoint, broker.keys("housing/tenancy")) as client:
        with pytest.raises(SessionError) as ended:
            client.hello("housing/tenancy", protocol=2)
    assert ended.value.reason == bus.REASON_VERSION


def test_unknown_fields_are_skipped(queue, connect):
    client = connect("public_security/population")
    frame = bus.Frame(publish=bus.Publish(first_sequence=1, count=1)).publish.SerializeToString() + b"\xa2\x06\x01x"
    client.send_raw(b"\x1a" + bytes([len(frame)]) + frame, pack_body([envelope("u-1").SerializeToString() + b"\xa2\x06\x01x"]))
    assert client.wait_accepted(1)
    assert not client.refusals


def test_a_settlement_of_nothing_is_harmless(connect):
    client = connect("housing/tenancy", receive=True)
    client.settle(1, 5, 1 << 60, failures=[bus.Failure(position=1 << 61, reject=True)])
    assert not client.pump(lambda: False, 0.3)


# ---- Time ----


def test_both_sides_are_heard(connect):
    client = connect("housing/tenancy")
    frame, _ = client.next_frame(3)
    assert frame.WhichOneof("kind") == "heartbeat"
    start = time.monotonic()
    with pytest.raises(SessionError):  # not a word from here
        while client.next_frame(10, heartbeats=False):
            pass
    assert time.monotonic() - start < 6


# ---- A broker of its own ----


def test_more_than_granted_ends_the_session(tmp_path):
    with Broker(tmp_path, limits={"credit_messages": 4}) as own:
        with Client(own.endpoint) as client:
            client.hello("public_security/population")
            assert client.welcome.credit.messages == 4
            with pytest.raises(SessionError) as ended:
                for burst in range(50):  # some of it comes before the broker has granted anew
                    for number in range(100):
                        client.publish(envelope(f"{burst}-{number}"))
                    client.pump(lambda: False, 0.1)
            assert ended.value.reason == bus.REASON_CREDIT


def test_a_broker_that_goes_says_bye(tmp_path):
    with Broker(tmp_path) as own:
        with Client(own.endpoint) as client:
            client.hello("housing/tenancy")
            os.kill(own.process.pid, 15)
            with pytest.raises(ConnectionError):
                client.pump(lambda: False, 20)
        assert wait_until(lambda: own.process.poll() is not None, "the end") and own.process.returncode == 0


def test_accepted_survives_a_kill(tmp_path):
    own = Broker(tmp_path).start()
    name = stream()
    with Client(own.endpoint) as client:
        client.hello("public_security/population", stream=name)
        first_bus = client.welcome.bus
        client.publish(*[envelope(f"k-{n}", registered(str(n))) for n in range(100)])
        assert client.wait_accepted(100)
        own.kill()
    own.start()
    with Client(own.endpoint) as client:
        assert client.hello("public_security/population", stream=name).last_sequence == 100
        assert client.welcome.bus == first_bus
    with Client(own.endpoint) as client:
        client.hello("housing/tenancy", receive=True)
        seen = []
        while len(seen) < 100:
            assert client.wait_deliveries(1)
            seen += [d.envelope.id for d in client.deliveries]
            client.settle(*[d.position for d in client.deliveries])
            client.deliveries.clear()
        assert sorted(seen) == sorted(f"k-{n}" for n in range(100))
    assert own.stop() == 0
