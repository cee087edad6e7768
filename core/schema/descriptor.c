#include "core/base/utf8.h"
#include "core/schema/encoding.h"
#include "core/schema/internal.h"

#include <errno.h>

// Numbers of google/protobuf/descriptor.proto.
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SYNTAX = 12,
    MESSAGE_NAME = 1,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    ENUM_NAME = 1,
    ENUM_VALUE = 2,
    VALUE_NAME = 1,
    VALUE_NUMBER = 2,
};

#define NO_LENGTH UINT32_MAX // a wire type that no caller asks for

int descriptor_next(struct bytes *rest, struct descriptor_field *out) {
    if (rest->size == 0) // and maybe nowhere
        return 0;
    const uint8_t *p = rest->data, *end = p + rest->size;
    uint32_t tag;
    p = encoding_tag(p, end, &tag);
    if (!p)
        return -EINVAL;
    *out = (struct descriptor_field){.number = tag >> 3, .wire = tag & 7};
    if (out->wire == ENCODING_VARINT) {
        p = encoding_varint(p, end, &out->value);
    } else if (out->wire == ENCODING_LEN) {
        p = encoding_size(p, end, &out->bytes.size);
        out->bytes.data = p;
        p = p ? p + out->bytes.size : NULL;
    } else {
        p = encoding_skip(p, end, tag, CATALOGUE_NESTING);
        out->wire = NO_LENGTH;
    }
    if (!p)
        return -EINVAL;
    *rest = bytes_of(p, (size_t)(end - p));
    return 1;
}

static bool is(const struct descriptor_field *field, uint32_t number) {
    return field->number == number && field->wire == ENCODING_LEN;
}

static bool letter(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Letters, digits and '_', not a digit first; with `dots` several of them.
static bool identifier(struct bytes name, bool dots) {
    bool start = true;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (dots && c == '.' && !start)
            start = true;
        else if (letter(c) || (!start && c >= '0' && c <= '9'))
            start = false;
        else
            return false;
    }
    return !start;
}

// The last occurrence of a string field. 0 or -EINVAL.
static int read_string(struct bytes raw, uint32_t number, struct bytes *out) {
    struct descriptor_field field;
    int rc;
    while ((rc = descriptor_next(&raw, &field)) > 0)
        if (is(&field, number))
            *out = field.bytes;
    return rc;
}

// "scope.Name" of a type, in the arena.
static int read_full_name(struct loader *loader, struct bytes raw, const struct schema_file *file,
    const char *scope, const char **out) {
    struct bytes name = {0};
    if (read_string(raw, MESSAGE_NAME, &name) != 0 || !identifier(name, false))
        return error_set(loader->error, -EINVAL,
            "file \"%s\": a type in \"%s\" is malformed or has no right name", file->name, scope);
    *out = arena_join(&loader->catalogue->arena, bytes_of_string(scope), name);
    return *out ? 0 : error_no_memory(loader->error);
}

static int read_value(
    struct loader *loader, const char *in, struct bytes raw, struct schema_enum_value *out) {
    struct descriptor_field field;
    struct bytes name = {0};
    int rc;
    while ((rc = descriptor_next(&raw, &field)) > 0) {
        if (is(&field, VALUE_NAME))
            name = field.bytes;
        else if (field.number == VALUE_NUMBER && field.wire == ENCODING_VARINT)
            out->number = (int32_t)(uint32_t)field.value;
    }
    if (rc != 0 || !identifier(name, false))
        return error_set(
            loader->error, -EINVAL, "enum \"%s\": a value is malformed or has no right name", in);
    out->name = arena_string(&loader->catalogue->arena, name);
    return out->name ? 0 : error_no_memory(loader->error);
}

static int read_values(struct loader *loader, struct bytes raw, struct schema_enum *out) {
    struct descriptor_field field;
    size_t count = 0;
    int rc;
    for (struct bytes rest = raw; (rc = descriptor_next(&rest, &field)) > 0;)
        count += is(&field, ENUM_VALUE);
    if (rc != 0 || count == 0 || count > CATALOGUE_VALUES)
        return error_set(loader->error, -EINVAL,
            "enum \"%s\": malformed, without values or with more than %u", out->full_name, CATALOGUE_VALUES);
    struct schema_enum_value *values = arena_alloc(&loader->catalogue->arena, count * sizeof *values);
    if (!values)
        return error_no_memory(loader->error);
    out->values = values;
    for (struct bytes rest = raw; descriptor_next(&rest, &field) > 0;)
        if (is(&field, ENUM_VALUE) &&
            (rc = read_value(loader, out->full_name, field.bytes, &values[out->value_count++])) != 0)
            return rc;
    return 0;
}

static int find_enum(
    struct loader *loader, const struct schema_file *file, const char *scope, struct bytes raw) {
    struct arena *arena = &loader->catalogue->arena;
    struct schema_enum *found = arena_alloc(arena, sizeof *found);
    if (!found)
        return error_no_memory(loader->error);
    found->closed = !file->proto3;
    int rc = read_full_name(loader, raw, file, scope, &found->full_name);
    if (rc == 0)
        rc = read_values(loader, raw, found);
    if (rc == 0 && (rc = index_enum(arena, found)) != 0)
        return rc == -ENOMEM
                   ? error_no_memory(loader->error)
                   : error_set(loader->error, rc, "enum \"%s\": a name occurs twice", found->full_name);
    return rc != 0 ? rc : catalogue_add_enum(loader->catalogue, found, loader->error);
}

