"""hutong(1) as an admin meets it: help, mistakes, and each command against a running broker."""
import json
import subprocess

import pytest

from hutong_bus import SOURCE, Broker, program, wait_until

pytestmark = pytest.mark.sanitize

COMMANDS = ["check", "explain", "journal", "keys", "reload", "routes", "schema", "send", "status", "tail", "test"]
PERSON = "11010519491231002X"
RESIDENCE = {"resident": {"citizenNumber": PERSON}, "kind": "MOVE_IN", "address": {"unitCode": "U-1"}}


def hutong(*words, text=None):
    return subprocess.run(
        [program("hutong"), *map(str, words)], input=text, capture_output=True, text=True, timeout=60, check=False
    )


def bus_words(broker, system):
    return [
        "--bus", broker.endpoint, "--system", system,
        "--key", broker.secret_file(system), "--broker-key", broker.public_file(),
    ]


@pytest.fixture(name="broker")
def running_broker(tmp_path):
    with Broker(tmp_path, curve=True, settings=f"admin: {tmp_path}/admin.sock\n") as broker:
        yield broker


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command):
    result = hutong(command, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: hutong " + command)
    assert not result.stderr


def test_help_names_all_commands():
    result = hutong("--help")
    assert result.returncode == 0
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("words", [[], ["chek"], ["status"], ["send"], ["tail", "--nonsense"], ["journal", "frobnicate"]])
def test_wrong_usage_is_2(words):
    result = hutong(*words)
    assert result.returncode == 2
    assert result.stderr


def test_programs_say_their_version():
    for name in ("hutong", "hutong-broker", "hutong-adapter"):
        result = subprocess.run([program(name), "--version"], capture_output=True, text=True, check=False)
        assert result.returncode == 0 and result.stdout.startswith(name + " 0."), name


def test_send_then_tail(broker):
    sent = hutong(
        "send", *bus_words(broker, "public_security/population"), "--type",
        "gov.public_security.v1.ResidenceRegistered", "--subject", PERSON, text=json.dumps(RESIDENCE),
    )
    assert (sent.returncode, sent.stdout) == (0, "1 accepted, 0 refused\n"), sent.stderr
    tail = hutong("tail", *bus_words(broker, "housing/tenancy"), "--count", 1, "--timeout", 20)
    assert tail.returncode == 0, tail.stderr
    line = json.loads(tail.stdout)
    assert line["route"] == "residence" and line["source"] == "public_security/population"
    assert line["data"] == {"citizenNumber": PERSON, "unitCode": "U-1"}
    # It was settled: nothing is left.
    again = hutong("tail", *bus_words(broker, "housing/tenancy"), "--count", 1, "--timeout", 0.5)
    assert again.returncode == 1 and not again.stdout


def test_tail_keep_leaves_it(broker):
    hutong("send", *bus_words(broker, "public_security/population"),
           text=json.dumps({"type": "gov.public_security.v1.ResidenceRegistered", "data": RESIDENCE}))
    for _ in range(2):
        tail = hutong("tail", *bus_words(broker, "housing/tenancy"), "--count", 1, "--timeout", 20, "--keep")
        assert tail.returncode == 0 and json.loads(tail.stdout)["position"] == 1


def test_send_refused(broker):
    result = hutong("send", *bus_words(broker, "housing/tenancy"), "--json",
                    text=json.dumps({"type": "gov.public_security.v1.ResidenceRegistered", "data": {}}))
    assert result.returncode == 1
    answer = json.loads(result.stdout)
    assert not answer["accepted"] and "may not publish" in answer["error"]


@pytest.mark.parametrize(
    "text,said",
    [
        ('{"resident": {"citizenNumbr": "1"}}', "citizenNumbr"),
        ('{"kind": "SIDEWAYS"}', "SIDEWAYS"),
        ('{"kind": ', "line 1"),
        ("[1]", "JSON object"),
    ],
)
def test_send_says_what_is_wrong_with_the_input(broker, text, said):
    result = hutong("send", *bus_words(broker, "public_security/population"), "--type",
                    "gov.public_security.v1.ResidenceRegistered", text=text)
    assert result.returncode == 2
    assert said in result.stderr


def test_unknown_type_has_a_suggestion(broker):
    result = hutong("send", *bus_words(broker, "public_security/population"), "--type",
                    "gov.public_security.v1.ResidenceRegistred", text="{}")
    assert result.returncode == 2
    assert 'did you mean "gov.public_security.v1.ResidenceRegistered"?' in result.stderr


def test_no_broker_is_said():
    result = hutong("send", "--bus", "tcp://127.0.0.1:1", "--system", "a/b", "--type",
                    "gov.public_security.v1.ResidenceRegistered", text="{}")
    assert result.returncode == 1 and "no session with tcp://127.0.0.1:1" in result.stderr


def test_status(broker, tmp_path):
    hutong("send", *bus_words(broker, "public_security/population"),
           text=json.dumps({"type": "gov.public_security.v1.ResidenceRegistered", "data": RESIDENCE}))
    table = hutong("status", "--admin", tmp_path / "admin.sock", "--interval", 0.2)
    assert table.returncode == 0 and "accepted 1 " in table.stdout and "housing/tenancy" in table.stdout
    status = json.loads(hutong("status", "--admin", tmp_path / "admin.sock", "--json").stdout)
    assert status["counters"]["accepted"] == 1
    assert {queue["name"]: queue["waiting"] for queue in status["queues"]}["housing/tenancy"] == 1
    assert hutong("status", "--admin", tmp_path / "nothing.sock").returncode == 1


def test_metrics_and_health(broker, tmp_path):
    def get(path):
        return subprocess.run(
            ["curl", "-s", "-w", "%{http_code}", "--unix-socket", tmp_path / "admin.sock", "http://localhost" + path],
            capture_output=True, text=True, check=True).stdout

    assert get("/health") == "ok\n200"
    metrics = get("/metrics")
    assert "\nhutong_accepted_total 0\n" in metrics
    assert 'hutong_queue_waiting{queue="housing/tenancy"} 0' in metrics
    assert get("/nothing").endswith("404")
    posted = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x", "--unix-socket",
                             tmp_path / "admin.sock", "http://localhost/status"], capture_output=True, text=True, check=True)
    assert posted.stdout == "405"
    assert "/journal/erase" in get("/nothing")


