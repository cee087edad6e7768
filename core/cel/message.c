// Fields of message values that no slot of the scan holds: those inside lists and maps. Read off the wire.
#include "core/cel/collections.h"
#include "core/cel/time.h"
#include "core/cel/types.h"
#include "core/schema/value.h"

#include <errno.h>

bool cel_message_present(const struct cel_value *message) {
    if (message->kind != CEL_MESSAGE)
        return false;
    return message->message.view ? message->message.view->present : message->message.bytes.data != NULL;
}

int cel_message_append(const struct cel_value *message, struct buffer *out) {
    if (message->kind != CEL_MESSAGE)
        return -EINVAL;
    if (message->message.view)
        return scan_append_message(message->message.scan, message->message.view, out);
    return buffer_append_bytes(out, message->message.bytes);
}

// Pieces of one message, one after the other, are the message. False with an error in `out`.
static bool join_pieces(struct cel_activation *activation, struct bytes first, struct bytes second,
    struct bytes *joined, struct cel_value *out) {
    uint8_t *data = activation_alloc(activation, first.size + second.size + 1, out);
    if (!data)
        return false;
    if (first.size)
        memcpy(data, first.data, first.size);
    if (second.size)
        memcpy(data + first.size, second.data, second.size);
    *joined = bytes_of(data, first.size + second.size);
    return true;
}

static bool message_bytes(struct cel_activation *activation, const struct cel_value *message,
    struct bytes *bytes, struct cel_value *out) {
    const struct view_value *view = message->message.view;
    *bytes = view ? view->bytes : message->message.bytes;
    if (!view || view->piece_count == 0)
        return true;
    struct buffer whole = {0};
    int rc = scan_append_message(message->message.scan, view, &whole);
    if (rc != 0)
        activation_no_memory(activation, out);
    bool ok = rc == 0 && join_pieces(activation, buffer_bytes(&whole), (struct bytes){0}, bytes, out);
    buffer_destroy(&whole);
    return ok;
}

void message_join(struct cel_activation *activation, const struct cel_value *message, struct cel_value *out) {
    struct bytes bytes;
    if (!message_bytes(activation, message, &bytes, out))
        return;
    bool present = cel_message_present(message);
    if (present && !bytes.data)
        bytes = bytes_of("", 0);
    *out =
        (struct cel_value){.kind = CEL_MESSAGE, .message = {.type = message->message.type, .bytes = bytes}};
}

// A walk over all that a message's bytes say of one field.
struct walk {
    const struct schema_field *field;
    const uint8_t *p;
    const uint8_t *end;
    const uint8_t *packed_end; // inside a packed field: where it ends; `p` is in it
    bool cleared;              // since the last value another member of the oneof came
};

static bool is_rival(const struct schema_field *field, uint32_t number) {
    if (field->oneof < 0 || number == field->number)
        return false;
    const struct schema_field *other = schema_field_numbered(field->parent, number);
    return other && other->oneof == field->oneof;
}

static bool wire_fits(const struct schema_field *field, uint32_t tag, bool *packed) {
    uint8_t flags = field->parent->tags[field->index].flags;
    *packed = (flags & SCHEMA_TAG_PACKABLE) && (tag & 7) == ENCODING_LEN;
    return *packed || (tag & 7) == (uint32_t)(flags & 7);
}

static bool known_enum(const struct schema_field *field, const struct view_value *value) {
    return field->kind != SCHEMA_ENUM || !field->enumeration->closed ||
           schema_enum_numbered(field->enumeration, (int32_t)value->i64) != NULL;
}

static bool read_value(struct walk *walk, uint32_t tag, struct view_value *out) {
    *out = (struct view_value){.present = true, .occurrences = 1};
    walk->p = value_read(walk->p, walk->end, tag, walk->field->kind, out);
    return walk->p != NULL;
}

