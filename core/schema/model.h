// What .proto files say, whole: also what a catalogue has no use for at run time (reserved numbers, defaults,
// services, options), and with the places and comments that protoc --include_source_info noted. For tools.
#pragma once

#include "core/schema/catalogue.h"

struct model_place { // 1-based; line 0: not known
    uint32_t line;
    uint32_t column;
};

struct model_note {
    struct model_place place;
    const char *comment; // NULL: none; the lines as written, behind each other
};

struct model_range {
    int64_t first;
    int64_t last; // the last one that is in it
    struct model_place place;
};

struct model_reserved {
    const struct model_range *ranges;
    size_t range_count;
    const char *const *names;
    size_t name_count;
};

struct model_option {
    const char *name; // as in a .proto file
    const char *value;
    struct model_place place;
};

struct model_file {
    const char *name;
    const char *package; // "": none
    bool proto3;
    struct model_place package_place;
    struct model_place syntax_place;
    const struct model_option *options; // those that say how code is generated
    size_t option_count;
};

struct model_message;

struct model_field {
    const char *name;
    const char *json_name;
    const char *type_name;     // of a message, group or enum: its full name; otherwise NULL
    const char *default_value; // proto2; NULL: none is written
    const char *extendee;      // of an extension: the full name of the message; otherwise NULL
    const char *full_name;     // of an extension only
    uint32_t number;
    enum schema_kind kind;
    bool repeated;
    bool required;
    bool optional; // proto3 with the word "optional"
    bool packed;   // how it is written
    bool presence; // as in schema_field
    bool needed;   // whatever maps to the message must fill it (hutong.required, google.api.field_behavior)
    bool deprecated;
    uint32_t ctype;
    uint32_t jstype;
    int32_t oneof;                     // index in the message's oneofs; -1: none, or one that protoc made
    const struct model_message *entry; // of a map: its entries' type; otherwise NULL
    struct model_note note;
    struct model_place name_place;
    struct model_place number_place;
    struct model_place type_place;
    struct model_place label_place;
    struct model_place default_place;
    const struct model_file *file;
};

struct model_oneof {
    const char *name;
    struct model_note note;
};

struct model_message {
    const char *full_name;
    const char *name;
    const struct model_file *file;
    const struct model_field *fields; // in the order of the file
    size_t field_count;
    const struct model_oneof *oneofs;
    size_t oneof_count; // without those that protoc made for "optional"
    struct model_reserved reserved;
    const struct model_range *extensions;
    size_t extension_count;
    bool map_entry;
    bool deprecated;
    struct model_note note;
    struct model_place name_place;
};

struct model_value {
    const char *name;
    int32_t number;
    bool deprecated;
    struct model_note note;
    struct model_place number_place;
};

struct model_enum {
    const char *full_name;
    const char *name;
    const struct model_file *file;
    const struct model_value *values; // in the order of the file
    size_t value_count;
    struct model_reserved reserved;
    bool deprecated;
    struct model_note note;
    struct model_place name_place;
};

struct model_method {
    const char *name;
    const char *request;
    const char *response;
    bool client_streaming;
    bool server_streaming;
    uint32_t idempotency;
    struct model_note note;
    struct model_place request_place;
    struct model_place response_place;
};

struct model_service {
    const char *full_name;
    const struct model_file *file;
    const struct model_method *methods;
    size_t method_count;
    struct model_note note;
};

struct model; // immutable once loaded

// The set must be one that catalogue_load() accepts; here only what is read is asked about. 0 and `*out`
// owned, or -EINVAL with the text, -ENOMEM.
int model_load(struct bytes descriptor_set, struct model **out, struct error *error);
void model_destroy(struct model **self);

// All of a sort, in the order of the set; maps' entries are among the messages.
size_t model_file_count(const struct model *model);
const struct model_file *model_file_at(const struct model *model, size_t i);
size_t model_message_count(const struct model *model);
const struct model_message *model_message_at(const struct model *model, size_t i);
size_t model_enum_count(const struct model *model);
const struct model_enum *model_enum_at(const struct model *model, size_t i);
size_t model_service_count(const struct model *model);
const struct model_service *model_service_at(const struct model *model, size_t i);
size_t model_extension_count(const struct model *model);
const struct model_field *model_extension_at(const struct model *model, size_t i);

// By full name, or NULL.
const struct model_file *model_file(const struct model *model, const char *name);
const struct model_message *model_message(const struct model *model, const char *full_name);
const struct model_enum *model_enum(const struct model *model, const char *full_name);
const struct model_service *model_service(const struct model *model, const char *full_name);
const struct model_field *model_extension(const struct model *model, const char *full_name);

const char *model_kind_name(enum schema_kind kind); // "int32"
