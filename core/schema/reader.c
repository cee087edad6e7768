#include "core/schema/reader.h"

#include "core/base/utf8.h"
#include "core/schema/internal.h"
#include "core/schema/required.h"
#include "core/schema/trail.h"
#include "core/schema/value.h"

#include <errno.h>
#include <stdio.h>

const struct view_limits view_default_limits = {.bytes = 8u << 20, .depth = 64, .elements = 1000000};

struct reader {
    struct scan *scan;
    struct view_value *values; // the scan's
    size_t elements;           // that may still come
    size_t depth;              // that is left
    bool counting;             // the message is long enough to have too many
    bool checked;              // only the paths matter
    const uint8_t *close;      // the end tag of the group that was read last
    const uint8_t *sixteen;    // up to here sixteen bytes of the message may be read; NULL: it is shorter
    int code;                  // of a failure
    const uint8_t *at;
    const char *why;
    struct trail *trail;
};

#define HOT static inline __attribute__((always_inline)) // there is one for each way to read
#define COLD __attribute__((cold, noinline))             // keeps failures out of the way of what is fast
#define RARE __attribute__((noinline))                   // and what is seldom out of its registers

COLD static const uint8_t *fail(struct reader *r, const uint8_t *at, const char *why) {
    r->code = VIEW_REFUSED;
    r->at = at;
    r->why = why;
    return NULL;
}

COLD static const uint8_t *fail_inside(struct reader *r, const char *name) {
    trail_prepend(r->trail, name);
    return NULL;
}

// Whether what should have been a varint of at most `most` bytes ends before it is whole.
static bool cut_short(const uint8_t *p, const uint8_t *end, size_t most) {
    for (size_t i = 0; i < most; i++) {
        if (p + i == end)
            return true;
        if (p[i] < 0x80)
            return false;
    }
    return false;
}

COLD static const uint8_t *fail_varint(struct reader *r, const uint8_t *p, const uint8_t *end) {
    return fail(r, p, cut_short(p, end, 10) ? "its varint is cut short" : "its varint has more than 64 bits");
}

COLD static const uint8_t *fail_tag(struct reader *r, const uint8_t *p, const uint8_t *end) {
    uint64_t tag = 0;
    if (cut_short(p, end, 5))
        return fail(r, p, "a field's tag is cut short");
    if (encoding_varint(p, end, &tag) && tag < 8)
        return fail(r, p, "a field's number is 0");
    return fail(r, p, "a field's tag has more than 32 bits");
}

COLD static const uint8_t *no_memory(struct reader *r) {
    r->code = -ENOMEM;
    return NULL;
}

static inline bool spend(struct reader *r, size_t count) {
    if (!r->counting)
        return true;
    if (count > r->elements)
        return false;
    r->elements -= count;
    return true;
}

__attribute__((nonnull)) static const uint8_t *scan_fields(struct reader *r, const uint8_t *p,
    const uint8_t *end, const struct schema_message *type, const struct paths_node *node, uint32_t group);
__attribute__((nonnull)) static const uint8_t *path_fields(struct reader *r, const uint8_t *p,
    const uint8_t *end, const struct schema_message *type, const struct paths_node *node, uint32_t group);
static const uint8_t *check_fields(struct reader *r, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, uint32_t group);

// What is known of a field whose tag has more than one byte; NULL: malformed.
RARE static const struct schema_tag *look_up(const struct schema_message *type, const uint8_t *p,
    const uint8_t *end, uint32_t *number_and_wire, const uint8_t **next) {
    *next = encoding_tag_long(p, end, number_and_wire);
    if (!*next)
        return NULL;
    uint32_t number = *number_and_wire >> 3;
    if (number < type->dense_size)
        return &type->dense[number];
    const struct schema_field *field = schema_field_numbered(type, number);
    return field ? &type->tags[field->index] : schema_unknown.dense;
}

static bool known_enum(const struct schema_field *field, uint64_t raw) {
    return schema_enum_numbered(field->enumeration, (int32_t)(uint32_t)raw) != NULL;
}

