// Any bytes, as a message, as JSON and as a descriptor set. Nothing may crash, and what is read in two ways
// must be the same: a scan with the whole check and without, a scan's values and those in the JSON form's own
// reading. The first byte chooses: the type, or a descriptor set, or JSON.
#include "core/schema/all_paths.h"
#include "core/schema/compat.h"
#include "core/schema/gather.h"
#include "core/schema/json.h"
#include "core/schema/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TYPES 5

static const char *const names[TYPES] = {"test.three.All", "test.three.Known", "test.three.Inner",
    "test.two.Legacy", "test.residence.ResidenceRegistered"};

static struct catalogue *catalogue;
static struct all_paths targets[TYPES];

#define must(right) ((right) ? (void)0 : abort())

static void set_up(void) {
    must(catalogue_load_file(HUTONG_BUILD_DIR "/core/schema/testdata.binpb", &catalogue, NULL) == 0);
    for (size_t i = 0; i < TYPES; i++)
        all_paths_open(&targets[i], catalogue, names[i]);
}

static bool same(const struct schema_field *field, const struct view_value *a, const struct view_value *b) {
    if (field->message || field->kind == SCHEMA_STRING || field->kind == SCHEMA_BYTES)
        return bytes_equal(a->bytes, b->bytes);
    return a->u64 == b->u64;
}

// How many elements the records of a repeated field hold, each compared with the scan's next one.
static void compare_elements(const struct all_paths *target, const struct all_path *path,
    const struct gather *gather, uint32_t first) {
    const struct schema_field *field = path->fields[path->count - 1];
    const struct view_value *value = scan_value(target->scan, path->slot);
    struct view_cursor cursor = {0};
    struct view_value element, other;
    uint32_t count = 0;
    for (uint32_t i = first; i != GATHER_NONE; i = gather->records[i].next) {
        bool packed = (gather->records[i].tag & 7) == ENCODING_LEN && !field->message &&
                      field->kind != SCHEMA_STRING && field->kind != SCHEMA_BYTES;
        if (packed) // counted by the scan alone
            return;
        struct bytes raw = gather->records[i].raw;
        other = (struct view_value){0};
        value_read(raw.data, raw.data + raw.size, gather->records[i].tag, field->kind, &other);
        must(scan_next(target->scan, field, value, &cursor, &element) && same(field, &element, &other));
        count++;
    }
    must(count == value->occurrences && !scan_next(target->scan, field, value, &cursor, &element));
}

static void compare_path(
    const struct all_paths *target, const struct all_path *path, struct gather *gather, uint32_t root) {
    const struct schema_field *field = path->fields[path->count - 1];
    const struct view_value *value = scan_value(target->scan, path->slot);
    struct gather_frame frame;
    const struct schema_message *type = target->type;
    uint32_t first = root;
    for (size_t i = 0; i < path->count && first != GATHER_NONE; i++) {
        must(gather_open(gather, type, first, &frame) == 0);
        first = gather_field(gather, &frame, path->fields[i]->index);
        type = path->fields[i]->message;
    }
    if (first == GATHER_NONE) {
        must(!value->present && value->occurrences == 0);
    } else if (field->repeated || field->message) {
        compare_elements(target, path, gather, first);
    } else {
        struct bytes raw = gather->records[first].raw;
        struct view_value other = {0};
        value_read(raw.data, raw.data + raw.size, gather->records[first].tag, field->kind, &other);
        must(same(field, value, &other));
    }
}

static void compare_paths(const struct all_paths *target, struct bytes message) {
    struct gather gather = {0};
    for (size_t i = 0; i < target->count; i++) {
        uint32_t root;
        gather.record_count = gather.head_count = 0;
        must(gather_root(&gather, message, &root) == 0);
        compare_path(target, &target->list[i], &gather, root);
    }
    gather_destroy(&gather);
}

static void try_json(const struct schema_message *type, struct bytes json) {
    struct buffer message = {0}, text = {0}, again = {0};
    struct error error;
    struct json_options options = {
        .proto_names = json.size & 1, .indent = json.size & 2, .with_defaults = json.size & 4};
    if (json_to_message(type, json, &message, &error) == 0) {
        must(view_check(type, buffer_bytes(&message), NULL, &error) == 0);
        if (json_from_message(type, buffer_bytes(&message), &options, &text, &error) == 0)
            must(json_to_message(type, buffer_bytes(&text), &again, &error) == 0);
    }
    buffer_destroy(&message);
    buffer_destroy(&text);
    buffer_destroy(&again);
}

// What is left of a message without unknown fields says the same.
static void try_known(const struct all_paths *target, struct bytes message, struct bytes json) {
    struct buffer known = {0}, text = {0};
    struct error error;
    bool unknown = scan_has_unknown(target->scan);
    must(view_append_known(target->type, message, &known) == 0);
    must(unknown || known.size <= message.size);
    must(scan_run(target->scan, buffer_bytes(&known), false, &error) == 0);
    must(!scan_has_unknown(target->scan));
    if (json.data) {
        must(json_from_message(target->type, buffer_bytes(&known), NULL, &text, &error) == 0);
        must(bytes_equal(buffer_bytes(&text), json));
    }
    buffer_destroy(&known);
    buffer_destroy(&text);
}

static void try_message(const struct all_paths *target, struct bytes message) {
    struct error error;
    struct buffer json = {0};
    int rc = view_check(target->type, message, NULL, &error);
    must(scan_run(target->scan, message, false, &error) == rc);
    if (rc == 0) {
        compare_paths(target, message);
        if (json_from_message(target->type, message, NULL, &json, &error) != 0)
            buffer_destroy(&json);
        try_known(target, message, buffer_bytes(&json));
        must(scan_run(target->scan, message, true, &error) == 0);
        compare_paths(target, message);
        if (json.data)
            try_json(target->type, buffer_bytes(&json));
    } else {
        scan_run(target->scan, message, true, &error); // a false promise must not crash it either
    }
    buffer_destroy(&json);
}

// A set is as itself, and whatever it has against nothing is found without a crash.
static void try_model(struct bytes set) {
    struct model *model = NULL, *nothing = NULL;
    struct compat *compat = NULL;
    if (model_load(set, &model, NULL) != 0)
        return;
    must(model_load((struct bytes){0}, &nothing, NULL) == 0);
    must(compat_check(model, model, COMPAT_ALL, &compat, NULL) == 0);
    compat_destroy(&compat);
    must(compat_check(model, nothing, COMPAT_ALL, &compat, NULL) == 0);
    compat_destroy(&compat);
    model_destroy(&model);
    model_destroy(&nothing);
}

static void try_set(struct bytes set) {
    struct catalogue *loaded = NULL;
    struct error error;
    if (catalogue_load(set, &loaded, &error) != 0)
        return;
    for (size_t i = 0; i < catalogue_message_count(loaded); i++)
        must(view_check(catalogue_message_at(loaded, i), set, NULL, &error) >= 0);
    catalogue_destroy(&loaded);
    try_model(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!catalogue)
        set_up();
    if (size == 0)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    unsigned choice = data[0] % (TYPES * 2 + 1);
    if (choice < TYPES)
        try_message(&targets[choice], rest);
    else if (choice < TYPES * 2)
        try_json(targets[choice - TYPES].type, rest);
    else
        try_set(rest);
    return 0;
}
