#include "broker/policy/disclosed.h"

#include "core/base/varint.h"

#include <stdio.h>

#define DEPTH_LIMIT 64

struct walk {
    const struct policy_agreement *agreement;
    const struct schema_message *root;
    char *missing;
};

// One field as it stands in the bytes.
struct piece {
    uint32_t number;
    unsigned wire_type;
    struct bytes content; // of strings, bytes and messages
};

static bool skip(struct bytes *rest, size_t size) {
    if (size > rest->size)
        return false;
    rest->data += size;
    rest->size -= size;
    return true;
}

// False for what isn't read here: groups, and bytes that were not checked.
static bool next_piece(struct bytes *rest, struct piece *out) {
    uint64_t tag;
    uint64_t value;
    if (!varint_get(rest, &tag))
        return false;
    *out = (struct piece){.number = (uint32_t)(tag >> 3), .wire_type = (unsigned)(tag & 7)};
    switch (out->wire_type) {
    case VARINT_WIRE_NUMBER:
        return varint_get(rest, &value);
    case VARINT_WIRE_BYTES:
        if (!varint_get(rest, &value) || value > rest->size)
            return false;
        out->content = bytes_of(rest->data, (size_t)value);
        return skip(rest, (size_t)value);
    case 1:
        return skip(rest, 8);
    case 5:
        return skip(rest, 4);
    default:
        return false;
    }
}

static bool walk_message(const struct walk *walk, const struct schema_message *type, struct bytes message,
    const char *prefix, unsigned depth);

static bool covers_piece(const struct walk *walk, const struct schema_message *type,
    const struct piece *piece, const char *prefix, unsigned depth) {
    char path[POLICY_PATH_SIZE];
    char unused[POLICY_PATH_SIZE];
    const struct schema_field *field = schema_field_numbered(type, piece->number);
    int size = field ? snprintf(path, sizeof path, "%s%s", prefix, field->name)
                     : snprintf(path, sizeof path, "%s%u", prefix, piece->number);
    if (size < 0 || (size_t)size + 2 > sizeof path || !field) {
        snprintf(walk->missing, POLICY_PATH_SIZE, "%s", path);
        return false;
    }
    if (policy_covers(walk->agreement, walk->root, path, unused))
        return true;
    if (!field->message || field->map || piece->wire_type != VARINT_WIRE_BYTES || depth == 0) {
        snprintf(walk->missing, POLICY_PATH_SIZE, "%s", path);
        return false;
    }
    memcpy(path + size, ".", 2);
    return walk_message(walk, field->message, piece->content, path, depth - 1);
}

static bool walk_message(const struct walk *walk, const struct schema_message *type, struct bytes message,
    const char *prefix, unsigned depth) {
    while (message.size) {
        struct piece piece;
        if (!next_piece(&message, &piece)) {
            snprintf(walk->missing, POLICY_PATH_SIZE, "%s", prefix[0] ? prefix : type->full_name);
            return false;
        }
        if (!covers_piece(walk, type, &piece, prefix, depth))
            return false;
    }
    return true;
}

bool policy_covers_payload(const struct policy_agreement *agreement, const struct schema_message *type,
    struct bytes payload, char missing[POLICY_PATH_SIZE]) {
    const struct walk walk = {.agreement = agreement, .root = type, .missing = missing};
    if (agreement->partial)
        return false; // what it lists could not be read: a tool may go on, a broker gives nothing
    return walk_message(&walk, type, payload, "", DEPTH_LIMIT);
}