def test_a_body_that_is_too_large_is_told(broker, tmp_path):
    """Also one that comes in many parts; the connection is not just cut."""
    (tmp_path / "body").write_text('{"why": "' + "x" * 1_000_000 + '"}')
    posted = subprocess.run(["curl", "-s", "-w", "%{http_code}", "-H", "Content-Type: application/json", "-d", f"@{tmp_path}/body",
                             "--unix-socket", tmp_path / "admin.sock", "http://localhost/reload"], capture_output=True, text=True, check=True)
    assert posted.stdout == "a body has at most 64 KiB\n413"


def test_journal_lists_and_verifies(broker):
    hutong("send", *bus_words(broker, "public_security/population"),
           text=json.dumps({"type": "gov.public_security.v1.ResidenceRegistered", "data": RESIDENCE}))
    broker.stop()
    journal = broker.folder / "journal"
    assert hutong("journal", "verify", journal).returncode == 0
    listed = hutong("journal", "list", "--json", journal)
    assert listed.returncode == 0
    assert PERSON not in listed.stdout  # no personal data in a list
    assert "ResidenceRegistered" in listed.stdout
    segment = next(path for path in sorted(journal.iterdir()) if path.stat().st_size > 100000)
    data = bytearray(segment.read_bytes())
    at = data.find(PERSON.encode())
    assert at > 0
    data[at] ^= 1
    segment.write_bytes(data)
    broken = hutong("journal", "verify", journal)
    assert broken.returncode == 1 and segment.name in broken.stderr + broken.stdout


def test_check_of_the_projects_own_configuration(tmp_path):
    conf = tmp_path / "conf"
    subprocess.run(["cp", "-r", SOURCE / "conf", conf], check=True)
    subprocess.run(["cp", "-r", SOURCE / "routes", tmp_path / "routes"], check=True)
    text = (conf / "broker.yaml").read_text(encoding="utf-8")
    (conf / "broker.yaml").write_text(
        text.replace("../build/release/catalogue.binpb", str(program("hutong").parent.parent / "catalogue.binpb")),
        encoding="utf-8")
    for name in ("broker", "public_security/population", "civil_affairs/registration", "housing/tenancy"):
        assert hutong("keys", "generate", "-o", conf / "keys", name).returncode == 0
    result = hutong("check", conf / "broker.yaml")
    assert result.returncode == 0, result.stderr + result.stdout
    route = next((tmp_path / "routes").glob("*.yaml"))
    route.write_text(route.read_text(encoding="utf-8").replace("citizen_number", "citizen_numbr", 1), encoding="utf-8")
    result = hutong("check", conf / "broker.yaml")
    assert result.returncode == 2
    assert "citizen_numbr" in result.stderr + result.stdout and "did you mean" in result.stderr + result.stdout


def test_keys_are_never_overwritten(tmp_path):
    assert hutong("keys", "generate", "-o", tmp_path, "a/b").returncode == 0
    secret = next(tmp_path.glob("*_secret"))
    assert secret.stat().st_mode & 0o077 == 0
    before = secret.read_text()
    assert hutong("keys", "generate", "-o", tmp_path, "a/b").returncode != 0
    assert secret.read_text() == before
    shown = hutong("keys", "show", secret)
    assert shown.returncode == 0
    for line in before.splitlines():
        if "secret-key" in line:
            assert line.split('"')[1] not in shown.stdout


def test_man_pages_are_well_formed():
    for page in sorted((SOURCE / "docs" / "man").iterdir()):
        result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False)
        assert not result.stdout, result.stdout


def test_broker_drains(broker):
    assert broker.stop() == 0
    wait_until(lambda: " broker.stopped " in broker.log(), "broker.stopped")
    assert " broker.draining " in broker.log()
