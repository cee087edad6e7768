"""Adapters at a bus whose queue has several lanes: each lane's settlements and floor count for themselves, through a kill."""
import http.server
import json
import signal
import sqlite3
import subprocess
import threading

import pytest

from client.bus_client import bus
from client.lanes_bus import BUS, GAP, LanesBus
from departments import Adapter
from hutong_bus import program, wait_until
from kafka_edge import TYPE, consume, marked, tenancy, writing
from messages import module

housing = module("gov.housing.v1.tenancy")

HEAD = """bus:
  endpoint: ${HUTONG_ENDPOINT}
  system: housing/tenancy
catalogue: ${HUTONG_CATALOGUE}
codes: ${HUTONG_CODES}
state: ${HUTONG_STATE}
"""
RULE = "    - on: gov.housing.v1.OccupancyNotice\n"
ROUNDS = 200


def notice(name):
    message = housing.OccupancyNotice(citizen_number=name, unit_code="U1")
    return bus.Envelope(id=name, type="gov.housing.v1.OccupancyNotice", source="public_security/population", subject=name,
                        time_us=1, payload=message.SerializeToString())


class Http:
    """A service that counts what it is sent."""

    def __init__(self, _folder):
        names = self.names = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                names.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["card"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.config = ("http:\n  service:\n    url: ${SERVICE}\n  take:\n" + RULE +
                       '      request:\n        json: |\n          {"card": "${msg.citizen_number}"}\n')
        self.environment = {"SERVICE": f"http://127.0.0.1:{self.server.server_port}/"}

    def effects(self):
        return list(self.names)

    def close(self):
        self.server.shutdown()


class Odbc:
    def __init__(self, folder):
        self.path = folder / "store.sqlite"
        with sqlite3.connect(self.path) as db:
            db.execute("CREATE TABLE notices (name TEXT)")
        self.config = ("odbc:\n  connect: ${STORE}\n  inbox: { create: true }\n  take:\n" + RULE +
                       "      with: { name: msg.citizen_number }\n      do: INSERT INTO notices VALUES (:name)\n")
        self.environment = {"STORE": f"Driver=SQLite3;Database={self.path};Timeout=5000"}

    def ask(self, sql):
        with sqlite3.connect(self.path, timeout=30) as db:
            return db.execute(sql).fetchall()

    def effects(self):
        return [name for name, in self.ask("SELECT name FROM notices")]

    def close(self):
        """The table was cleaned, each lane by its own floor; the one that was stuck has all."""
        rows = dict(self.ask("SELECT position >> 48, count(*) FROM hutong_inbox GROUP BY 1"))
        assert rows[0] < 2 * ROUNDS and rows[2] < 2 * ROUNDS and rows[1] == ROUNDS + 50, rows


class File:
    def __init__(self, folder):
        self.out = folder / "out"
        self.out.mkdir()
        self.config = ("file:\n  out: { folder: '${OUT}', encoding: utf-8, wait: 100ms }\n  take:\n" + RULE +
                       '      name: notices\n      file: "notices-{first}.csv"\n      columns: { name: msg.citizen_number }\n')
        self.environment = {"OUT": self.out}

    def effects(self):
        return [line.strip() for path in self.out.glob("*.csv") for line in path.read_text("utf-8").splitlines()[1:]]

    def close(self):
        assert len(list(self.out.glob("*.csv"))) > 1


@pytest.fixture
def lanes():
    with LanesBus() as running:
        yield running


def fill(lanes, lane_numbers, first, count, make):
    """So many messages of each lane, one of each in turn; their names."""
    names = [f"{lane}-{n}" for n in range(first, first + count) for lane in lane_numbers]
    for name in names:
        lanes.put(int(name.split("-")[0]), make(name))
    return names


def live_through_it(lanes, adapter, effects, make, rounds=ROUNDS):
    """Lane 1 is done by the adapter and stays unsettled at the bus, lanes 0 and 2 rise far beyond it, and are forgotten; lane 2's
    first is with somebody else until the end. Then the adapter is killed, and all of lane 1 comes again."""
    late = lanes.put(2, make("late"), withheld=True)
    lanes.deaf = {1}
    names = fill(lanes, (0, 1, 2), 0, rounds, make)
    adapter.start()
    lanes.serve(lambda: lanes.unsettled(but={1}) == 0, "lanes 0 and 2")
    lanes.withheld.remove(late)
    lanes.serve(lambda: lanes.unsettled(but={1}) == 0, "the late one")
    for first in range(rounds, 3 * rounds, 50):  # the floors of lanes 0 and 2 are told again and again
        names += fill(lanes, (0, 2), first, 50, make)
        lanes.serve(lambda: lanes.unsettled(but={1}) == 0, "lanes 0 and 2 go on")
    wait_until(lambda: len(effects()) >= len(names) + 1, "all effects")
    assert lanes.unsettled() == rounds and lanes.floor(1) == 1 << 48 | 1
    adapter.end(signal.SIGKILL)
    lanes.deaf = set()
    adapter.start()
    names += fill(lanes, (0, 1, 2), 3 * rounds, 50, make)
    lanes.serve(lambda: lanes.unsettled() == 0, "everything")
    assert sorted(n for p, n in lanes.attempts.items() if p >> 48 == 1)[-rounds:] == [2] * rounds
    wait_until(lambda: len(effects()) >= len(names) + 1, "all effects")
    assert adapter.end() == 0, adapter.log()
    assert sorted(effects()) == sorted([*names, "late"])


@pytest.mark.parametrize("kind", [Http, Odbc, File], ids=["http", "odbc", "file"])
def test_each_lane_has_a_floor(lanes, tmp_path, kind):
    system = kind(tmp_path)
    config = tmp_path / "adapter.yaml"
    config.write_text(HEAD + system.config, "utf-8")
    adapter = Adapter(lanes, tmp_path / "adapter", config, **system.environment)
    try:
        live_through_it(lanes, adapter, system.effects, notice)
        system.close()
    finally:
        adapter.end(signal.SIGKILL)


LIMIT = 524288  # of the inbox, in ranges


def test_a_full_inbox_goes_on(lanes, tmp_path):
    """So much is remembered behind one message that nothing more is done; then it comes to this very adapter."""
    system = Http(tmp_path)
    config = tmp_path / "adapter.yaml"
    config.write_text(HEAD + system.config, "utf-8")
    adapter = Adapter(lanes, tmp_path / "adapter", config, **system.environment)
    adapter.state.mkdir()
    late = lanes.put(2, notice("late"), withheld=True)
    subprocess.run([program("inbox-fill"), adapter.state / "inbox", BUS.hex(), "2", str(2 * GAP), str(LIMIT)], check=True)
    lanes.lanes[2] += GAP * LIMIT
    names = fill(lanes, (2,), 0, 20, notice)
    try:
        adapter.start()
        lanes.serve(lambda: "sink.inbox_full" in adapter.log(), "it is full")
        assert system.effects() == [] and lanes.unsettled() == 20
        lanes.withheld.remove(late)
        lanes.serve(lambda: late not in lanes.waiting, "the late one")
        assert system.effects() == ["late"] and lanes.unsettled() == 20
        names += fill(lanes, (2,), 20, 1, notice)  # it tells the floor
        lanes.serve(lambda: lanes.unsettled() == 0, "all")
        assert adapter.end() == 0, adapter.log()
        assert sorted(system.effects()) == sorted([*names, "late"])
    finally:
        adapter.end(signal.SIGKILL)


def test_kafka_positions_have_lanes(kafka, lanes, tmp_path):
    def make(name):
        return bus.Envelope(id=name, type=TYPE, source="housing/tenancy", subject=name, time_us=1795512600000000,
                            payload=marked(name).SerializeToString())

    def effects():
        records = consume(kafka, ["lanes.cloudevents"], 0, settle=1)
        return [tenancy.TenancyMarked.FromString(m.value()).lease_number for m in records]

    adapter = writing(kafka, lanes, tmp_path / "out", "lanes")
    try:
        live_through_it(lanes, adapter, effects, make, rounds=60)
    finally:
        adapter.end(signal.SIGKILL)
