"""What the benchmark's own tools make of figures, without running anything."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import buses  # noqa: E402
import callgrind  # noqa: E402
import gate  # noqa: E402

CALLGRIND = """# callgrind format
version: 1
positions: line
events: Ir

ob=(1) /x/bin/hutong-bench-hotpath
fl=(1) a.c
fn=(1) serve
10 5
cfn=(2) step.constprop.0
calls=2 20
10 400
11 1
cob=(2) /lib/libc.so.6
cfi=(2) ???
cfn=(3) __memmove_avx_unaligned_erms
calls=7 0
12 70
13 2

fn=(2)
20 300
21 100

ob=(2)
fl=(2)
fn=(3)
0 70
"""


def test_callgrind_counts_each_line_once_and_calls_into_libraries(tmp_path):
    out = tmp_path / "out"
    out.write_text(CALLGRIND)
    counts = callgrind.read(out, "/x/bin/hutong-bench-hotpath")
    assert counts.own == {"serve": 8, "step": 400}
    assert counts.libraries == {"libc.so.6": 70}
    assert counts.calls == {"memcpy": 7}


def agreed():
    return {"instructions": 1000.0, "functions": {"a": 600.0, "b": 400.0}, "calls": {"malloc": 1.0}}


def test_gate_is_silent_within_the_tolerance():
    found = {"instructions": 1029.0, "functions": {"a": 629.0, "b": 400.0}, "calls": {"malloc": 1.04}}
    assert not gate.compare("w1", agreed(), found)


def test_gate_names_what_grew_most_first():
    found = {"instructions": 1100.0, "functions": {"a": 610.0, "b": 400.0, "new": 90.0}, "calls": {"malloc": 1.0}}
    over = gate.compare("w1", agreed(), found)
    assert "1100" in over[0]
    assert [line.split()[0] for line in over[2:]] == ["new", "a"]


def test_gate_sees_a_new_call():
    found = {**agreed(), "calls": {"malloc": 1.0, "EVP_DigestUpdate": 2.0}}
    assert gate.compare("w1", agreed(), found) == ["w1: EVP_DigestUpdate is called 2.00 times a message, agreed is 0.00"]


def test_mapping_nests_by_path():
    assert buses.nested({"a.b": "x", "a.c": "y", "d": "z"}, 2) == "  d: z\n  a:\n    b: x\n    c: y\n"


def test_an_agreement_lists_what_is_mapped():
    route = buses.w2().routes[0]
    assert "fields: [citizen_number, since, unit_code]" in buses.agreement_text(route, 0)
