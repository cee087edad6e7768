"""hutong schema as an admin meets it: building a catalogue, looking into it, and the gate."""
import json
import os
import subprocess

import pytest

from hutong_bus import BUILD, SOURCE, program

pytestmark = pytest.mark.sanitize

PERSON = """syntax = "proto3";
package test.v1;

// Someone.
message Person {
  // GB 11643.
  string citizen_number = 1;
  Kind kind = 2;
  oneof home {
    string unit = 3;
    string village = 4;
  }
  map<string, int32> counts = 5;
  reserved 9;
  reserved "phone";
}

enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_CITIZEN = 1; // usual
}

service Register {
  rpc Find(Person) returns (stream Person);
}
"""


def hutong(*words, cwd=SOURCE, **more):
    return subprocess.run([program("hutong"), "schema", *map(str, words)], capture_output=True, text=True, timeout=60, check=False,
                          cwd=cwd, **more)


@pytest.fixture(name="protos")
def proto_folder(tmp_path):
    folder = tmp_path / "old" / "test"
    folder.mkdir(parents=True)
    (folder / "person.proto").write_text(PERSON, encoding="utf-8")
    return tmp_path


def changed(protos, *pairs, name="new"):
    text = PERSON
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    folder = protos / name / "test"
    folder.mkdir(parents=True)
    (folder / "person.proto").write_text(text, encoding="utf-8")
    return protos / name


@pytest.mark.parametrize("command", ["build", "list", "show", "check"])
def test_help(command):
    result = hutong(command, "--help")
    assert result.returncode == 0 and result.stdout.startswith("Usage: hutong schema " + command) and not result.stderr


@pytest.mark.parametrize("words", [
    [], ["frobnicate"], ["build"], ["build", "-x"], ["show"], ["show", "a", "b", "c"], ["list", "a", "b"], ["check", "a"],
    ["check", "--for", "nobody", "a", "b"], ["list", "/nowhere.binpb"], ["check", "/nowhere", "/nowhere"]])
def test_wrong_usage_is_2(words):
    result = hutong(*words)
    assert result.returncode == 2 and result.stderr and not result.stdout


# ---- build ----

def test_build_makes_what_a_broker_loads(protos):
    out = protos / "catalogue.binpb"
    result = hutong("build", "-o", out, protos / "old")
    assert result.returncode == 0 and not result.stderr, result.stderr
    assert "1 message, 1 enum, 1 file;" in result.stdout
    mask = os.umask(0o022)
    os.umask(mask)
    assert oct(out.stat().st_mode & 0o777) == oct(0o666 & ~mask)
    assert sorted(os.listdir(protos)) == ["catalogue.binpb", "old"]
    assert "test.v1.Person" in hutong("list", out).stdout


def test_build_passes_on_what_protoc_says(protos):
    bad = changed(protos, ("Kind kind = 2", "Kin kind = 2"))
    out = protos / "catalogue.binpb"
    out.write_bytes(b"the old one")
    result = hutong("build", "-o", out, bad)
    assert result.returncode == 2
    assert f'{bad}/test/person.proto:8:3: error: "Kin" is not defined.' in result.stderr
    assert out.read_bytes() == b"the old one"
    assert sorted(os.listdir(protos)) == ["catalogue.binpb", "new", "old"]


def test_build_of_several_folders(protos):
    other = protos / "other"
    other.mkdir()
    (other / "more.proto").write_text('syntax = "proto3";\npackage more;\nimport "test/person.proto";\n'
                                      'message More { test.v1.Person who = 1; }\n', encoding="utf-8")
    alone = hutong("build", "-o", protos / "c.binpb", other)
    assert alone.returncode == 2 and "person.proto" in alone.stderr
    result = hutong("build", "-o", protos / "c.binpb", other, protos / "old")
    assert result.returncode == 0 and "2 files;" in result.stdout, result.stderr


def test_build_warns_of_what_the_bus_does_not_do_well_with(protos):
    folder = protos / "two"
    folder.mkdir()
    (folder / "two.proto").write_text('syntax = "proto2";\nmessage M {\n  optional group G = 1 {}\n  extensions 100;\n}\n'
                                      "extend M {\n  optional int32 e = 100;\n}\n", encoding="utf-8")
    result = hutong("build", "-o", protos / "c.binpb", folder)
    assert result.returncode == 0 and "with warnings" in result.stdout
    assert f"{folder}/two.proto:1:1: warning: there is no package" in result.stderr
    assert f"{folder}/two.proto:3:3: warning: field g of M is a group" in result.stderr
    assert f"{folder}/two.proto:7:3: warning: extension e is an unknown field" in result.stderr


