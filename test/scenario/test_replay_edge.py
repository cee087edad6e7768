"""A replay says so to the very end: the header of an HTTP push, a parameter of an SQL statement, a column of a file."""
import http.server
import sqlite3
import threading

import pytest

from client.bus_client import Client
from departments import Adapter
from hutong_bus import wait_until
from operators import H, PS, make, registered

BUS = """bus:
  endpoint: ${HUTONG_ENDPOINT}
  system: housing/tenancy
catalogue: ${HUTONG_CATALOGUE}
codes: ${HUTONG_CODES}
state: ${HUTONG_STATE}
"""
RULE = "    - on: gov.housing.v1.OccupancyNotice\n"


@pytest.fixture(name="bus")
def running(tmp_path):
    (tmp_path / "broker").mkdir()
    broker, operator = make(tmp_path / "broker")
    with broker:
        yield operator


def adapter(bus, tmp_path, config, **environment):
    path = tmp_path / "adapter.yaml"
    path.write_text(BUS + config, encoding="utf-8")
    return Adapter(bus.broker, tmp_path / "adapter", path, **environment)


def publish_and_replay(bus, effects):
    """One message, delivered and then replayed; `effects()` tells how many effects there are."""
    with Client(bus.broker.endpoint) as publisher:
        publisher.hello(PS)
        assert publisher.wait_accepted(publisher.publish(registered(1)))
    wait_until(lambda: effects() == 1, "the first effect")
    wait_until(lambda: bus.queue(H)["waiting"] == 0, "settled")
    assert bus.replay("--all")["done"] == 1
    wait_until(lambda: bus.queue(H)["waiting"] == 0, "the replay settled")
    wait_until(lambda: effects() == 2, "the second effect")


def test_http_pushes_have_a_header(bus, tmp_path):
    seen = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.headers["Idempotency-Key"], self.headers["Hutong-Replay"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = ("http:\n  service:\n    url: ${SERVICE}\n  take:\n" + RULE +
              '      request:\n        json: |\n          {"card": "${msg.citizen_number}"}\n')
    with adapter(bus, tmp_path, config, SERVICE=f"http://127.0.0.1:{server.server_port}/notices") as running_adapter:
        publish_and_replay(bus, lambda: len(seen))
        assert running_adapter.end() == 0, running_adapter.log()
    server.shutdown()
    assert [again for _, again in seen] == [None, "true"]
    assert seen[0][0] != seen[1][0]  # a new place in the queue: it takes effect


def test_sql_statements_have_a_parameter(bus, tmp_path):
    """A replay is no repeat of its first delivery: the inbox lets it pass, since it has a position of its own."""
    store = tmp_path / "tenancy.sqlite"
    with sqlite3.connect(store) as db:
        db.execute("CREATE TABLE notices (id TEXT, replay TEXT)")

    def rows():
        with sqlite3.connect(store, timeout=30) as db:
            return db.execute("SELECT id, replay FROM notices ORDER BY rowid").fetchall()

    config = ("odbc:\n  connect: ${STORE}\n  inbox: { create: true }\n  take:\n" + RULE +
              "      with: { id: id, replay: replay }\n      do: INSERT INTO notices VALUES (:id, :replay)\n")
    connect = f"Driver=SQLite3;Database={store};Timeout=5000"
    with adapter(bus, tmp_path, config, STORE=connect) as running_adapter:
        wait_until(lambda: running_adapter.process.poll() is None, "it runs")
        publish_and_replay(bus, lambda: len(rows()))
        assert running_adapter.end() == 0, running_adapter.log()
    assert rows() == [("m1", "0"), ("m1", "1")]


def test_files_have_a_column(bus, tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    def lines():
        return [line for path in sorted(out.glob("*.csv")) for line in path.read_text("utf-8").splitlines()[1:]]

    config = ("file:\n  out: { folder: '${OUT}', encoding: utf-8, wait: 100ms }\n  take:\n" + RULE +
              '      name: notices\n      file: "notices-{first}.csv"\n      columns: { id: id, again: replay }\n')
    with adapter(bus, tmp_path, config, OUT=out) as running_adapter:
        publish_and_replay(bus, lambda: len(lines()))
        assert running_adapter.end() == 0, running_adapter.log()
    assert len(lines()) == 2
    assert [line.split(",")[1] for line in lines()] == ["0", "1"]
