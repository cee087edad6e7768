#include "core/schema/json_read.h"

#include "core/base/map.h"
#include "core/base/varint.h"
#include "core/schema/internal.h"
#include "core/schema/json_known.h"
#include "core/schema/nearest.h"
#include "core/schema/put.h"
#include "core/schema/required.h"

#include <errno.h>

int json_wrote(struct json_reader *r, int rc) {
    return rc == -EMSGSIZE ? json_fail(&r->lex, "the message becomes larger than is allowed") : rc;
}

int json_begin(struct json_reader *r, uint32_t number, size_t *mark) {
    int rc = view_put_tag(r->out, number, 2);
    *mark = r->out->size;
    return json_wrote(r, rc);
}

int json_finish(struct json_reader *r, size_t mark) {
    return json_wrote(r, put_length(r->out, mark));
}

int json_new_key(struct json_reader *r, struct map *keys, struct bytes key) {
    if (map_get(keys, key))
        return json_fail(&r->lex, "this key is there twice");
    return map_put(keys, key, keys);
}

// Whether null is a value of this field, not its absence.
static bool takes_null(const struct schema_field *field) {
    return (field->message && json_known(field->message) == JSON_VALUE) || json_known_null(field);
}

static int read_entry(struct json_reader *r, const struct schema_field *field, struct bytes key) {
    const struct schema_field *fields = field->message->fields;
    size_t mark;
    int rc = json_begin(r, field->number, &mark);
    if (rc == 0)
        rc = json_read_key_value(r, &fields[0], key);
    if (rc == 0 && json_peek(&r->lex) == 'n' && !takes_null(&fields[1]))
        rc = json_fail(&r->lex, "a map's value can't be null");
    if (rc == 0)
        rc = json_read_value(r, &fields[1], false);
    return rc == 0 ? json_finish(r, mark) : rc;
}

int json_read_map(struct json_reader *r, const struct schema_field *field) {
    bool first = true, more;
    if (r->depth > view_default_limits.depth)
        return json_fail(&r->lex, "messages are nested too deep");
    struct map *keys = map_new();
    if (!keys)
        return -ENOMEM;
    int rc = json_open(&r->lex, '{');
    r->depth++; // the entry
    while (rc == 0 && (rc = json_next(&r->lex, '{', &first, &more)) == 0 && more) {
        struct bytes key;
        rc = json_key(&r->lex, &key);
        size_t path = rc == 0 ? json_enter_key(&r->lex, key) : 0;
        if (rc == 0)
            rc = json_new_key(r, keys, key);
        if (rc == 0)
            rc = read_entry(r, field, key);
        if (rc == 0)
            json_leave(&r->lex, path);
    }
    r->depth--;
    map_destroy(&keys);
    return rc;
}

static int read_list(struct json_reader *r, const struct schema_field *field) {
    bool first = true, more;
    size_t mark = 0, count = 0, before = r->out->size;
    int rc = json_open(&r->lex, '[');
    if (rc == 0 && field->packed)
        rc = json_begin(r, field->number, &mark);
    while (rc == 0 && (rc = json_next(&r->lex, '[', &first, &more)) == 0 && more) {
        size_t path = json_enter_index(&r->lex, count++);
        if (json_peek(&r->lex) == 'n' && !takes_null(field))
            rc = json_fail(&r->lex, "an element can't be null");
        if (rc == 0)
            rc = json_read_value(r, field, field->packed);
        if (rc == 0)
            json_leave(&r->lex, path);
    }
    if (rc == 0 && field->packed && count == 0)
        r->out->size = before;
    else if (rc == 0 && field->packed)
        rc = json_finish(r, mark);
    return rc;
}

// A number or text that is the default of a field without presence needs no bytes; the others go out as they
// come.
static int read_singular(struct json_reader *r, const struct schema_field *field) {
    size_t before = r->out->size;
    int rc = json_read_value(r, field, false);
    if (rc != 0 || field->presence)
        return rc;
    size_t value = before + varint_size((uint64_t)field->number << 3), i = r->out->size;
    while (i > value && r->out->data[i - 1] == 0)
        i--;
    if (i == value)
        r->out->size = before;
    return 0;
}

// Which fields of one object came already.
struct seen {
    uint8_t fields[CATALOGUE_FIELDS / 8 + 1];
};