def test_build_without_protoc_or_files(protos):
    result = hutong("build", "-o", protos / "c.binpb", protos / "old", env={"PATH": "/nowhere"})
    assert result.returncode == 2 and "protoc is not in PATH" in result.stderr
    empty = protos / "empty"
    empty.mkdir()
    result = hutong("build", "-o", protos / "c.binpb", empty)
    assert result.returncode == 2 and "there is no .proto file in it" in result.stderr
    result = hutong("build", "-o", protos / "none" / "c.binpb", protos / "old")
    assert result.returncode == 2 and "No such file or directory" in result.stderr


def test_build_refuses_what_a_broker_would(protos):
    folder = protos / "set"
    folder.mkdir()
    (folder / "set.proto").write_text('syntax = "proto2";\npackage s;\nmessage M {\n  option message_set_wire_format = true;\n'
                                      "  extensions 4 to max;\n}\n", encoding="utf-8")
    result = hutong("build", "-o", protos / "c.binpb", folder)
    assert result.returncode == 2 and "s.M" in result.stderr and not (protos / "c.binpb").exists()


# ---- list and show ----

def test_list(protos):
    result = hutong("list", protos / "old")
    assert result.stdout.splitlines() == [
        "enum      2 values  test.v1.Kind      test/person.proto",
        "message   5 fields  test.v1.Person    test/person.proto",
        "service   1 method  test.v1.Register  test/person.proto"]
    assert hutong("list", "-p", "test", protos / "old").stdout == result.stdout
    assert hutong("list", "--package", "tes", protos / "old").returncode == 2
    objects = json.loads(hutong("list", "--json", protos / "old").stdout)
    assert [(o["kind"], o["name"], o["package"]) for o in objects] == [
        ("enum", "test.v1.Kind", "test.v1"), ("message", "test.v1.Person", "test.v1"), ("service", "test.v1.Register", "test.v1")]
    assert objects[1]["fields"] == 5 and objects[1]["comment"] == " Someone.\n" and objects[1]["line"] == 5


def test_the_default_catalogue(protos):
    (protos / "conf").mkdir()
    broker = (SOURCE / "conf/broker.yaml").read_text(encoding="utf-8")
    (protos / "conf/broker.yaml").write_text(broker.replace("../build/release/catalogue.binpb", "../mine.binpb"), encoding="utf-8")
    assert hutong("build", "-o", protos / "mine.binpb", protos / "old").returncode == 0
    assert "test.v1.Person" in hutong("list", cwd=protos).stdout
    (protos / "mine.binpb").unlink()
    result = hutong("list", cwd=protos)
    assert result.returncode == 2 and "names no catalogue that can be read" in result.stderr
    assert "gov.housing.v1.OccupancyNotice" in hutong("list", BUILD / "catalogue.binpb").stdout


def test_show_is_as_the_file_has_it(protos):
    result = hutong("show", "test.v1.Person", protos / "old")
    assert result.stdout == """// test/person.proto:5
// Someone.
message test.v1.Person {
  // GB 11643.
  string citizen_number = 1;
  test.v1.Kind kind = 2;
  oneof home {
    string unit = 3;
    string village = 4;
  }
  map<string, int32> counts = 5;
  reserved 9;
  reserved "phone";
}

// test/person.proto:18
enum test.v1.Kind {
  KIND_UNSPECIFIED = 0;
  // usual
  KIND_CITIZEN = 1;
}
"""
    assert "rpc Find(test.v1.Person) returns (stream test.v1.Person);" in hutong("show", "test.v1.Register", protos / "old").stdout


def test_show_as_json(protos):
    person = json.loads(hutong("show", "--json", "test.v1.Person", protos / "old").stdout)
    assert person["comment"] == " Someone.\n" and person["reserved_numbers"] == [[9, 9]] and person["reserved_names"] == ["phone"]
    fields = {field["name"]: field for field in person["fields"]}
    assert fields["unit"]["oneof"] == "home" and fields["counts"]["value"] == "int32" and fields["kind"]["type"] == "test.v1.Kind"
    assert person["enums"][0]["values"][1] == {"name": "KIND_CITIZEN", "number": 1, "comment": " usual\n"}
    register = json.loads(hutong("show", "--json", "test.v1.Register", protos / "old").stdout)
    assert register["methods"][0]["server_streaming"] is True


