#include "core/wire/field.h"
#include "core/wire/wire.h"

#include <errno.h>

enum {
    FIELD_ID = 1,
    FIELD_SOURCE = 2,
    FIELD_TYPE = 3,
    FIELD_SUBJECT = 4,
    FIELD_TIME = 5,
    FIELD_DATASCHEMA = 6,
    FIELD_EXPIRES = 7,
    FIELD_ATTRIBUTES = 8,
    FIELD_PAYLOAD = 15,
};

#define NAME_LIMIT 20u
#define VALUE_LIMIT 1024u
#define SOURCE_LIMIT 128u
#define DATASCHEMA_LIMIT 1024u

static int refuse_text(struct error *error, const char *name, struct bytes text, size_t limit) {
    if (text.size > limit)
        return error_set(
            error, WIRE_REFUSED, "envelope: %s has %zu bytes; at most %zu", name, text.size, limit);
    return error_set(error, WIRE_REFUSED, "envelope: %s is not UTF-8 without NUL", name);
}

// ---- Extension attributes ----

// Reads a map entry. False when it isn't one.
static bool entry_read(struct bytes entry, struct bytes *name, struct bytes *value) {
    *name = bytes_of("", 0);
    *value = bytes_of("", 0);
    while (entry.size) {
        struct wire_field field;
        if (wire_field_next(&entry, &field) != NULL)
            return false;
        if (field.number > 2)
            continue;
        if (field.type != VARINT_WIRE_BYTES)
            return false;
        *(field.number == 1 ? name : value) = field.bytes;
    }
    return true;
}

static bool name_valid(struct bytes name) {
    if (name.size == 0 || name.size > NAME_LIMIT)
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (!((name.data[i] >= 'a' && name.data[i] <= 'z') || (name.data[i] >= '0' && name.data[i] <= '9')))
            return false;
    return true;
}

bool wire_attribute_valid(struct bytes name, struct bytes value) {
    return name_valid(name) && value.size <= VALUE_LIMIT && wire_text_valid(value);
}

static bool name_taken(struct bytes attributes, struct bytes name) {
    struct bytes other;
    struct bytes value;
    while (wire_attribute_next(&attributes, &other, &value))
        if (bytes_equal(other, name))
            return true;
    return false;
}

// `before`: the attributes so far; `from`: where this field's tag is.
static int attribute_check(
    struct wire_envelope *out, const uint8_t *from, const struct wire_field *field, struct error *error) {
    struct bytes name;
    struct bytes value;
    if (!entry_read(field->bytes, &name, &value))
        return error_set(error, WIRE_REFUSED, "envelope: an extension attribute that can't be read");
    if (!name_valid(name))
        return error_set(error, WIRE_REFUSED,
            "envelope: an extension attribute's name must be 1 to %u lower-case letters and digits",
            NAME_LIMIT);
    if (value.size > VALUE_LIMIT || !wire_text_valid(value))
        return refuse_text(error, "an extension attribute", value, VALUE_LIMIT);
    if (out->attribute_count == WIRE_ATTRIBUTE_LIMIT)
        return error_set(
            error, WIRE_REFUSED, "envelope: more than %u extension attributes", WIRE_ATTRIBUTE_LIMIT);
    if (name_taken(out->attributes, name))
        return error_set(error, WIRE_REFUSED, "envelope: extension attribute '%.*s' twice", BYTES_ARGS(name));
    if (out->attribute_count++ == 0)
        out->attributes.data = from;
    out->attributes.size = (size_t)(field->bytes.data + field->bytes.size - out->attributes.data);
    return 0;
}

// Moves `cursor` behind its next attribute; `*whole` is the attribute with its tag.
static bool attribute_step(struct bytes *cursor, struct bytes *whole, struct bytes *entry) {
    while (cursor->size) {
        const uint8_t *from = cursor->data;
        struct wire_field field;
        if (wire_field_next(cursor, &field) != NULL)
            return false;
        if (field.number == FIELD_ATTRIBUTES && field.type == VARINT_WIRE_BYTES) {
            *whole = bytes_of(from, (size_t)(cursor->data - from));
            *entry = field.bytes;
            return true;
        }
    }
    return false;
}