static bool is_seen(const struct seen *seen, uint32_t i) {
    return seen->fields[i / 8] >> (i % 8) & 1;
}

static const struct schema_field *rival_of(
    const struct schema_message *type, const struct schema_field *field, const struct seen *set) {
    for (size_t i = 0; field->oneof >= 0 && i < type->field_count; i++)
        if (i != field->index && type->fields[i].oneof == field->oneof && is_seen(set, (uint32_t)i))
            return &type->fields[i];
    return NULL;
}

// People write either form of a name, so both are compared; the JSON form is suggested.
static const char *nearest_name(const struct schema_message *type, struct bytes name) {
    struct nearest nearest = nearest_start(name);
    for (size_t i = 0; i < type->field_count; i++) {
        const char *before = nearest.best;
        nearest_offer(&nearest, type->fields[i].name);
        nearest_offer(&nearest, type->fields[i].json_name);
        if (nearest.best != before)
            nearest.best = type->fields[i].json_name;
    }
    return nearest.best;
}

static int unknown_field(struct json_reader *r, const struct schema_message *type, struct bytes name) {
    const char *nearest = nearest_name(type, name);
    return json_fail(&r->lex, "%s has no field \"%.*s\"%s%s%s", type->full_name,
        name.size < 64 ? (int)name.size : 64, name.size ? (const char *)name.data : "",
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static int read_field(
    struct json_reader *r, const struct schema_field *field, struct seen *came, struct seen *set) {
    if (is_seen(came, field->index))
        return json_fail(&r->lex, "this field is there twice");
    came->fields[field->index / 8] |= (uint8_t)(1u << field->index % 8);
    if (json_peek(&r->lex) == 'n' && (field->repeated || !takes_null(field)))
        return json_literal(&r->lex, "null");
    const struct schema_field *rival = rival_of(field->parent, field, set);
    if (rival)
        return json_fail(&r->lex, "only one of the oneof \"%s\" can be set, and \"%s\" is already",
            field->parent->oneof_names[field->oneof], rival->json_name);
    set->fields[field->index / 8] |= (uint8_t)(1u << field->index % 8);
    if (field->map)
        return json_read_map(r, field);
    return field->repeated ? read_list(r, field) : read_singular(r, field);
}

static int read_fields(struct json_reader *r, const struct schema_message *type, bool skip_type) {
    bool first = true, more;
    struct seen came = {0}, set = {0};
    int rc = json_open(&r->lex, '{');
    while (rc == 0 && (rc = json_next(&r->lex, '{', &first, &more)) == 0 && more) {
        struct bytes name;
        rc = json_key(&r->lex, &name);
        if (rc != 0)
            return rc;
        if (skip_type && bytes_equal_string(name, "@type")) {
            rc = json_skip(&r->lex);
            continue;
        }
        const struct schema_field *field = schema_field_json(type, name);
        if (!field)
            return unknown_field(r, type, name);
        size_t path = json_enter(&r->lex, field->name);
        rc = read_field(r, field, &came, &set);
        if (rc == 0)
            json_leave(&r->lex, path);
    }
    return rc;
}

// As deep as the limit, also through Any.
int json_read_message(struct json_reader *r, const struct schema_message *type, bool skip_type) {
    if (r->depth > view_default_limits.depth)
        return json_fail(&r->lex, "messages are nested too deep");
    r->depth++;
    int rc = json_known(type) == JSON_PLAIN ? read_fields(r, type, skip_type) : json_read_known(r, type);
    r->depth--;
    return rc;
}

int json_to_message(
    const struct schema_message *type, struct bytes json, struct buffer *out, struct error *error) {
    struct json_reader r = {.out = out};
    size_t before = out->size;
    int rc = json_lex_start(&r.lex, json, error);
    if (rc == 0)
        rc = json_read_message(&r, type, false);
    if (rc == 0)
        rc = json_end(&r.lex);
    if (rc == 0 && type->has_required && out->size == before)
        rc = required_check(type, (struct bytes){0}, error);
    else if (rc == 0 && type->has_required)
        rc = required_check(type, bytes_of(out->data + before, out->size - before), error);
    json_lex_finish(&r.lex);
    if (rc != 0)
        out->size = before;
    return rc == -ENOMEM ? error_no_memory(error) : rc;
}