// A number that someone reads. `record` to `end` is the whole of it, with its tag.
HOT const uint8_t *take_number(struct reader *r, const uint8_t *record, const uint8_t *end,
    const struct schema_tag *tag, const struct paths_node *node, uint64_t raw) {
    const struct paths_step *step = &node->steps[tag->index];
    if (!step->plain) {
        if (step->rivals)
            scan_clear_rivals(r->scan, node, tag->index);
        if (step->slot < 0)
            return end;
        if (tag->flags & SCHEMA_TAG_REPEATED)
            return scan_add_run(r->scan, step->slot, record, end) == 0 ? end : no_memory(r);
    }
    struct view_value *value = &r->values[step->slot];
    value_set_number(value, (enum schema_kind)tag->kind, raw);
    // Without presence a default on the wire says no more than nothing at all.
    value->present = (tag->flags & SCHEMA_TAG_PRESENCE) || value->u64 != 0;
    value->occurrences = value->present;
    return end;
}

HOT const uint8_t *take_bytes(struct reader *r, const uint8_t *record, const uint8_t *end,
    const struct schema_tag *tag, const struct paths_node *node, struct bytes content) {
    const struct paths_step *step = &node->steps[tag->index];
    if (!step->plain) {
        if (step->rivals)
            scan_clear_rivals(r->scan, node, tag->index);
        if (step->slot < 0)
            return end;
        if (tag->flags & SCHEMA_TAG_REPEATED)
            return scan_add_run(r->scan, step->slot, record, end) == 0 ? end : no_memory(r);
        if (tag->kind == SCHEMA_MESSAGE || tag->kind == SCHEMA_GROUP)
            return scan_add_message(r->scan, step->slot, content) == 0 ? end : no_memory(r);
    }
    struct view_value *value = &r->values[step->slot];
    value->bytes = content;
    value->present = (tag->flags & SCHEMA_TAG_PRESENCE) || content.size != 0;
    value->occurrences = value->present;
    return end;
}

HOT bool read_by(const struct paths_node *node, const struct schema_tag *tag) {
    return node && node->steps[tag->index].active;
}

COLD static const uint8_t *fail_varint_of(
    struct reader *r, const uint8_t *p, const uint8_t *end, const struct schema_field *field) {
    fail_varint(r, p, end);
    return fail_inside(r, field->name);
}

COLD static const uint8_t *fail_at(
    struct reader *r, const uint8_t *at, const struct schema_field *field, const char *why) {
    fail(r, at, why);
    return fail_inside(r, field->name);
}

HOT const uint8_t *read_varint(struct reader *r, const uint8_t *record, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, const struct schema_tag *tag, const struct paths_node *node) {
    uint64_t raw;
    const uint8_t *start = p;
    p = encoding_varint(p, end, &raw);
    if (!p)
        return fail_varint_of(r, start, end, &type->fields[tag->index]);
    if (!read_by(node, tag))
        return p;
    if ((tag->flags & SCHEMA_TAG_CLOSED) && !known_enum(&type->fields[tag->index], raw))
        return p; // an unknown field, by the specification
    return take_number(r, record, p, tag, node, raw);
}

HOT const uint8_t *read_fixed(struct reader *r, const uint8_t *record, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, const struct schema_tag *tag, const struct paths_node *node) {
    size_t size = (tag->flags & 7) == ENCODING_I64 ? 8 : 4;
    if ((size_t)(end - p) < size)
        return fail_at(r, record, &type->fields[tag->index], "its value is cut short");
    if (!read_by(node, tag))
        return p + size;
    return take_number(r, record, p + size, tag, node, size == 8 ? load_u64(p) : load_u32(p));
}

// A submessage or a group, whose content starts at `p`. With `group` its end is not known yet.
HOT const uint8_t *read_message(struct reader *r, const uint8_t *record, const uint8_t *p, const uint8_t *end,
    const struct schema_field *field, const struct paths_node *node, uint32_t group) {
    if (r->depth == 0)
        return fail_at(r, record, field, "messages are nested too deep");
    r->depth--;
    const struct paths_node *child = node ? node->steps[field->index].child : NULL;
    const uint8_t *next = !child       ? check_fields(r, p, end, field->message, group)
                          : r->checked ? path_fields(r, p, end, field->message, child, group)
                                       : scan_fields(r, p, end, field->message, child, group);
    r->depth++;
    return next ? next : fail_inside(r, field->name);
}

HOT const uint8_t *read_bytes(struct reader *r, const uint8_t *record, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, const struct schema_tag *tag, const struct paths_node *node,
    bool checked) {
    size_t size;
    p = encoding_size(p, end, &size);
    if (!p)
        return fail_at(
            r, record, &type->fields[tag->index], "its length is malformed or goes beyond the end");
    bool wanted = read_by(node, tag);
    const uint8_t *next = p + size;
    if (wanted && !take_bytes(r, record, next, tag, node, bytes_of(p, size)))
        return NULL;
    if (tag->flags & SCHEMA_TAG_UTF8) {
        if (!checked && !utf8_valid_within(p, size, r->sixteen))
            return fail_at(r, record, &type->fields[tag->index], "the text is not UTF-8");
    } else if (tag->kind == SCHEMA_MESSAGE) {
        if (!checked || (wanted && node->steps[tag->index].child))
            return read_message(r, record, p, next, &type->fields[tag->index], node, 0);
    }
    return next;
}

