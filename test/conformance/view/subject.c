#include "test/conformance/view/subject.h"

#include "core/schema/all_paths.h"
#include "core/schema/json.h"

const char *const subject_types[SUBJECT_TYPES] = {
    "test.three.All", "test.three.Known", "test.three.Inner", "test.two.Legacy", "test.two.Part"};

static struct catalogue *catalogue;
static struct all_paths types[SUBJECT_TYPES];
static struct buffer json_text, wire, pieces;

void subject_open(const char *descriptor_set) {
    all_paths_must(catalogue_load_file(descriptor_set, &catalogue, NULL) == 0);
    for (size_t i = 0; i < SUBJECT_TYPES; i++)
        all_paths_open(&types[i], catalogue, subject_types[i]);
}

size_t subject_path_count(size_t type) {
    return types[type].count;
}

size_t subject_path(size_t type, size_t path, uint32_t numbers[]) {
    const struct all_path *found = &types[type].list[path];
    for (size_t i = 0; i < found->count; i++)
        numbers[i] = found->fields[i]->number;
    return found->count;
}

static int explain(int rc, const struct error *error, char why[SUBJECT_WHY]) {
    if (rc != 0)
        memcpy(why, error->text, SUBJECT_WHY);
    return rc;
}

_Static_assert(SUBJECT_WHY == ERROR_TEXT_SIZE, "an error's text is copied whole");

int subject_check(size_t type, const uint8_t *data, size_t size, char why[SUBJECT_WHY]) {
    struct error error;
    return explain(view_check(types[type].type, bytes_of(data, size), NULL, &error), &error, why);
}

int subject_scan(size_t type, const uint8_t *data, size_t size, bool checked, char why[SUBJECT_WHY]) {
    struct error error;
    return explain(scan_run(types[type].scan, bytes_of(data, size), checked, &error), &error, why);
}

static bool has_bytes(const struct schema_field *field) {
    return field->message || field->kind == SCHEMA_STRING || field->kind == SCHEMA_BYTES;
}

static void convert(
    const struct schema_field *field, const struct view_value *value, struct subject_value *out) {
    *out = (struct subject_value){.present = value->present, .occurrences = value->occurrences};
    if (has_bytes(field) && value->piece_count == 0) {
        out->data = value->bytes.data;
        out->size = value->bytes.size;
    } else if (!has_bytes(field) && !field->repeated) {
        out->bits = field->kind == SCHEMA_BOOL ? value->boolean : value->u64;
    }
}

static const struct schema_field *last_field(const struct all_path *path) {
    return path->fields[path->count - 1];
}

void subject_get(size_t type, size_t path, struct subject_value *out) {
    const struct all_path *found = &types[type].list[path];
    convert(last_field(found), scan_value(types[type].scan, found->slot), out);
}

void subject_message(size_t type, size_t path, struct subject_value *out) {
    const struct all_path *found = &types[type].list[path];
    const struct view_value *value = scan_value(types[type].scan, found->slot);
    buffer_clear(&pieces);
    all_paths_must(scan_append_message(types[type].scan, value, &pieces) == 0);
    *out = (struct subject_value){.present = value->present,
        .occurrences = value->occurrences,
        .data = pieces.data,
        .size = pieces.size};
}

bool subject_next(size_t type, size_t path, uint64_t *cursor, struct subject_value *out) {
    static struct view_cursor at;
    const struct all_path *found = &types[type].list[path];
    const struct schema_field *field = last_field(found);
    struct view_value element = {0};
    if ((*cursor)++ == 0)
        at = (struct view_cursor){0};
    if (!scan_next(types[type].scan, field, scan_value(types[type].scan, found->slot), &at, &element))
        return false;
    struct schema_field singular = *field;
    singular.repeated = false;
    convert(&singular, &element, out);
    return true;
}

int subject_to_json(size_t type, const uint8_t *data, size_t size, const char **json, size_t *json_size,
    char why[SUBJECT_WHY]) {
    struct error error;
    buffer_clear(&json_text);
    int rc = json_from_message(types[type].type, bytes_of(data, size), NULL, &json_text, &error);
    *json = (const char *)json_text.data;
    *json_size = json_text.size;
    return explain(rc, &error, why);
}

int subject_from_json(size_t type, const char *json, size_t json_size, const uint8_t **data, size_t *size,
    char why[SUBJECT_WHY]) {
    struct error error;
    buffer_clear(&wire);
    int rc = json_to_message(types[type].type, bytes_of(json, json_size), &wire, &error);
    *data = wire.data;
    *size = wire.size;
    return explain(rc, &error, why);
}
