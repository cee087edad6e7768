#include "core/schema/compat_internal.h"
#include "core/schema/internal.h"

#include <stdio.h>

static bool one_of(enum schema_kind kind, uint32_t set) {
    return (set >> kind & 1) != 0;
}

#define IN(kind) (1u << SCHEMA_##kind)
static const uint32_t varints = IN(INT32) | IN(INT64) | IN(UINT32) | IN(UINT64) |
                                IN(BOOL); // without enums, which have rules of their own
static const uint32_t wide = IN(INT64) | IN(UINT64) | IN(SINT64);

// How many bits of a varint kind are kept; 0: it is none.
static unsigned width(enum schema_kind kind) {
    return kind == SCHEMA_BOOL ? 1 : one_of(kind, wide) ? 64 : 32;
}

static enum compat_id varint_change(enum schema_kind was, enum schema_kind now) {
    if (width(was) == width(now))
        return FIELD_SIGN_CHANGED;
    return width(was) < width(now) ? FIELD_TYPE_WIDENED : FIELD_TYPE_NARROWED;
}

static bool pair(enum schema_kind a, enum schema_kind b, enum schema_kind c, enum schema_kind d) {
    return (a == c && b == d) || (a == d && b == c);
}

// What a change of one kind to another is (protobuf.dev/programming-guides/proto3/#updating).
static enum compat_id kind_change(enum schema_kind was, enum schema_kind now) {
    if (one_of(was, varints) && one_of(now, varints))
        return varint_change(was, now);
    if (pair(was, now, SCHEMA_SINT32, SCHEMA_SINT64))
        return varint_change(was, now);
    if (pair(was, now, SCHEMA_FIXED32, SCHEMA_SFIXED32) || pair(was, now, SCHEMA_FIXED64, SCHEMA_SFIXED64))
        return FIELD_SIGN_CHANGED;
    if (pair(was, now, SCHEMA_MESSAGE, SCHEMA_GROUP))
        return FIELD_GROUP_CHANGED;
    if (was == SCHEMA_STRING && now == SCHEMA_BYTES)
        return FIELD_STRING_TO_BYTES;
    if (was == SCHEMA_BYTES && now == SCHEMA_STRING)
        return FIELD_BYTES_TO_STRING;
    if (was == SCHEMA_MESSAGE && now == SCHEMA_BYTES)
        return FIELD_MESSAGE_TO_BYTES;
    if (was == SCHEMA_BYTES && now == SCHEMA_MESSAGE)
        return FIELD_BYTES_TO_MESSAGE;
    if (was == SCHEMA_ENUM && one_of(now, varints))
        return now == SCHEMA_BOOL ? FIELD_TYPE_NARROWED : FIELD_ENUM_TO_INTEGER;
    if (now == SCHEMA_ENUM && one_of(was, varints))
        return width(was) == 64 ? FIELD_TYPE_NARROWED : FIELD_INTEGER_TO_ENUM;
    return FIELD_TYPE_CHANGED;
}

static const char *type_name(const struct model_field *field) {
    return field->type_name ? field->type_name : model_kind_name(field->kind);
}

static bool named(enum schema_kind kind) {
    return kind == SCHEMA_MESSAGE || kind == SCHEMA_GROUP;
}

// `part`: "", or which part of a map.
void compat_field_type(struct compat *compat, const char *type, const struct model_field *was,
    const struct model_field *now, struct compat_where now_at, struct compat_where was_at, const char *part) {
    enum compat_id id;
    if (was->kind != now->kind)
        id = kind_change(was->kind, now->kind);
    else if (!was->type_name || strcmp(was->type_name, now->type_name) == 0)
        return;
    else
        id = named(was->kind) ? FIELD_MESSAGE_CHANGED : FIELD_ENUM_CHANGED;
    compat_add(
        compat, id, now_at, was_at, "%s of %s was %s, now %s", part, type, type_name(was), type_name(now));
}

static void check_map(struct compat *compat, const char *type, const struct model_field *was,
    const struct model_field *now, struct compat_where now_at, struct compat_where was_at) {
    char key[512], value[512];
    if (was->entry->field_count != 2 || now->entry->field_count != 2)
        return; // not from protoc
    snprintf(key, sizeof key, "the key of field %s", was->name);
    snprintf(value, sizeof value, "the value of field %s", was->name);
    compat_field_type(compat, type, &was->entry->fields[0], &now->entry->fields[0], now_at, was_at, key);
    compat_field_type(compat, type, &was->entry->fields[1], &now->entry->fields[1], now_at, was_at, value);
}