// The next value; false at the end. Malformed bytes end it too: they were checked when they came in.
static bool walk_next(struct walk *walk, struct view_value *out) {
    const struct schema_field *field = walk->field;
    uint32_t unpacked = (uint32_t)(field->parent->tags[field->index].flags & 7);
    while (walk->p && walk->p < walk->end) {
        uint32_t tag;
        bool packed;
        size_t size;
        if (walk->packed_end && walk->p >= walk->packed_end)
            walk->packed_end = NULL;
        if (walk->packed_end) {
            if (read_value(walk, unpacked, out) && known_enum(field, out))
                return true;
            continue;
        }
        walk->p = encoding_tag(walk->p, walk->end, &tag);
        if (!walk->p)
            return false;
        if (tag >> 3 != field->number || !wire_fits(field, tag, &packed)) {
            walk->cleared |= is_rival(field, tag >> 3);
            walk->p = encoding_skip(walk->p, walk->end, tag, view_default_limits.depth);
        } else if (packed) {
            walk->p = encoding_size(walk->p, walk->end, &size);
            walk->packed_end = walk->p ? walk->p + size : NULL;
        } else if (read_value(walk, tag, out) && known_enum(field, out)) {
            return true;
        }
    }
    return false;
}

static struct walk walk_start(const struct schema_field *field, struct bytes bytes) {
    return (struct walk){.field = field, .p = bytes.data, .end = bytes.data ? bytes.data + bytes.size : NULL};
}

static size_t count_values(const struct schema_field *field, struct bytes bytes) {
    struct walk walk = walk_start(field, bytes);
    struct view_value value;
    size_t count = 0;
    while (walk_next(&walk, &value))
        count++;
    return count;
}

// The last value, and for a message all of its pieces. False with an error in `out`.
static bool read_singular(struct cel_activation *activation, const struct schema_field *field,
    struct bytes bytes, struct view_value *value, struct cel_value *out) {
    struct walk walk = walk_start(field, bytes);
    struct view_value next;
    *value = (struct view_value){0};
    while (walk_next(&walk, &next)) {
        bool more = value->present && !walk.cleared && field->message;
        walk.cleared = false;
        if (more && !join_pieces(activation, value->bytes, next.bytes, &next.bytes, out))
            return false;
        *value = next;
    }
    if (walk.cleared)
        *value = (struct view_value){0};
    return true;
}

// ---- Values ----

static int64_t read_number(const struct schema_message *type, uint32_t number, struct bytes bytes) {
    const struct schema_field *field = schema_field_numbered(type, number);
    struct view_value value = {0};
    struct view_value next;
    if (!field || field->message)
        return 0;
    struct walk walk = walk_start(field, bytes);
    while (walk_next(&walk, &next))
        value = next;
    return value.i64;
}

static void wrapped_value(const struct schema_message *type, struct bytes bytes, struct cel_value *out) {
    const struct schema_field *field = &type->fields[0];
    struct walk walk = walk_start(field, bytes);
    struct view_value value = {0};
    struct view_value next;
    while (walk_next(&walk, &next))
        value = next;
    field_value(field, &value, out);
}

void message_value(const struct schema_message *type, struct bytes bytes, struct cel_value *out) {
    enum known known = type ? known_of(type) : KNOWN_NOT;
    if (known == KNOWN_TIMESTAMP || known == KNOWN_DURATION) {
        out->kind = known == KNOWN_TIMESTAMP ? CEL_TIMESTAMP : CEL_DURATION;
        out->time.seconds = read_number(type, 1, bytes);
        out->time.nanos = (int32_t)read_number(type, 2, bytes);
        time_check(out);
    } else if (known == KNOWN_WRAPPER) {
        wrapped_value(type, bytes, out);
    } else {
        *out = (struct cel_value){.kind = CEL_MESSAGE, .message = {.type = type, .bytes = bytes}};
    }
}

void field_value(const struct schema_field *field, const struct view_value *element, struct cel_value *out) {
    switch (kind_of_field(field)) {
    case CEL_BOOL:
        value_set_bool(out, element->boolean);
        break;
    case CEL_UINT:
        out->kind = CEL_UINT;
        out->u64 = element->u64;
        break;
    case CEL_DOUBLE:
        out->kind = CEL_DOUBLE;
        out->f64 = element->f64;
        break;
    case CEL_STRING:
    case CEL_BYTES:
        value_set_bytes(out, kind_of_field(field), element->bytes);
        break;
    case CEL_MESSAGE:
        message_value(field->message, element->bytes, out);
        break;
    default:
        value_set_int(out, element->i64);
        break;
    }
}

