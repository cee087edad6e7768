"""Dead letters: looked at, sent again, given up; who and why; and a broker that is killed in the middle."""
import datetime
import json
import os
import pathlib
import pwd
import subprocess

import pytest

from client.bus_client import Client
from hutong_bus import free_port, program, wait_until
from operators import H, NOTICE, PS, REGISTERED, citizen, failures, make, notice, registered

pytestmark = pytest.mark.sanitize


@pytest.fixture(name="bus")
def running(tmp_path):
    broker, operator = make(tmp_path)
    with broker:
        yield operator


def publish(operator, *envelopes):
    with Client(operator.broker.endpoint) as publisher:
        publisher.hello(PS)
        assert publisher.wait_accepted(publisher.publish(*envelopes))
        assert not publisher.refusals


def reject_all(operator, *envelopes, text="the table is locked"):
    """Publishes, and housing rejects what it gets."""
    before = operator.queue(f"dead:{H}")["waiting"]
    publish(operator, *envelopes)
    with Client(operator.broker.endpoint) as receiver:
        receiver.hello(H, receive=True)
        for count in range(1, len(envelopes) + 1):
            assert receiver.wait_deliveries(count)
            receiver.settle(failures=failures([receiver.deliveries[count - 1].position], text))
        wait_until(lambda: operator.queue(f"dead:{H}")["waiting"] == before + len(envelopes), "dead letters")


def take(operator, count):
    """What housing gets now; all of it is settled."""
    with Client(operator.broker.endpoint) as receiver:
        receiver.hello(H, receive=True)
        for n in range(1, count + 1):
            assert receiver.wait_deliveries(n)
            receiver.settle(receiver.deliveries[n - 1].position)
        wait_until(lambda: operator.queue(H)["waiting"] == 0, "all settled")
        assert len(receiver.deliveries) == count
        return receiver.deliveries


def test_rejected_letters_are_found_mended_and_replayed(bus):
    reject_all(bus, registered(1), registered(2, unit="U-2"), registered(3))
    letters = bus.letters()
    assert [letter["position"] for letter in letters] == [1, 2, 3]
    first = letters[0]
    assert first["system"] == H and first["reason"] == "rejected" and first["text"] == "the table is locked"
    assert first["type"] == NOTICE and first["source"] == PS and first["route"] == "residence"
    assert first["id"] == "m1" and first["attempts"] == 1
    text = bus.run("dead", "list", "--system", H)
    assert "rejected" in text and "the table is locked" in text
    # No personal data but in show.
    assert citizen(1) not in text and citizen(1) not in json.dumps(letters)
    shown = json.loads(bus.run("dead", "show", "--system", H, 1, "--json"))
    assert shown["data"]["citizenNumber"] == shown["subject"] == citizen(1)
    assert citizen(2) in bus.run("dead", "show", "--system", H, 2, 3)
    said = bus.act("replay", "--type", NOTICE)
    assert (said["matched"], said["done"], said["deliveries"], said["refused"]) == (3, 3, 3, 0)
    assert bus.letters() == [] and "no dead letters" in bus.run("dead", "list")
    got = take(bus, 3)
    assert [d.envelope.id for d in got] == ["m1", "m2", "m3"] and all(d.replay for d in got)
    assert [d.position for d in got] == [4, 5, 6] and all(d.attempt == 1 for d in got)
    assert notice(got[1]).unit_code == "U-2"
    publish(bus, registered(4))
    assert not take(bus, 1)[0].replay


