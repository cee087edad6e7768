"""Bytes that a reader of protobuf must get right, by hand: what is accepted and what is refused, at the exact boundaries.

Each case: what it is about, type, bytes, verdict ("ok" or "refused"), and for some the JSON that they mean. libprotobuf must come to
the same verdict and the same JSON, or the case names the line of known_differences.txt that explains why not.
"""
ALL, KNOWN, INNER, LEGACY, PART = "test.three.All", "test.three.Known", "test.three.Inner", "test.two.Legacy", "test.two.Part"
OK, REFUSED = "ok", "refused"
VARINT, I64, LEN, START, END, I32 = range(6)


def varint(value, size=0):
    """At least `size` bytes long."""
    out = bytearray()
    value &= (1 << 64) - 1
    while value >= 0x80 or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number, wire, size=0):
    return varint(number << 3 | wire, size)


def num(number, value, size=0):
    return tag(number, VARINT) + varint(value, size)


def sub(number, *content):
    data = b"".join(content)
    return tag(number, LEN) + varint(len(data)) + data


def group(number, *content, end=None):
    return tag(number, START) + b"".join(content) + tag(end or number, END)


def nested(depth, number=3, first=11):
    """All.inner.inner.inner…, `depth` messages inside."""
    data = b""
    for i in range(depth):
        data = sub(first if i == depth - 1 else number, data)
    return data


def groups(depth, number=900):
    return tag(number, START) * depth + tag(number, END) * depth


def text(data):
    return sub(9, data)


def legacy(*content):
    return num(1, 1) + b"".join(content)


DEPTH = [
    ("64 messages inside each other", ALL, nested(64), OK),
    ("65 messages", ALL, nested(65), REFUSED, "nested too deep"),
    ("101 messages: too deep for libprotobuf too", ALL, nested(101), REFUSED),
    ("64 unknown groups", ALL, groups(64), OK),
    ("65 unknown groups", ALL, groups(65), REFUSED, "nested too deep"),
    ("101 unknown groups", ALL, groups(101), REFUSED),
    ("63 messages and an unknown group", ALL, sub(11, sub(3, groups(62))), OK),
    ("a map's entry counts as a message: 62 below", ALL, sub(62, num(1, 1), sub(2, nested(62, 3, 3))), OK),
    ("and 63 below are too many", ALL, sub(62, num(1, 1), sub(2, nested(63, 3, 3))), REFUSED, "nested too deep"),
]

UTF8 = [("good text: " + what, ALL, text(data), OK, json) for what, data, json in [
    ("one byte", b"\x00\x7f", '{"aString":"\\u0000\\u007f"}'),
    ("the smallest of two bytes", b"\xc2\x80", '{"aString":"\\u0080"}'),
    ("the smallest of three", b"\xe0\xa0\x80", '{"aString":"\\u0800"}'),
    ("the last before the surrogates", b"\xed\x9f\xbf", '{"aString":"\\ud7ff"}'),
    ("the first behind them", b"\xee\x80\x80", '{"aString":"\\ue000"}'),
    ("a non-character", b"\xef\xbf\xbf", '{"aString":"\\uffff"}'),
    ("the smallest of four", b"\xf0\x90\x80\x80", '{"aString":"\\ud800\\udc00"}'),
    ("U+10FFFF", b"\xf4\x8f\xbf\xbf", '{"aString":"\\udbff\\udfff"}'),
]] + [("bad text: " + what, ALL, text(data), REFUSED) for what, data in [
    ("a lone continuation", b"\x80"), ("overlong NUL", b"\xc0\x80"), ("overlong slash", b"\xc0\xaf"), ("overlong in two", b"\xc1\xbf"),
    ("overlong in three", b"\xe0\x9f\xbf"), ("overlong in four", b"\xf0\x8f\xbf\xbf"), ("the first surrogate", b"\xed\xa0\x80"),
    ("the last surrogate", b"\xed\xbf\xbf"), ("a pair of surrogates", b"\xed\xa0\x80\xed\xb0\x80"), ("U+110000", b"\xf4\x90\x80\x80"),
    ("five bytes", b"\xf8\x88\x80\x80\x80"), ("six bytes", b"\xfc\x84\x80\x80\x80\x80"), ("0xFE", b"\xfe"), ("0xFF", b"\xff"),
    ("cut short after one of two", b"a\xc3"), ("after two of three", b"abcdefg\xe4\xb8"), ("after three of four", b"\xf0\x9f\x98"),
    ("a letter inside", b"\xe4\xb8A"), ("behind 16 good bytes", b"a" * 16 + b"\xff"),
]] + [
    ("bad text in an element", ALL, sub(39, b"\xff"), REFUSED),
    ("bad text in a map's key", ALL, sub(61, sub(1, b"\xff")), REFUSED),
    ("bad text in a map's value", ALL, sub(61, sub(2, b"\xff")), REFUSED),
    ("bad text in a oneof", ALL, sub(51, b"\xff"), REFUSED),
    ("bad text below", ALL, sub(11, sub(1, b"\xff")), REFUSED),
    ("bytes may be anything", ALL, sub(12, b"\xff\xc0"), OK, '{"aBytes":"/8A="}'),
    ("an unknown field may be anything", ALL, sub(900, b"\xff"), OK, "{}"),
    ("proto2 does not ask; only JSON does", LEGACY, legacy(sub(2, b"\xff")), "nojson", "the text is not UTF-8"),
]

