// Differential fuzzing: core/schema and libprotobuf read the same bytes in one process. Both must accept or
// refuse them, and say the same: each path of a scan (with the whole check and without) what libprotobuf's
// reflection says, our JSON form after a way back the same message, and each reader of JSON what the other
// one wrote.
//
// The first byte chooses the type, and whether libprotobuf's JSON takes part. What may differ is listed in
// known_differences.txt; Explained() asks the bytes whether such a difference is the one that the message
// names.
#include "test/conformance/view/oracle.h"
#include "test/conformance/view/subject.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include <google/protobuf/message.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kDepth = 64; // view_default_limits

struct Path {
    std::vector<const FieldDescriptor *> fields;
};

struct Subject {
    const Descriptor *type;
    std::vector<Path> paths;
};

struct Input {
    size_t type;
    const uint8_t *data;
    size_t size;
    bool their_json;
};

Subject subjects[SUBJECT_TYPES];
std::map<std::string, unsigned long> counts;

void Report() {
    if (getenv("DIFFERENTIAL_COUNTS"))
        for (const auto &count : counts)
            fprintf(stderr, "%9lu %s\n", count.second, count.first.c_str());
}

[[noreturn]] void Differ(const Input &input, const std::string &what, const std::string &more) {
    fprintf(stderr, "%s: %s\n  bytes: ", subject_types[input.type], what.c_str());
    for (size_t i = 0; i < input.size; i++)
        fprintf(stderr, "%02x", input.data[i]);
    fprintf(stderr, "\n  %s\n", more.c_str());
    abort();
}

void OpenType(size_t type) {
    Subject &subject = subjects[type];
    subject.type = oracle::Type(subject_types[type]);
    for (size_t i = 0; i < subject_path_count(type); i++) {
        uint32_t numbers[8];
        size_t count = subject_path(type, i, numbers);
        Path path;
        const Descriptor *at = subject.type;
        for (size_t k = 0; k < count; k++) {
            path.fields.push_back(at->FindFieldByNumber(static_cast<int>(numbers[k])));
            at = path.fields.back()->message_type();
        }
        subject.paths.push_back(path);
    }
}

void Open() {
    subject_open(DIFFERENTIAL_SET);
    oracle::Open(DIFFERENTIAL_SET);
    for (size_t i = 0; i < SUBJECT_TYPES; i++)
        OpenType(i);
    atexit(Report);
}

// ---- Verdicts ----

// A varint of `most` bytes stands at the offset that the text names, and its last byte has bits that do not
// fit.
bool BitsBeyond(const Input &input, const char *why, size_t most, uint8_t highest) {
    const char *at = strstr(why, "byte ");
    if (!at)
        return false;
    size_t offset = strtoul(at + 5, nullptr, 10);
    if (offset + most > input.size)
        return false;
    for (size_t i = 0; i + 1 < most; i++)
        if (input.data[offset + i] < 0x80)
            return false;
    uint8_t last = input.data[offset + most - 1];
    return last < 0x80 && last > highest;
}

// Why we may refuse what libprotobuf accepts.
const char *Explained(const Input &input, const char *why) {
    if (strstr(why, "varint has more than 64 bits") && BitsBeyond(input, why, 10, 1))
        return "a tenth byte with bits that do not fit";
    if (strstr(why, "tag has more than 32 bits") && BitsBeyond(input, why, 5, 0x0F))
        return "a tag's fifth byte with bits that do not fit";
    if (strstr(why, "at by_name.value.") && strstr(why, "this field is required"))
        return "an entry without its value lacks the value's required fields";
    return nullptr;
}

// The message when both accept it.
std::unique_ptr<Message> Verdicts(const Input &input) {
    char why[SUBJECT_WHY] = "", scan_why[SUBJECT_WHY] = "";
    int ours = subject_check(input.type, input.data, input.size, why);
    auto message = oracle::Parse(subjects[input.type].type, input.data, input.size, kDepth);
    bool theirs = message && message->IsInitialized();
    int scanned = subject_scan(input.type, input.data, input.size, false, scan_why);
    if (scanned != ours || strcmp(why, scan_why) != 0)
        Differ(input, "the scan and the check differ", std::string(why) + " / " + scan_why);
    if (ours == 0 && theirs) {
        counts["both accept"]++;
        return message;
    }
    if (ours == 0)
        Differ(
            input, "we accept and libprotobuf refuses", message ? message->InitializationErrorString() : "");
    const char *known = theirs ? Explained(input, why) : "both refuse";
    if (!known)
        Differ(input, "libprotobuf accepts and we refuse", why);
    counts[known]++;
    return nullptr;
}

