"""Live change: hutong reload, SIGHUP, and the way back (hutong routes), with a broker that goes on meanwhile."""
import concurrent.futures
import datetime
import json
import os
import signal
import subprocess
import time

import pytest

from client.bus_client import Client, HandshakeRefused, SessionError, bus
from hutong_bus import Broker, free_port, program, wait_until
from messages import module

pytestmark = pytest.mark.sanitize

residence = module("gov.public_security.v1.residence")
occupancy = module("gov.housing.v1.tenancy")
PS, H = "public_security/population", "housing/tenancy"


class Admin:
    """hutong against one broker."""

    def __init__(self, broker, place):
        self.broker, self.place = broker, place
        self.conf = broker.folder / "conf"
        self.routes = self.conf / "routes" / "test.yaml"

    def run(self, *words, code=0):
        done = subprocess.run([program("hutong"), *map(str, words), "--admin", self.place], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def reload(self, *words, code=0):
        return self.run("reload", *words, code=code)

    def history(self, *words):
        return json.loads(self.run("routes", "history", "--json", *words))

    def change(self, old, new, path=None):
        path = path or self.routes
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def active(self):
        return self.history("--count", "1")[0]


def make(folder, **options):
    broker = Broker(folder, settings=f"admin: {folder}/admin.sock\n", **options)
    return broker, Admin(broker, f"{folder}/admin.sock")


@pytest.fixture(name="admin")
def running_broker(tmp_path):
    broker, admin = make(tmp_path)
    with broker:
        yield admin
    assert broker.process.returncode == 0, broker.log()[-3000:]  # also where a sanitizer has something to say


def envelope(number, size=0):
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = f"{number:018d}"
    message.address.unit_code = f"U-{number}"
    message.address.text = "x" * size
    return bus.Envelope(id=str(number), type="gov.public_security.v1.ResidenceRegistered", payload=message.SerializeToString())


def unit_codes(receiver):
    return [occupancy.OccupancyNotice.FromString(delivery.envelope.payload).unit_code for delivery in receiver.deliveries]


def expect_denied(broker, system):
    """The key of this system is let in no more: the handshake itself is refused."""
    with Client(broker.endpoint, broker.keys(system)) as client:
        with pytest.raises(HandshakeRefused):
            client.next_frame()


def who_i_am():
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip() + f"({os.getuid()})"


def test_a_change_is_in_force_from_the_next_message_on(admin):
    with Client(admin.broker.endpoint) as publisher, Client(admin.broker.endpoint) as receiver:
        publisher.hello(PS)
        receiver.hello(H, receive=True)
        publisher.publish(envelope(1))
        assert publisher.wait_accepted(1)
        admin.change("unit_code: msg.address.unit_code", "unit_code: '\"new \" + msg.address.unit_code'")
        said = admin.reload("--why", "the new form")
        assert "activation 2 is in force" in said and "changed: residence" in said
        publisher.publish(envelope(2))
        assert receiver.wait_deliveries(2)
        assert unit_codes(receiver) == ["U-1", "new U-2"]
    two, one = admin.history()
    assert (two["number"], two["who"], two["why"]) == (2, who_i_am(), "the new form")
    assert (one["number"], one["who"]) == (1, "start")
    assert two["changes"] == {"added": [], "removed": [], "changed": ["residence"]}
    checked = subprocess.run([program("hutong"), "check", "--json", admin.conf / "broker.yaml"], capture_output=True, text=True,
                             check=True)
    assert json.loads(checked.stdout)["digest"] == two["digest"]


def test_nothing_changed_is_no_activation(admin):
    assert "in force already" in admin.reload()
    assert len(admin.history()) == 1


def test_a_refused_set_changes_nothing_and_says_everything(admin):
    before = admin.routes.read_text("utf-8")
    admin.change("msg.kind != Kind.VISIT", "msg.kin != Kind.VISIT")
    admin.change("agreement: TEST-2", "agreement: TEST-9")
    said = admin.reload(code=2)
    assert "test.yaml:5:15: error" in said and "^~~" in said and "TEST-9" in said and "2 errors; nothing was changed" in said
    answer = json.loads(subprocess.run([program("hutong"), "reload", "--json", "--admin", admin.place], capture_output=True,
                                       text=True, check=False).stdout)
    assert answer["result"] == "refused" and len(answer["problems"]) == 2
    os.kill(admin.broker.process.pid, signal.SIGHUP)
    wait_until(lambda: 'who="SIGHUP' in admin.broker.log(), "the refusal of SIGHUP's set")
    assert "configuration.problem place=" in admin.broker.log() and ":5:15 text=" in admin.broker.log()
    with Client(admin.broker.endpoint) as publisher, Client(admin.broker.endpoint) as receiver:
        publisher.hello(PS)
        receiver.hello(H, receive=True)
        publisher.publish(envelope(1))
        assert receiver.wait_deliveries(1)
    assert len(admin.history()) == 1
    admin.routes.write_text(before, "utf-8")
    os.kill(admin.broker.process.pid, signal.SIGHUP)
    wait_until(lambda: "configuration.unchanged" in admin.broker.log(), "the unchanged set")


def test_sighup_activates(admin):
    admin.change("retries: 3", "retries: 4")
    os.kill(admin.broker.process.pid, signal.SIGHUP)
    wait_until(lambda: "configuration.activated number=2" in admin.broker.log(), "the activation")
    assert admin.active()["who"] == f"SIGHUP {who_i_am()} pid {os.getpid()}"


def test_settings_that_need_a_restart_are_named_and_stay(admin):
    yaml = admin.conf / "broker.yaml"
    admin.change(f"listen: {admin.broker.endpoint}", f"listen: tcp://127.0.0.1:{free_port()}", yaml)
    admin.change("limits:\n  message: 1MiB", "drain: 3s\nlimits:\n  message: 1MiB\n  credit_messages: 5", yaml)
    said = admin.reload()
    assert "needs a restart, and stays as it was until then: listen" in said and "activation 2" in said
    with Client(admin.broker.endpoint) as client:
        client.hello(PS)
        assert client.publish_credit[0] == 5
    assert "listen" in admin.reload()  # said again, and no activation
    assert len(admin.history()) == 2


def test_an_added_system_may_come_and_a_removed_key_must_go(tmp_path):
    broker, admin = make(tmp_path, curve=True)
    with broker:
        housing = admin.conf / "agencies" / "housing.yaml"
        broker.make_key("housing-registry")
        broker.make_key("housing-tenancy2")
        expect_denied(broker, "housing/registry")
        admin.change("systems:\n", "systems:\n  - { name: registry, title: R, key_files: [keys/housing-registry] }\n", housing)
        admin.reload()
        with Client(broker.endpoint, broker.keys("housing/registry")) as client, \
                Client(broker.endpoint, broker.keys(H)) as receiver, Client(broker.endpoint, broker.keys(PS)) as publisher:
            client.hello("housing/registry", receive=True)
            receiver.hello(H, receive=True)
            publisher.hello(PS)
            publisher.publish(envelope(1))
            assert receiver.wait_deliveries(1)
            # The system stays, this key of it goes: the session ends with a reason, the others go on.
            admin.change("keys/housing-tenancy]", "keys/housing-tenancy2]", housing)
            admin.reload()
            with pytest.raises(SessionError) as ended:
                receiver.pump(lambda: False, 20)
            assert bus.Reason.Name(ended.value.reason) == "REASON_IDENTITY"
            publisher.publish(envelope(2))
            assert publisher.wait_accepted(2)
        expect_denied(broker, H)
        with Client(broker.endpoint, broker.keys("housing/tenancy2")) as receiver:
            receiver.hello(H, receive=True)
            assert receiver.wait_deliveries(2)  # the unsettled one of the ended session too
            assert unit_codes(receiver) == ["U-1", "U-2"]


def test_history_over_restarts_and_kills(admin):
    for number in range(4, 7):
        admin.change(f"retries: {number - 1}", f"retries: {number}")
        admin.reload("--why", f"{number} tries")
    admin.broker.kill()
    admin.broker.start()
    assert [one["number"] for one in admin.history()] == [4, 3, 2, 1]  # the same set: no activation by the start
    admin.broker.stop()
    admin.change("retries: 6", "retries: 7")
    admin.broker.start()
    newest = admin.history()[0]
    assert (newest["number"], newest["who"], newest["changes"]["changed"]) == (5, "start", ["residence"])
    assert [one["number"] for one in admin.history("--count", "2")] == [5, 4]
    assert "retries: 5" in admin.run("routes", "show", "3")
    changed = admin.run("routes", "diff", "3", code=1)
    assert "+    deliver: { retries: 7" in changed
    when = datetime.datetime.fromtimestamp(newest["time_us"] // 1000000).strftime("%Y-%m-%d %H:%M:%S")
    assert f"+++ 5/test.yaml\t{when}.{newest['time_us'] % 1000000:06}000" in changed  # since when it is in force
    assert admin.run("routes", "diff", "3", "3") == ""
    assert "no activation" in admin.run("routes", "diff", "3", "99", code=2)  # as diff(1): 1 means differences
    listed = subprocess.run([program("hutong"), "journal", "list", "--kind", "activated", admin.broker.folder / "journal"],
                            capture_output=True, text=True, check=True).stdout
    assert len(listed.splitlines()) == 5 and 'why="6 tries" number=4' in listed
    shown = admin.broker.folder / "shown"
    admin.run("routes", "show", "3", "--output", shown)
    assert "retries: 5" in (shown / "test.yaml").read_text()


def test_rollback(admin):
    folder = admin.routes.parent
    first = admin.routes.read_text("utf-8")
    (folder / "notes.txt").write_text("kept")
    (folder / "test.test.yaml").write_text("cases: []\n")
    assert "nothing to go back to" in admin.run("routes", "rollback", code=1)
    admin.change("retries: 3", "retries: 9")
    (folder / "more.yaml").write_text("routes: []\n")
    admin.reload()
    said = admin.run("routes", "rollback", "--why", "too many")
    assert "activation 3 is in force" in said
    assert admin.routes.read_text("utf-8") == first
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "test.test.yaml", "test.yaml"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["agencies", "agreements", "broker.yaml", "keys", "routes"]
    newest = admin.history()[0]
    assert newest["why"] == "rollback to 1: too many" and newest["digest"] == admin.history()[2]["digest"]
    admin.run("routes", "rollback", "2")
    assert "retries: 9" in admin.routes.read_text("utf-8") and (folder / "more.yaml").exists()
    admin.run("routes", "rollback", newest["digest"][:12])
    assert admin.routes.read_text("utf-8") == first
    assert "no activation" in admin.run("routes", "rollback", "99", code=1)
    admin.broker.kill()
    admin.broker.start()
    assert admin.active()["number"] == 5


def test_rollback_over_what_is_not_in_force_needs_force(admin):
    admin.change("retries: 3", "retries: 4")
    admin.reload()
    admin.change("retries: 4", "retries: 5")
    said = admin.run("routes", "rollback", code=1)
    assert "test.yaml" in said and "--force" in said
    assert "retries: 5" in admin.routes.read_text("utf-8")
    admin.run("routes", "rollback", "--force")
    assert "retries: 3" in admin.routes.read_text("utf-8")


def test_a_rollback_that_no_longer_fits_the_agreements_is_refused(admin):
    agreement = admin.conf / "agreements" / "residence.yaml"
    admin.change("          unit_code: msg.address.unit_code\n", "")
    admin.reload()
    admin.change("fields: [citizen_number, unit_code]", "fields: [citizen_number]", agreement)
    admin.reload()
    now = admin.routes.read_text("utf-8")
    inode = admin.routes.stat().st_ino
    said = admin.run("routes", "rollback", "1", code=2)
    assert "unit_code" in said and "nothing was changed" in said
    assert admin.routes.read_text("utf-8") == now and admin.routes.stat().st_ino == inode
    assert admin.active()["number"] == 3
    (admin.routes.parent / "folder").mkdir()
    assert 'holds "folder"' in admin.run("routes", "rollback", "2", "--force", code=1)


def test_an_interrupted_rollback_leaves_one_set_whole(admin):
    """What a kill between its steps leaves: the folder beside, half full, or the former routes in it."""
    admin.change("retries: 3", "retries: 4")
    admin.reload()
    beside = admin.routes.parent.parent / "routes.rollback"
    beside.mkdir()
    (beside / "test.yaml").write_text("half a fi")
    admin.broker.kill()
    admin.broker.start()
    assert admin.active()["number"] == 2
    admin.run("routes", "rollback")
    assert not beside.exists() and "retries: 3" in admin.routes.read_text("utf-8")


def test_two_at_once_are_done_one_after_the_other(admin):
    admin.change("retries: 3", "retries: 4")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: admin.reload(), range(8)))
    assert sum("activation 2 is in force" in one for one in said) == 1
    assert sum("in force already" in one for one in said) == 7


