// Functions that make new texts, or lists of texts.
#include "core/cel/collections.h"
#include "core/cel/functions.h"
#include "core/cel/text.h"

static void change_case(struct cel_activation *activation, struct bytes text, uint8_t first, uint8_t last,
    struct cel_value *out) {
    uint8_t *copy =
        text_charge(activation, text.size, out) ? activation_alloc(activation, text.size + 1, out) : NULL;
    if (!copy)
        return;
    for (size_t i = 0; i < text.size; i++)
        copy[i] = text.data[i] >= first && text.data[i] <= last ? text.data[i] ^ 0x20 : text.data[i];
    value_set_bytes(out, CEL_STRING, bytes_of(copy, text.size));
}

FUNCTION(fn_lower) {
    (void)node;
    change_case(activation, args[0].bytes, 'A', 'Z', out);
}

FUNCTION(fn_upper) {
    (void)node;
    change_case(activation, args[0].bytes, 'a', 'z', out);
}

FUNCTION(fn_reverse) {
    (void)node;
    struct bytes text = args[0].bytes;
    uint8_t *copy =
        text_charge(activation, text.size, out) ? activation_alloc(activation, text.size + 1, out) : NULL;
    size_t end = text.size;
    if (!copy)
        return;
    for (size_t at = 0; at < text.size;) {
        size_t step = text_step(text, at);
        end -= step;
        memcpy(copy + end, text.data + at, step);
        at += step;
    }
    value_set_bytes(out, CEL_STRING, bytes_of(copy, text.size));
}

// Unicode's White_Space, as UTF-8.
static size_t blank_at(struct bytes text, size_t at) {
    static const char *const blanks[] = {"\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002",
        "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029",
        "\u202f", "\u205f", "\u3000"};
    if (text.data[at] == ' ' || (text.data[at] >= '\t' && text.data[at] <= '\r'))
        return 1;
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        size_t size = strlen(blanks[i]);
        if (size <= text.size - at && memcmp(text.data + at, blanks[i], size) == 0)
            return size;
    }
    return 0;
}

FUNCTION(fn_trim) {
    (void)node;
    struct bytes text = args[0].bytes;
    size_t from = 0;
    size_t to = 0;
    if (!text_charge(activation, text.size, out))
        return;
    while (from < text.size && blank_at(text, from))
        from += blank_at(text, from);
    to = from;
    for (size_t at = from; at < text.size;) {
        size_t blank = blank_at(text, at);
        at += blank ? blank : text_step(text, at);
        to = blank ? to : at;
    }
    value_set_bytes(out, CEL_STRING, from == to ? bytes_of("", 0) : bytes_of(text.data + from, to - from));
}

// ---- replace ----

struct replacing {
    struct bytes text;
    struct bytes old;
    struct bytes new;
    uint64_t limit;
    uint8_t *out; // NULL: only counts
    size_t size;
};

static void put(struct replacing *r, struct bytes part) {
    if (r->out && part.size)
        memcpy(r->out + r->size, part.data, part.size);
    r->size += part.size;
}

// An empty text is found before each character and at the end.
static void replace_between(struct replacing *r) {
    size_t at = 0;
    for (uint64_t done = 0; done < r->limit; done++) {
        put(r, r->new);
        if (at == r->text.size)
            return;
        size_t step = text_step(r->text, at);
        put(r, bytes_of(r->text.data + at, step));
        at += step;
    }
    if (at < r->text.size)
        put(r, bytes_of(r->text.data + at, r->text.size - at));
}

static void replace_found(struct replacing *r) {
    size_t at = 0;
    for (uint64_t done = 0; done < r->limit; done++) {
        size_t found = text_find(r->text, at, r->old);
        if (found == SIZE_MAX)
            break;
        put(r, bytes_of(r->text.data + at, found - at));
        put(r, r->new);
        at = found + r->old.size;
    }
    if (at < r->text.size)
        put(r, bytes_of(r->text.data + at, r->text.size - at));
}

