// What libprotobuf makes of the same bytes: its dynamic messages, built from the same descriptor set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/type_resolver.h>

namespace oracle {

using google::protobuf::Descriptor;
using google::protobuf::Message;

// Extensions of the set are left out: for core/schema they are unknown fields.
void Open(const char *descriptor_set);
const Descriptor *Type(const char *full_name);

// The message that the bytes say, or null. Required fields are not asked for; `depth` messages may be nested.
std::unique_ptr<Message> Parse(const Descriptor *type, const uint8_t *data, size_t size, int depth);
std::unique_ptr<Message> Parse(const Descriptor *type, const std::string &data);

// What a message means, in one form: no unknown fields, a map's entries once each and in the order of their
// keys, what lies inside an Any too, one NaN, NullValue's only number, null for a Value that says nothing;
// with `one_zero` -0 is 0.
std::string Normal(const Message &message, bool one_zero = false);

// By libprotobuf's own reader and writer of JSON. False where it refuses.
bool ToJson(const Descriptor *type, const std::string &wire, std::string *json);
bool FromJson(const Descriptor *type, const std::string &json, std::string *wire);

} // namespace oracle
