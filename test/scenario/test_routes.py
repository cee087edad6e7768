"""hutong explain and hutong test: what they print, to the letter, and that it is what a broker delivers."""
import json
import re
import subprocess

import pytest

from client.bus_client import Client
from hutong_bus import BUILD, SOURCE, Broker, program

pytestmark = pytest.mark.sanitize

RESIDENCE = "gov.public_security.v1.ResidenceRegistered"
POPULATION = "public_security/population"
MESSAGE = {
    "resident": {"citizenNumber": "33010619900307422X", "name": {"text": "张三"}},
    "kind": "MOVE_IN",
    "relation": "10",
    "address": {"division": "330106001", "unitCode": "U-1"},
}
AT = "2026-11-24"


def hutong(folder, *words, text=None):
    return subprocess.run([program("hutong"), *map(str, words)], input=text, capture_output=True, text=True, timeout=60,
                          check=False, cwd=folder)


@pytest.fixture(name="town")
def project_configuration(tmp_path):
    """A copy of the project's conf/ and routes/, without keys: none are needed."""
    for name in ("conf", "routes"):
        subprocess.run(["cp", "-r", SOURCE / name, tmp_path / name], check=True)
    broker = tmp_path / "conf/broker.yaml"
    broker.write_text(broker.read_text(encoding="utf-8").replace(
        "../build/release/catalogue.binpb", str(BUILD / "catalogue.binpb")), encoding="utf-8")
    return tmp_path


def envelope(**changes):
    return json.dumps({"type": RESIDENCE, "source": POPULATION, "subject": "一", "data": {**MESSAGE, **changes}})


def explain(town, *words, text):
    return hutong(town, "explain", "--at", AT, *words, "-", text=text)


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


# ---- explain ----

MATCHES = """gov.public_security.v1.ResidenceRegistered
  from public_security/population, 56 bytes, subject "一", at 2026-11-24T00:00:00Z

residence matches (routes/residence.yaml:4)
  as msg.kind != Kind.VISIT
  -> civil_affairs/registration, under PS-CA-2026-01
     gov.civil_affairs.v1.ResidenceNotice, 39 bytes
     in order of "33010619900307422X"; 10 retries, 1s..10m apart; expires after 7d
       {
         "citizen_number": "33010619900307422X",
         "name": "张三",
         "division": "330106001"
       }
       0000  0a 12 33 33 30 31 30 36  31 39 39 30 30 33 30 37  |..33010619900307|
       0010  34 32 32 58 12 06 e5 bc  a0 e4 b8 89 1a 09 33 33  |422X..........33|
       0020  30 31 30 36 30 30 31                              |0106001|
  -> housing/tenancy, under PS-HOUSING-2026-03
     gov.housing.v1.OccupancyNotice, 33 bytes
     in order of "33010619900307422X"; 10 retries, 1s..10m apart; expires after 7d
       {
         "citizen_number": "33010619900307422X",
         "unit_code": "U-1",
         "relation": "SPOUSE"
       }
       0000  0a 12 33 33 30 31 30 36  31 39 39 30 30 33 30 37  |..33010619900307|
       0010  34 32 32 58 12 03 55 2d  31 1a 06 53 50 4f 55 53  |422X..U-1..SPOUS|
       0020  45                                                |E|

Not looked at:
  death (routes/death.yaml:3): is on gov.public_security.v1.DeathRegistered
  lease (routes/lease.yaml:3): is on gov.housing.v1.LeaseFiled
  marriage (routes/marriage.yaml:3): is on gov.civil_affairs.v1.MarriageRegistered

1 of 1 route matches: 2 deliveries, 0 dead letters
"""


def test_a_match_with_its_bytes(town):
    result = explain(town, "--bytes", text=envelope())
    assert (result.returncode, result.stdout, result.stderr) == (0, MATCHES, "")


NARROW = ('    when: msg.kind != Kind.VISIT && (msg.address.text.contains("西湖") || "330108" == msg.address.division)  ')


def test_which_part_was_false(town):
    edit(town / "routes/residence.yaml", "    when: msg.kind != Kind.VISIT  ", NARROW)
    result = explain(town, "--route", "residence", text=envelope(address={"text": "杭州市上城区", "division": "330102"}))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == """gov.public_security.v1.ResidenceRegistered
  from public_security/population, 68 bytes, subject "一", at 2026-11-24T00:00:00Z

residence doesn't match (routes/residence.yaml:4)
  routes/residence.yaml:7:38: this was false
    7 |     when: msg.kind != Kind.VISIT && (msg.address.text.contains("西湖") || "330108" == msg.address.di…
      |                                      ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      | msg.address.text is "杭州市上城区"
  routes/residence.yaml:7:73: this was false
    7 | …kind != Kind.VISIT && (msg.address.text.contains("西湖") || "330108" == msg.address.division)       …
      |                                                              ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      | msg.address.division is "330102"

0 of 1 route match: 0 deliveries, 0 dead letters
"""
    visit = explain(town, "--route", "residence", text=envelope(kind="VISIT"))
    assert visit.stdout.count("this was false") == 1  # of && the first
    assert "      |           ^~~~~~~~~~~~~~~~~~~~~~\n      | msg.kind is VISIT (6)\n" in visit.stdout


