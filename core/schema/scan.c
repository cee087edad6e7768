#include "core/schema/scan.h"

#include "core/schema/internal.h"
#include "core/schema/reader.h"
#include "core/schema/value.h"

#include <errno.h>
#include <stdlib.h>

struct scan *scan_new(const struct paths *paths) {
    struct scan *scan = calloc(1, sizeof *scan);
    if (scan)
        scan->paths = paths;
    return scan;
}

void scan_destroy(struct scan **self) {
    struct scan *scan = *self;
    if (!scan)
        return;
    free(scan->values);
    free(scan->last);
    free(scan->pieces);
    free(scan);
    *self = NULL;
}

// The paths may have grown since the last run, while configuration is still being loaded.
static int fit(struct scan *scan) {
    size_t count = scan->paths->size;
    if (count > scan->value_capacity) {
        struct view_value *values = realloc(scan->values, count * sizeof *values);
        if (!values)
            return -ENOMEM;
        scan->values = values;
        uint32_t *last = realloc(scan->last, count * sizeof *last);
        if (!last)
            return -ENOMEM;
        scan->last = last;
        scan->value_capacity = count;
    }
    scan->value_count = count;
    return 0;
}

int scan_run(struct scan *scan, struct bytes message, bool checked, struct error *error) {
    if (scan->value_count != scan->paths->size && fit(scan) != 0)
        return error_no_memory(error);
    if (scan->value_count)
        memset(scan->values, 0, scan->value_count * sizeof *scan->values);
    scan->piece_count = 0;
    scan->unknown = false;
    scan->message = message;
    scan->whole = false;
    int rc = reader_run(
        scan->paths->root->type, scan->paths->root, scan, message, checked, &view_default_limits, error);
    scan->whole = rc == 0 && !checked;
    return rc;
}

struct bytes scan_message(const struct scan *scan) {
    return scan->message;
}

const struct view_value *scan_value(const struct scan *scan, size_t slot) {
    return &scan->values[slot];
}

static int add_piece(struct scan *scan, int32_t slot, struct bytes bytes, enum piece_kind kind) {
    if (scan->piece_count == scan->piece_capacity &&
        schema_grow(&scan->pieces, &scan->piece_capacity, scan->piece_count + 1, sizeof *scan->pieces) != 0)
        return -ENOMEM;
    uint32_t index = (uint32_t)scan->piece_count++;
    scan->pieces[index] = (struct piece){.bytes = bytes, .next = PIECE_NONE, .kind = kind};
    struct view_value *value = &scan->values[slot];
    if (value->piece_count++ == 0)
        value->first_piece = index;
    else
        scan->pieces[scan->last[slot]].next = index;
    scan->last[slot] = index;
    return 0;
}

// Elements mostly follow each other, so a whole repeated field mostly is one run.
int scan_add_run(struct scan *scan, int32_t slot, const uint8_t *record, const uint8_t *end) {
    struct view_value *value = &scan->values[slot];
    value->present = true;
    value->occurrences++;
    if (value->piece_count) {
        struct piece *last = &scan->pieces[scan->last[slot]];
        if (last->kind == PIECE_RUN && last->bytes.data + last->bytes.size == record) {
            last->bytes.size += (size_t)(end - record);
            return 0;
        }
    }
    return add_piece(scan, slot, bytes_of(record, (size_t)(end - record)), PIECE_RUN);
}

int scan_add_packed(struct scan *scan, int32_t slot, struct bytes content, uint32_t count) {
    if (count == 0)
        return 0;
    struct view_value *value = &scan->values[slot];
    value->present = true;
    value->occurrences += count;
    return add_piece(scan, slot, content, PIECE_PACKED);
}

int scan_add_message(struct scan *scan, int32_t slot, struct bytes content) {
    struct view_value *value = &scan->values[slot];
    value->present = true;
    if (value->occurrences++ == 0) {
        value->bytes = content;
        return 0;
    }
    struct bytes first = value->bytes;
    value->bytes = (struct bytes){0};
    if (value->occurrences == 2 && add_piece(scan, slot, first, PIECE_VALUE) != 0)
        return -ENOMEM;
    return add_piece(scan, slot, content, PIECE_VALUE);
}

static void clear(struct scan *scan, const struct paths_node *node, uint16_t index) {
    const struct paths_step *step = &node->steps[index];
    if (step->slot >= 0)
        scan->values[step->slot] = (struct view_value){0};
    for (size_t i = 0; step->child && i < step->child->used_count; i++)
        clear(scan, step->child, step->child->used[i]);
}

void scan_clear_rivals(struct scan *scan, const struct paths_node *node, uint32_t field_index) {
    const struct schema_field *fields = node->type->fields;
    for (size_t i = 0; i < node->used_count; i++)
        if (node->used[i] != field_index && fields[node->used[i]].oneof == fields[field_index].oneof)
            clear(scan, node, node->used[i]);
}

static bool unknown_enum(const struct schema_field *field, const struct view_value *value) {
    return field->kind == SCHEMA_ENUM && field->enumeration->closed &&
           !schema_enum_numbered(field->enumeration, (int32_t)value->i64);
}

// The next element of a piece at `*offset`. The bytes were checked when they were scanned.
static bool next_in_piece(
    const struct piece *piece, const struct schema_field *field, size_t *offset, struct view_value *element) {
    const uint8_t *p = piece->bytes.data + *offset, *end = piece->bytes.data + piece->bytes.size;
    uint32_t tag = field->number << 3 | schema_wire(field->kind);
    while (p && p < end) {
        *element = (struct view_value){.present = true, .occurrences = 1};
        if (piece->kind == PIECE_RUN)
            p = encoding_tag(p, end, &tag);
        p = p ? value_read(p, end, tag, field->kind, element) : NULL;
        *offset = p ? (size_t)(p - piece->bytes.data) : piece->bytes.size;
        if (p && !unknown_enum(field, element))
            return true;
    }
    return false;
}

// A message's piece is one element, also an empty one.
static bool whole_piece(const struct piece *piece, size_t *offset, struct view_value *element) {
    if (*offset)
        return false;
    *offset = 1;
    *element = (struct view_value){.present = true, .occurrences = 1};
    element->bytes = piece->bytes;
    return true;
}

bool scan_next(const struct scan *scan, const struct schema_field *field, const struct view_value *value,
    struct view_cursor *cursor, struct view_value *element) {
    if (value->piece_count == 0) { // a message in one piece
        if (value->occurrences == 0 || cursor->piece != 0)
            return false;
        cursor->piece = 1;
        *element = *value;
        return true;
    }
    if (cursor->piece == 0)
        *cursor = (struct view_cursor){.piece = value->first_piece + 1};
    while (cursor->piece != PIECE_NONE) {
        const struct piece *piece = &scan->pieces[cursor->piece - 1];
        if (piece->kind == PIECE_VALUE ? whole_piece(piece, &cursor->offset, element)
                                       : next_in_piece(piece, field, &cursor->offset, element))
            return true;
        cursor->offset = 0;
        cursor->piece = piece->next == PIECE_NONE ? PIECE_NONE : piece->next + 1;
    }
    return false;
}

int scan_append_message(const struct scan *scan, const struct view_value *value, struct buffer *out) {
    if (value->piece_count == 0)
        return buffer_append_bytes(out, value->bytes);
    uint32_t i = value->first_piece;
    while (i != PIECE_NONE) {
        int rc = buffer_append_bytes(out, scan->pieces[i].bytes);
        if (rc != 0)
            return rc;
        i = scan->pieces[i].next;
    }
    return 0;
}