def test_the_record_in_force_is_carried_forward_when_its_segment_retires(tmp_path):
    broker, admin = make(tmp_path)
    yaml = admin.conf / "broker.yaml"
    admin.change("folder: ../journal", "folder: ../journal\n  retention: 1s", yaml)
    with broker:
        admin.change("retries: 3", "retries: 4")
        admin.reload("--why", "kept")
        before = admin.history()[0]
        with Client(broker.endpoint) as publisher, Client(broker.endpoint) as receiver:
            publisher.hello(PS)
            receiver.hello(H, receive=True, credit=(100000, 1 << 40))
            for number in range(1, 41):  # more than two segments of 8 MiB
                publisher.publish(envelope(number, 500_000))
                assert publisher.wait_accepted(number)
            assert receiver.wait_deliveries(40)
            receiver.settle(*(delivery.position for delivery in receiver.deliveries))
            wait_until(lambda: waiting(admin) == 0, "the settlement")
    time.sleep(1.1)  # the retention
    with broker:  # at its first turn
        wait_until(lambda: "journal.retired" in broker.log(), "segments to retire")
        (kept,) = admin.history()
        assert {**kept, "changes": 0} == {**before, "changes": 0}
        assert "retries: 4" in admin.run("routes", "show", "2")
        admin.change("retries: 4", "retries: 5")
        admin.reload()
        admin.run("routes", "rollback", "2")
        assert "retries: 4" in admin.routes.read_text("utf-8")
    assert subprocess.run([program("hutong"), "journal", "verify", tmp_path / "journal"], check=False).returncode == 0