// ---- Values ----

template <typename T> uint64_t Bits(T value) {
    static_assert(sizeof value == 8, "as view_value has it");
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

struct Value {
    uint64_t bits;
    std::string text; // of strings and bytes
};

Value Single(const Message &message, const FieldDescriptor *field) {
    const Reflection *reflection = message.GetReflection();
    switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
        return {Bits(static_cast<int64_t>(reflection->GetInt32(message, field))), ""};
    case FieldDescriptor::CPPTYPE_INT64:
        return {Bits(reflection->GetInt64(message, field)), ""};
    case FieldDescriptor::CPPTYPE_UINT32:
        return {reflection->GetUInt32(message, field), ""};
    case FieldDescriptor::CPPTYPE_UINT64:
        return {reflection->GetUInt64(message, field), ""};
    case FieldDescriptor::CPPTYPE_DOUBLE:
        return {Bits(reflection->GetDouble(message, field)), ""};
    case FieldDescriptor::CPPTYPE_FLOAT:
        return {Bits(static_cast<double>(reflection->GetFloat(message, field))), ""};
    case FieldDescriptor::CPPTYPE_BOOL:
        return {reflection->GetBool(message, field), ""};
    case FieldDescriptor::CPPTYPE_ENUM:
        return {Bits(static_cast<int64_t>(reflection->GetEnumValue(message, field))), ""};
    default:
        return {0, reflection->GetString(message, field)};
    }
}

Value Element(const Message &message, const FieldDescriptor *field, int i) {
    const Reflection *reflection = message.GetReflection();
    switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
        return {Bits(static_cast<int64_t>(reflection->GetRepeatedInt32(message, field, i))), ""};
    case FieldDescriptor::CPPTYPE_INT64:
        return {Bits(reflection->GetRepeatedInt64(message, field, i)), ""};
    case FieldDescriptor::CPPTYPE_UINT32:
        return {reflection->GetRepeatedUInt32(message, field, i), ""};
    case FieldDescriptor::CPPTYPE_UINT64:
        return {reflection->GetRepeatedUInt64(message, field, i), ""};
    case FieldDescriptor::CPPTYPE_DOUBLE:
        return {Bits(reflection->GetRepeatedDouble(message, field, i)), ""};
    case FieldDescriptor::CPPTYPE_FLOAT:
        return {Bits(static_cast<double>(reflection->GetRepeatedFloat(message, field, i))), ""};
    case FieldDescriptor::CPPTYPE_BOOL:
        return {reflection->GetRepeatedBool(message, field, i), ""};
    case FieldDescriptor::CPPTYPE_ENUM:
        return {Bits(static_cast<int64_t>(reflection->GetRepeatedEnumValue(message, field, i))), ""};
    default:
        return {0, reflection->GetRepeatedString(message, field, i)};
    }
}

std::string TextOf(const subject_value &value) {
    return value.size ? std::string(reinterpret_cast<const char *>(value.data), value.size) : std::string();
}

std::string NameOf(const Path &path) {
    std::string name;
    for (const FieldDescriptor *field : path.fields)
        name += (name.empty() ? "" : ".") + field->name();
    return name;
}

bool SameMessage(const Message &theirs, const subject_value &ours) {
    auto message = oracle::Parse(theirs.GetDescriptor(), TextOf(ours));
    return message && message->SerializePartialAsString() == theirs.SerializePartialAsString();
}

