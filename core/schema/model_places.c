#include "core/schema/encoding.h"
#include "core/schema/model_internal.h"

#include <errno.h>

// Numbers of google/protobuf/descriptor.proto.
enum {
    INFO_LOCATION = 1,
    LOCATION_PATH = 1,
    LOCATION_SPAN = 2,
    LOCATION_LEADING = 3,
    LOCATION_TRAILING = 4,
};

void model_enter(struct model_loader *loader, uint32_t number, uint32_t index) {
    if (loader->depth + 2 <= MODEL_PATH) {
        loader->path[loader->depth] = number;
        loader->path[loader->depth + 1] = index;
    }
    loader->depth += 2;
}

void model_leave(struct model_loader *loader) {
    loader->depth -= 2;
}

// Packed numbers, or one that stands alone; those beyond `most` are counted only. The count, or SIZE_MAX.
static size_t read_numbers(const struct descriptor_field *field, uint32_t *out, size_t count, size_t most) {
    if (field->wire == ENCODING_VARINT) {
        if (count < most)
            out[count] = (uint32_t)field->value;
        return count + 1;
    }
    const uint8_t *p = field->bytes.data, *end = p + field->bytes.size;
    while (p < end) {
        uint64_t value;
        p = encoding_varint(p, end, &value);
        if (!p)
            return SIZE_MAX;
        if (count < most)
            out[count] = (uint32_t)value;
        count++;
    }
    return count;
}

struct location {
    uint32_t path[MODEL_PATH];
    size_t path_count;
    uint32_t span[4]; // line, column, … from 0
    size_t span_count;
    struct bytes leading;
    struct bytes trailing;
};

static int read_location(struct bytes raw, struct location *out) {
    struct descriptor_field field;
    int rc;
    while ((rc = descriptor_next(&raw, &field)) > 0) {
        if (field.number == LOCATION_PATH)
            out->path_count = read_numbers(&field, out->path, out->path_count, MODEL_PATH);
        else if (field.number == LOCATION_SPAN)
            out->span_count = read_numbers(&field, out->span, out->span_count, 4);
        else if (field.number == LOCATION_LEADING)
            out->leading = field.bytes;
        else if (field.number == LOCATION_TRAILING)
            out->trailing = field.bytes;
        if (out->path_count == SIZE_MAX || out->span_count == SIZE_MAX)
            return -EINVAL;
    }
    return rc;
}

static int keep_location(struct model_loader *loader, const struct location *location) {
    if (location->path_count > MODEL_PATH || location->span_count < 3)
        return 0; // of nothing that is read here
    struct bytes path = bytes_of(location->path, location->path_count * sizeof location->path[0]);
    struct bytes comment = location->leading.size ? location->leading : location->trailing;
    if (map_get(loader->places, path))
        return 0; // the first: "extend" and groups have several
    struct model_note *note = arena_alloc(&loader->model->arena, sizeof *note);
    if (!note)
        return error_no_memory(loader->error);
    note->place = (struct model_place){.line = location->span[0] + 1, .column = location->span[1] + 1};
    if (comment.size && !(note->comment = model_text(loader, comment)))
        return error_no_memory(loader->error);
    return map_put(loader->places, path, note) == 0 ? 0 : error_no_memory(loader->error);
}

int model_read_places(struct model_loader *loader, struct bytes source_info) {
    struct descriptor_field field;
    int rc;
    while ((rc = descriptor_next(&source_info, &field)) > 0) {
        if (field.number != INFO_LOCATION || field.wire != ENCODING_LEN)
            continue;
        struct location location = {0};
        if (read_location(field.bytes, &location) != 0)
            return model_malformed(loader, "its source info");
        if ((rc = keep_location(loader, &location)) != 0)
            return rc;
    }
    return rc == 0 ? 0 : model_malformed(loader, "its source info");
}

static struct model_note find(const struct model_loader *loader, const uint32_t *path, size_t count) {
    const struct model_note *note =
        loader->places ? map_get(loader->places, bytes_of(path, count * sizeof *path)) : NULL;
    return note ? *note : (struct model_note){0};
}

struct model_note model_note(const struct model_loader *loader) {
    return loader->depth <= MODEL_PATH ? find(loader, loader->path, loader->depth) : (struct model_note){0};
}

struct model_place model_place(const struct model_loader *loader, uint32_t number) {
    uint32_t path[MODEL_PATH + 1];
    if (loader->depth > MODEL_PATH)
        return (struct model_place){0};
    memcpy(path, loader->path, loader->depth * sizeof path[0]);
    path[loader->depth] = number;
    struct model_place place = find(loader, path, loader->depth + 1).place;
    return place.line ? place : model_note(loader).place;
}

struct model_place model_element_place(const struct model_loader *loader, uint32_t number, uint32_t index) {
    uint32_t path[MODEL_PATH + 2];
    if (loader->depth > MODEL_PATH)
        return (struct model_place){0};
    memcpy(path, loader->path, loader->depth * sizeof path[0]);
    path[loader->depth] = number;
    path[loader->depth + 1] = index;
    struct model_place place = find(loader, path, loader->depth + 2).place;
    return place.line ? place : model_note(loader).place;
}
