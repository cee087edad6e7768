// A message without what its type doesn't know.
#include "core/schema/encoding.h"
#include "core/schema/put.h"
#include "core/schema/scan.h"

#include <errno.h>

struct record {
    const uint8_t *start; // of the tag
    const uint8_t *value; // behind it
    const uint8_t *end;
};

static const struct schema_field *field_of(const struct schema_message *type, uint32_t tag) {
    const struct schema_field *field = schema_field_numbered(type, tag >> 3);
    uint32_t flags = field ? type->tags[field->index].flags : 0;
    bool packed = (flags & SCHEMA_TAG_PACKABLE) && (tag & 7) == ENCODING_LEN;
    return field && (packed || (flags & 7) == (tag & 7)) ? field : NULL;
}

static int append_fields(const struct schema_message *type, struct bytes content, struct buffer *out);

// NOLINTBEGIN(misc-no-recursion): the messages' depth was checked
static int append_message(const struct schema_field *field, const struct record *record, struct buffer *out) {
    size_t size;
    const uint8_t *content = encoding_size(record->value, record->end, &size);
    int rc = buffer_append(out, record->start, (size_t)(record->value - record->start));
    size_t mark = out->size;
    if (!content)
        return -EINVAL;
    rc = rc ? rc : append_fields(field->message, bytes_of(content, size), out);
    return rc ? rc : put_length(out, mark);
}

static int append_group(const struct schema_field *field, const struct record *record, struct buffer *out) {
    const uint8_t *close;
    if (!encoding_group(record->value, record->end, field->number, view_default_limits.depth, &close))
        return -EINVAL;
    int rc = buffer_append(out, record->start, (size_t)(record->value - record->start));
    rc = rc ? rc
            : append_fields(field->message, bytes_of(record->value, (size_t)(close - record->value)), out);
    return rc ? rc : buffer_append(out, close, (size_t)(record->end - close));
}

static int append_record(const struct schema_field *field, const struct record *record, struct buffer *out) {
    if (field->kind == SCHEMA_MESSAGE)
        return append_message(field, record, out);
    if (field->kind == SCHEMA_GROUP)
        return append_group(field, record, out);
    return buffer_append(out, record->start, (size_t)(record->end - record->start));
}

static int append_fields(const struct schema_message *type, struct bytes content, struct buffer *out) {
    const uint8_t *end = content.data + content.size;
    int rc = 0;
    for (const uint8_t *p = content.data; rc == 0 && p < end;) {
        uint32_t tag;
        const uint8_t *value = encoding_tag(p, end, &tag);
        const uint8_t *next = value ? encoding_skip(value, end, tag, view_default_limits.depth) : NULL;
        if (!value || !next)
            return -EINVAL;
        const struct record record = {.start = p, .value = value, .end = next};
        const struct schema_field *field = field_of(type, tag);
        if (field)
            rc = append_record(field, &record, out);
        p = next;
    }
    return rc;
}
// NOLINTEND(misc-no-recursion)

int view_append_known(const struct schema_message *type, struct bytes message, struct buffer *out) {
    size_t size = out->size;
    int rc = message.size ? append_fields(type, message, out) : 0;
    if (rc)
        out->size = size;
    return rc;
}

bool scan_has_unknown(const struct scan *scan) {
    return scan->unknown;
}