static void repeated_value(struct cel_activation *activation, const struct schema_field *field,
    struct bytes bytes, struct cel_value *out) {
    size_t count = count_values(field, bytes);
    struct cel_value *values = activation_array(activation, count + 1, sizeof *values, out);
    struct walk walk = walk_start(field, bytes);
    struct view_value element;
    if (!values || !activation_charge(activation, count, out))
        return;
    for (size_t i = 0; i < count && walk_next(&walk, &element); i++)
        field_value(field, &element, &values[i]);
    list_make(activation, values, count, out);
}

// The entries of a map are messages, whose fields are plain or messages, but never maps.
// NOLINTNEXTLINE(misc-no-recursion)
static void map_value(struct cel_activation *activation, const struct schema_field *field, struct bytes bytes,
    struct cel_value *out) {
    size_t count = count_values(field, bytes);
    struct walk walk = walk_start(field, bytes);
    struct view_value element;
    struct cel_map *map = map_make(activation, count, out);
    if (!map || !activation_charge(activation, count, out))
        return;
    for (size_t i = 0; i < count && walk_next(&walk, &element); i++) {
        struct cel_value key;
        struct cel_value value;
        struct cel_value entry = {
            .kind = CEL_MESSAGE, .message = {.type = field->message, .bytes = element.bytes}};
        message_field(activation, &entry, &field->message->fields[0], &key);
        message_field(activation, &entry, &field->message->fields[1], &value);
        map_set(map, &key, &value);
    }
    out->kind = CEL_MAP;
    out->map = map;
}

// NOLINTNEXTLINE(misc-no-recursion)
void message_field(struct cel_activation *activation, const struct cel_value *message,
    const struct schema_field *field, struct cel_value *out) {
    struct bytes bytes;
    struct view_value value;
    struct cel_value error;
    if (!message_bytes(activation, message, &bytes, out))
        return;
    if (field->map) {
        map_value(activation, field, bytes, out);
    } else if (field->repeated) {
        repeated_value(activation, field, bytes, out);
    } else if (!read_singular(activation, field, bytes, &value, &error)) {
        *out = error;
    } else if (!value.present && field->message && known_of(field->message) == KNOWN_WRAPPER) {
        out->kind = CEL_NULL;
    } else {
        field_value(field, &value, out);
    }
}

bool scalar_is_default(const struct schema_field *field, const struct view_value *value) {
    switch (kind_of_field(field)) {
    case CEL_BOOL:
        return !value->boolean;
    case CEL_DOUBLE:
        return value->u64 == 0; // -0.0 is no default
    case CEL_STRING:
    case CEL_BYTES:
        return value->bytes.size == 0;
    default:
        return value->i64 == 0;
    }
}

void message_has(struct cel_activation *activation, const struct cel_value *message,
    const struct schema_field *field, struct cel_value *out) {
    struct bytes bytes;
    struct view_value value;
    if (!message_bytes(activation, message, &bytes, out))
        return;
    if (field->repeated) {
        struct walk walk = walk_start(field, bytes);
        value_set_bool(out, walk_next(&walk, &value));
    } else if (read_singular(activation, field, bytes, &value, out)) {
        value_set_bool(
            out, field->presence ? value.present : value.present && !scalar_is_default(field, &value));
    }
}

int cel_message_make(struct cel_activation *activation, const struct schema_message *type, struct bytes bytes,
    struct cel_value *out) {
    struct cel_value made;
    (void)activation;
    message_value(type, bytes, &made);
    if (made.kind == CEL_ERROR)
        return made.error->fault == CEL_FAULT_MEMORY || made.error->fault == CEL_FAULT_LIMIT ? -ENOMEM
                                                                                             : -EINVAL;
    *out = made;
    return 0;
}