MERGE = [
    ("the last of a scalar", ALL, num(5, 1) + num(5, 2), OK, '{"anInt32":2}'),
    ("also when it is the default", ALL, num(5, 1) + num(5, 0), OK, "{}"),
    ("the last of a text", ALL, sub(9, b"a") + sub(9, b""), OK, "{}"),
    ("of optional: there with its default", ALL, num(21, 1) + num(21, 0), OK, '{"maybeInt32":0}'),
    ("a message in pieces", ALL, sub(11, sub(1, b"a")) + num(5, 7) + sub(11, num(2, 3)), OK, '{"anInt32":7,"inner":{"name":"a","number":"3"}}'),
    ("its repeated fields one behind the other", ALL, sub(11, sub(4, b"a")) + sub(11, sub(4, b"b")), OK, '{"inner":{"tags":["a","b"]}}'),
    ("pieces of a message inside", ALL, sub(11, sub(3, sub(1, b"a"))) + sub(11, sub(3, num(2, 1))), OK,
     '{"inner":{"inner":{"name":"a","number":"1"}}}'),
    ("an empty piece", ALL, sub(11, sub(1, b"a")) + sub(11), OK, '{"inner":{"name":"a"}}'),
    ("a oneof: the last member", ALL, sub(51, b"a") + num(53, 1), OK, '{"choiceInt32":1}'),
    ("with its default", ALL, sub(51, b"a") + num(53, 0), OK, '{"choiceInt32":0}'),
    ("the same member merges", ALL, sub(52, sub(1, b"a")) + sub(52, num(2, 1)), OK, '{"choiceInner":{"name":"a","number":"1"}}'),
    ("not over another one between", ALL, sub(52, sub(1, b"a")) + num(53, 1) + sub(52, num(2, 1)), OK, '{"choiceInner":{"number":"1"}}'),
    ("nor into another of the same type", ALL, sub(52, sub(1, b"a")) + sub(55, num(2, 1)), OK, '{"choiceOther":{"number":"1"}}'),
    ("a member of the wrong wire type is unknown", ALL, sub(51, b"a") + sub(53, b"x"), OK, '{"choiceString":"a"}'),
    ("required in two pieces", LEGACY, legacy(sub(8, num(2, 1)), sub(8, sub(1, b"k"))), OK),
    ("required in one element of two", LEGACY, legacy(sub(9, sub(1, b"k")), sub(9)), REFUSED),
    ("groups in pieces", LEGACY, legacy(group(6, sub(1, b"a")), group(6, num(2, 5))), OK,
     '{"id":1,"place":{"street":"a","numbers":[5]}}'),
]

