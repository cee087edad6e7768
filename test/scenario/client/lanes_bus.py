"""A broker whose queue has lanes, for adapters: one queue, one receiver at a time, no CURVE. Written from docs/protocol.md.

It does no more than a test says: what `put` gives it a position, `serve` talks to the adapter until something is true. Between
two positions of a lane lies a gap, as the marks of transactions in a partition.
"""
import zmq

from client.bus_client import bus, pack_body
from patience import Patience

BUS = bytes(range(1, 17))
GAP = 2


class LanesBus:
    def __init__(self, batch=100):
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger = 0
        self.endpoint = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"
        self.peer = None
        self.lanes = {}  # lane -> the offset given last
        self.waiting = {}  # position -> envelope: unsettled, in the order in which they were put
        self.in_flight = set()
        self.withheld = set()  # positions that are with somebody else: unsettled, and never sent
        self.deaf = set()  # lanes of which no settlement arrives
        self.sent = self.granted = 0
        self.batch = batch  # deliveries in a frame
        self.attempts = {}  # position -> the highest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # ---- The queue ----

    def put(self, lane, envelope, withheld=False):
        """Behind what is there in this lane; the position."""
        self.lanes[lane] = self.lanes.get(lane, 0) + GAP
        position = lane << 48 | self.lanes[lane]
        self.waiting[position] = envelope
        if withheld:
            self.withheld.add(position)
        return position

    def floor(self, lane):
        """Up to where all of the lane is settled: before its oldest unsettled position, or its end. Gaps count as settled."""
        oldest = min((p for p in self.waiting if p >> 48 == lane), default=None)
        return (lane << 48 | self.lanes[lane]) if oldest is None else oldest - 1

    # ---- The adapter ----

    def _send(self, frame, *body):
        self.socket.send_multipart([self.peer, frame.SerializeToString(), *body])

    def _deliver(self):
        """One frame with what is due, the lanes mixed as they were put, within credit."""
        due = [p for p in self.waiting if p not in self.in_flight and p not in self.withheld]
        due = due[: min(self.batch, self.granted - self.sent)]
        if not due:
            return
        deliver = bus.Deliver()
        for position in due:
            attempt = self.attempts[position] = self.attempts.get(position, 0) + 1
            deliver.runs.add(first_position=position, count=1, attempt=attempt, route="lanes")
        for lane in sorted({p >> 48 for p in due}):
            floor = self.floor(lane)
            if floor > lane << 48:
                deliver.settled_ranges.add(first=lane << 48 | 1, last=floor)
        self._send(bus.Frame(deliver=deliver), pack_body([self.waiting[p] for p in due]))
        self.in_flight.update(due)
        self.sent += len(due)

    def _settle(self, settle):
        for done in settle.done:
            assert done.first >> 48 == done.last >> 48, "a range over two lanes"
            for position in [p for p in self.in_flight if done.first <= p <= done.last and p >> 48 not in self.deaf]:
                del self.waiting[position]
                self.in_flight.discard(position)
        for failure in settle.failures:
            raise AssertionError(f"{failure.position >> 48}:{failure.position & (1 << 48) - 1}: {failure.text}")

    def _hello(self, peer, hello):
        self.peer, self.in_flight, self.sent, self.granted = peer, set(), 0, hello.credit.messages
        self._send(bus.Frame(welcome=bus.Welcome(
            protocol=1, system=hello.system, bus=BUS, credit=bus.Credit(messages=1000, bytes=1 << 24), heartbeat_ms=60000,
            limits=bus.Limits(message_bytes=8 << 20, batch_bytes=1 << 18, batch_messages=1024))))

    def _take(self, peer, frame):
        kind = frame.WhichOneof("kind")
        if kind == "hello":
            self._hello(peer, frame.hello)
        elif peer != self.peer:
            return  # what a session that ended left behind
        elif kind == "settle":
            self._settle(frame.settle)
        elif kind == "credit":
            self.granted = frame.credit.messages
        elif kind == "bye":
            self.peer = None
        else:
            assert kind == "heartbeat", frame

    def serve(self, until, what, patience=60):
        waiting = Patience(patience)
        while not until():
            if self.socket.poll(10):
                peer, first, *_ = self.socket.recv_multipart()
                self._take(peer, bus.Frame.FromString(first))
            if self.peer:
                self._deliver()
            if waiting.over():
                raise TimeoutError(f"not within {patience} s: {what}; {len(self.waiting)} are unsettled")

    def unsettled(self, but=()):
        """Of lanes other than those."""
        return sum(p >> 48 not in but and p not in self.withheld for p in self.waiting)
