#include "core/cel/text.h"

#include "core/cel/collections.h"
#include "core/cel/functions.h"

size_t text_step(struct bytes text, size_t at) {
    uint8_t lead = text.data[at];
    size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return length < text.size - at ? length : text.size - at;
}

size_t text_length(struct bytes text) {
    size_t count = 0;
    for (size_t at = 0; at < text.size; at += text_step(text, at))
        count++;
    return count;
}

bool text_offset(struct bytes text, int64_t character, size_t *out) {
    size_t at = 0;
    for (; character > 0 && at < text.size; character--)
        at += text_step(text, at);
    *out = at;
    return character == 0;
}

size_t text_find(struct bytes text, size_t from, struct bytes part) {
    if (part.size == 0)
        return from;
    if (part.size > text.size - from)
        return SIZE_MAX;
    const uint8_t *found = memmem(text.data + from, text.size - from, part.data, part.size);
    return found ? (size_t)(found - text.data) : SIZE_MAX;
}

bool text_charge(struct cel_activation *activation, size_t size, struct cel_value *out) {
    return size < 1024 || activation_charge(activation, size / 1024, out);
}

void text_copy(struct cel_activation *activation, const char *text, size_t size, struct cel_value *out) {
    uint8_t *copy = activation_alloc(activation, size + 1, out);
    if (!copy)
        return;
    if (size > 0)
        memcpy(copy, text, size);
    value_set_bytes(out, CEL_STRING, bytes_of(copy, size));
}

FUNCTION(fn_size) {
    (void)node;
    const struct cel_value *value = &args[0];
    if (value->kind == CEL_LIST)
        value_set_int(out, (int64_t)value->list->size);
    else if (value->kind == CEL_MAP)
        value_set_int(out, (int64_t)value->map->size);
    else if (value->kind == CEL_BYTES)
        value_set_int(out, (int64_t)value->bytes.size);
    else if (text_charge(activation, value->bytes.size, out))
        value_set_int(out, (int64_t)text_length(value->bytes));
}

FUNCTION(fn_starts_with) {
    (void)node;
    (void)activation;
    struct bytes text = args[0].bytes;
    struct bytes part = args[1].bytes;
    value_set_bool(
        out, part.size == 0 || (part.size <= text.size && memcmp(text.data, part.data, part.size) == 0));
}

FUNCTION(fn_ends_with) {
    (void)node;
    (void)activation;
    struct bytes text = args[0].bytes;
    struct bytes part = args[1].bytes;
    value_set_bool(out, part.size == 0 || (part.size <= text.size && memcmp(text.data + text.size - part.size,
                                                                         part.data, part.size) == 0));
}

FUNCTION(fn_contains) {
    (void)node;
    if (text_charge(activation, args[0].bytes.size, out))
        value_set_bool(out, text_find(args[0].bytes, 0, args[1].bytes) != SIZE_MAX);
}

static void out_of_range(struct cel_activation *activation, int64_t index, struct cel_value *out) {
    value_fail(activation, out, CEL_FAULT_INDEX, "index out of range: the text has no character %lld",
        (long long)index);
}

FUNCTION(fn_char_at) {
    (void)node;
    size_t at;
    struct bytes text = args[0].bytes;
    if (!text_charge(activation, text.size, out))
        return;
    if (!text_offset(text, args[1].i64, &at))
        out_of_range(activation, args[1].i64, out);
    else
        value_set_bytes(out, CEL_STRING,
            bytes_of(at < text.size ? text.data + at : (const uint8_t *)"",
                at < text.size ? text_step(text, at) : 0));
}

static struct bytes part_of(struct bytes text, size_t from, size_t to) {
    return from == to ? bytes_of("", 0) : bytes_of(text.data + from, to - from);
}

FUNCTION(fn_index_of) {
    size_t from = 0;
    struct bytes text = args[0].bytes;
    if (!text_charge(activation, text.size, out))
        return;
    if (node->count == 3 && !text_offset(text, args[2].i64, &from)) {
        out_of_range(activation, args[2].i64, out);
        return;
    }
    size_t found = text_find(text, from, args[1].bytes);
    value_set_int(out, found == SIZE_MAX ? -1 : (int64_t)text_length(part_of(text, 0, found)));
}

FUNCTION(fn_last_index_of) {
    struct bytes text = args[0].bytes;
    struct bytes part = args[1].bytes;
    size_t from = text.size;
    if (!text_charge(activation, text.size, out))
        return;
    if (node->count == 3 && !text_offset(text, args[2].i64, &from)) {
        out_of_range(activation, args[2].i64, out);
        return;
    }
    value_set_int(out, -1);
    if (part.size > text.size)
        return;
    for (size_t at = from < text.size - part.size ? from : text.size - part.size;; at--) {
        if (!text_charge(activation, part.size, out)) // a long one may differ late, at each place
            return;
        if (part.size == 0 || memcmp(text.data + at, part.data, part.size) == 0) {
            value_set_int(out, (int64_t)text_length(part_of(text, 0, at)));
            return;
        }
        if (at == 0)
            return;
    }
}

static void substring(
    struct cel_activation *activation, struct bytes text, int64_t start, int64_t end, struct cel_value *out) {
    size_t from;
    size_t to = text.size;
    if (!text_charge(activation, text.size, out))
        return;
    if (!text_offset(text, start, &from))
        out_of_range(activation, start, out);
    else if (end != INT64_MAX && !text_offset(text, end, &to))
        out_of_range(activation, end, out);
    else if (from > to)
        value_fail(activation, out, CEL_FAULT_INDEX, "substring(): its start %lld lies behind its end %lld",
            (long long)start, (long long)end);
    else
        value_set_bytes(out, CEL_STRING, part_of(text, from, to));
}

FUNCTION(fn_substring) {
    (void)node;
    substring(activation, args[0].bytes, args[1].i64, INT64_MAX, out);
}

FUNCTION(fn_substring_to) {
    (void)node;
    // No text has a character INT64_MAX, which stands for "to the end" above.
    substring(
        activation, args[0].bytes, args[1].i64, args[2].i64 == INT64_MAX ? INT64_MAX - 1 : args[2].i64, out);
}
