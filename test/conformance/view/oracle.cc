#include "test/conformance/view/oracle.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

namespace oracle {

using google::protobuf::DescriptorPool;
using google::protobuf::DynamicMessageFactory;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptorSet;
using google::protobuf::Reflection;

namespace {

constexpr char kUrl[] = "type.googleapis.com";

DescriptorPool *pool;
DynamicMessageFactory *factory;
google::protobuf::util::TypeResolver *resolver;
bool one_zero; // as Normal() was asked

void NormaliseMessage(Message *message);

std::unique_ptr<Message> New(const Descriptor *type) {
    return std::unique_ptr<Message>(factory->GetPrototype(type)->New());
}

// Both fields of an entry are always there.
void FillEntry(Message *entry) {
    const Reflection *reflection = entry->GetReflection();
    const FieldDescriptor *value = entry->GetDescriptor()->map_value();
    if (value->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
        reflection->MutableMessage(entry, value);
}

std::string KeyOf(const Message &entry) {
    const Reflection *reflection = entry.GetReflection();
    const FieldDescriptor *key = entry.GetDescriptor()->map_key();
    switch (key->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
        return std::to_string(reflection->GetInt32(entry, key));
    case FieldDescriptor::CPPTYPE_INT64:
        return std::to_string(reflection->GetInt64(entry, key));
    case FieldDescriptor::CPPTYPE_UINT32:
        return std::to_string(reflection->GetUInt32(entry, key));
    case FieldDescriptor::CPPTYPE_UINT64:
        return std::to_string(reflection->GetUInt64(entry, key));
    case FieldDescriptor::CPPTYPE_BOOL:
        return std::to_string(reflection->GetBool(entry, key));
    default:
        return reflection->GetString(entry, key);
    }
}

void NormaliseMap(Message *message, const FieldDescriptor *field) {
    const Reflection *reflection = message->GetReflection();
    std::map<std::string, std::string> entries; // the last of a key wins
    const Descriptor *type = field->message_type();
    for (int i = 0; i < reflection->FieldSize(*message, field); i++) {
        auto entry = New(type);
        entry->CopyFrom(reflection->GetRepeatedMessage(*message, field, i));
        entry->DiscardUnknownFields(); // the whole message's does not look into a map
        FillEntry(entry.get());
        NormaliseMessage(entry.get());
        entries[KeyOf(*entry)] = entry->SerializePartialAsString();
    }
    reflection->ClearField(message, field);
    for (const auto &entry : entries)
        reflection->AddMessage(message, field)->ParsePartialFromString(entry.second);
}

template <typename T> T NormalNumber(T value) {
    if (std::isnan(value))
        return std::numeric_limits<T>::quiet_NaN();
    return one_zero && value == 0 ? 0 : value;
}

void NormaliseDouble(Message *message, const FieldDescriptor *field) {
    const Reflection *reflection = message->GetReflection();
    if (!field->is_repeated())
        return reflection->SetDouble(message, field, NormalNumber(reflection->GetDouble(*message, field)));
    for (int i = 0; i < reflection->FieldSize(*message, field); i++)
        reflection->SetRepeatedDouble(
            message, field, i, NormalNumber(reflection->GetRepeatedDouble(*message, field, i)));
}

void NormaliseFloat(Message *message, const FieldDescriptor *field) {
    const Reflection *reflection = message->GetReflection();
    if (!field->is_repeated())
        return reflection->SetFloat(message, field, NormalNumber(reflection->GetFloat(*message, field)));
    for (int i = 0; i < reflection->FieldSize(*message, field); i++)
        reflection->SetRepeatedFloat(
            message, field, i, NormalNumber(reflection->GetRepeatedFloat(*message, field, i)));
}

// JSON has one null.
void NormaliseNull(Message *message, const FieldDescriptor *field) {
    if (field->enum_type()->full_name() != "google.protobuf.NullValue" || field->is_repeated())
        return;
    message->GetReflection()->SetEnumValue(message, field, 0);
}

void NormaliseField(Message *message, const FieldDescriptor *field) {
    const Reflection *reflection = message->GetReflection();
    switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
        return NormaliseDouble(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
        return NormaliseFloat(message, field);
    case FieldDescriptor::CPPTYPE_ENUM:
        return NormaliseNull(message, field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
        if (field->is_map())
            return NormaliseMap(message, field);
        if (!field->is_repeated())
            return NormaliseMessage(reflection->MutableMessage(message, field));
        for (int i = 0; i < reflection->FieldSize(*message, field); i++)
            NormaliseMessage(reflection->MutableRepeatedMessage(message, field, i));
        return;
    default:
        return;
    }
}

void NormaliseAny(Message *any) {
    const Reflection *reflection = any->GetReflection();
    const FieldDescriptor *url = any->GetDescriptor()->FindFieldByNumber(1);
    const FieldDescriptor *value = any->GetDescriptor()->FindFieldByNumber(2);
    const std::string name = reflection->GetString(*any, url);
    const Descriptor *type = pool->FindMessageTypeByName(name.substr(name.rfind('/') + 1));
    if (!type)
        return;
    auto inner = Parse(type, reflection->GetString(*any, value));
    if (inner)
        reflection->SetString(any, value, Normal(*inner, one_zero));
}

void NormaliseMessage(Message *message) {
    std::vector<const FieldDescriptor *> fields;
    message->GetReflection()->ListFields(*message, &fields);
    for (const FieldDescriptor *field : fields)
        NormaliseField(message, field);
    const std::string &name = message->GetDescriptor()->full_name();
    if (name == "google.protobuf.Any")
        NormaliseAny(message);
    else if (name == "google.protobuf.Value" && fields.empty()) // as all writers have it
        message->GetReflection()->SetEnumValue(message, message->GetDescriptor()->FindFieldByNumber(1), 0);
}

std::string UrlOf(const Descriptor *type) {
    return std::string(kUrl) + "/" + type->full_name();
}

} // namespace

void Open(const char *descriptor_set) {
    google::protobuf::SetLogHandler(nullptr); // it writes a line for each bad text
    std::ifstream file(descriptor_set, std::ios::binary);
    FileDescriptorSet set;
    if (!set.ParseFromIstream(&file))
        abort();
    pool = new DescriptorPool;
    for (auto &proto : *set.mutable_file()) {
        proto.clear_extension();
        if (!pool->BuildFile(proto))
            abort();
    }
    factory = new DynamicMessageFactory(pool);
    resolver = google::protobuf::util::NewTypeResolverForDescriptorPool(kUrl, pool);
}

const Descriptor *Type(const char *full_name) {
    const Descriptor *type = pool->FindMessageTypeByName(full_name);
    if (!type)
        abort();
    return type;
}

std::unique_ptr<Message> Parse(const Descriptor *type, const uint8_t *data, size_t size, int depth) {
    auto message = New(type);
    google::protobuf::io::CodedInputStream stream(data, static_cast<int>(size));
    stream.SetRecursionLimit(depth);
    if (!message->ParsePartialFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
        return nullptr;
    return message;
}

std::unique_ptr<Message> Parse(const Descriptor *type, const std::string &data) {
    auto message = New(type);
    return message->ParsePartialFromString(data) ? std::move(message) : nullptr;
}

std::string Normal(const Message &message, bool zero) {
    one_zero = zero;
    auto copy = std::unique_ptr<Message>(message.New());
    copy->CopyFrom(message);
    copy->DiscardUnknownFields();
    NormaliseMessage(copy.get());
    return copy->SerializePartialAsString();
}

bool ToJson(const Descriptor *type, const std::string &wire, std::string *json) {
    json->clear();
    return google::protobuf::util::BinaryToJsonString(resolver, UrlOf(type), wire, json).ok();
}

bool FromJson(const Descriptor *type, const std::string &json, std::string *wire) {
    wire->clear();
    return google::protobuf::util::JsonToBinaryString(resolver, UrlOf(type), json, wire).ok();
}

} // namespace oracle