static void replace(
    struct cel_activation *activation, const struct cel_value *args, int64_t limit, struct cel_value *out) {
    struct replacing r = {.text = args[0].bytes,
        .old = args[1].bytes,
        .new = args[2].bytes,
        .limit = limit < 0 ? UINT64_MAX : (uint64_t)limit};
    void (*run)(struct replacing *) = r.old.size ? replace_found : replace_between;
    if (!text_charge(activation, r.text.size, out))
        return;
    run(&r);
    size_t size = r.size;
    r.size = 0;
    r.out = activation_alloc(activation, size + 1, out);
    if (!r.out)
        return;
    run(&r);
    value_set_bytes(out, CEL_STRING, bytes_of(r.out, r.size));
}

FUNCTION(fn_replace) {
    (void)node;
    replace(activation, args, -1, out);
}

FUNCTION(fn_replace_some) {
    (void)node;
    replace(activation, args, args[3].i64, out);
}

// ---- split and join ----

// Where the next part ends; `*next`: where the one behind it starts.
static size_t part_end(struct bytes text, size_t at, struct bytes separator, size_t *next) {
    size_t end = separator.size ? text_find(text, at, separator) : at + text_step(text, at);
    if (end == SIZE_MAX || (separator.size == 0 && end >= text.size)) {
        *next = SIZE_MAX;
        return text.size;
    }
    *next = end + separator.size;
    return end;
}

static size_t split_into(
    struct bytes text, struct bytes separator, uint64_t limit, struct cel_value *values) {
    size_t count = 0;
    size_t at = 0;
    if (separator.size == 0 && text.size == 0)
        return 0;
    while (at != SIZE_MAX && count < limit) {
        size_t next;
        size_t end = part_end(text, at, separator, &next);
        if (count + 1 == limit) {
            end = text.size;
            next = SIZE_MAX;
        }
        if (values)
            value_set_bytes(
                &values[count], CEL_STRING, end > at ? bytes_of(text.data + at, end - at) : bytes_of("", 0));
        count++;
        at = next;
    }
    return count;
}

static void split(
    struct cel_activation *activation, const struct cel_value *args, int64_t limit, struct cel_value *out) {
    uint64_t most = limit < 0 ? UINT64_MAX : (uint64_t)limit;
    if (!text_charge(activation, args[0].bytes.size, out))
        return;
    size_t count = split_into(args[0].bytes, args[1].bytes, most, NULL);
    struct cel_value *values = activation_array(activation, count + 1, sizeof *values, out);
    if (!values)
        return;
    split_into(args[0].bytes, args[1].bytes, most, values);
    list_make(activation, values, count, out);
}

FUNCTION(fn_split) {
    (void)node;
    split(activation, args, -1, out);
}

FUNCTION(fn_split_some) {
    (void)node;
    split(activation, args, args[2].i64, out);
}

static bool join_size(const struct cel_value *values, size_t count, size_t separator, size_t *out) {
    *out = count ? (count - 1) * separator : 0;
    for (size_t i = 0; i < count; i++) {
        if (values[i].kind != CEL_STRING)
            return false;
        *out += values[i].bytes.size;
    }
    return true;
}

FUNCTION(fn_join) {
    struct bytes separator = node->count == 2 ? args[1].bytes : (struct bytes){0};
    size_t count = args[0].list->size;
    size_t size;
    if (!activation_charge(activation, count, out))
        return;
    const struct cel_value *values = list_values(activation, args[0].list, out);
    if (!values && count)
        return;
    if (!join_size(values, count, separator.size, &size)) {
        value_no_overload(out);
        return;
    }
    uint8_t *data = activation_alloc(activation, size + 1, out);
    if (!data)
        return;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && separator.size)
            memcpy(data + at, separator.data, separator.size);
        at += i > 0 ? separator.size : 0;
        if (values[i].bytes.size)
            memcpy(data + at, values[i].bytes.data, values[i].bytes.size);
        at += values[i].bytes.size;
    }
    value_set_bytes(out, CEL_STRING, bytes_of(data, size));
}