RARE static const uint8_t *read_group(struct reader *r, const uint8_t *record, const uint8_t *p,
    const uint8_t *end, const struct schema_message *type, const struct schema_tag *tag,
    const struct paths_node *node) {
    const struct schema_field *field = &type->fields[tag->index];
    bool wanted = read_by(node, tag);
    const uint8_t *next = read_message(r, record, p, end, field, node, field->number);
    if (!next || !wanted)
        return next;
    return take_bytes(r, record, next, tag, node, bytes_of(p, (size_t)(r->close - p)));
}

// How many elements; with `closed` those that the enum has are counted apart. Where it ends: `end`, or a
// malformed one.
static const uint8_t *count_varints(
    const uint8_t *p, const uint8_t *end, const struct schema_field *closed, size_t *all, size_t *known) {
    while (p < end) {
        uint64_t raw;
        if (end - p >= 8 && !closed) {
            uint64_t eight;
            memcpy(&eight, p, 8);
            if (!(eight & 0x8080808080808080u)) {
                *all += 8;
                p += 8;
                continue;
            }
        }
        const uint8_t *next = encoding_varint(p, end, &raw);
        if (!next)
            return p;
        p = next;
        *all += 1;
        *known += closed && known_enum(closed, raw);
    }
    if (!closed)
        *known = *all;
    return p;
}

static void count_packed(struct reader *r, const uint8_t *p, size_t size, const struct schema_field *field,
    const struct schema_tag *tag, size_t *known) {
    size_t all = 0, width = (tag->flags & 7) == ENCODING_I64 ? 8 : 4;
    if ((tag->flags & 7) == ENCODING_VARINT) {
        const uint8_t *stop =
            count_varints(p, p + size, tag->flags & SCHEMA_TAG_CLOSED ? field : NULL, &all, known);
        if (stop != p + size)
            fail_varint(r, stop, p + size);
    } else {
        all = *known = size / width;
        if (size % width)
            fail(r, p, "its packed values are cut short");
    }
    if (r->code == 0 && !spend(r, all))
        fail(r, p, "the message has too many elements");
}

RARE static const uint8_t *read_packed(struct reader *r, const uint8_t *record, const uint8_t *p,
    const uint8_t *end, const struct schema_message *type, const struct schema_tag *tag,
    const struct paths_node *node) {
    const struct schema_field *field = &type->fields[tag->index];
    size_t size = 0, known = 0;
    p = encoding_size(p, end, &size);
    if (p)
        count_packed(r, p, size, field, tag, &known);
    else
        fail(r, record, "its length is malformed or goes beyond the end");
    if (r->code != 0)
        return fail_inside(r, field->name);
    if (node && node->steps[tag->index].slot >= 0 &&
        scan_add_packed(r->scan, node->steps[tag->index].slot, bytes_of(p, size), (uint32_t)known) != 0)
        return no_memory(r);
    return p + size;
}

// Also a field whose wire type does not fit.
RARE static const uint8_t *read_unknown(
    struct reader *r, const uint8_t *record, const uint8_t *p, const uint8_t *end, uint32_t tag) {
    if (r->scan)
        r->scan->unknown = true;
    if ((tag & 7) != ENCODING_START) {
        const uint8_t *next = encoding_skip(p, end, tag, 0);
        if (next)
            return next;
        return (tag & 7) == ENCODING_VARINT ? fail_varint(r, p, end)
                                            : fail(r, record, "an unknown field is malformed");
    }
    if (r->depth == 0)
        return fail(r, record, "messages are nested too deep");
    r->depth--;
    p = check_fields(r, p, end, &schema_unknown, tag >> 3);
    r->depth++;
    return p;
}

RARE static const uint8_t *read_end(
    struct reader *r, const uint8_t *record, const uint8_t *p, uint32_t tag, uint32_t group) {
    if (tag >> 3 != group)
        return fail(r, record, "a group ends that did not start");
    r->close = record;
    return p;
}