PACKED = [
    ("packed", ALL, sub(35, varint(1), varint(-1)), OK, '{"int32s":[1,-1]}'),
    ("not packed", ALL, num(35, 1) + num(35, 2), OK, '{"int32s":[1,2]}'),
    ("mixed", ALL, num(35, 1) + sub(35, varint(2), varint(3)) + num(35, 4), OK, '{"int32s":[1,2,3,4]}'),
    ("packed where it is written loose", ALL, num(49, 1) + sub(49, varint(2)), OK, '{"looseInt32s":[1,2]}'),
    ("packed, empty", ALL, sub(35), OK, "{}"),
    ("packed, its last cut short", ALL, sub(35, varint(1), b"\x80"), REFUSED),
    ("packed doubles, 7 bytes", ALL, sub(31, b"1234567"), REFUSED),
    ("packed floats, 8 bytes", ALL, sub(32, b"\0" * 8), OK, '{"floats":[0,0]}'),
    ("packed floats, 6 bytes", ALL, sub(32, b"\0" * 6), REFUSED),
    ("a singular field packed is unknown", ALL, sub(5, varint(1)), OK, "{}"),
    ("texts are never packed", ALL, num(39, 1), OK, "{}"),
    ("packed enums", ALL, sub(44, varint(1), varint(99), varint(-1)), OK, '{"kinds":["KIND_VISIT",99,"KIND_LOSS"]}'),
    ("packed closed enums leave the unknown out", LEGACY, legacy(sub(5, varint(1), varint(99), varint(2))), OK,
     '{"id":1,"packedCloseds":["ONE","TWO"]}'),
]

VARINTS = [
    ("nothing", ALL, b"", OK, "{}"),
    ("a tag alone", ALL, tag(5, VARINT), REFUSED),
    ("cut short after one", ALL, tag(5, VARINT) + b"\x80", REFUSED),
    ("cut short after nine", ALL, tag(5, VARINT) + b"\xff" * 9, REFUSED),
    ("ten bytes, the last 1", ALL, tag(3, VARINT) + b"\xff" * 9 + b"\x01", OK, '{"anInt64":"-1"}'),
    ("ten bytes of nothing", ALL, tag(3, VARINT) + b"\x80" * 9 + b"\x00", OK, "{}"),
    ("ten bytes, the last 2", ALL, tag(3, VARINT) + b"\xff" * 9 + b"\x02", REFUSED, "64 bits"),
    ("ten bytes, the last 127", ALL, tag(3, VARINT) + b"\x80" * 9 + b"\x7f", REFUSED, "64 bits"),
    ("the same in an unknown field", ALL, tag(900, VARINT) + b"\x80" * 9 + b"\x7f", REFUSED, "64 bits"),
    ("the same packed", ALL, sub(35, b"\x80" * 9 + b"\x7f"), REFUSED, "64 bits"),
    ("eleven bytes", ALL, tag(3, VARINT) + b"\x80" * 10 + b"\x00", REFUSED),
    ("longer than needed", ALL, num(5, 1, size=10), OK, '{"anInt32":1}'),
    ("a negative int32 in ten bytes", ALL, num(5, -2), OK, '{"anInt32":-2}'),
    ("in five bytes", ALL, num(5, 0xFFFFFFFE), OK, '{"anInt32":-2}'),
    ("int32 drops what is above", ALL, num(5, 1 << 32 | 5), OK, '{"anInt32":5}'),
    ("uint32 as well", ALL, num(13, 1 << 32 | 5), OK, '{"aUint32":5}'),
    ("sint32 as well", ALL, num(17, 1 << 32 | 3), OK, '{"aSint32":-2}'),
    ("a bool of 2", ALL, num(8, 2), OK, '{"aBool":true}'),
    ("of 2^32: not cut first", ALL, num(8, 1 << 32), OK, '{"aBool":true}'),
    ("of 2^63", ALL, num(8, 1 << 63), OK, '{"aBool":true}'),
    ("of nothing in ten bytes", ALL, num(8, 0, size=10), OK, "{}"),
    ("an open enum beyond its values", ALL, num(14, 99), OK, '{"kind":99}'),
    ("a negative one in ten bytes", ALL, num(14, -1), OK, '{"kind":"KIND_LOSS"}'),
    ("in five bytes", ALL, num(14, 0xFFFFFFFF), OK, '{"kind":"KIND_LOSS"}'),
    ("a closed enum beyond its values is unknown", LEGACY, legacy(num(3, 1), num(3, 99)), OK, '{"id":1,"closed":"ONE"}'),
    ("and leaves a oneof as it was", LEGACY, legacy(sub(11, b"a"), num(14, 99)), OK, '{"id":1,"choiceText":"a"}'),
    ("fixed64 cut short", ALL, tag(6, I64) + b"1234567", REFUSED),
    ("fixed32 cut short", ALL, tag(7, I32) + b"123", REFUSED),
]

