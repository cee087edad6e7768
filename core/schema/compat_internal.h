#pragma once

#include "core/schema/arena.h"
#include "core/schema/compat.h"

enum compat_id {
    PACKAGE_REMOVED,
    FILE_REMOVED,
    FILE_PACKAGE_CHANGED,
    FILE_SYNTAX_CHANGED,
    FILE_OPTION_CHANGED,
    TYPE_MOVED,
    MESSAGE_REMOVED,
    MESSAGE_RESERVED_NUMBER_REMOVED,
    MESSAGE_RESERVED_NAME_REMOVED,
    MESSAGE_EXTENSIONS_REMOVED,
    REQUIRED_FIELD_ADDED,
    REQUIRED_FIELD_REMOVED,
    FIELD_REMOVED,
    FIELD_REMOVED_NUMBER_UNRESERVED,
    FIELD_REMOVED_NAME_UNRESERVED,
    FIELD_NUMBER_CHANGED,
    FIELD_RENAMED,
    FIELD_JSON_NAME_CHANGED,
    FIELD_TYPE_CHANGED,
    FIELD_TYPE_WIDENED,
    FIELD_TYPE_NARROWED,
    FIELD_SIGN_CHANGED,
    FIELD_STRING_TO_BYTES,
    FIELD_BYTES_TO_STRING,
    FIELD_MESSAGE_TO_BYTES,
    FIELD_BYTES_TO_MESSAGE,
    FIELD_ENUM_TO_INTEGER,
    FIELD_INTEGER_TO_ENUM,
    FIELD_GROUP_CHANGED,
    FIELD_MESSAGE_CHANGED,
    FIELD_ENUM_CHANGED,
    FIELD_MAP_CHANGED,
    FIELD_REPEATED_CHANGED,
    FIELD_REPEATED_COMPATIBLE,
    FIELD_REQUIRED_CHANGED,
    FIELD_NEEDED,
    FIELD_PRESENCE_CHANGED,
    FIELD_JOINED_ONEOF,
    FIELD_LEFT_ONEOF,
    FIELD_CHANGED_ONEOF,
    FIELD_ALONE_IN_ONEOF,
    FIELD_DEFAULT_CHANGED,
    FIELD_PACKED_CHANGED,
    FIELD_CTYPE_CHANGED,
    FIELD_JSTYPE_CHANGED,
    ONEOF_REMOVED,
    EXTENSION_REMOVED,
    EXTENSION_MOVED,
    ENUM_REMOVED,
    ENUM_CLOSED_CHANGED,
    ENUM_DEFAULT_CHANGED,
    ENUM_VALUE_REMOVED,
    ENUM_VALUE_REMOVED_NUMBER_UNRESERVED,
    ENUM_VALUE_REMOVED_NAME_UNRESERVED,
    ENUM_VALUE_RENUMBERED,
    ENUM_VALUE_RENAMED,
    ENUM_ALIAS_REMOVED,
    ENUM_ALIAS_ORDER,
    ENUM_VALUE_ADDED_CLOSED,
    ENUM_RESERVED_NUMBER_REMOVED,
    ENUM_RESERVED_NAME_REMOVED,
    SERVICE_REMOVED,
    METHOD_REMOVED,
    METHOD_REQUEST_CHANGED,
    METHOD_RESPONSE_CHANGED,
    METHOD_CLIENT_STREAMING_CHANGED,
    METHOD_SERVER_STREAMING_CHANGED,
    METHOD_IDEMPOTENCY_CHANGED,
    COMPAT_RULES,
};

struct compat {
    struct arena arena;              // texts
    struct compat_finding *findings; // owned
    size_t count;
    size_t capacity;
    size_t breaks;
    // While it is checked:
    const struct model *before;
    const struct model *after;
    unsigned whom;
    bool failed; // out of memory; nothing more is added
};

struct compat_where {
    const char *file;
    struct model_place place;
};

static inline struct compat_where compat_where(const struct model_file *file, struct model_place place) {
    return (struct compat_where){.file = file->name, .place = place};
}

void compat_add(struct compat *compat, enum compat_id id, struct compat_where now, struct compat_where was,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

bool compat_covers(const struct model_range *ranges, size_t count, int64_t first, int64_t last);
bool compat_named(const struct model_reserved *reserved, const char *name);
// What is no longer reserved. `type` of the texts.
void compat_reserved(struct compat *compat, enum compat_id number, enum compat_id name, const char *type,
    const struct model_reserved *was, struct compat_where was_at, const struct model_reserved *now,
    struct compat_where now_at);

void compat_message(struct compat *compat, const struct model_message *was, const struct model_message *now);
// One field in both; `type` of the texts.
void compat_field(
    struct compat *compat, const char *type, const struct model_field *was, const struct model_field *now);
void compat_field_type(struct compat *compat, const char *type, const struct model_field *was,
    const struct model_field *now, struct compat_where now_at, struct compat_where was_at, const char *part);
void compat_oneof(struct compat *compat, const struct model_message *was_in, const struct model_field *was,
    const struct model_message *now_in, const struct model_field *now);
void compat_enum(struct compat *compat, const struct model_enum *was, const struct model_enum *now);
void compat_service(struct compat *compat, const struct model_service *was, const struct model_service *now);
void compat_files(struct compat *compat);
// Whether what is gone of this file went with a package, and was said already.
bool compat_gone_with_package(const struct compat *compat, const struct model_file *was);
