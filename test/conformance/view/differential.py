#!/usr/bin/python3
"""Compares core/schema with libprotobuf on seeded random messages, right and wrong ones.

    differential.py --tool build/debug/bin/view_tool --set build/debug/core/schema/testdata.binpb [--cases N] [--seed S]

libprotobuf is asked through python3-protobuf (its C++ implementation) and, for some cases, through protoc --decode. Both
sides say whether the bytes are a message, and what it says as JSON. Every difference must be one of those that
known_differences.txt explains.
"""
import argparse
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import warnings

# libprotobuf writes a line for each bad text; what Python and the tool have to say still goes to standard error.
STDERR = os.fdopen(os.dup(2), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
sys.stderr = STDERR

import cases as by_hand
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError

TYPES = ["test.three.All", "test.three.Known", "test.three.Inner", "test.two.Legacy", "test.two.Part"]
DEPTH = 64
LIB_DEPTH = 100
WARNINGS = []
FUZZ_TYPES = ["test.three.All", "test.three.Known", "test.three.Inner", "test.two.Legacy", "test.two.Part"]
VARINT, I64, LEN, START, END, I32 = range(6)

WIRE = {F.TYPE_DOUBLE: I64, F.TYPE_FIXED64: I64, F.TYPE_SFIXED64: I64, F.TYPE_FLOAT: I32, F.TYPE_FIXED32: I32,
        F.TYPE_SFIXED32: I32, F.TYPE_STRING: LEN, F.TYPE_BYTES: LEN, F.TYPE_MESSAGE: LEN, F.TYPE_GROUP: START}


def varint(value, longer=0):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    for _ in range(longer):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


class Maker:
    """Random messages of a type, mostly right, with every form that the encoding allows, and mistakes on purpose."""

    def __init__(self, rng, mistakes):
        self.rng = rng
        self.mistakes = mistakes

    def wrong(self, share=0.02):
        return self.mistakes and self.rng.random() < share

    def tag(self, number, wire):
        longer = self.rng.choice([1, 2, 3]) if self.wrong() else 0
        if self.wrong(0.002):
            number = self.rng.choice([0, 1 << 29, number])
        return varint(number << 3 | wire, longer)

    def length(self, content):
        size = len(content)
        if self.wrong(0.01):
            size += self.rng.choice([-1, 1, 5, 1 << 31, 1 << 35])
        return varint(max(size, 0), self.rng.choice([1, 2, 5]) if self.wrong(0.01) else 0) + content

    def number(self):
        return self.rng.choice([0, 1, 2, 3, -1, 127, 128, 300, 2**31 - 1, 2**31, -2**31, 2**32 - 1, 2**32, 2**53,
                                2**63 - 1, -2**63, self.rng.getrandbits(self.rng.choice([7, 14, 32, 64]))])

    def text(self):
        if self.wrong(0.03):
            return self.rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe4\xb8", b"\xf4\x90\x80\x80", b"a\x80",
                                    b"abcdefghijk\xe5\x8c", b"\xf0\x9f\x98"])
        return self.rng.choice(["", "a", "西湖区", "\0", "\u007f\u0001\"\\/", "😀", "abcdefgh", "a" * 9,
                                "文三路 138 号", "éü"]).encode()

    def scalar(self, field):
        kind, r = field.type, self.rng
        wire = WIRE.get(kind, VARINT)
        if wire == I64:
            return r.choice([struct.pack("<d", r.choice([0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 1e300, 1 / 3])),
                             struct.pack("<Q", r.getrandbits(64))])
        if wire == I32:
            return r.choice([struct.pack("<f", r.choice([0.0, -0.0, 1.5, math.inf, math.nan, 1e30, 0.1])),
                             struct.pack("<I", r.getrandbits(32))])
        if kind == F.TYPE_ENUM:
            return varint(r.choice([0, 1, 2, -1, 7]), r.choice([0, 0, 0, 1]))
        if kind == F.TYPE_BOOL:
            return varint(r.choice([0, 1, 1, 2, 2**40]))
        value = varint(self.number())
        if self.wrong(0.01):
            return r.choice([value[:-1] + b"\x80" * 10, b"\xff" * 9 + b"\x02", b"\xff" * 9 + b"\x7f", b"\xff" * 10 + b"\x01"])
        return value

    def value(self, field, depth):
        """What follows the tag."""
        if field.type == F.TYPE_STRING:
            return self.length(self.text())
        if field.type == F.TYPE_BYTES:
            return self.length(self.rng.choice([b"", b"\xff\x00", b"abc", b"\0"]))
        if field.type == F.TYPE_MESSAGE:
            return self.length(self.message(field.message_type, depth - 1))
        if field.type == F.TYPE_GROUP:
            end = field.number + (1 if self.wrong(0.01) else 0)
            close = b"" if self.wrong(0.01) else self.tag(end, END)
            return self.message(field.message_type, depth - 1) + close
        return self.scalar(field)

    def unknown(self, depth):
        number = self.rng.choice([900, 1000, 20000, 2**29 - 2])
        wire = self.rng.choice([VARINT, I64, LEN, START, I32])
        if self.wrong(0.02):
            return varint(number << 3 | self.rng.choice([4, 6, 7]))
        body = {VARINT: lambda: varint(self.number()), I64: lambda: b"12345678", I32: lambda: b"1234",
                LEN: lambda: self.length(b"xyz\xff"),
                START: lambda: (self.unknown(depth - 1) if depth > 0 else b"") + self.tag(number, END)}[wire]()
        return self.tag(number, wire) + body

    def known(self, desc):
        """Well-known types are mostly made to be right, as random ones have no JSON form."""
        r = self.rng
        if desc.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration") and r.random() < 0.9:
            sign = r.choice([1, -1])
            seconds = r.choice([0, 1, 59, 1e9, 253402300799]) * sign
            nanos = r.choice([0, 1, 999999999, 500000000, 1000])
            if desc.name == "Duration":
                nanos *= sign if seconds else r.choice([1, -1])
            return b"\x08" + varint(int(seconds)) + b"\x10" + varint(nanos)
        if desc.full_name == "google.protobuf.Any" and r.random() < 0.9:
            inner = r.choice(["test.three.Inner", "google.protobuf.Duration", "test.two.Part", "google.protobuf.Any"])
            url = ("type.googleapis.com/" + inner).encode()
            body = self.message(desc.file.pool.FindMessageTypeByName(inner), 2)
            return b"\x0a" + varint(len(url)) + url + b"\x12" + varint(len(body)) + body
        if desc.full_name == "google.protobuf.FieldMask":
            return b"".join(b"\x0a" + varint(len(p)) + p for p in r.sample([b"a", b"a_b.c_d", b"x.y", b"A", b"a__b"], r.choice([0, 1, 2])))
        return None

    def message(self, desc, depth):
        ready = self.known(desc)
        if ready is not None:
            return ready
        out = b""
        fields = [f for f in desc.fields if depth > 0 or f.type not in (F.TYPE_MESSAGE, F.TYPE_GROUP)]
        for field in desc.fields:
            if field.label == F.LABEL_REQUIRED and not self.wrong(0.05):
                out += self.record(field, depth)
        for _ in range(self.rng.choice([0, 1, 2, 4, 8]) if fields else 0):
            field = self.rng.choice(fields)
            for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
                out += self.record(field, depth)
            if self.rng.random() < 0.05:
                out += self.unknown(2)
        return out

    def record(self, field, depth):
        wire = WIRE.get(field.type, VARINT)
        packable = field.label == F.LABEL_REPEATED and wire in (VARINT, I64, I32)
        if packable and self.rng.random() < 0.5:
            content = b"".join(self.scalar(field) for _ in range(self.rng.choice([0, 1, 2, 9])))
            if wire != VARINT and not self.mistakes:
                content = content[:len(content) // 8 * 8]
            return self.tag(field.number, LEN) + self.length(content)
        if self.wrong(0.03):  # another wire type is another field
            wire = self.rng.choice([VARINT, I64, LEN, I32])
            body = {VARINT: varint(self.number()), I64: b"12345678", I32: b"1234", LEN: self.length(b"ab")}[wire]
            return self.tag(field.number, wire) + body
        return self.tag(field.number, wire) + self.value(field, depth)

    def mutate(self, data):
        data = bytearray(data)
        for _ in range(self.rng.choice([1, 1, 2, 5])):
            if not data:
                break
            at = self.rng.randrange(len(data))
            how = self.rng.randrange(5)
            if how == 0:
                data[at] ^= 1 << self.rng.randrange(8)
            elif how == 1:
                del data[at:at + self.rng.choice([1, 2, 8])]
            elif how == 2:
                data[at:at] = bytes([self.rng.choice([0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x0B, 0x0C])])
            elif how == 3:
                del data[at:]
            else:
                piece = data[at:at + self.rng.randrange(1, 20)]
                data[at:at] = piece
        return bytes(data)


def deep(rng, desc):
    """A chain of messages around the limits of depth."""
    field = {f.name: f for f in desc.fields}.get("inner") or {f.name: f for f in desc.fields}["part"]
    data = b"\x0a\x01k"
    for _ in range(rng.choice([3, DEPTH - 1, DEPTH, DEPTH + 1, LIB_DEPTH - 1, LIB_DEPTH, LIB_DEPTH + 1])):
        last = {f.name: f for f in field.message_type.fields}
        inner = last.get("inner") or last.get("part")
        data = varint(inner.number << 3 | LEN) + varint(len(data)) + data + b"\x0a\x01k"
    return varint(field.number << 3 | LEN) + varint(len(data)) + data + (b"\x08\x01" if desc.name == "Legacy" else b"")


def make_case(rng, pool):
    name = rng.choice(TYPES)
    desc = pool.FindMessageTypeByName(name)
    how = rng.random()
    if how < 0.02 and name in ("test.three.All", "test.two.Legacy"):
        return name, deep(rng, desc)
    if how < 0.03:
        return name, rng.randbytes(rng.randrange(40))
    maker = Maker(rng, how > 0.5)
    data = maker.message(desc, rng.choice([1, 2, 4]))
    return name, maker.mutate(data) if how > 0.75 else data


# ---- What libprotobuf says ----

def lib_verdict(factory, pool, name, data):
    message = factory(name)()
    try:
        WARNINGS.clear()
        message.ParseFromString(data)
        if WARNINGS:  # it stops at an end-group tag or at field number 0, and only warns
            return "refused", None, None
    except DecodeError:
        return "refused", None, None
    if not message.IsInitialized():
        return "refused", "required", message
    try:
        value = json_format.MessageToDict(message, descriptor_pool=pool)
        return ("nojson", "an Any's bytes", message) if WARNINGS else ("ok", value, message)
    except Exception as problem:  # json_format raises many kinds
        return "nojson", "%s: %s" % (type(problem).__name__, problem), message


def canonical(value):
    """JSON values compared as what they mean."""
    if isinstance(value, dict):
        return {k: canonical(v) for k, v in value.items()}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return float(value) if isinstance(value, float) or abs(value) < 2**53 else value


# ---- The differences that are meant ----

def load_known(path):
    """Differences by Python, each with an example; and what differential_fuzz.cc counts on its corpus."""
    known, counted = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.strip() or line.startswith("#"):
                continue
            parts = [part.strip() for part in line.split("|")]
            if parts[0] == "fuzz":
                counted.append(parts[1])
                continue
            ours, theirs, why, _reason, example = parts
            name, data = example.split(" ", 1)
            data = by_hand.nested(int(data[7:])) if data.startswith("nested ") else bytes.fromhex(data)
            known.append((ours.split(","), theirs.split(","), re.compile(why), name, data))
    return known, counted


def explained(known, ours, theirs, text):
    return next((i for i, (o, t, why, _, _) in enumerate(known) if ours in o and theirs in t and why.search(text)), None)


def ask_tool(tool, descriptor_set, cases):
    data = b"".join(kind + struct.pack("<H", len(n)) + n.encode() + struct.pack("<I", len(d)) + d for kind, n, d in cases)
    run = subprocess.run([tool, descriptor_set], input=data, stdout=subprocess.PIPE, stderr=STDERR, check=True)
    lines = run.stdout.decode("utf-8", "replace").split("\n")[:-1]
    if len(lines) != len(cases):
        sys.exit("the tool answered %d of %d cases" % (len(lines), len(cases)))
    return [line.split(" ", 1) for line in lines]


class Comparison:
    def __init__(self, options):
        self.options = options
        self.known, self.counted = load_known(os.path.join(os.path.dirname(__file__), "known_differences.txt"))
        self.counts = {}
        self.failures = 0

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def differ(self, seed, name, data, ours, theirs):
        text = "%s\n%s" % (ours[1], theirs[1] if isinstance(theirs[1], str) else "")
        number = explained(self.known, ours[0], theirs[0], text)
        if number is not None:
            self.count("known difference %d" % (number + 1))
            return
        self.failures += 1
        if self.failures <= 10:
            print("seed %d: %s %.2000s\n  ours:   %s %s\n  theirs: %s %s" % (seed, name, data.hex(), ours[0], ours[1],
                                                                       theirs[0], theirs[1]))

    def compare(self, seed, name, data, ours, theirs):
        if ours[0] != theirs[0]:
            self.differ(seed, name, data, ours, theirs)
        elif ours[0] == "ok":
            mine = canonical(json.loads(ours[1]))
            other = canonical(json.loads(json.dumps(theirs[1])))
            if mine != other:
                self.differ(seed, name, data, ("content", ours[1]), ("content", json.dumps(theirs[1], ensure_ascii=False)))
        self.count("both " + ours[0] if ours[0] == theirs[0] else "unlike verdicts")


def protoc_agrees(options, name, data, accepted):
    """protoc --decode must come to the verdict that python3-protobuf came to."""
    run = subprocess.run(["protoc", "--descriptor_set_in=" + options.set, "--decode=" + name], input=data,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (run.returncode == 0) == accepted


def back_through_json(options, comparison, factory, pool, results):
    """Their JSON, read by us, is the message that it came from."""
    cases = [(seed, name, message, json_format.MessageToJson(message, descriptor_pool=pool)) for seed, name, message in results]
    answers = ask_tool(options.tool, options.set, [(b"j", name, text.encode()) for _, name, _, text in cases])
    for (seed, name, message, text), (verdict, value) in zip(cases, answers):
        if verdict != "ok":
            comparison.differ(seed, name, text.encode(), ("json-" + verdict, value), ("json-ok", ""))
            continue
        again = factory(name)()
        again.ParseFromString(bytes.fromhex(value))
        mine = canonical(json_format.MessageToDict(again, descriptor_pool=pool))
        other = canonical(json_format.MessageToDict(message, descriptor_pool=pool))
        if mine != other:
            comparison.differ(seed, name, text.encode(), ("json-content", str(mine)), ("json-content", str(other)))
        comparison.count("JSON read")


def explicit_cases(options, comparison, factory, pool):
    """The cases by hand: our verdict as written, theirs the same or explained, protoc's as Python's."""
    listed = [(area, *case) for area in by_hand.CASES for case in by_hand.CASES[area]]
    answers = ask_tool(options.tool, options.set, [(b"w", case[2], case[3]) for case in listed])
    for (area, what, name, data, wanted, *more), ours in zip(listed, answers):
        verdict, value, message = lib_verdict(factory, pool, name, data)
        problem = None
        if ours[0] != wanted:
            problem = "we say %s" % " ".join(ours)
        elif wanted != "ok" and more and more[0] not in ours[1]:
            problem = "we say %s" % ours[1]
        elif wanted == "ok" and more and canonical(json.loads(ours[1])) != canonical(json.loads(more[0])):
            problem = "we read %s" % ours[1]
        elif verdict == "ok" and wanted == "ok" and canonical(value) != canonical(json.loads(ours[1])):
            problem = "libprotobuf reads %s" % value
        elif verdict != wanted and explained(comparison.known, ours[0], verdict, "%s\n%s" % (ours[1], value)) is None:
            problem = "libprotobuf says %s %s" % (verdict, value)
        elif not protoc_agrees(options, name, data, message is not None):
            problem = "protoc and python3-protobuf disagree"
        if problem:
            comparison.failures += 1
            print("%s, %s: %s %.200s should be %s: %s" % (area, what, name, data.hex(), wanted, problem))
        comparison.count("cases by hand")


def known_still_differ(options, comparison, factory, pool):
    """Each known difference has an example, which is explained by its line and by no other."""
    answers = ask_tool(options.tool, options.set, [(b"w", name, data) for _, _, _, name, data in comparison.known])
    for i, ((_, _, _, name, data), ours) in enumerate(zip(comparison.known, answers)):
        verdict, value, _ = lib_verdict(factory, pool, name, data)
        number = explained(comparison.known, ours[0], verdict, "%s\n%s" % (ours[1], value if isinstance(value, str) else ""))
        unlike = verdict != ours[0]
        if number != i or not unlike:
            comparison.failures += 1
            print("known difference %d is none any more: %s %s: ours %s, theirs %s" % (i + 1, name, data.hex(), ours, (verdict, value)))
    if not options.fuzz:
        return
    counts = subprocess.run([options.fuzz, options.corpus], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
                            env={**os.environ, "DIFFERENTIAL_COUNTS": "1"}).stderr
    for what in comparison.counted:
        if not re.search(r"^ *\d+ %s$" % re.escape(what), counts, re.M):
            comparison.failures += 1
            print("the fuzzer's corpus has no example of \"%s\"" % what)


def corpus_cases(options, comparison, factory, pool):
    """What the fuzzers found worth keeping, also asked of Python and of protoc."""
    for path in sorted(os.listdir(options.corpus)):
        with open(os.path.join(options.corpus, path), "rb") as file:
            data = file.read()
        if not data:
            continue
        name, data = FUZZ_TYPES[data[0] % len(FUZZ_TYPES)], data[1:]
        (ours,) = ask_tool(options.tool, options.set, [(b"w", name, data)])
        verdict, value, message = lib_verdict(factory, pool, name, data)
        comparison.compare(path, name, data, ours, (verdict, value))
        if not protoc_agrees(options, name, data, message is not None):
            comparison.failures += 1
            print("%s: protoc and python3-protobuf disagree" % path)
        comparison.count("files of the corpus")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--set", required=True)
    parser.add_argument("--cases", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fuzz", help="the fuzzer, built without libFuzzer, to count known differences")
    parser.add_argument("--corpus", default=os.path.join(os.path.dirname(__file__), "../../fuzz/corpus/view_differential"))
    parser.add_argument("--protoc", type=int, default=40, help="cases that protoc --decode is asked about")
    options = parser.parse_args()
    if api_implementation.Type() != "cpp":
        print("python3-protobuf is not libprotobuf here (%s); skipped" % api_implementation.Type())
        return 77

    warnings.simplefilter("always", RuntimeWarning)
    warnings.showwarning = lambda *what: WARNINGS.append(what)
    pool = descriptor_pool.DescriptorPool()
    with open(options.set, "rb") as file:
        for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(proto)
    messages = message_factory.MessageFactory(pool)

    def factory(name):
        return messages.GetPrototype(pool.FindMessageTypeByName(name))

    comparison = Comparison(options)
    explicit_cases(options, comparison, factory, pool)
    known_still_differ(options, comparison, factory, pool)
    corpus_cases(options, comparison, factory, pool)
    for start in range(options.seed, options.seed + options.cases, 2000):
        seeds = range(start, min(start + 2000, options.seed + options.cases))
        cases = [make_case(random.Random(seed), pool) for seed in seeds]
        answers = ask_tool(options.tool, options.set, [(b"w", name, data) for name, data in cases])
        right = []
        for seed, (name, data), ours in zip(seeds, cases, answers):
            verdict, value, message = lib_verdict(factory, pool, name, data)
            comparison.compare(seed, name, data, ours, (verdict, value))
            if verdict == "ok" and ours[0] == "ok":
                right.append((seed, name, message))
            if seed - options.seed < options.protoc and not protoc_agrees(options, name, data, message is not None):
                comparison.failures += 1
                print("seed %d: protoc and python3-protobuf disagree on %s %s" % (seed, name, data.hex()))
        back_through_json(options, comparison, factory, pool, right)
    for what in sorted(comparison.counts):
        print("%7d %s" % (comparison.counts[what], what))
    print("%7d unexplained differences" % comparison.failures)
    return 1 if comparison.failures else 0


if __name__ == "__main__":
    sys.exit(main())
