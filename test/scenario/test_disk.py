"""The sidecar's disk is full: its spool's own limit, or a disk that others filled (a small tmpfs). Intake pauses and says so, nothing
is lost or doubled, and it goes on by itself."""
import json
import os
import signal
import subprocess

import pytest

from client.bus_client import Client
from departments import Adapter, Departments, citizen
from hutong_bus import free_port, wait_until
from messages import module
from test_http import JSON, TOKEN, Endpoint

police = module("gov.public_security.v1.notice")

HEAD = """bus: {{ endpoint: "${{HUTONG_ENDPOINT}}", system: housing/tenancy, spool: {spool} }}
catalogue: ${{HUTONG_CATALOGUE}}
codes: ${{HUTONG_CODES}}
state: ${{HUTONG_STATE}}
"""
LISTEN = HEAD + """http:
  listen:
    on: 127.0.0.1:{port}
    token_env: POST_TOKEN
    paths:
      - path: /messages
        messages:
          - {{ type: gov.housing.v1.LeaseFiled, subject: msg.tenancy.tenant.citizen_number }}
"""
FILES = HEAD + """file:
  in:
    - name: leases
      folder: "{folder}/in"
      pattern: "*.csv"
      settle: 0s
      encoding: utf-8
      work: "{folder}/in/.hutong"
      done: "{folder}/done"
      rejects: "{folder}/rejects"
      columns:
        lease_number: {{ from: number, required: true }}
        citizen_number: {{ from: card, required: true }}
      give:
        - as: gov.housing.v1.LeaseFiled
          subject: row.citizen_number
          map:
            tenancy: {{ lease_number: row.lease_number, tenant: {{ citizen_number: row.citizen_number }} }}
            kind: Kind.NEW
"""
BIG = "x" * 60000  # of each message, so that few fill a disk


def lease(n):
    return {"tenancy": {"leaseNumber": f"L{n:05}-{BIG}", "tenant": {"citizenNumber": citizen(n)}}, "kind": "NEW", "filedOn": "2026-11-24"}


def received(broker, count):
    """The numbers that the register is told, by position; and for a while that there is no more."""
    got = {}
    with Client(broker.endpoint) as client:
        client.hello("public_security/population", receive=True, credit=(100000, 1 << 34))
        while client.wait_deliveries(1, patience=30 if len(got) < count else 0.5):
            for delivery in client.deliveries:
                got[delivery.position] = police.LeaseNotice.FromString(delivery.envelope.payload).lease_number[:6]
            client.settle(*[d.position for d in client.deliveries])
            client.deliveries.clear()
    return [got[position] for position in sorted(got)]


def status(adapter):
    path = adapter.state / "status.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):  # not there yet, or being written over
        return {}