bool wire_attribute_next(struct bytes *cursor, struct bytes *name, struct bytes *value) {
    struct bytes whole;
    struct bytes entry;
    return attribute_step(cursor, &whole, &entry) && entry_read(entry, name, value);
}

static size_t field_size(uint32_t number, struct bytes value) {
    return varint_size((uint64_t)number << 3) + varint_size(value.size) + value.size;
}

static uint8_t *put_field(uint8_t *at, uint32_t number, struct bytes value) {
    at += varint_put(at, (uint64_t)number << 3 | VARINT_WIRE_BYTES);
    at += varint_put(at, value.size);
    if (value.size)
        memcpy(at, value.data, value.size);
    return at + value.size;
}

int wire_attribute_append(struct buffer *out, struct bytes name, struct bytes value) {
    size_t entry = field_size(1, name) + field_size(2, value);
    size_t size = varint_size(FIELD_ATTRIBUTES << 3) + varint_size(entry) + entry;
    int rc = buffer_reserve(out, size);
    if (rc != 0)
        return rc;
    uint8_t *at = out->data + out->size;
    at += varint_put(at, FIELD_ATTRIBUTES << 3 | VARINT_WIRE_BYTES);
    at += varint_put(at, entry);
    at = put_field(at, 1, name);
    put_field(at, 2, value);
    out->size += size;
    return 0;
}

// ---- Reading ----

// Where a text field goes, and its limit.
struct slot {
    const char *name;
    size_t limit;
    size_t offset;
};

static const struct slot slots[] = {
    [FIELD_ID] = {"id", WIRE_ID_LIMIT, offsetof(struct wire_envelope, id)},
    [FIELD_SOURCE] = {"source", SOURCE_LIMIT, offsetof(struct wire_envelope, source)},
    [FIELD_TYPE] = {"type", WIRE_TYPE_LIMIT, offsetof(struct wire_envelope, type)},
    [FIELD_SUBJECT] = {"subject", WIRE_SUBJECT_LIMIT, offsetof(struct wire_envelope, subject)},
    [FIELD_DATASCHEMA] = {"dataschema", DATASCHEMA_LIMIT, offsetof(struct wire_envelope, dataschema)},
};

static int take_text(struct wire_envelope *out, const struct wire_field *field, struct error *error) {
    const struct slot *slot = &slots[field->number];
    if (field->bytes.size > slot->limit || !wire_text_valid(field->bytes))
        return refuse_text(error, slot->name, field->bytes, slot->limit);
    memcpy((char *)out + slot->offset, &field->bytes, sizeof field->bytes);
    return 0;
}

static int wrong_type(const struct wire_field *field, struct error *error) {
    return error_set(error, WIRE_REFUSED, "envelope: field %u has wire type %u", field->number, field->type);
}

// `from`: where the field's tag is.
static int take_field(
    struct wire_envelope *out, const uint8_t *from, const struct wire_field *field, struct error *error) {
    switch (field->number) {
    case FIELD_TIME:
    case FIELD_EXPIRES:
        if (field->type != VARINT_WIRE_NUMBER)
            return wrong_type(field, error);
        *(field->number == FIELD_TIME ? &out->time_us : &out->expires_us) = (int64_t)field->value;
        return 0;
    case FIELD_ID:
    case FIELD_SOURCE:
    case FIELD_TYPE:
    case FIELD_SUBJECT:
    case FIELD_DATASCHEMA:
        return field->type == VARINT_WIRE_BYTES ? take_text(out, field, error) : wrong_type(field, error);
    case FIELD_ATTRIBUTES:
        return field->type == VARINT_WIRE_BYTES ? attribute_check(out, from, field, error)
                                                : wrong_type(field, error);
    case FIELD_PAYLOAD:
        if (field->type != VARINT_WIRE_BYTES)
            return wrong_type(field, error);
        out->payload = field->bytes;
        return 0;
    default:
        return 0;
    }
}