def test_filters_choose(bus):
    reject_all(bus, registered(1), registered(2, unit="U-2"), text="no such unit")
    bus.change("routes/test.yaml", "unit_code: msg.address.unit_code",
               'unit_code: \'msg.address.unit_code == "bad" ? string(1/int(msg.address.unit_code.size() - 3)) : msg.address.unit_code\'')
    bus.run("reload")
    publish(bus, registered(3, unit="bad"))  # no mapping: dead at once, and it holds the original
    wait_until(lambda: bus.queue(f"dead:{H}")["waiting"] == 3, "the unmapped one")
    times = [letter["time"] for letter in bus.letters()]
    assert bus.positions("--reason", "rejected") == [1, 2]
    assert bus.positions("--reason", "unmapped") == [3]
    assert bus.positions("--type", REGISTERED) == [3]
    assert bus.positions("--type", NOTICE, "--when", 'msg.unit_code == "U-2"') == [2]
    in_list = ("--type", NOTICE, "--config", bus.conf / "broker.yaml", "--when")
    assert bus.positions(*in_list, 'in_codes("gb2261_1", msg.unit_code == "U-2" ? "9" : "8")') == [2]
    assert bus.positions(*in_list, 'codes("civil_sex_to_gb2261_1", msg.unit_code == "U-2" ? "女" : "男") == "2"') == [2]
    assert bus.positions("--subject", citizen(1)) == [1]
    assert bus.positions("--route", "residence", "--source", PS) == [1, 2, 3]
    assert bus.positions("--route", "marks") == bus.positions("--source", H) == []
    assert bus.positions("--since", times[0]) == [1, 2, 3] and bus.positions("--until", times[0]) == []
    assert bus.positions("--since", "2100-01-01") == []
    assert bus.positions("--system", "civil_affairs/registration") == []
    assert bus.positions("--limit", 2) == [1, 2]
    assert bus.act("replay", "--reason", "unmapped", "--dry-run")["matched"] == 1
    assert bus.queue(H)["waiting"] == 0