// The fields of a message up to `end`; of a group (its number; 0: none) up to and with its end tag.
HOT const uint8_t *read_fields(struct reader *r, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, const struct paths_node *node, uint32_t group, bool checked) {
    const struct schema_tag *const dense = type->dense;
    while (p < end) {
        const uint8_t *record = p;
        uint32_t number_and_wire = *p++;
        const struct schema_tag *tag = &dense[number_and_wire >> 3];
        if (number_and_wire - 8 >= 0x78) { // more than one byte, or the field's number is 0
            uint32_t longer;
            const uint8_t *next;
            tag = look_up(type, record, end, &longer, &next);
            if (!tag)
                return fail_tag(r, record, end);
            number_and_wire = longer;
            p = next;
        }
        if (!spend(r, 1))
            return fail(r, record, "the message has too many elements");
        uint32_t wire = number_and_wire & 7;
        if ((tag->flags ^ number_and_wire) & 7) {
            if (wire == ENCODING_END)
                return read_end(r, record, p, number_and_wire, group);
            p = wire == ENCODING_LEN && (tag->flags & SCHEMA_TAG_PACKABLE)
                    ? read_packed(r, record, p, end, type, tag, node)
                    : read_unknown(r, record, p, end, number_and_wire);
        } else if (wire == ENCODING_LEN) {
            p = read_bytes(r, record, p, end, type, tag, node, checked);
        } else if (wire == ENCODING_VARINT) {
            p = read_varint(r, record, p, end, type, tag, node);
        } else if (wire == ENCODING_START) {
            p = read_group(r, record, p, end, type, tag, node);
        } else if (wire == SCHEMA_TAG_UNKNOWN) { // as every unknown field is marked
            return fail(r, record, "there is no wire type 7");
        } else {
            p = read_fixed(r, record, p, end, type, tag, node);
        }
        if (!p)
            return NULL;
    }
    return group ? fail(r, end, "a group does not end") : p;
}

static const uint8_t *scan_fields(struct reader *r, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, const struct paths_node *node, uint32_t group) {
    return read_fields(r, p, end, type, node, group, false);
}

static const uint8_t *path_fields(struct reader *r, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, const struct paths_node *node, uint32_t group) {
    return read_fields(r, p, end, type, node, group, true);
}

static const uint8_t *check_fields(struct reader *r, const uint8_t *p, const uint8_t *end,
    const struct schema_message *type, uint32_t group) {
    return read_fields(r, p, end, type, NULL, group, false);
}

static int refuse(
    const struct reader *r, const struct schema_message *type, struct bytes message, struct error *error) {
    if (r->code == -ENOMEM)
        return error_no_memory(error);
    return error_set(error, VIEW_REFUSED, "%s: at %.*s%sbyte %zu: %s", type->full_name, TRAIL_ARGS(r->trail),
        r->trail->size ? ", " : "", (size_t)(r->at - message.data), r->why);
}

static bool read_all(struct reader *r, struct bytes message, const struct schema_message *type,
    const struct paths_node *node) {
    const uint8_t *end = message.data + message.size;
    if (!node)
        return check_fields(r, message.data, end, type, 0) != NULL;
    if (r->checked)
        return path_fields(r, message.data, end, type, node, 0) != NULL;
    return scan_fields(r, message.data, end, type, node, 0) != NULL;
}

int reader_run(const struct schema_message *type, const struct paths_node *node, struct scan *scan,
    struct bytes message, bool checked, const struct view_limits *limits, struct error *error) {
    static const uint8_t nothing[1];
    if (message.size > limits->bytes)
        return error_set(error, VIEW_REFUSED, "%s: the message has %zu bytes; at most %zu are allowed",
            type->full_name, message.size, limits->bytes);
    if (!message.data)
        message.data = nothing;
    struct trail trail;
    trail.size = 0; // its text is large, and mostly not needed
    struct reader r = {.scan = scan,
        .values = scan ? scan->values : NULL,
        .elements = limits->elements,
        .counting = message.size > limits->elements, // each takes a byte at least
        .depth = limits->depth,
        .checked = checked,
        .sixteen = message.size >= 16 ? message.data + message.size - 16 : NULL,
        .trail = &trail};
    if (!read_all(&r, message, type, node))
        return refuse(&r, type, message, error);
    return type->has_required && !checked ? required_check(type, message, error) : 0;
}

int view_check(const struct schema_message *type, struct bytes message, const struct view_limits *limits,
    struct error *error) {
    return reader_run(type, NULL, NULL, message, false, limits ? limits : &view_default_limits, error);
}
