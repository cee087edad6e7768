// Well-known types from JSON.
#include "core/base/map.h"
#include "core/schema/json_known.h"
#include "core/schema/json_read.h"
#include "core/schema/json_text.h"
#include "core/schema/put.h"
#include "core/schema/required.h"

#include <errno.h>

static int read_time(struct json_reader *r, const struct schema_message *type) {
    struct bytes text;
    struct json_time time;
    bool timestamp = json_known(type) == JSON_TIMESTAMP;
    int rc = json_lex_string(&r->lex, &text);
    if (rc != 0)
        return rc;
    rc = timestamp ? json_read_timestamp(text, &time) : json_read_duration(text, &time);
    if (rc == -ERANGE)
        return json_fail(&r->lex,
            timestamp ? "there is no such time in the years 1 to 9999" : "a duration is within 10,000 years");
    if (rc != 0)
        return json_fail(&r->lex, timestamp ? "expected a time such as \"2026-03-01T08:30:00Z\""
                                            : "expected a duration such as \"1.5s\"");
    if (time.seconds)
        rc = view_put_int(r->out, &type->fields[0], time.seconds);
    if (rc == 0 && time.nanos)
        rc = view_put_int(r->out, &type->fields[1], time.nanos);
    return json_wrote(r, rc);
}

// "birthDate" becomes "birth_date".
static int put_mask_path(struct json_reader *r, const struct schema_field *field, struct bytes path) {
    size_t mark;
    int rc = json_begin(r, field->number, &mark);
    for (size_t i = 0; rc == 0 && i < path.size; i++) {
        uint8_t c = path.data[i];
        if (c == '_')
            return json_fail(&r->lex, "expected paths in lowerCamelCase, separated by commas");
        if (c >= 'A' && c <= 'Z')
            rc = json_wrote(r, buffer_append(r->out, (uint8_t[]){'_', (uint8_t)(c - 'A' + 'a')}, 2));
        else
            rc = json_wrote(r, buffer_append_byte(r->out, c));
    }
    return rc == 0 ? json_finish(r, mark) : rc;
}

static int read_mask(struct json_reader *r, const struct schema_message *type) {
    struct bytes text;
    int rc = json_lex_string(&r->lex, &text);
    while (rc == 0 && text.size) {
        const uint8_t *comma = memchr(text.data, ',', text.size);
        size_t size = comma ? (size_t)(comma - text.data) : text.size, used = size + (comma ? 1 : 0);
        if (size == 0 || (comma && used == text.size))
            return json_fail(&r->lex, "expected paths in lowerCamelCase, separated by commas");
        rc = put_mask_path(r, &type->fields[0], bytes_of(text.data, size));
        text = bytes_of(text.data + used, text.size - used);
    }
    return rc;
}

static int read_list_value(struct json_reader *r, const struct schema_message *type) {
    bool first = true, more;
    size_t count = 0;
    int rc = json_open(&r->lex, '[');
    while (rc == 0 && (rc = json_next(&r->lex, '[', &first, &more)) == 0 && more) {
        size_t path = json_enter_index(&r->lex, count++);
        rc = json_read_value(r, &type->fields[0], false);
        if (rc == 0)
            json_leave(&r->lex, path);
    }
    return rc;
}

static int read_value_member(struct json_reader *r, const struct schema_message *type, uint32_t number) {
    return json_read_value(r, schema_field_numbered(type, number), false);
}

static int read_value(struct json_reader *r, const struct schema_message *type) {
    int rc;
    switch (json_peek(&r->lex)) {
    case 'n':
        rc = json_literal(&r->lex, "null");
        return rc == 0 ? json_wrote(r, put_raw(r->out, schema_field_numbered(type, VALUE_NULL), 0, false))
                       : rc;
    case '0':
        return read_value_member(r, type, VALUE_NUMBER);
    case '"':
        return read_value_member(r, type, VALUE_STRING);
    case 't':
    case 'f':
        return read_value_member(r, type, VALUE_BOOL);
    case '{':
        return read_value_member(r, type, VALUE_STRUCT);
    case '[':
        return read_value_member(r, type, VALUE_LIST);
    default:
        return json_fail(&r->lex, "expected a value, found %s", json_found(&r->lex));
    }
}