static int add_draft(struct loader *loader, struct draft draft) {
    if (schema_grow(&loader->drafts, &loader->draft_capacity, loader->draft_count + 1, sizeof draft) != 0)
        return error_no_memory(loader->error);
    loader->drafts[loader->draft_count++] = draft;
    return 0;
}

static int find_message(struct loader *loader, const struct schema_file *file, const char *scope,
    struct bytes raw, size_t depth) {
    if (depth > CATALOGUE_NESTING)
        return error_set(loader->error, -EINVAL, "file \"%s\": types in \"%s\" are nested more than %u deep",
            file->name, scope, CATALOGUE_NESTING);
    struct schema_message *found = arena_alloc(&loader->catalogue->arena, sizeof *found);
    if (!found)
        return error_no_memory(loader->error);
    found->proto3 = file->proto3;
    found->catalogue = loader->catalogue;
    int rc = read_full_name(loader, raw, file, scope, &found->full_name);
    if (rc == 0)
        rc = catalogue_add_message(loader->catalogue, found, loader->error);
    if (rc == 0)
        rc = add_draft(loader, (struct draft){.message = found, .file = file, .raw = raw});
    struct descriptor_field field;
    while (rc == 0 && descriptor_next(&raw, &field) > 0) { // well-formed: the name was read
        if (is(&field, MESSAGE_NESTED))
            rc = find_message(loader, file, found->full_name, field.bytes, depth + 1);
        else if (is(&field, MESSAGE_ENUM))
            rc = find_enum(loader, file, found->full_name, field.bytes);
    }
    return rc;
}

static int check_syntax(struct loader *loader, struct schema_file *file) {
    struct bytes syntax = bytes_of_string("proto2"); // what a file without a syntax line is
    read_string(file->raw, FILE_SYNTAX, &syntax);
    file->proto3 = bytes_equal_string(syntax, "proto3");
    if (file->proto3 || bytes_equal_string(syntax, "proto2"))
        return 0;
    return error_set(
        loader->error, -EINVAL, "file \"%s\": its syntax is neither proto2 nor proto3", file->name);
}

// Name, package and syntax of a file, and the file into the loader's map.
static int open_file(struct loader *loader, struct bytes raw) {
    struct arena *arena = &loader->catalogue->arena;
    struct bytes name = {0}, package = {0};
    if (read_string(raw, FILE_NAME, &name) != 0 || read_string(raw, FILE_PACKAGE, &package) != 0 ||
        name.size == 0 || memchr(name.data, 0, name.size) || !utf8_valid(name.data, name.size) ||
        (package.size && !identifier(package, true)))
        return error_set(loader->error, -EINVAL, "the descriptor set has a malformed file");
    struct schema_file *file = arena_alloc(arena, sizeof *file);
    if (!file || !(file->name = arena_string(arena, name)) || !(file->package = arena_string(arena, package)))
        return error_no_memory(loader->error);
    file->raw = raw;
    if (map_get(loader->files, name))
        return error_set(loader->error, -EINVAL, "the descriptor set has file \"%s\" twice", file->name);
    if (map_size(loader->files) == CATALOGUE_FILES)
        return error_set(
            loader->error, -EINVAL, "the descriptor set has more than %u files", CATALOGUE_FILES);
    if (map_put(loader->files, name, file) != 0)
        return error_no_memory(loader->error);
    return check_syntax(loader, file);
}

static int read_file(struct loader *loader, const struct schema_file *file) {
    struct bytes rest = file->raw;
    struct descriptor_field field;
    int rc = 0;
    while (rc == 0 && (rc = descriptor_next(&rest, &field)) > 0) {
        rc = 0;
        if (is(&field, FILE_DEPENDENCY) && !map_get(loader->files, field.bytes))
            rc = error_set(loader->error, -EINVAL,
                "file \"%s\" imports \"%.*s\", which is not in the set; build it with protoc "
                "--include_imports",
                file->name, BYTES_ARGS(field.bytes));
        else if (is(&field, FILE_MESSAGE))
            rc = find_message(loader, file, file->package, field.bytes, 1);
        else if (is(&field, FILE_ENUM))
            rc = find_enum(loader, file, file->package, field.bytes);
    }
    return rc;
}

int descriptor_find_types(struct loader *loader, struct bytes descriptor_set) {
    struct descriptor_field field;
    int rc;
    for (struct bytes rest = descriptor_set; (rc = descriptor_next(&rest, &field)) > 0;)
        if (is(&field, SET_FILE) && (rc = open_file(loader, field.bytes)) != 0)
            return rc;
    if (rc != 0)
        return error_set(loader->error, -EINVAL, "this is no descriptor set (protoc --descriptor_set_out)");
    for (struct bytes rest = descriptor_set; descriptor_next(&rest, &field) > 0;) {
        struct bytes name = {0};
        if (!is(&field, SET_FILE))
            continue;
        read_string(field.bytes, FILE_NAME, &name);
        if ((rc = read_file(loader, map_get(loader->files, name))) != 0)
            return rc;
    }
    return 0;
}