def waiting(admin):
    status = json.loads(admin.run("status", "--json"))
    return sum(queue["waiting"] for queue in status["queues"])


def test_a_full_journal_takes_no_other_set(tmp_path):
    broker, admin = make(tmp_path, limits={"credit_bytes": "64MiB"})
    yaml = admin.conf / "broker.yaml"
    admin.change("segment_size: 8MiB", "segment_size: 8MiB\n  limit: 32MiB", yaml)
    admin.change("batch_limit: 4MiB", "batch_limit: 2MiB", yaml)
    with broker:
        with Client(broker.endpoint) as publisher:
            publisher.hello(PS)
            for number in range(1, 200):
                publisher.publish(envelope(number, 500_000))
                publisher.pump(lambda: publisher.accepted >= number, 1)  # noqa: B023
                if " journal.full " in broker.log():
                    break
        assert " journal.full " in broker.log()
        admin.change("retries: 3", "retries: 4")
        assert "the journal has no room" in admin.reload(code=1)
        assert len(admin.history()) == 1


def test_a_full_journal_finds_room_by_itself(tmp_path):
    """What is settled and past its time goes, also the segment with the record of what is in force, which is written again."""
    broker, admin = make(tmp_path)
    admin.change("journal:\n", "journal:\n  retention: 1s\n  limit: 40MiB\n", admin.conf / "broker.yaml")
    with broker, Client(broker.endpoint) as publisher, Client(broker.endpoint) as receiver:
        publisher.hello(PS)
        receiver.hello(H, receive=True, credit=(10000, 64 << 20))
        number = 0
        while " journal.room " not in broker.log():
            number += 1
            assert number < 2000
            publisher.publish(envelope(number, 200_000))
            assert publisher.wait_accepted(number)
            assert receiver.wait_deliveries(number)
            receiver.settle(receiver.deliveries[-1].position)
        assert " journal.full " in broker.log() and " journal.retired " in broker.log()
        assert admin.active()["number"] == 1
        assert "residence" in admin.run("routes", "show", "1")