@pytest.mark.parametrize("name, meant", [("test.v1.Persn", "test.v1.Person"), ("Person", "test.v1.Person"), ("Kind", "test.v1.Kind")])
def test_show_suggests(protos, name, meant):
    result = hutong("show", name, protos / "old")
    assert result.returncode == 2 and f'did you mean "{meant}"' in result.stderr


# ---- check ----

def test_check_finds_nothing_in_what_is_the_same(protos):
    result = hutong("check", protos / "old", changed(protos, ("// Someone.", "// Somebody else.")))
    assert result.returncode == 0 and "0 breaks for routes, 0 warnings" in result.stdout and not result.stderr


def test_check_names_place_reason_and_what_is_right(protos):
    new = changed(protos, ("string citizen_number = 1", "string number = 1"), ("  KIND_CITIZEN = 1; // usual\n", ""))
    result = hutong("check", protos / "old", new)
    assert result.returncode == 2
    assert (f"{new}/test/person.proto:7:10: error: field 1 of test.v1.Person was named citizen_number, now number "
            f"[field-renamed: breaks json, routes, source]; was at {protos}/old/test/person.proto:7:10; right: keep the name") in result.stderr
    assert "    7 |   string number = 1;\n      |          ^\n" in result.stderr
    assert f"{new}/test/person.proto:18:6: error: value KIND_CITIZEN of enum test.v1.Kind is gone, and its number 1" in result.stderr
    assert "3 breaks for routes, 0 warnings" in result.stdout


@pytest.mark.parametrize("whom, exit_status, breaks", [("wire", 0, 0), ("json", 2, 1), ("routes", 2, 1), ("source", 2, 1)])
def test_check_for_whom(protos, whom, exit_status, breaks):
    new = changed(protos, ("citizen_number", "number"))
    result = hutong("check", "--for", whom, "--json", protos / "old", new)
    answer = json.loads(result.stdout)
    assert (result.returncode, answer["breaks"], answer["for"]) == (exit_status, breaks, whom)
    (finding,) = answer["findings"]
    assert finding["severity"] == ("break" if breaks else "warning")
    assert finding["place"] == {"file": f"{new}/test/person.proto", "line": 7, "column": 10}
    quiet = json.loads(hutong("check", "--for", whom, "--quiet", "--json", protos / "old", new).stdout)
    assert len(quiet["findings"]) == breaks


def test_check_of_catalogues(protos):
    new = changed(protos, ("Kind kind = 2", "string kind = 2"))
    for name, folder in (("old", protos / "old"), ("new", new)):
        assert hutong("build", "-o", protos / f"{name}.binpb", folder).returncode == 0
    result = hutong("check", protos / "old.binpb", protos / "new.binpb")
    assert result.returncode == 2 and "test/person.proto:8:3: error: field kind of test.v1.Person was test.v1.Kind, now string" in result.stderr
    # Without source info the findings are the same, only without places.
    subprocess.run(["protoc", "-I", new, f"--descriptor_set_out={protos}/bare.binpb", "test/person.proto"], check=True, cwd=new)
    result = hutong("check", "--json", protos / "old.binpb", protos / "bare.binpb")
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["rule"] == "field-type-changed" and finding["place"] == {"file": "test/person.proto", "line": 0, "column": 0}


def test_check_of_what_protoc_refuses(protos):
    result = hutong("check", protos / "old", changed(protos, ("Kind kind", "Kin kind")))
    assert result.returncode == 2 and ":8:3: error:" in result.stderr and "does not accept" in result.stderr


def test_our_own_types_break_nothing_of_themselves():
    result = hutong("check", BUILD / "catalogue.binpb", SOURCE / "proto")
    assert result.returncode == 0 and "0 breaks" in result.stdout, result.stderr


def test_rules_are_listed():
    rules = json.loads(hutong("check", "--rules", "--json").stdout)
    assert len(rules) == len(hutong("check", "--rules").stdout.splitlines()) > 60