static void check_type(
    struct compat *compat, const char *type, const struct model_field *was, const struct model_field *now) {
    char part[512];
    struct compat_where now_at = compat_where(now->file, now->type_place);
    struct compat_where was_at = compat_where(was->file, was->type_place);
    if (was->entry && now->entry) {
        check_map(compat, type, was, now, now_at, was_at);
    } else if ((was->entry && now->repeated && now->kind == SCHEMA_MESSAGE) ||
               (now->entry && was->repeated && was->kind == SCHEMA_MESSAGE)) {
        compat_add(compat, FIELD_MAP_CHANGED, now_at, was_at, "field %s of %s was a %s, now a %s", was->name,
            type, was->entry ? "map" : "list", now->entry ? "map" : "list");
    } else {
        snprintf(part, sizeof part, "field %s", was->name);
        compat_field_type(compat, type, was, now, now_at, was_at, part);
    }
}

static const char *label(const struct model_field *field) {
    return field->repeated ? "repeated" : field->required ? "required" : "singular";
}

static void check_label(
    struct compat *compat, const char *type, const struct model_field *was, const struct model_field *now) {
    struct compat_where now_at = compat_where(now->file, now->label_place);
    struct compat_where was_at = compat_where(was->file, was->label_place);
    if (was->repeated != now->repeated)
        compat_add(compat,
            schema_packable(was->kind) || schema_packable(now->kind) ? FIELD_REPEATED_CHANGED
                                                                     : FIELD_REPEATED_COMPATIBLE,
            now_at, was_at, "field %s of %s was %s, now %s", was->name, type, label(was), label(now));
    if (was->required != now->required)
        compat_add(compat, FIELD_REQUIRED_CHANGED, now_at, was_at, "field %s of %s was %s, now %s", was->name,
            type, label(was), label(now));
    bool comparable = !was->repeated && !now->repeated && was->required == now->required &&
                      named(was->kind) == named(now->kind) && (was->oneof >= 0) == (now->oneof >= 0);
    if (comparable && was->presence != now->presence)
        compat_add(compat, FIELD_PRESENCE_CHANGED, now_at, was_at, "field %s of %s %s", was->name, type,
            now->presence ? "tells now whether it was set" : "no longer tells whether it was set");
}

static bool same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_options(
    struct compat *compat, const char *type, const struct model_field *was, const struct model_field *now) {
    struct compat_where now_at = compat_where(now->file, now->name_place);
    struct compat_where was_at = compat_where(was->file, was->name_place);
    if (was->kind == now->kind && !same_text(was->default_value, now->default_value))
        compat_add(compat, FIELD_DEFAULT_CHANGED, compat_where(now->file, now->default_place),
            compat_where(was->file, was->default_place), "the default of field %s of %s was %s, now %s",
            was->name, type, was->default_value ? was->default_value : "not set",
            now->default_value ? now->default_value : "not set");
    if (strcmp(was->name, now->name) == 0 && strcmp(was->json_name, now->json_name) != 0)
        compat_add(compat, FIELD_JSON_NAME_CHANGED, now_at, was_at,
            "field %s of %s was \"%s\" in JSON, now \"%s\"", was->name, type, was->json_name, now->json_name);
    if (was->repeated && now->repeated && was->kind == now->kind && was->packed != now->packed)
        compat_add(compat, FIELD_PACKED_CHANGED, now_at, was_at, "field %s of %s is %s written packed",
            was->name, type, now->packed ? "now" : "no longer");
    if (now->needed && !was->needed && !now->required)
        compat_add(
            compat, FIELD_NEEDED, now_at, was_at, "field %s of %s must be filled now", was->name, type);
    if (was->ctype != now->ctype)
        compat_add(
            compat, FIELD_CTYPE_CHANGED, now_at, was_at, "field %s of %s has another ctype", was->name, type);
    if (was->jstype != now->jstype)
        compat_add(compat, FIELD_JSTYPE_CHANGED, now_at, was_at, "field %s of %s has another jstype",
            was->name, type);
}

void compat_field(
    struct compat *compat, const char *type, const struct model_field *was, const struct model_field *now) {
    check_type(compat, type, was, now);
    check_label(compat, type, was, now);
    check_options(compat, type, was, now);
}