def test_dead_letters_have_their_reason(town):
    result = explain(town, "--route", "residence", text=envelope(relation="98"))
    assert result.returncode == 0
    assert """  -x housing/tenancy: dead letter UNMAPPED
     relation: unmapped code "98" in map gb4761_to_housing

1 of 1 route matches: 1 delivery, 1 dead letter
""" in result.stdout
    later = hutong(town, "explain", "--at", "2036-01-01T08:00:00+08:00", "-", text=envelope())
    assert """  -x housing/tenancy: dead letter NOT_ALLOWED
     agreement PS-HOUSING-2026-03 is not in force
""" in later.stdout
    assert "at 2036-01-01T00:00:00Z" in later.stdout


def test_a_file_that_hutong_send_takes(town):
    """Several objects, with and without an envelope; what no envelope says comes from the options."""
    path = town / "messages.json"
    path.write_text(envelope() + "\n" + json.dumps(MESSAGE) + "\n" + json.dumps({"type": RESIDENCE, "data": {}}))
    result = hutong(town, "explain", path, "--type", RESIDENCE, "--from", POPULATION, "--subject", "二", "conf/broker.yaml")
    assert result.returncode == 0, result.stderr
    assert len(re.findall(rf"^{RESIDENCE}$", result.stdout, re.M)) == 3
    assert 'subject "一"' in result.stdout and 'subject "二"' in result.stdout


