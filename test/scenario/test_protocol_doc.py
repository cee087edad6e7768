"""The example of docs/protocol.md is what it says it is."""
import pathlib
import re

from client.bus_client import LANE_MASK, bus, pack_body, settled_in_lane, unpack_body

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


def blocks():
    found = re.findall(r"```\n([a-z ]+): (Frame|body)\n([0-9a-f \n]+)```", PAGE.read_text(encoding="utf-8"))
    return {name: (kind, bytes.fromhex(digits)) for name, kind, digits in found}


def frame(name, of=None):
    kind, data = blocks()[name]
    assert kind == "Frame"
    parsed = bus.Frame.FromString(data)
    assert parsed.SerializeToString() == data, "not what an encoder writes"
    assert parsed.WhichOneof("kind") == (of or name)
    return getattr(parsed, of or name)


def body(name):
    kind, data = blocks()[name]
    envelopes = list(unpack_body(data))
    assert kind == "body" and pack_body(envelopes) == data
    return data, envelopes


def test_all_are_there():
    assert len(blocks()) == 11


def test_hello_and_welcome():
    hello, welcome = frame("hello"), frame("welcome")
    assert (hello.protocol, hello.system, hello.receive, len(hello.stream)) == (1, "housing/tenancy", True, 16)
    assert (hello.credit.messages, hello.credit.bytes) == (1000, 16 << 20)
    assert (welcome.last_sequence, welcome.heartbeat_ms, len(welcome.bus)) == (0, 5000, 16)
    assert (welcome.credit.messages, welcome.credit.bytes) == (16384, 16 << 20)
    assert welcome.limits.batch_messages == 1024


def test_publishing():
    publish, (data, envelopes) = frame("publish"), body("publish body")
    assert (publish.first_sequence, publish.count) == (1, len(envelopes))
    assert [e.id for e in envelopes] == ["m-1", "m-2"]
    accepted = frame("accepted")
    assert accepted.sequence == 2 and accepted.refusals[0].sequence == 2
    assert accepted.refusals[0].reason == bus.REASON_UNKNOWN_TYPE
    assert accepted.credit.messages == 16384 + 2 and accepted.credit.bytes == (16 << 20) + len(data)


def test_receiving():
    deliver, (_, envelopes) = frame("deliver"), body("deliver body")
    run = deliver.runs[0]
    assert (run.first_position, run.count, run.attempt, run.route, deliver.settled) == (41, 1, 1, "residence", 40)
    assert envelopes[0].id == "r-77" and envelopes[0].source == "public_security/population"
    assert settled_in_lane(deliver, run.first_position) == 40
    done = frame("settle").done[0]
    assert (done.first, done.last) == (41, 41)
    frame("heartbeat")
    frame("bye")


def test_receiving_of_lanes():
    deliver = frame("deliver of lanes", "deliver")
    assert [(r.first_position >> 48, r.first_position & LANE_MASK) for r in deliver.runs] == [(2, 41), (1, 8)]
    floors = [settled_in_lane(deliver, r.first_position) for r in deliver.runs]
    assert [(f >> 48, f & LANE_MASK) for f in floors] == [(2, 40), (1, 7)] and deliver.settled == 0
    assert settled_in_lane(deliver, 3 << 48 | 5) == 3 << 48  # nothing is said of it
    assert settled_in_lane(deliver, 5) == 0


def test_reasons_are_the_vocabulary():
    page = PAGE.read_text(encoding="utf-8")
    for name, number in bus.Reason.items():
        if number:
            assert re.search(rf"{name.removeprefix('REASON_')}\b[ |]*{number}\b", page), name