def test_codes_come_from_the_configuration(bus, tmp_path):
    wanted = ("dead", "list", "--type", NOTICE, "--when", 'in_codes("gb2261_1", msg.unit_code)')
    said = bus.run(*wanted, "--config", tmp_path / "none.yaml", code=2)
    assert "none.yaml can't be loaded" in said and "hutong check" in said
    said = bus.run("dead", "list", "--type", NOTICE, "--config", bus.conf / "broker.yaml", "--when", 'in_codes("gb2261", "1")', code=2)
    assert "there is no code list" in said and "did you mean" in said and str(bus.conf / "broker.yaml") in said
    usual = subprocess.run([program("hutong"), *wanted, "--admin", bus.admin], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert usual.stdout == "no dead letters\n"  # of conf/broker.yaml there
    (tmp_path / "elsewhere" / "conf").mkdir(parents=True)
    (tmp_path / "elsewhere" / "conf" / "broker.yaml").write_text("listen: [\n")
    faulty = subprocess.run([program("hutong"), *wanted, "--admin", bus.admin], capture_output=True, text=True, check=False,
                            cwd=tmp_path / "elsewhere")
    assert faulty.returncode == 2 and "there are no code lists here" in faulty.stderr
    assert "conf/broker.yaml can't be loaded (see hutong check); name it with --config" in faulty.stderr


def test_wrong_input_is_told_with_its_place(bus):
    said = bus.run("dead", "list", "--type", NOTICE, "--when", 'msg.unit_cod == "U-2"', code=2)
    assert "--when:1:5: error" in said and "did you mean unit_code?" in said and "^" in said
    assert "--when:1:1" in bus.run("dead", "list", "--type", NOTICE, "--when", "msg.unit_code", code=2)
    assert "did you mean" in bus.run("dead", "list", "--type", "gov.housing.v1.OccupancyNotic", code=2)
    assert 'did you mean "rejected"?' in bus.run("dead", "list", "--reason", "reject", code=2)
    assert "--type" in bus.run("dead", "list", "--when", "true", code=2)
    assert "no time" in bus.run("dead", "list", "--since", "yesterday", code=2)
    assert "--why" in bus.run("dead", "drop", "--system", H, "--all", code=2)
    assert "--all" in bus.run("dead", "drop", "--system", H, "--why", "x", code=2)
    assert "--system" in bus.run("dead", "drop", "--all", "--why", "x", code=2)
    assert "don't go together" in bus.run("dead", "drop", "--system", H, "--all", "--why", "x", 7, code=2)
    assert "no position" in bus.run("dead", "drop", "--system", H, "--why", "x", "7-", code=2)
    assert "rise" in bus.run("dead", "drop", "--system", H, "--why", "x", 7, 3, code=2)
    assert "no address" in bus.run("dead", "list", "--system", "housing", code=2)
    assert "no system" in bus.run("dead", "list", "--system", "housing/nobody", code=2)
    assert "no dead letter" in bus.run("dead", "show", "--system", H, 7, code=1)
    assert "at most 256" in bus.run("dead", "drop", "--system", H, "--all", "--why", "x" * 257, code=2)
    assert "--limit is for list" in bus.run("dead", "drop", "--system", H, "--all", "--why", "x", "--limit", 1, code=2)
    assert "--limit is a number from 1" in bus.run("dead", "list", "--limit", 0, code=2)
    assert "replay and drop" in bus.run("dead", "list", "--dry-run", code=2)
    assert "no filter" in bus.run("dead", "show", "--system", H, 7, "--type", NOTICE, code=2)
    assert "--type is given twice" in bus.run("dead", "drop", "--system", H, "--why", "x", "--type", NOTICE, "--type", REGISTERED,
                                              code=2)
    assert "at most 4096 bytes" in bus.run("dead", "drop", "--system", H, "--why", "x", "--route", "9" * 5000, code=2)
    assert "at most 4096 bytes" in bus.run("dead", "drop", "--system", H, "--why", "x", *range(1, 1500), code=2)


def test_no_option_drops_more_than_it_says(bus):
    reject_all(bus, *(registered(n) for n in range(1, 4)))
    bus.run("dead", "drop", "--system", H, "--all", "--why", "x", "--limit", 1, code=2)
    assert bus.positions() == [1, 2, 3]
    # Positions that are not there are none that would be dropped; and a range has an end.
    said = bus.act("drop", "--dry-run", "2-5", "7")
    assert said["matched"] - said["gone"] == 2 and said["gone"] == 3
    assert "2 dead letters would be dropped; 3 are not there" in bus.run("dead", "drop", "--system", H, "--dry-run", "2-5", "7")
    assert bus.act("drop", "3-9223372036854775807")["done"] == 1
    assert bus.positions() == [1, 2]


def test_lists_print_nothing_that_a_terminal_obeys_and_no_value_of_a_message(bus):
    reject_all(bus, registered(1), text="锁\x1b[2J\nhousing/tenancy 99\x9b0m")
    listed = bus.run("dead", "list")
    assert listed.count("\n") == 2 and "锁" in listed and not any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 for c in listed.replace("\n", ""))
    bus.change("routes/test.yaml", "unit_code: msg.address.unit_code", "unit_code: string(1/int(msg.address.unit_code))")
    bus.run("reload")
    publish(bus, registered(2, unit="Li Wei"))
    wait_until(lambda: bus.positions() == [1, 2], "the dead letter")
    assert "Li Wei" not in bus.run("dead", "list") + bus.run("dead", "list", "--json")
    assert "Li Wei" in bus.run("dead", "show", "--system", H, 2)
    assert "Li Wei" not in json.dumps(bus.act("replay", "2", code=1))
    assert "Li Wei" not in bus.run("replay", "--to", H, "--why", "x", "--all", bus.journal, code=1)
    warned = subprocess.run([program("hutong"), "dead", "list", "--admin", bus.admin, "--type", REGISTERED, "--when",
                             "int(msg.address.unit_code) == 1"], capture_output=True, text=True, check=True).stderr
    assert "could not be evaluated on 1 message," in warned and "Li Wei" not in warned


def test_the_filter_on_record_names_nobody_however_it_is_quoted(bus):
    reject_all(bus, *(registered(n) for n in range(1, 4)))
    for when in (f"msg.citizen_number == '{citizen(1)}'", f'msg.citizen_number == "{citizen(2)}"',
                 f"'it\\'s' == 'x' || msg.citizen_number == '{citizen(3)}'"):
        assert bus.act("drop", "--type", NOTICE, "--when", when)["done"] == 1
    raw = b"".join(path.read_bytes() for path in pathlib.Path(bus.journal).iterdir())
    assert b"--when" in raw and b"msg.citizen_number ==" not in raw
    on_record = json.dumps(bus.operated())
    assert len(bus.operated()) == 3 and not any(citizen(n) in on_record for n in range(1, 4))


