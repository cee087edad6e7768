#include "core/cel/field_walk.h"

#include "core/schema/value.h"

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

static bool read_value(struct field_walk *walk, uint32_t tag, struct view_value *out) {
    *out = (struct view_value){.present = true, .occurrences = 1};
    walk->p = value_read(walk->p, walk->end, tag, walk->field->kind, out);
    return walk->p != NULL;
}

bool field_walk_next(struct field_walk *walk, struct view_value *out) {
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

struct field_walk field_walk_start(const struct schema_field *field, struct bytes bytes) {
    return (struct field_walk){
        .field = field, .p = bytes.data, .end = bytes.data ? bytes.data + bytes.size : NULL};
}
