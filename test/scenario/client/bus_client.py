"""A client of the bus in Python, written from docs/protocol.md alone: pyzmq and protobuf, nothing of the SDK.

Blocking and single-threaded: it sends heartbeats while it waits for something.
"""
import contextlib
import time

import zmq
import zmq.utils.monitor

from messages import module
from patience import Patience

bus = module("hutong.bus.v1.bus")
PATIENCE = 20  # seconds


class SessionError(Exception):
    """The broker ended the session with an error frame."""

    def __init__(self, error):
        super().__init__(f"{bus.Reason.Name(error.reason)}: {error.text}")
        self.reason = error.reason


class HandshakeRefused(Exception):
    """The broker didn't let this key in."""


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def pack_body(envelopes):
    """Section 2: each envelope with its length before it."""
    raws = [e if isinstance(e, bytes) else e.SerializeToString() for e in envelopes]
    return b"".join(varint(len(raw)) + raw for raw in raws)


def unpack_body(body):
    at = 0
    while at < len(body):
        size = shift = 0
        while True:
            byte = body[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        if at + size > len(body):
            raise ValueError("an envelope that ends behind the body")
        yield bus.Envelope.FromString(body[at : at + size])
        at += size


LANE_MASK = (1 << 48) - 1


def settled_in_lane(deliver, position):
    """Section 6: up to where all of the position's lane is settled; its start when the frame doesn't say."""
    start = position & ~LANE_MASK
    known = deliver.settled if deliver.settled & ~LANE_MASK == start else start
    return max([known, *(r.last for r in deliver.settled_ranges if r.first == start | 1)])


class Delivery:
    def __init__(self, position, run, settled, envelope):
        self.position = position
        self.attempt = run.attempt
        self.route = run.route
        self.replay = run.replay
        self.settled = settled
        self.envelope = envelope


class Client:
    def __init__(self, endpoint, keys=None):
        """`keys`: (own public, own secret, broker's public) in Z85, or None without CURVE."""
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.reconnect_ivl = 24 * 3600 * 1000  # never; with -1, or `immediate`, libzmq may end the process when it is cut
        if keys:
            self.socket.curve_publickey, self.socket.curve_secretkey, self.socket.curve_serverkey = keys
        self.monitor = self.socket.get_monitor_socket()
        self.socket.connect(endpoint)
        self.connected = False
        self.welcome = None
        self.accepted = 0
        self.refusals = {}
        self.hold = None  # why the broker takes in nothing more for now
        self.deliveries = []
        self.publish_credit = (0, 0)
        self.sequence = 0
        self.spoke = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self, bye=True):
        if self.socket.closed:
            return
        if bye and self.welcome:
            self.socket.linger = 1000
            with contextlib.suppress(ConnectionError):
                self.send(bus.Frame(bye=bus.Bye()))
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close()
        self.context.term()

    # ---- Frames ----

    def send(self, frame, body=None):
        self.send_raw(frame.SerializeToString(), *([] if body is None else [body]))

    def send_raw(self, *parts):
        try:
            self.socket.send_multipart(parts, zmq.DONTWAIT)
        except zmq.Again:
            raise ConnectionError("the connection was cut") from None
        self.spoke = time.monotonic()

    def wait_for_handshake(self):
        waiting = Patience(PATIENCE)
        while not self.check_monitor():
            if waiting.over():
                raise TimeoutError("no connection")
            self.monitor.poll(20)

    def check_monitor(self):
        """Whether the handshake is over just now."""
        while self.monitor.poll(0):
            event = zmq.utils.monitor.recv_monitor_message(self.monitor)
            if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return True
            if event["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise HandshakeRefused(event["value"])
            if event["event"] in (zmq.EVENT_DISCONNECTED, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL):
                raise ConnectionError("the connection was cut")
        return False

    def _heartbeat(self):
        interval = self.welcome.heartbeat_ms / 1000 if self.welcome else PATIENCE
        if time.monotonic() - self.spoke >= interval * 0.7:
            self.send(bus.Frame(heartbeat=bus.Heartbeat()))

    def next_frame(self, patience=PATIENCE, heartbeats=True):
        """The next frame of any kind, or None. An error frame raises."""
        waiting = Patience(patience)
        while True:
            if self.socket.poll(20):
                parts = self.socket.recv_multipart()
                frame = bus.Frame.FromString(parts[0])
                kind = frame.WhichOneof("kind")
                if len(parts) != (2 if kind == "deliver" else 1):
                    raise ValueError(f"{kind} with {len(parts)} parts")
                if kind == "error":
                    raise SessionError(frame.error)
                return frame, parts[1] if len(parts) == 2 else None
            self.check_monitor()
            if heartbeats:
                self._heartbeat()
            if waiting.over():
                return None

    def _take(self, frame, body):
        kind = frame.WhichOneof("kind")
        if kind == "accepted":
            assert frame.accepted.sequence >= self.accepted
            self.accepted = frame.accepted.sequence
            self.hold = frame.accepted.hold if frame.accepted.HasField("hold") else None
            self.refusals.update({r.sequence: r for r in frame.accepted.refusals})
            if frame.accepted.HasField("credit"):
                self.publish_credit = (frame.accepted.credit.messages, frame.accepted.credit.bytes)
        elif kind == "credit":
            self.publish_credit = (frame.credit.messages, frame.credit.bytes)
        elif kind == "deliver":
            envelopes = list(unpack_body(body))
            positions = [(r, r.first_position + i) for r in frame.deliver.runs for i in range(r.count)]
            assert len(envelopes) == len(positions)
            for (run, position), envelope in zip(positions, envelopes):
                settled = settled_in_lane(frame.deliver, position)
                self.deliveries.append(Delivery(position, run, settled, envelope))
        elif kind == "bye":
            raise ConnectionError("bye")
        else:
            assert kind == "heartbeat", kind

    def pump(self, done, patience=PATIENCE):
        """Takes frames until done() or the time is over; whether it is done."""
        waiting = Patience(patience)
        while not done():
            got = None if waiting.over() else self.next_frame(waiting.left)
            if got is None:
                return False
            self._take(*got)
        return True

    # ---- A session ----

    def hello(self, system, instance="default", stream=b"", receive=False, credit=(1000, 16 << 20), protocol=1):
        hello = bus.Hello(
            protocol=protocol, system=system, instance=instance, stream=stream, receive=receive, software="bus_client.py"
        )
        if receive:
            hello.credit.messages, hello.credit.bytes = credit
        if not self.connected:
            self.wait_for_handshake()
            self.connected = True
        self.send(bus.Frame(hello=hello))
        got = self.next_frame()
        if got is None:
            raise TimeoutError("no welcome")
        assert got[0].WhichOneof("kind") == "welcome"
        self.welcome = got[0].welcome
        self.publish_credit = (self.welcome.credit.messages, self.welcome.credit.bytes)
        self.sequence = self.welcome.last_sequence
        return self.welcome

    def publish(self, *envelopes, first=None):
        """Sends one batch; the sequence of its last envelope."""
        first = self.sequence + 1 if first is None else first
        self.send(bus.Frame(publish=bus.Publish(first_sequence=first, count=len(envelopes))), pack_body(envelopes))
        self.sequence = first + len(envelopes) - 1
        return self.sequence

    def wait_accepted(self, sequence, patience=PATIENCE):
        return self.pump(lambda: self.accepted >= sequence, patience)

    def wait_deliveries(self, count, patience=PATIENCE):
        return self.pump(lambda: len(self.deliveries) >= count, patience)

    def settle(self, *positions, failures=()):
        self.send(
            bus.Frame(
                settle=bus.Settle(done=[bus.PositionRange(first=p, last=p) for p in positions], failures=failures)
            )
        )

    def grant(self, messages, size):
        self.send(bus.Frame(credit=bus.Credit(messages=messages, bytes=size)))