def test_who_may_not_ask_is_told_so(bus):
    if os.getuid() != 0:
        pytest.skip("another user is needed")
    done = subprocess.run([program("hutong"), "dead", "list", "--admin", bus.admin], capture_output=True, text=True, check=False,
                          user=65534, group=65534, extra_groups=[])
    assert done.returncode == 1 and "no permission" in done.stderr


def test_dropped_letters_are_gone_and_it_is_on_record_who_did_it(bus):
    reject_all(bus, *(registered(n) for n in range(1, 6)))
    assert bus.act("drop", "2", "4-5", "9", why="the household is a test")["gone"] == 1
    assert bus.positions() == [1, 3]
    bus.act("replay", "--type", NOTICE, "--subject", citizen(3))
    me = pwd.getpwuid(os.getuid()).pw_name
    dropped, replayed = bus.operated()
    assert dropped["act"] == "dead-drop" and dropped["why"] == "the household is a test"
    assert dropped["who"] == f"{me}({os.getuid()})"
    assert dropped["filter"] == "2 4-5 9" and dropped["done"] == [{"first": 2, "count": 1}, {"first": 4, "count": 2}]
    assert replayed["act"] == "dead-replay" and replayed["done"] == [{"first": 3, "count": 1}]
    assert citizen(3) not in json.dumps(replayed) and "--subject" in replayed["filter"]
    assert "dead.dropped" in bus.broker.log() and citizen(3) not in bus.broker.log()
    # All of it is so after a crash, and the chain verifies.
    bus.broker.kill()
    bus.broker.start()
    assert bus.positions() == [1]
    assert take(bus, 1)[0].replay
    bus.run("journal", "verify", bus.journal, admin=False)


def test_without_an_agreement_of_today_a_letter_stays_dead(bus):
    reject_all(bus, registered(1), registered(2))
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    until = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    bus.change("agreements/residence.yaml", "until: 2099-12-31", f"until: {until}")
    bus.run("reload")
    wait_until(lambda: datetime.datetime.now(datetime.timezone.utc) > ends, "the end of the agreement")
    said = bus.act("replay", "--all", code=1)
    assert said["done"] == 0 and said["refused"] == 2
    assert said["refusals"][0]["reason"] == "no_agreement" and "TEST-1 is not in force" in said["refusals"][0]["text"]
    assert bus.positions() == [1, 2] and bus.queue(H)["waiting"] == 0
    # In force again, but for less than the letters hold.
    bus.change("agreements/residence.yaml", f"until: {until}", "until: 2099-12-31")
    bus.change("agreements/residence.yaml", "fields: [citizen_number, unit_code]", "fields: [citizen_number]")
    bus.change("routes/test.yaml", "          unit_code: msg.address.unit_code\n", "")
    bus.run("reload")
    said = bus.act("replay", "1", code=1)
    assert said["refused"] == 1 and "does not list unit_code" in said["refusals"][0]["text"]
    # The route has gone.
    bus.change("routes/test.yaml", "name: residence\n", "name: moved\n")
    bus.run("reload")
    assert "no route \"residence\"" in bus.act("replay", "1", code=1)["refusals"][0]["text"]
    assert bus.positions() == [1, 2]
    assert bus.operated() == []


def test_what_was_not_mapped_goes_by_the_mended_route(bus):
    bus.change("routes/test.yaml", "unit_code: msg.address.unit_code", "unit_code: string(1/int(msg.address.unit_code))")
    bus.run("reload")
    publish(bus, registered(1, unit="0"))
    wait_until(lambda: bus.positions() == [1], "the dead letter")
    assert bus.act("replay", "--all", code=1)["refusals"][0]["reason"] == "unmapped"
    assert bus.positions() == [1]  # and no second one
    bus.change("routes/test.yaml", "string(1/int(msg.address.unit_code))", "'\"U\" + msg.address.unit_code'")
    bus.run("reload")
    assert bus.act("replay", "--all")["done"] == 1
    got = take(bus, 1)[0]
    assert got.replay and notice(got).unit_code == "U0" and got.envelope.type == NOTICE