TAGS = [
    ("field number 0", ALL, b"\x00\x00", REFUSED),
    ("0 with a length", ALL, b"\x02\x00", REFUSED),
    ("0 in two bytes", ALL, b"\x80\x00\x00", REFUSED),
    ("0 inside a message", ALL, sub(11, b"\x00\x00"), REFUSED),
    ("0 inside a group", ALL, group(900, b"\x00\x00"), REFUSED),
    ("the largest number, 2^29-1", ALL, sub(536870911, b"x"), OK, '{"farAway":"x"}'),
    ("the next one needs 33 bits", ALL, b"\x80\x80\x80\x80\x10\x00", REFUSED),
    ("a tag with a bit too many on a good one", ALL, b"\xa8\x80\x80\x80\x10\x05", REFUSED, "32 bits"),
    ("with all bits too many", ALL, b"\xa8\x80\x80\x80\x70\x05", REFUSED, "32 bits"),
    ("a good one in five bytes", ALL, tag(5, VARINT, 5) + b"\x05", OK, '{"anInt32":5}'),
    ("in six", ALL, tag(5, VARINT, 6) + b"\x05", REFUSED),
    ("in ten", ALL, tag(5, VARINT, 10) + b"\x05", REFUSED),
    ("a tag cut short", ALL, b"\xa8", REFUSED),
    ("wire type 6", ALL, b"\x2e\x01", REFUSED),
    ("wire type 7", ALL, b"\x2f\x01", REFUSED),
    ("6 of an unknown field", ALL, tag(900, 6) + b"\0", REFUSED),
    ("7 of an unknown field", ALL, tag(900, 7) + b"\0", REFUSED),
    ("7 inside a group", ALL, group(900, tag(5, 7)), REFUSED),
    ("a wire type that does not fit is unknown", ALL, tag(5, I64) + b"12345678", OK, "{}"),
    ("a length where a number stands", ALL, sub(5, b"\xff"), OK, "{}"),
    ("a number where a message stands", ALL, num(11, 1), OK, "{}"),
    ("a group where a message stands", ALL, group(11, sub(1, b"x")), OK, "{}"),
    ("a message where a group stands", LEGACY, legacy(sub(6, sub(1, b"x"))), OK, '{"id":1}'),
]

GROUPS = [
    ("an unknown group", ALL, group(900, num(1, 1), sub(2, b"x")), OK, "{}"),
    ("groups inside each other", ALL, group(900, group(901, group(902))), OK, "{}"),
    ("an end that fits another start", ALL, group(900, end=901), REFUSED),
    ("ends crosswise", ALL, tag(900, START) + tag(901, START) + tag(900, END) + tag(901, END), REFUSED),
    ("no end", ALL, tag(900, START), REFUSED),
    ("no start", ALL, tag(900, END), REFUSED),
    ("an end inside a message", ALL, sub(11, tag(900, END)), REFUSED),
    ("its end outside of the message", ALL, sub(11, tag(900, START)) + tag(900, END), REFUSED),
    ("a known group without an end", LEGACY, legacy(tag(6, START)), REFUSED),
    ("a known group with another's end", LEGACY, legacy(group(6, end=7)), REFUSED),
    ("an end in more bytes than needed", LEGACY, legacy(tag(6, START) + tag(6, END, 3)), OK, '{"id":1,"place":{}}'),
    ("elements that are groups", LEGACY, legacy(group(7, num(1, 1)), group(7)), OK, '{"id":1,"entry":[{"value":"1"},{}]}'),
    ("a oneof's group", LEGACY, legacy(sub(11, b"x"), group(13, sub(1, b"y"))), OK, '{"id":1,"choicegroup":{"name":"y"}}'),
]