void CompareRepeated(const Input &input, size_t path, const Message &parent, const FieldDescriptor *field) {
    const Reflection *reflection = parent.GetReflection();
    const std::string name = NameOf(subjects[input.type].paths[path]);
    int count = reflection->FieldSize(parent, field);
    subject_value value, element;
    subject_get(input.type, path, &value);
    if (value.present != (count > 0) || value.occurrences != static_cast<uint32_t>(count))
        Differ(input, "the scan counts other elements", name);
    uint64_t cursor = 0;
    for (int i = 0; i < count; i++) {
        if (!subject_next(input.type, path, &cursor, &element))
            Differ(input, "the scan has fewer elements", name);
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
            if (!SameMessage(reflection->GetRepeatedMessage(parent, field, i), element))
                Differ(input, "the scan has another message as element", name);
            continue;
        }
        Value theirs = Element(parent, field, i);
        if (theirs.bits != element.bits || theirs.text != TextOf(element))
            Differ(input, "the scan has another element", name);
    }
    if (subject_next(input.type, path, &cursor, &element))
        Differ(input, "the scan has more elements", name);
}

void CompareSingular(const Input &input, size_t path, const Message &parent, const FieldDescriptor *field) {
    const Reflection *reflection = parent.GetReflection();
    const std::string name = NameOf(subjects[input.type].paths[path]);
    bool there = reflection->HasField(parent, field);
    subject_value value;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
        subject_message(input.type, path, &value);
    else
        subject_get(input.type, path, &value);
    if (value.present != there || (value.occurrences > 0) != there)
        Differ(input, "the scan sees another presence", name);
    if (!there && (value.bits != 0 || value.size != 0))
        Differ(input, "the scan has a value for what is absent", name);
    if (!there)
        return;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        if (!SameMessage(reflection->GetMessage(parent, field), value))
            Differ(input, "the scan has another message", name);
        return;
    }
    Value theirs = Single(parent, field);
    if (theirs.bits != value.bits || theirs.text != TextOf(value))
        Differ(input, "the scan has another value", name);
}

void CompareAbsent(const Input &input, size_t path) {
    subject_value value;
    subject_get(input.type, path, &value);
    if (value.present || value.occurrences || value.bits || value.size)
        Differ(input, "the scan sees a field of an absent message", NameOf(subjects[input.type].paths[path]));
}

void ComparePath(const Input &input, size_t path, const Message &message) {
    const std::vector<const FieldDescriptor *> &fields = subjects[input.type].paths[path].fields;
    const Message *parent = &message;
    for (size_t i = 0; i + 1 < fields.size(); i++) {
        if (!parent->GetReflection()->HasField(*parent, fields[i]))
            return CompareAbsent(input, path);
        parent = &parent->GetReflection()->GetMessage(*parent, fields[i]);
    }
    if (fields.back()->is_repeated())
        CompareRepeated(input, path, *parent, fields.back());
    else
        CompareSingular(input, path, *parent, fields.back());
}

void CompareScan(const Input &input, const Message &message, bool checked) {
    char why[SUBJECT_WHY] = "";
    if (subject_scan(input.type, input.data, input.size, checked, why) != 0)
        Differ(input, "a scan refuses what the check accepts", why);
    for (size_t i = 0; i < subjects[input.type].paths.size(); i++)
        ComparePath(input, i, message);
}

// ---- JSON ----

// Both return what is wrong, or "".
std::string Unlike(const Input &input, const Message &message, const std::string &wire, bool one_zero,
    const std::string &json) {
    auto again = oracle::Parse(subjects[input.type].type, wire);
    if (!again)
        return "not a message, from " + json;
    if (oracle::Normal(*again, one_zero) == oracle::Normal(message, one_zero))
        return "";
    return json + "\n" + message.DebugString() + "--\n" + again->DebugString();
}

std::string ReadByUs(const Input &input, const Message &message, const std::string &json) {
    char why[SUBJECT_WHY] = "";
    const uint8_t *data;
    size_t size;
    if (subject_from_json(input.type, json.data(), json.size(), &data, &size, why) != 0)
        return "refused: " + json + "\n  " + why;
    return Unlike(input, message, std::string(reinterpret_cast<const char *>(data), size), false, json);
}

std::string ReadByThem(const Input &input, const Message &message, const std::string &json) {
    std::string wire;
    if (!oracle::FromJson(subjects[input.type].type, json, &wire))
        return "refused: " + json;
    return Unlike(input, message, wire, true, json); // "-0" is 0 there
}

