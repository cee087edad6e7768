// Fields of message values that no slot of the scan holds: those inside lists and maps. Read off the wire.
#include "core/cel/collections.h"
#include "core/cel/field_walk.h"
#include "core/cel/types.h"

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

#define WALK 128 // bytes of a message that are a step: each of its fields is passed when one is looked for

static bool charge_walk(struct cel_activation *activation, struct bytes bytes, struct cel_value *out) {
    return bytes.size < WALK || activation_charge(activation, bytes.size / WALK, out);
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

static size_t count_values(const struct schema_field *field, struct bytes bytes) {
    struct field_walk walk = field_walk_start(field, bytes);
    struct view_value value;
    size_t count = 0;
    while (field_walk_next(&walk, &value))
        count++;
    return count;
}

// The last value, and for a message all of its pieces. False with an error in `out`.
static bool read_singular(struct cel_activation *activation, const struct schema_field *field,
    struct bytes bytes, struct view_value *value, struct cel_value *out) {
    struct field_walk walk = field_walk_start(field, bytes);
    struct view_value next;
    *value = (struct view_value){0};
    while (field_walk_next(&walk, &next)) {
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

static void repeated_value(struct cel_activation *activation, const struct schema_field *field,
    struct bytes bytes, struct cel_value *out) {
    size_t count = count_values(field, bytes);
    struct cel_value *values = activation_array(activation, count + 1, sizeof *values, out);
    struct field_walk walk = field_walk_start(field, bytes);
    struct view_value element;
    if (!values || !activation_charge(activation, count, out))
        return;
    for (size_t i = 0; i < count && field_walk_next(&walk, &element); i++)
        field_value(activation, field, &element, &values[i]);
    list_make(activation, values, count, out);
}

// The entries of a map are messages, whose fields are plain or messages, but never maps.
// NOLINTNEXTLINE(misc-no-recursion)
static void map_value(struct cel_activation *activation, const struct schema_field *field, struct bytes bytes,
    struct cel_value *out) {
    size_t count = count_values(field, bytes);
    struct field_walk walk = field_walk_start(field, bytes);
    struct view_value element;
    struct cel_map *map = map_make(activation, count, out);
    if (!map || !activation_charge(activation, count, out))
        return;
    for (size_t i = 0; i < count && field_walk_next(&walk, &element); i++) {
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
    if (!message_bytes(activation, message, &bytes, out) || !charge_walk(activation, bytes, out))
        return;
    if (field->map) {
        map_value(activation, field, bytes, out);
    } else if (field->repeated) {
        repeated_value(activation, field, bytes, out);
    } else if (!read_singular(activation, field, bytes, &value, &error)) {
        *out = error;
    } else if (!value.present && field->message && known_null(known_of(field->message))) {
        out->kind = CEL_NULL;
    } else {
        field_value(activation, field, &value, out);
    }
}

bool message_field_bytes(struct cel_activation *activation, const struct cel_value *message,
    const struct schema_field *field, struct bytes *bytes, struct cel_value *out) {
    struct view_value value;
    struct bytes whole;
    if (!message_bytes(activation, message, &whole, out) ||
        !read_singular(activation, field, whole, &value, out))
        return false;
    *bytes = value.bytes;
    return true;
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
    if (!message_bytes(activation, message, &bytes, out) || !charge_walk(activation, bytes, out))
        return;
    if (field->repeated) {
        struct field_walk walk = field_walk_start(field, bytes);
        value_set_bool(out, field_walk_next(&walk, &value));
    } else if (read_singular(activation, field, bytes, &value, out)) {
        value_set_bool(
            out, field->presence ? value.present : value.present && !scalar_is_default(field, &value));
    }
}

int cel_message_make(struct cel_activation *activation, const struct schema_message *type, struct bytes bytes,
    struct cel_value *out) {
    struct cel_value made;
    message_value(activation, type, bytes, &made);
    if (made.kind == CEL_ERROR)
        return made.error->fault == CEL_FAULT_MEMORY || made.error->fault == CEL_FAULT_LIMIT ? -ENOMEM
                                                                                             : -EINVAL;
    *out = made;
    return 0;
}