def test_a_reload_holds_up_no_end(admin):
    """SIGTERM in the middle of reloads: the broker drains and ends, whatever the loader was doing."""
    for delay in (0, 0.002, 0.01, 0.03, 0.1):
        text = admin.routes.read_text("utf-8")
        admin.routes.write_text(text + "\n# again\n", "utf-8")
        asked = subprocess.Popen([program("hutong"), "reload", "--admin", admin.place], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        time.sleep(delay)
        assert admin.broker.stop() == 0
        asked.wait(30)
        admin.broker.start()


def curl(*words):
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *words], capture_output=True, text=True,
                          check=True, timeout=30)
    return int(done.stdout)


def test_over_loopback_and_what_http_refuses(tmp_path):
    port = free_port()
    broker = Broker(tmp_path, settings=f"admin: 127.0.0.1:{port}\n")
    admin = Admin(broker, f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}"
    with broker:
        admin.change("retries: 3", "retries: 4")
        assert curl("-X", "POST", "-d", "{}", f"{url}/reload") == 403  # what a form of a web page could send
        json_type = ["-H", "Content-Type: application/json"]
        assert curl(*json_type, "-H", "Origin: http://example.org", "-d", "{}", f"{url}/reload") == 403
        assert curl(*json_type, "-d", "[", f"{url}/reload") == 400
        assert curl(f"{url}/reload") == 405
        assert curl(*json_type, "-d", "{}", f"{url}/status") == 405
        assert curl(f"{url}/nothing") == 404
        assert curl(f"{url}/routes/files?of=77") == 404
        assert curl(f"{url}/routes/files") == 400
        assert len(admin.history()) == 1
        assert curl(*json_type, "-d", '{"why": "by curl", "who": "somebody else"}', f"{url}/reload") == 200
        assert (admin.active()["who"], admin.active()["why"]) == ("127.0.0.1", "by curl")


@pytest.mark.parametrize("words", [["reload"], ["reload", "x"], ["routes"], ["routes", "frob"], ["routes", "history"],
                                   ["routes", "show", "--admin", "x"], ["routes", "show", "--admin", "x", "../y"],
                                   ["routes", "history", "--admin", "x", "--count", "many"]])
def test_wrong_usage_is_2(words):
    done = subprocess.run([program("hutong"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr


def test_nobody_listens(tmp_path):
    for code, *words in ((1, "reload"), (1, "routes", "history"), (1, "routes", "rollback"), (2, "routes", "diff", "1")):
        done = subprocess.run([program("hutong"), *words, "--admin", tmp_path / "none"], capture_output=True, text=True, check=False)
        assert done.returncode == code and "nobody listens" in done.stderr