int wire_envelope_parse(struct bytes raw, struct wire_envelope *out, struct error *error) {
    struct wire_envelope found = {.raw = raw};
    for (struct bytes rest = raw; rest.size;) {
        const uint8_t *from = rest.data;
        struct wire_field field;
        const char *wrong = wire_field_next(&rest, &field);
        if (wrong)
            return error_set(
                error, WIRE_REFUSED, "envelope: %s at byte %zu", wrong, (size_t)(from - raw.data));
        int rc = take_field(&found, from, &field, error);
        if (rc != 0)
            return rc;
    }
    if (!found.id.size)
        return error_set(
            error, WIRE_REFUSED, "envelope: no id; every message needs one that is unique at its source");
    if (!found.type.size)
        return error_set(
            error, WIRE_REFUSED, "envelope: no type; it must be the payload's full protobuf name");
    *out = found;
    return 0;
}

// ---- Writing ----

static size_t text_size(uint32_t number, struct bytes value) {
    return value.size ? field_size(number, value) : 0;
}

static size_t time_size(uint32_t number, int64_t value) {
    return value ? varint_size((uint64_t)number << 3) + varint_size((uint64_t)value) : 0;
}

// Only the attributes themselves: the run may have other fields in between.
static size_t attributes_size(struct bytes cursor) {
    size_t size = 0;
    struct bytes whole;
    struct bytes entry;
    while (attribute_step(&cursor, &whole, &entry))
        size += whole.size;
    return size;
}

size_t wire_envelope_size(const struct wire_envelope *envelope) {
    return text_size(FIELD_ID, envelope->id) + text_size(FIELD_SOURCE, envelope->source) +
           text_size(FIELD_TYPE, envelope->type) + text_size(FIELD_SUBJECT, envelope->subject) +
           time_size(FIELD_TIME, envelope->time_us) + text_size(FIELD_DATASCHEMA, envelope->dataschema) +
           time_size(FIELD_EXPIRES, envelope->expires_us) + attributes_size(envelope->attributes) +
           text_size(FIELD_PAYLOAD, envelope->payload);
}

static uint8_t *put_text(uint8_t *at, uint32_t number, struct bytes value) {
    return value.size ? put_field(at, number, value) : at;
}

static uint8_t *put_time(uint8_t *at, uint32_t number, int64_t value) {
    if (!value)
        return at;
    at += varint_put(at, (uint64_t)number << 3 | VARINT_WIRE_NUMBER);
    return at + varint_put(at, (uint64_t)value);
}

static uint8_t *put_attributes(uint8_t *at, struct bytes cursor) {
    struct bytes whole;
    struct bytes entry;
    while (attribute_step(&cursor, &whole, &entry)) {
        memcpy(at, whole.data, whole.size);
        at += whole.size;
    }
    return at;
}

void wire_envelope_put(const struct wire_envelope *envelope, uint8_t *at) {
    at = put_text(at, FIELD_ID, envelope->id);
    at = put_text(at, FIELD_SOURCE, envelope->source);
    at = put_text(at, FIELD_TYPE, envelope->type);
    at = put_text(at, FIELD_SUBJECT, envelope->subject);
    at = put_time(at, FIELD_TIME, envelope->time_us);
    at = put_text(at, FIELD_DATASCHEMA, envelope->dataschema);
    at = put_time(at, FIELD_EXPIRES, envelope->expires_us);
    at = put_attributes(at, envelope->attributes);
    put_text(at, FIELD_PAYLOAD, envelope->payload);
}

int wire_envelope_append(const struct wire_envelope *envelope, struct buffer *out) {
    size_t size = wire_envelope_size(envelope);
    int rc = buffer_reserve(out, size);
    if (rc != 0)
        return rc;
    wire_envelope_put(envelope, out->data + out->size);
    out->size += size;
    return 0;
}