LENGTHS = [
    ("beyond the end", ALL, tag(9, LEN) + b"\x05abcd", REFUSED),
    ("exactly to the end", ALL, tag(9, LEN) + b"\x04abcd", OK, '{"aString":"abcd"}'),
    ("longer than needed, five bytes", ALL, tag(9, LEN) + varint(1, 5) + b"a", OK, '{"aString":"a"}'),
    ("six bytes", ALL, tag(9, LEN) + varint(1, 6) + b"a", REFUSED),
    ("2^31", ALL, tag(9, LEN) + varint(1 << 31), REFUSED),
    ("2^31-1", ALL, tag(9, LEN) + varint((1 << 31) - 1), REFUSED),
    ("2^32: not cut to 0", ALL, tag(9, LEN) + varint(1 << 32), REFUSED),
    ("2^32+1", ALL, tag(9, LEN) + varint((1 << 32) + 1) + b"a", REFUSED),
    ("-1", ALL, tag(9, LEN) + varint(-1), REFUSED),
    ("2^63", ALL, tag(9, LEN) + varint(1 << 63), REFUSED),
    ("of a message beyond the one around", ALL, tag(11, LEN) + b"\x02" + tag(1, LEN) + b"\x01" + b"a", REFUSED),
    ("of an unknown field beyond the end", ALL, tag(900, LEN) + b"\x02a", REFUSED),
    ("cut short", ALL, tag(9, LEN) + b"\x80", REFUSED),
]

MAPS = [
    ("an entry", ALL, sub(61, sub(1, b"k"), sub(2, b"v")), OK, '{"names":{"k":"v"}}'),
    ("value first", ALL, sub(61, sub(2, b"v"), sub(1, b"k")), OK, '{"names":{"k":"v"}}'),
    ("no key", ALL, sub(61, sub(2, b"v")), OK, '{"names":{"":"v"}}'),
    ("no value", ALL, sub(61, sub(1, b"k")), OK, '{"names":{"k":""}}'),
    ("neither", ALL, sub(61), OK, '{"names":{"":""}}'),
    ("no value, a message", ALL, sub(62, num(1, 5)), OK, '{"byNumber":{"5":{}}}'),
    ("one key twice: the last", ALL, sub(61, sub(1, b"k"), sub(2, b"a")) + sub(61, sub(1, b"k"), sub(2, b"b")), OK, '{"names":{"k":"b"}}'),
    ("messages of one key do not merge", ALL, sub(62, num(1, 5), sub(2, sub(1, b"a"))) + sub(62, num(1, 5), sub(2, num(2, 1))), OK,
     '{"byNumber":{"5":{"number":"1"}}}'),
    ("key and value twice in one entry: the last", ALL, sub(61, sub(1, b"j"), sub(1, b"k"), sub(2, b"a"), sub(2, b"b")), OK,
     '{"names":{"k":"b"}}'),
    ("a message twice in one entry merges", ALL, sub(62, num(1, 5), sub(2, sub(1, b"a")), sub(2, num(2, 1))), OK,
     '{"byNumber":{"5":{"name":"a","number":"1"}}}'),
    ("an unknown field inside", ALL, sub(61, sub(1, b"k"), num(3, 1), sub(2, b"v"), group(900)), OK, '{"names":{"k":"v"}}'),
    ("a value of the wrong wire type", ALL, sub(61, sub(1, b"k"), num(2, 1)), OK, '{"names":{"k":""}}'),
    ("a key of 2 for bool", ALL, sub(63, num(1, 2), num(2, 1)), OK, '{"byBool":{"true":"KIND_VISIT"}}'),
    ("an open enum beyond its values", ALL, sub(63, num(1, 0), num(2, 99)), OK, '{"byBool":{"false":99}}'),
    ("an entry that is malformed", ALL, sub(61, sub(1, b"k"), b"\x12\x05v"), REFUSED),
    ("an entry with an end inside", ALL, sub(61, tag(1, END)), REFUSED),
    ("an entry without its message", LEGACY, legacy(sub(10, sub(1, b"k"))), REFUSED, "by_name"),
    ("a closed enum's value", LEGACY, legacy(sub(19, num(1, 1), num(2, 2))), OK, '{"id":1,"closedByNumber":{"1":"TWO"}}'),
]

CASES = {"depth": DEPTH, "UTF-8": UTF8, "merge": MERGE, "packed": PACKED, "varints": VARINTS, "tags": TAGS, "groups": GROUPS,
         "lengths": LENGTHS, "maps": MAPS}