// libprotobuf's resolver of types asks for one host.
bool OtherHost(const std::string &json) {
    static const std::string key = "\"@type\":\"", host = "type.googleapis.com/";
    for (size_t at = json.find(key); at != std::string::npos; at = json.find(key, at + 1))
        if (json.compare(at + key.size(), host.size(), host) != 0)
            return true;
    return false;
}

// libprotobuf reads brackets and quotes in a path as a map's key, drops some dots and underscores, and takes
// two capitals in a row for one word.
bool OddPath(const std::string &path) {
    char before = '.';
    for (size_t at = path.find('_'); at != std::string::npos; at = path.find('_', at + 1))
        if (at + 2 < path.size() && path[at + 2] == '_')
            return true;
    for (char c : path) {
        bool letter = c >= 'a' && c <= 'z', within = (c >= '0' && c <= '9') || c == '_' || c == '.';
        if (!letter && (before == '.' || !within))
            return true;
        before = c;
    }
    return before == '.';
}

bool OddMask(const Message &message, const std::string &json) {
    const FieldDescriptor *field = message.GetDescriptor()->FindFieldByName("mask");
    if (json.find("/google.protobuf.FieldMask\"") != std::string::npos)
        return true;
    if (!field)
        return false;
    const Message &mask = message.GetReflection()->GetMessage(message, field);
    const FieldDescriptor *paths = mask.GetDescriptor()->FindFieldByNumber(1);
    for (int i = 0; i < mask.GetReflection()->FieldSize(mask, paths); i++)
        if (OddPath(mask.GetReflection()->GetRepeatedString(mask, paths, i)))
            return true;
    return false;
}

// Where libprotobuf's JSON is known to go other ways.
const char *BeyondTheirJson(const Input &input, const Message &message, const std::string &json) {
    if (strcmp(subject_types[input.type], "test.two.Legacy") == 0)
        return "libprotobuf's reader of JSON makes a length of a group";
    if (OtherHost(json))
        return "an Any of a host that libprotobuf's JSON doesn't know";
    if (OddMask(message, json))
        return "a field mask whose paths are no names of fields";
    return nullptr;
}

void Judge(const Input &input, const char *what, const char *known, const std::string &problem) {
    if (known)
        counts[std::string(known) + (problem.empty() ? ", and agrees" : ", and differs")]++;
    else if (!problem.empty())
        Differ(input, what, problem);
    else
        counts[what]++;
}

void CompareTheirJson(const Input &input, const Message &message, const std::string &json) {
    const char *known = BeyondTheirJson(input, message, json);
    std::string theirs;
    Judge(input, "libprotobuf reads our JSON", known, ReadByThem(input, message, json));
    // From the form with each field in one place: where pieces lie apart it writes a key twice.
    if (!oracle::ToJson(subjects[input.type].type, oracle::Normal(message), &theirs)) {
        counts["libprotobuf writes no JSON"]++;
        return;
    }
    const std::string problem = ReadByUs(input, message, theirs);
    if (!known && problem.find("expected a \"value\" of google.protobuf.") != std::string::npos)
        known = "libprotobuf writes an Any without the \"value\" that the JSON mapping asks for";
    Judge(input, "we read libprotobuf's JSON", known, problem);
}

void CompareJson(const Input &input, const Message &message) {
    char why[SUBJECT_WHY] = "";
    const char *text;
    size_t size;
    if (subject_to_json(input.type, input.data, input.size, &text, &size, why) != 0) {
        counts["we write no JSON"]++;
        return;
    }
    const std::string json(text, size);
    Judge(input, "we read our own JSON", nullptr, ReadByUs(input, message, json));
    if (input.their_json)
        CompareTheirJson(input, message, json);
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool open;
    if (!open) {
        Open();
        open = true;
    }
    if (size == 0)
        return 0;
    const size_t choice = data[0];
    Input input = {choice % SUBJECT_TYPES, data + 1, size - 1, choice / SUBJECT_TYPES % 2 == 1};
    auto message = Verdicts(input);
    if (!message)
        return 0;
    CompareScan(input, *message, false);
    CompareScan(input, *message, true);
    CompareJson(input, *message);
    return 0;
}