def test_a_receiver_that_still_rejects_ends_no_command(bus):
    """What dies again while the command runs is not taken up again."""
    reject_all(bus, *(registered(n) for n in range(1, 4)))
    with Client(bus.broker.endpoint) as receiver:
        receiver.hello(H, receive=True)
        assert bus.act("replay", "--all")["done"] == 3
        assert receiver.wait_deliveries(3)
        receiver.settle(failures=failures([d.position for d in receiver.deliveries], "still"))
        wait_until(lambda: bus.positions() == [4, 5, 6], "dead again")
    assert {letter["text"] for letter in bus.letters()} == {"still"}


def test_dead_letters_are_counted_by_reason(bus):
    reject_all(bus, registered(1), registered(2))
    assert bus.queue(H)["dead_by"] == {"rejected": 2}
    curl = subprocess.run(["curl", "-s", "--unix-socket", bus.admin, "http://localhost/metrics"], capture_output=True,
                          text=True, check=True)
    assert f'hutong_dead_letters_total{{queue="{H}",reason="rejected"}} 2' in curl.stdout
    assert f'hutong_queue_waiting{{queue="dead:{H}"}} 2' in curl.stdout


def test_over_loopback_nobody_sees_or_does_anything(tmp_path):
    place = f"127.0.0.1:{free_port()}"
    broker, operator = make(tmp_path)
    operator.change("broker.yaml", f"admin: {tmp_path}/admin.sock", f"admin: {place}")
    operator.admin = place
    with broker:
        assert "UNIX socket" in operator.run("dead", "list", "--system", H, code=1)
        assert "UNIX socket" in operator.run("dead", "drop", "--system", H, "--why", "x", 1, code=1)
        publish(operator, registered(1))
        assert "UNIX socket" in operator.run("replay", "--to", H, "--why", "x", "--all", operator.journal, code=1)
        assert operator.queue(H)["waiting"] == 1 and operator.operated() == []


LETTERS = 5000


def test_a_broker_killed_in_the_middle_replays_each_once(tmp_path):
    broker, bus = make(tmp_path, limits={"credit_messages": 20000})
    with broker:
        reject_many(bus, LETTERS)
        seen = []
        for _ in range(20):
            before = bus.queue(f"dead:{H}")["waiting"]
            if before == 0:
                break
            command = bus.start("dead", "replay", "--system", H, "--all", "--why", "the disk is new", "--json")
            wait_until(lambda limit=before - 500: command.poll() is not None or waiting(bus) <= limit, "some replayed")
            killed = command.poll() is None
            if killed:
                broker.kill()
                command.communicate(timeout=60)
                broker.start()
            else:
                assert command.communicate(timeout=60) and command.returncode == 0
            seen.append(killed)
        assert any(seen), "it was never killed in the middle"
        assert bus.queue(f"dead:{H}")["waiting"] == 0
        assert bus.queue(H)["waiting"] == LETTERS
        with Client(broker.endpoint) as receiver:
            receiver.hello(H, receive=True, credit=(LETTERS * 2, 64 << 20))
            assert receiver.wait_deliveries(LETTERS)
            ids = [d.envelope.id for d in receiver.deliveries]
            assert len(ids) == len(set(ids)) == LETTERS
            assert all(d.replay for d in receiver.deliveries)
            assert [int(i[1:]) for i in ids] == list(range(1, LETTERS + 1))
        done = sum(span["count"] for record in bus.operated() for span in record["done"])
        assert done == LETTERS and {record["why"] for record in bus.operated()} == {"the disk is new"}


def waiting(bus):
    try:
        return bus.queue(f"dead:{H}")["waiting"]
    except AssertionError:
        return 1 << 60


def reject_many(bus, count):
    with Client(bus.broker.endpoint) as publisher, Client(bus.broker.endpoint) as receiver:
        publisher.hello(PS)
        receiver.hello(H, receive=True, credit=(count * 2, 256 << 20))
        for first in range(1, count + 1, 500):
            publisher.publish(*(registered(n) for n in range(first, min(first + 500, count + 1))))
            assert publisher.wait_accepted(publisher.sequence)
        assert receiver.wait_deliveries(count)
        for first in range(0, count, 500):
            receiver.settle(failures=failures(d.position for d in receiver.deliveries[first:first + 500]))
        wait_until(lambda: bus.queue(f"dead:{H}")["waiting"] == count, "dead letters")
