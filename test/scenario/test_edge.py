"""The adapter is killed at the moments that matter, by the system it serves; and a message that kills it each time."""
import http.server
import json
import shutil
import signal
import subprocess
import threading

import pytest

from client.bus_client import Client, bus
from departments import Adapter, citizen
from hutong_bus import Broker, free_port, wait_until
from messages import module

residence = module("gov.public_security.v1.residence")

CONFIG = """bus: {{ endpoint: "${{HUTONG_ENDPOINT}}", system: housing/tenancy }}
catalogue: ${{HUTONG_CATALOGUE}}
state: ${{HUTONG_STATE}}
crash_attempts: 3
http:
  service:
    url: http://127.0.0.1:{port}/occupancies
    timeout: 20s
  take:
    - on: gov.housing.v1.OccupancyNotice
      request:
        json: |
          {{"card": "${{msg.citizen_number}}"}}
"""


class Service:
    """Keeps an effect for each new Idempotency-Key, and may kill the adapter before or after it answers."""

    def __init__(self):
        self.port, self.effects, self.requests, self.kills = free_port(), [], [], 0
        self.adapter = None
        self.busy = set()  # cards that it can't take now
        self.before = self.after = self.instead = lambda card: False  # whether to kill it then
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                card = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["card"]
                if card in service.busy:
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                service.take(self.headers["Idempotency-Key"], card)
                if service.instead(card) or service.before(card):
                    service.kill()
                    return
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    self.wfile.flush()
                except OSError:
                    return
                if service.after(card):
                    service.kill()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, key, card):
        self.requests.append((key, card))
        if not self.instead(card) and key not in [k for k, _ in self.effects]:
            self.effects.append((key, card))

    def kill(self):
        self.kills += 1
        self.adapter.process.send_signal(signal.SIGKILL)

    def cards(self):
        return [card for _, card in self.effects]


class Keeper:
    """Starts the adapter whenever it has ended, as a service manager would."""

    def __init__(self, adapter):
        self.adapter, self.ending, self.starts = adapter, threading.Event(), 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            self.starts += 1
            self.adapter.start()
            while not self.ending.is_set():
                try:
                    if self.adapter.process.wait(0.02) != -signal.SIGKILL:
                        return  # nobody killed it: the test will say so
                    break
                except subprocess.TimeoutExpired:
                    pass

    def end(self):
        self.ending.set()
        self.thread.join(30)
        return self.adapter.end()


@pytest.fixture
def scene(tmp_path):
    with Broker(tmp_path / "broker") as broker:
        service = Service()
        config = tmp_path / "adapter.yaml"
        config.write_text(CONFIG.format(port=service.port))
        service.adapter = Adapter(broker, tmp_path / "adapter", config)
        yield broker, service
        service.server.shutdown()


def moves(broker, numbers):
    with Client(broker.endpoint) as client:
        client.hello("public_security/population")
        for number in numbers:
            message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN, entry_number="E" + number)
            message.resident.citizen_number = number
            message.address.unit_code = "U1"
            client.publish(bus.Envelope(id="E" + number, type="gov.public_security.v1.ResidenceRegistered", subject=number, time_us=1,
                                        payload=message.SerializeToString()))
        assert client.wait_accepted(len(numbers)) and not client.refusals


CARDS = [citizen(n) for n in range(20)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_a_push(scene, moment):
    """The effect is there, and the adapter doesn't hear of it, or can't remember it."""
    broker, service = scene
    left = {CARDS[2], CARDS[3], CARDS[9], CARDS[19]}  # each kills once

    def once(card):
        if card not in left:
            return False
        left.remove(card)
        return True

    setattr(service, moment, once)
    moves(broker, CARDS)
    keeper = Keeper(service.adapter)
    wait_until(lambda: service.kills == 4 and sorted(service.cards()) == sorted(CARDS), "all effects")
    last = citizen(len(CARDS))  # a late kill finds all settled: without it the last process would have nothing to do
    moves(broker, [last])
    wait_until(lambda: last in service.cards() and is_through(service.adapter), "all settled")
    assert keeper.end() == 0, service.adapter.log()
    assert service.kills == 4
    keys = {}
    for key, card in service.requests:
        assert keys.setdefault(card, key) == key, "the same message, another key"
    assert len(set(keys.values())) == len(CARDS) + 1, "two messages, one key"
    if moment == "before":
        assert len(service.requests) > len(CARDS) + 1  # something came again, and was recognised


def is_through(adapter):
    """The process that runs now took something, and holds nothing any more."""
    path = adapter.state / "status.json"
    status = json.loads(path.read_text()) if path.exists() else {"pid": 0}
    return status["pid"] == adapter.process.pid and status["received"] > 0 and status["held"] == 0


def test_a_message_that_kills(scene):
    """The others go on, and it ends as a dead letter that says why."""
    broker, service = scene
    service.instead = lambda card: card == CARDS[7]
    moves(broker, CARDS)
    keeper = Keeper(service.adapter)
    others = sorted(set(CARDS) - {CARDS[7]})
    wait_until(lambda: sorted(service.cards()) == others, "the others")
    wait_until(lambda: "sink.reject" in service.adapter.log(), "the rejection")
    more = [citizen(n) for n in range(20, 30)]
    moves(broker, more)
    wait_until(lambda: sorted(service.cards()) == sorted(others + more), "what came later")
    assert keeper.end() == 0, service.adapter.log()
    assert service.kills <= 5, "one unnoticed, then crash_attempts"
    assert "ended 3 times while it handled this message" in service.adapter.log()
    assert len(service.effects) == len(set(service.cards()))


def test_two_messages_that_kill(scene):
    broker, service = scene
    service.instead = lambda card: card in (CARDS[0], CARDS[13])
    moves(broker, CARDS)
    keeper = Keeper(service.adapter)
    others = sorted(set(CARDS) - {CARDS[0], CARDS[13]})
    wait_until(lambda: sorted(service.cards()) == others and service.adapter.log().count("sink.reject") == 2, "the others")
    assert keeper.end() == 0, service.adapter.log()
    assert service.kills <= 10


def test_a_suspect_that_waits_holds_up_nobody(scene):
    """After a crash all that comes again is tried alone; the first of them is one that the system can't take now."""
    broker, service = scene
    service.busy = {CARDS[0]}
    left = [CARDS[5]]
    service.before = lambda card: card in left and not left.remove(card)
    moves(broker, CARDS)
    keeper = Keeper(service.adapter)
    wait_until(lambda: sorted(service.cards()) == sorted(CARDS[1:]), "the others")
    service.busy = set()
    wait_until(lambda: sorted(service.cards()) == sorted(CARDS), "all")
    assert keeper.end() == 0, service.adapter.log()
    assert service.kills == 1


def test_what_is_held_for_another_bus_is_dropped(scene):
    """Positions count within a bus: the journal is replaced while a delivery is held, and position 1 is another message."""
    broker, service = scene
    service.busy = {CARDS[0]}
    moves(broker, CARDS[:1])
    service.adapter.start()
    wait_until(lambda: "sink.retry" in service.adapter.log(), "it is held")
    broker.stop()
    shutil.rmtree(broker.folder / "journal")
    broker.start()
    moves(broker, CARDS[1:2])
    wait_until(lambda: service.cards() == CARDS[1:2], "the other message")
    service.busy = set()
    wait_until(lambda: is_through(service.adapter), "all settled")
    assert service.adapter.end() == 0, service.adapter.log()
    assert service.cards() == CARDS[1:2]
    assert "bus.notice" not in service.adapter.log()  # its spool was never used