def test_bytes_of_a_payload(town):
    path = town / "m.binpb"
    path.write_bytes(b"\x18\x06")
    words = ["explain", path, "--type", RESIDENCE, "--from", POPULATION]
    assert "msg.kind is VISIT (6)" in hutong(town, *words).stdout
    path.write_bytes(b"\x0a\x01\x80")
    result = hutong(town, *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (f"hutong explain: {path}: the broker would refuse it: INVALID: {RESIDENCE}: at resident, byte 2: "
                             "a field's tag is cut short\n")
    refused = json.loads(hutong(town, *words, "--json").stdout)
    assert set(refused) == {"type", "from", "refused"} and refused["refused"].startswith("INVALID: ")


@pytest.mark.parametrize("words,text,said", [
    ([], "{}", "no \"type\" in the object; name one with --type"),
    (["-t", RESIDENCE], "{}", "who publishes it? Name the system with --from; routes take this type from public_security/population"),
    (["-t", RESIDENCE[:-2], "-f", POPULATION], "{}", f'did you mean "{RESIDENCE}"?'),
    (["-t", RESIDENCE, "-f", "public_security/populaton"], "{}", 'no system "public_security/populaton"; did you mean "public_security/population"?'),
    (["-t", RESIDENCE, "-f", "housing/tenancy"], "{}", "the broker would refuse it: NOT_ALLOWED: housing/tenancy may not publish"),
    (["-t", RESIDENCE, "-f", POPULATION, "-r", "residense"], "{}", 'no route "residense"; did you mean "residence"?'),
    (["-t", RESIDENCE, "-f", POPULATION], '{"kind": "VISTI"}', "at kind"),
    (["-t", RESIDENCE, "-f", POPULATION], '{"resident": {"citizenNumbr": 1}}', 'has no field "citizenNumbr"; did you mean "citizenNumber"?'),
    (["-t", RESIDENCE, "-f", POPULATION], "{", "standard input, object 1: line "),
    (["-t", RESIDENCE, "-f", POPULATION], "", "there is no message in it"),
    (["-t", RESIDENCE, "-f", POPULATION], "[]", "expected a JSON object"),
    (["--at", "yesterday"], "{}", '--at "yesterday" is no time; write 2026-03-01 or 2026-03-01T08:00:00+08:00'),
])
def test_wrong_input_is_2(town, words, text, said):
    result = hutong(town, "explain", *words, "-", text=text)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


def test_wrong_routes_are_2(town):
    edit(town / "routes/residence.yaml", "msg.kind != Kind.VISIT", "msg.knd != Kind.VISIT")
    for words in (["explain", "-"], ["test"]):
        result = hutong(town, *words, text=envelope())
        assert (result.returncode, result.stdout) == (2, "")
        assert 'routes/residence.yaml:7:15: error: ' in result.stderr and re.search('did you mean "?kind"?', result.stderr)


def test_without_the_key_of_hash_that_is_said(town):
    broker = town / "conf/broker.yaml"
    broker.write_text(broker.read_text(encoding="utf-8") + "\nhash_key_file: keys/hash.key\n", encoding="utf-8")
    for words in (["explain", "-"], ["test"]):
        result = hutong(town, *words, text=envelope())
        assert result.returncode == 0
        assert result.stderr == (f"hutong {words[0]}: warning: conf/keys/hash.key can't be read; what hash() gives here is not what "
                                 "the broker will give\n")


PLACE = {"file": str, "line": int, "column": int}
SHAPE = {
    "type": str, "from": str, "subject": str, "size": int, "at": str, "delivered": int, "dead": int,
    "not_looked_at": [{**PLACE, "route": str, "why": str, "on": str, "from": str}],
    "routes": [{**PLACE, "route": str, "verdict": str, "when": (str, type(None)),
                "causes": [{**PLACE, "expression": str, "failed": (str, type(None)), "values": [{"expression": str, "value": str}]}],
                "deliveries": [{"system": str, "agreement": str, "type": str, "order_by": str, "retries": int,
                                "backoff_ms": [int], "expires_ms": int, "original": bool, "data": dict, "bytes": str}]}],
}


def check_shape(value, shape, where="$"):
    if isinstance(shape, dict):
        assert set(value) == set(shape), where
        for key, inner in shape.items():
            check_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        for i, element in enumerate(value):
            check_shape(element, shape[0], f"{where}[{i}]")
    else:
        assert isinstance(value, shape), where


@pytest.mark.parametrize("changes", [{}, {"kind": "VISIT"}])
def test_json_of_explain(town, changes):
    result = explain(town, "--json", text=envelope(**changes))
    assert result.returncode == 0 and result.stdout.count("\n") == 1
    check_shape(json.loads(result.stdout), SHAPE)


def test_byte_for_byte_what_a_broker_delivers(tmp_path):
    with Broker(tmp_path) as broker:
        explained = json.loads(hutong(tmp_path, "explain", "--json", "-", "conf/broker.yaml", text=envelope()).stdout)
        (route,) = explained["routes"]
        with Client(broker.endpoint) as housing:
            housing.hello("housing/tenancy", receive=True)
            subprocess.run([program("hutong"), "send", "--bus", broker.endpoint, "--system", POPULATION, "-"], check=True,
                           input=envelope(), text=True, stdout=subprocess.DEVNULL, cwd=tmp_path)
            housing.wait_deliveries(1)
            (delivery,) = housing.deliveries
        assert delivery.envelope.payload.hex() == route["deliveries"][0]["bytes"]
        assert delivery.envelope.type == route["deliveries"][0]["type"]
        assert delivery.envelope.subject == route["deliveries"][0]["order_by"]
        assert delivery.route == route["route"] == "residence"


# ---- test ----


def test_the_shipped_routes_are_tested_whole(town):
    result = hutong(town, "test", "--coverage", "--min-coverage", 100)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "coverage: 15 of 15, 100 %\n14 passed, 0 failed\n"


def test_a_mutation_of_a_route_is_found(town):
    """Each of these would tell someone something wrong."""
    for name, old, new in (
        ("residence", "msg.kind != Kind.VISIT", "msg.kind == Kind.VISIT"),
        ("residence", "name: msg.resident.name.text", "name: msg.resident.name.former"),
        ("residence", "order_by: msg.resident.citizen_number", "order_by: msg.entry_number"),
        ("death", "died_on: msg.died_on\n          certificate", "died_on: msg.cremated_on\n          certificate"),
        ("lease", "msg.kind != Kind.ENDED", "msg.kind != Kind.CHANGED"),
        ("marriage", "msg.kind == Kind.MARRIAGE || ", ""),
        ("marriage", "wife_marital_status: msg.wife.", "wife_marital_status: msg.husband."),
    ):
        path = town / f"routes/{name}.yaml"
        before = path.read_text(encoding="utf-8")
        edit(path, old, new)
        result = hutong(town, "test")
        assert result.returncode == 1, (old, result.stdout + result.stderr)
        path.write_text(before, encoding="utf-8")


FAILED = """FAILED: a newborn counts as a child
routes/residence.test.yaml:60:49: error: housing/tenancy: relation: expected "CHLID", got "CHILD"
   60 |       - { to: housing/tenancy, has: { relation: CHLID } }
      |                                                 ^~~~~
  why:
  residence matches (routes/residence.yaml:4)
    as msg.kind != Kind.VISIT
    -> housing/tenancy, under PS-HOUSING-2026-03
       gov.housing.v1.OccupancyNotice, 76 bytes
       in order of "33010619900307422X"; 10 retries, 1s..10m apart; expires after 7d
         {
           "citizen_number": "33010619900307422X",
           "unit_code": "330106001004000120200501",
           "relation": "CHILD",
           "since": "2026-11-24T00:00:00Z",
           "entry_number": "2026112400017"
         }

13 passed, 1 failed
"""


def test_a_case_that_fails(town):
    edit(town / "routes/residence.test.yaml", "relation: CHILD", "relation: CHLID")
    result = hutong(town, "test")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout == FAILED
    told = json.loads(hutong(town, "test", "--json").stdout)
    check_shape(told, {"passed": int, "failed": int,
                       "cases": [{**PLACE, "name": str, "passed": bool, "problems": list}],
                       "coverage": {"seen": int, "total": int, "percent": int, "missing": list}})
    (failed,) = [case for case in told["cases"] if not case["passed"]]
    assert failed["name"] == "a newborn counts as a child" and failed["line"] == 55
    assert failed["problems"][0]["line"] == 60 and "CHLID" in failed["problems"][0]["message"]


def test_what_no_case_has_seen(town):
    edit(town / "routes/lease.test.yaml", "expect: nobody", "expect: [ { to: public_security/population } ]")
    edit(town / "routes/lease.test.yaml", "with: { kind: ENDED }", "with: { kind: NEW }")
    edit(town / "routes/lease.test.yaml", "to: public_security/population } ]",
         "to: public_security/population }, { to: civil_affairs/registration } ]")
    result = hutong(town, "test", "-m", 94)
    assert result.returncode == 1
    assert result.stdout == """coverage: 14 of 15, 93 %
  routes/lease.yaml:6:11: lease: "when" was never false
coverage is below 94 %
14 passed, 0 failed
"""
    assert hutong(town, "test", "-m", 93).returncode == 0


def test_one_route_and_one_file(town):
    result = hutong(town, "test", "--route", "death", "--verbose", "-C")
    assert result.stdout == """passed: a death is told to both, and nobody learns the cause
coverage: 3 of 3, 100 %
1 passed, 0 failed
"""
    result = hutong(town, "test", "conf/broker.yaml", "routes/lease.test.yaml", "routes/death.test.yaml")
    assert result.stdout == "4 passed, 0 failed\n"


@pytest.mark.parametrize("words,said", [
    (["--route", "deaht"], 'no route "deaht"; did you mean "death"?'),
    (["conf/broker.yaml", "routes/death.yaml"], '"routes/death.yaml" is no file of tests: those are named *.test.yaml'),
    (["none.test.yaml"], "none.test.yaml: error: "),
    (["-m", "101"], "--min-coverage is 0 to 100"),
])
def test_wrong_words_are_2(town, words, said):
    result = hutong(town, "test", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


def test_wrong_tests_are_2(town):
    edit(town / "routes/death.test.yaml", "died_on: \"2026-11-22\"\n      cause", "died_in: \"2026-11-22\"\n      cause")
    edit(town / "routes/lease.test.yaml", "kind: ENDED", "kind: ENDE")
    result = hutong(town, "test")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == """routes/death.test.yaml:10:7: error: gov.public_security.v1.DeathRegistered has no field "died_in"; did you mean "died_on"?
   10 |       died_in: "2026-11-22"
      |       ^~~~~~~
routes/lease.test.yaml:53:19: error: gov.housing.v1.LeaseFiled.Kind has no value "ENDE"; did you mean "ENDED"?
   53 |     with: { kind: ENDE }
      |                   ^~~~
hutong test: the tests are wrong; 2 errors above
"""


# ---- docs/testing-routes.md ----


def blocks(language):
    text = (SOURCE / "docs/testing-routes.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_the_page_explains_what_is_so(town):
    (message,) = blocks("json")
    shown = blocks("text")[0]
    result = explain(town, text=message)
    assert (result.returncode, result.stdout) == (0, shown)


def test_the_pages_cases(town):
    (cases,) = blocks("yaml")
    path = town / "routes/example.test.yaml"
    path.write_text(cases, encoding="utf-8")
    assert hutong(town, "test", "routes/example.test.yaml").stdout == "4 passed, 0 failed\n"
    path.write_text(cases.replace("SPOUSE", "SPOUS"), encoding="utf-8")
    _, failure, coverage = blocks("text")
    assert hutong(town, "test", "routes/example.test.yaml").stdout.startswith(failure)
    edit(town / "routes/lease.test.yaml", "expect: nobody", "expect: { refused: x }")
    edit(town / "routes/lease.test.yaml", "with: { kind: ENDED }", "from: civil_affairs/registration")
    assert coverage in hutong(town, "test", "--coverage", *sorted((town / "routes").glob("[dlmr]*.test.yaml"))).stdout