def is_paused(adapter):
    told = status(adapter)
    return told.get("bus") == "disk_full" and told.get("intake") == "paused" and "full" in told["bus_trouble"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own that is nearly full; `free()` makes room on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        if os.environ.get("HUTONG_REQUIRE_REAL") and os.geteuid() == 0:
            pytest.fail(f"must run here: {done.stderr}")
        pytest.skip(f"NOT RUN: a tmpfs can't be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def fill(folder, left):
    """Takes all of the disk but about `left` bytes."""
    room = os.statvfs(folder)
    with open(folder / "ballast", "wb") as ballast:
        ballast.write(b"\0" * max(0, room.f_bavail * room.f_frsize - left))


class Posting:
    def __init__(self, broker, folder, spool="1GiB"):
        self.port = free_port()
        config = folder / "listen.yaml"
        config.write_text(LISTEN.format(port=self.port, spool=spool))
        self.adapter = Adapter(broker, folder / "adapter", config, POST_TOKEN=TOKEN)
        self.endpoint = Endpoint(self.port)
        self.taken = 0

    def start(self):
        self.adapter.start()
        wait_until(self.endpoint.ready, "the endpoint answers")
        return self

    def post(self, n):
        return self.endpoint.post("/messages", lease(n), Content_Type=JSON, Idempotency_Key=f"k{n}")[0]

    def post_until_full(self):
        while (answer := self.post(self.taken)) == 202:
            self.taken += 1
            assert self.taken < 2000
        assert answer == 503

    def post_until_taken(self):
        wait_until(lambda: self.post(self.taken) == 202, "it is taken at last", patience=60)
        self.taken += 1


def test_posts_wait_for_the_spool_limit(tmp_path):
    broker = Departments(tmp_path / "broker")
    posting = Posting(broker, tmp_path, spool="32MiB").start()
    posting.post_until_full()
    assert posting.taken > 300  # some 20 MiB
    wait_until(lambda: is_paused(posting.adapter), "the status says so")
    assert "bus.disk_full" in posting.adapter.log()
    for _ in range(3):  # whoever tries again is not told that it was taken
        assert posting.post(posting.taken) == 503
    with broker:
        posting.post_until_taken()
        posting.post_until_taken()
        wait_until(lambda: status(posting.adapter).get("intake") == "running", "the status says that it goes on")
        assert received(broker, posting.taken) == [f"L{n:05}" for n in range(posting.taken)]
        assert posting.adapter.end() == 0, posting.adapter.log()


def test_posts_wait_for_a_full_disk(small_disk, tmp_path):
    broker = Departments(tmp_path / "broker")
    fill(small_disk, 20 << 20)
    posting = Posting(broker, small_disk).start()
    posting.post_until_full()
    assert posting.taken > 30
    wait_until(lambda: is_paused(posting.adapter), "the status says so, on the full disk")
    # Killed, it comes back on the full disk, and waits there.
    posting.adapter.end(signal.SIGKILL)
    posting.start()
    posting.post_until_full()  # what was preallocated may take one more
    wait_until(lambda: is_paused(posting.adapter), "the status says so again")
    (small_disk / "ballast").unlink()
    posting.post_until_taken()
    with broker:
        posting.post_until_taken()
        assert received(broker, posting.taken) == [f"L{n:05}" for n in range(posting.taken)]
        assert posting.adapter.end() == 0, posting.adapter.log()


def test_a_full_spool_drains_on_a_full_disk(small_disk, tmp_path):
    """There is no room for anything, and the way out is the broker's."""
    broker = Departments(tmp_path / "broker")
    fill(small_disk, 20 << 20)
    posting = Posting(broker, small_disk).start()
    posting.post_until_full()
    with broker:
        wait_until(lambda: status(posting.adapter).get("spooled") == 0, "the spool is empty")
        posting.post_until_taken()
        assert received(broker, posting.taken) == [f"L{n:05}" for n in range(posting.taken)]
        assert posting.adapter.end() == 0, posting.adapter.log()


def test_a_parked_sidecar_says_so(tmp_path):
    """The broker takes nothing in, since the receiver's queue is full: it waits in the spool, and the status says why."""
    broker = Departments(tmp_path / "broker")
    with open(broker.folder / "conf/agencies/public_security.yaml", "a", encoding="utf-8") as agency:
        agency.write("    queue: { count: 20, when_full: park }\n")
    posting = Posting(broker, tmp_path)
    with broker:
        posting.start()
        for posting.taken in range(60):
            assert posting.post(posting.taken) == 202
        posting.taken += 1
        wait_until(lambda: status(posting.adapter).get("bus_hold") == "public_security/population is full", "the status says why")
        wait_until(lambda: "bus.parked" in posting.adapter.log(), "the log says so")
        told = status(posting.adapter)
        assert told["bus"] == "connected" and told["intake"] == "running" and told["spooled"] > 0
        assert received(broker, posting.taken) == [f"L{n:05}" for n in range(posting.taken)]
        wait_until(lambda: status(posting.adapter).get("bus_hold") == "", "the status says that it goes on")
        wait_until(lambda: "bus.unparked" in posting.adapter.log(), "the log says so too")
        assert posting.adapter.end() == 0, posting.adapter.log()


def test_a_file_stays_in_its_folder(tmp_path):
    broker = Departments(tmp_path / "broker")
    folder = tmp_path / "files"
    for name in ("in", "done", "rejects"):
        (folder / name).mkdir(parents=True)
    config = tmp_path / "files.yaml"
    config.write_text(FILES.format(folder=folder, spool="32MiB"))
    rows = 800
    for part in range(2):
        text = "number,card\n" + "".join(f"L{n:05}-{BIG},{citizen(n)}\n" for n in range(part * rows // 2, (part + 1) * rows // 2))
        (folder / "in" / f".{part}").write_text(text)
        (folder / "in" / f".{part}").rename(folder / "in" / f"{part}.csv")
    adapter = Adapter(broker, tmp_path / "adapter", config).start()
    wait_until(lambda: is_paused(adapter), "the status says so")
    assert not (folder / "done" / "1.csv").exists()
    assert list((folder / "in").rglob("*1.csv*")), "it is in the folder, or claimed below it"
    adapter.end(signal.SIGKILL)
    adapter.start()
    with broker:
        assert received(broker, rows) == [f"L{n:05}" for n in range(rows)]
        wait_until(lambda: len(list((folder / "done").iterdir())) == 2, "all files are put away")
        wait_until(lambda: status(adapter).get("intake") == "running", "the status says that it goes on")
        assert adapter.end() == 0, adapter.log()