// Looks ahead for "@type", which may stand anywhere in the object, and writes it.
static int read_type_url(
    struct json_reader *r, const struct schema_message *type, const struct schema_message **inside) {
    struct json_lex *lex = &r->lex;
    const uint8_t *start = lex->p;
    size_t nesting = lex->nesting, elements = lex->elements, found = 0;
    bool first = true, more;
    *inside = NULL;
    int rc = json_open(lex, '{');
    while (rc == 0 && (rc = json_next(lex, '{', &first, &more)) == 0 && more) {
        struct bytes text;
        rc = json_key(lex, &text);
        bool url = rc == 0 && bytes_equal_string(text, "@type");
        if (rc == 0)
            rc = url ? json_lex_string(lex, &text) : json_skip(lex);
        if (rc != 0 || !url)
            continue;
        *inside = json_any_type(type->catalogue, text);
        if (found++)
            rc = json_fail(lex, "\"@type\" is there twice");
        else if (!*inside)
            rc = json_fail(lex, "the catalogue has no type \"%.*s\"", text.size < 100 ? (int)text.size : 100,
                text.size ? (const char *)text.data : "");
        else
            rc = json_wrote(r, view_put_bytes(r->out, &type->fields[0], text));
    }
    if (rc == 0 && !first && !found)
        rc = json_fail(lex, "google.protobuf.Any needs \"@type\"");
    if (rc == 0 && !first) {
        lex->p = start;
        lex->nesting = nesting;
        lex->elements = elements;
    }
    return rc;
}

// {"@type": …, "value": …} of a type with a JSON form of its own.
static int read_any_value(struct json_reader *r, const struct schema_message *inside) {
    bool first = true, more, came = false;
    int rc = json_open(&r->lex, '{');
    while (rc == 0 && (rc = json_next(&r->lex, '{', &first, &more)) == 0 && more) {
        struct bytes name;
        rc = json_key(&r->lex, &name);
        if (rc != 0)
            return rc;
        if (bytes_equal_string(name, "@type")) {
            rc = json_skip(&r->lex);
        } else if (bytes_equal_string(name, "value") && !came) {
            size_t path = json_enter(&r->lex, "value");
            came = true;
            rc = json_read_message(r, inside, false);
            if (rc == 0)
                json_leave(&r->lex, path);
        } else {
            rc = json_fail(&r->lex, "expected \"@type\" and one \"value\" only");
        }
    }
    if (rc == 0 && !came)
        rc = json_fail(&r->lex, "expected a \"value\" of %s", inside->full_name);
    return rc;
}

static int read_any(struct json_reader *r, const struct schema_message *type) {
    const struct schema_message *inside;
    size_t mark;
    int rc = read_type_url(r, type, &inside);
    if (rc != 0 || !inside) // an empty object is an empty Any
        return rc;
    rc = json_begin(r, type->fields[1].number, &mark);
    if (rc == 0 && json_known(inside) == JSON_PLAIN)
        rc = json_read_message(r, inside, true);
    else if (rc == 0)
        rc = read_any_value(r, inside);
    if (rc == 0 && inside->has_required)
        rc = required_check(inside, bytes_of(r->out->data + mark, r->out->size - mark), r->lex.error);
    return rc == 0 ? json_finish(r, mark) : rc;
}

int json_read_known(struct json_reader *r, const struct schema_message *type) {
    switch (json_known(type)) {
    case JSON_TIMESTAMP:
    case JSON_DURATION:
        return read_time(r, type);
    case JSON_FIELD_MASK:
        return read_mask(r, type);
    case JSON_STRUCT:
        return json_read_map(r, &type->fields[0]);
    case JSON_VALUE:
        return read_value(r, type);
    case JSON_LIST:
        return read_list_value(r, type);
    case JSON_ANY:
        return read_any(r, type);
    default:
        return json_read_value(r, &type->fields[0], false);
    }
}
