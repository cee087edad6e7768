#include "core/mapping/internal.h"
#include "core/schema/encoding.h"
#include "core/schema/put.h"

#include <errno.h>

// One call of mapping_run().
struct run {
    struct cel_activation *activation;
    struct buffer *out;
    size_t start;                  // of the message in `out`
    struct mapping_copies *copies; // or NULL
    struct error *error;
};

static int run_fields(const struct mapping *mapping, const struct run *run);

// ---- Records whose length is known only behind them ----

struct opening {
    size_t start;  // of the tag
    size_t mark;   // of the content
    size_t copies; // that were noted before
};

static int open_record(uint32_t number, const struct run *run, struct opening *opening) {
    opening->start = run->out->size;
    opening->copies = run->copies ? run->copies->count : 0;
    int rc = view_put_tag(run->out, number, ENCODING_LEN);
    opening->mark = run->out->size;
    return rc;
}

// The content moves behind its length, and so does what was noted of it.
static int close_record(const struct run *run, const struct opening *opening) {
    size_t end = run->out->size;
    int rc = put_length(run->out, opening->mark);
    for (size_t i = opening->copies; run->copies && i < run->copies->count; i++)
        run->copies->items[i].at += run->out->size - end;
    return rc;
}

// As if it had never been opened; it is empty.
static void drop_record(const struct run *run, const struct opening *opening) {
    run->out->size = opening->start;
}

static void note_copy(const struct run *run, struct bytes text) {
    struct mapping_copies *copies = run->copies;
    if (copies && text.size >= MAPPING_COPY_LEAST && copies->count < copies->capacity)
        copies->items[copies->count++] = (struct mapping_copy){
            .at = run->out->size - text.size - run->start, .size = text.size, .from = text.data};
}

// ---- One value ----

// A message without anything in it is left out, unless it is the element of a list that was made of another.
// NOLINTNEXTLINE(misc-no-recursion): mappings nest 16 deep at most
static int run_nested(
    const struct schema_field *field, const struct mapping *nested, bool keep, const struct run *run) {
    struct opening opening;
    int rc = open_record(field->number, run, &opening);
    rc = rc ? rc : run_fields(nested, run);
    if (rc == 0 && (keep || run->out->size > opening.mark))
        return close_record(run, &opening);
    if (rc == 0)
        drop_record(run, &opening);
    return rc;
}

// What writes a value: as the whole of a field, or as one element of it.
typedef int (*value_writer)(
    const struct schema_field *field, const struct cel_value *value, const struct run *run);

static int write_whole(
    const struct schema_field *field, const struct cel_value *value, const struct run *run) {
    return mapping_write(field, value, run->activation, run->out, run->error);
}

static int write_one(const struct schema_field *field, const struct cel_value *value, const struct run *run) {
    return mapping_write_one(field, value, false, run->activation, run->out, run->error);
}

static int write_bare(
    const struct schema_field *field, const struct cel_value *value, const struct run *run) {
    return mapping_write_one(field, value, true, run->activation, run->out, run->error);
}

// A text that goes over as it is, as most do: it was checked when the message came.
static bool run_text(
    const struct schema_field *field, const struct mapped_value *mapped, const struct run *run, int *rc) {
    struct bytes text;
    if (field->kind != SCHEMA_STRING || field->repeated || !mapped->program ||
        !cel_program_text(mapped->program, run->activation, &text))
        return false;
    *rc = text.size || field->presence ? view_put_bytes(run->out, field, text) : 0;
    if (*rc == 0)
        note_copy(run, text);
    return true;
}

// What is absent or null is not written.
// NOLINTNEXTLINE(misc-no-recursion)
static int run_value(const struct schema_field *field, const struct mapped_value *mapped, bool keep,
    value_writer write, const struct run *run) {
    struct cel_value value = {.kind = CEL_INT, .i64 = mapped->number};
    int rc = 0;
    if (mapped->nested)
        return run_nested(field, mapped->nested, keep, run);
    if (mapped->program && cel_program_absent(mapped->program, run->activation))
        return 0;
    if (write == write_whole && run_text(field, mapped, run, &rc))
        return rc;
    if (mapped->program)
        rc = cel_eval(mapped->program, run->activation, &value, run->error);
    if (rc == 0 && value.kind != CEL_NULL)
        rc = write(field, &value, run);
    return rc > 0 ? MAPPING_REFUSED : rc;
}

// ---- Lists ----

// The element's place stands before the text.
static int name_element(size_t i, bool nested, struct error *error) {
    error_prefix(error, nested ? "[%zu]." : "[%zu]: ", i);
    return MAPPING_REFUSED;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_items(const struct mapped_field *mapped, value_writer write, const struct run *run) {
    for (size_t i = 0; i < mapped->count; i++) {
        int rc = run_value(mapped->field, &mapped->items[i], false, write, run);
        if (rc)
            return rc == MAPPING_REFUSED ? name_element(i, mapped->items[i].nested, run->error) : rc;
    }
    return 0;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_elements(const struct mapped_field *mapped, const struct cel_list *list, value_writer write,
    const struct run *run) {
    size_t count = cel_list_size(list);
    for (size_t i = 0; i < count; i++) {
        struct cel_value element;
        int rc = cel_list_get(list, run->activation, i, &element);
        rc = rc ? rc : cel_activation_spend(run->activation, 1, run->error);
        if (rc == 0 && element.kind == CEL_ERROR)
            rc = error_set(run->error, MAPPING_REFUSED, "%s", element.error->text);
        if (rc)
            return rc > 0 ? name_element(i, false, run->error) : rc;
        cel_activation_set(run->activation, mapped->variable, &element);
        rc = run_value(mapped->field, &mapped->value, true, write, run);
        if (rc)
            return rc == MAPPING_REFUSED ? name_element(i, mapped->value.nested, run->error) : rc;
    }
    return 0;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_each(const struct mapped_field *mapped, value_writer write, const struct run *run) {
    struct cel_value list;
    int rc = cel_activation_reserve(run->activation, cel_env_count(mapped->env));
    rc = rc ? rc : cel_eval(mapped->list, run->activation, &list, run->error);
    if (rc == 0 && list.kind == CEL_LIST)
        return run_elements(mapped, list.list, write, run);
    if (rc == 0 && list.kind != CEL_NULL)
        rc = error_set(run->error, MAPPING_REFUSED, "a list is needed, and this is a value of kind %s",
            cel_kind_name(list.kind));
    if (rc > 0)
        error_prefix(run->error, ": ");
    return rc > 0 ? MAPPING_REFUSED : rc;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_list(const struct mapped_field *mapped, value_writer write, const struct run *run) {
    return mapped->form == MAPPED_LIST ? run_items(mapped, write, run) : run_each(mapped, write, run);
}

// All elements in one record; none when there are none.
// NOLINTNEXTLINE(misc-no-recursion)
static int run_packed(const struct mapped_field *mapped, const struct run *run) {
    struct opening opening;
    int rc = open_record(mapped->field->number, run, &opening);
    rc = rc ? rc : run_list(mapped, write_bare, run);
    if (rc == 0 && run->out->size > opening.mark)
        return close_record(run, &opening);
    if (rc == 0)
        drop_record(run, &opening);
    return rc;
}

// ---- Maps ----

static int name_entry(const struct cel_value *key, bool nested, struct error *error) {
    if (key->kind == CEL_STRING)
        error_prefix(error, nested ? "[\"%.*s\"]." : "[\"%.*s\"]: ", BYTES_ARGS(key->bytes));
    else if (key->kind == CEL_BOOL)
        error_prefix(error, nested ? "[%s]." : "[%s]: ", key->boolean ? "true" : "false");
    else
        error_prefix(error, nested ? "[%lld]." : "[%lld]: ", (long long)key->i64);
    return MAPPING_REFUSED;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_entry(const struct schema_field *field, const struct cel_value *key,
    const struct mapped_value *mapped, const struct run *run) {
    struct opening opening;
    int rc = open_record(field->number, run, &opening);
    rc = rc ? rc : write_one(&field->message->fields[0], key, run);
    size_t value = run->out->size;
    rc = rc ? rc : run_value(&field->message->fields[1], mapped, false, write_one, run);
    if (rc == 0 && run->out->size > value)
        return close_record(run, &opening);
    if (rc == 0)
        drop_record(run, &opening);
    return rc;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_entries(const struct mapped_field *mapped, const struct run *run) {
    for (size_t i = 0; i < mapped->count; i++) {
        int rc = run_entry(mapped->field, &mapped->keys[i], &mapped->items[i], run);
        if (rc)
            return rc == MAPPING_REFUSED ? name_entry(&mapped->keys[i], mapped->items[i].nested, run->error)
                                         : rc;
    }
    return 0;
}

// ---- Fields ----

// A number or a bool that is its default says something, though nothing is written; a text, an enum, a
// message or a list that says nothing is missing.
static bool must_show(const struct schema_field *field) {
    return field->needed && (field->presence || field->repeated || field->kind == SCHEMA_STRING ||
                                field->kind == SCHEMA_BYTES || field->kind == SCHEMA_ENUM);
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_form(const struct mapped_field *mapped, const struct run *run) {
    switch (mapped->form) {
    case MAPPED_VALUE:
        return run_value(mapped->field, &mapped->value, false, write_whole, run);
    case MAPPED_ENTRIES:
        return run_entries(mapped, run);
    default:
        return mapped->field->packed ? run_packed(mapped, run) : run_list(mapped, write_one, run);
    }
}

// The fields' names stand before the text, from the outermost on.
static int name_field(const struct mapped_field *mapped, struct error *error) {
    const char *behind = mapped->form != MAPPED_VALUE ? "" : mapped->value.nested ? "." : ": ";
    error_prefix(error, "%s%s", mapped->field->name, behind);
    return MAPPING_REFUSED;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_field(const struct mapped_field *mapped, const struct run *run) {
    size_t start = run->out->size;
    int rc = run_form(mapped, run);
    if (rc == MAPPING_REFUSED)
        return name_field(mapped, run->error);
    if (rc == 0 && run->out->size == start && must_show(mapped->field))
        rc = error_set(run->error, MAPPING_REFUSED, "%s: this field is required, and nothing fills it",
            mapped->field->name);
    return rc;
}

// NOLINTNEXTLINE(misc-no-recursion)
static int run_fields(const struct mapping *mapping, const struct run *run) {
    int rc = 0;
    for (size_t i = 0; i < mapping->count && rc == 0; i++)
        rc = run_field(&mapping->fields[i], run);
    return rc;
}

static int run_whole(const struct mapping *mapping, const struct run *run) {
    struct cel_value value;
    int rc = cel_eval(mapping->whole, run->activation, &value, run->error);
    if (rc)
        return rc > 0 ? MAPPING_REFUSED : rc;
    if (value.kind != CEL_MESSAGE || value.message.type != mapping->target)
        return error_set(run->error, MAPPING_REFUSED, "this is %s, and no %s",
            value.kind == CEL_MESSAGE ? value.message.type->full_name : cel_kind_name(value.kind),
            mapping->target->full_name);
    if (!cel_message_present(&value))
        return error_set(run->error, MAPPING_REFUSED, "there is no %s", mapping->target->full_name);
    return cel_message_append(&value, run->out);
}

int mapping_run(const struct mapping *mapping, struct cel_activation *activation, struct buffer *out,
    struct mapping_copies *copies, struct error *error) {
    size_t start = out->size;
    struct error own = {0};
    const struct run run = {.activation = activation,
        .out = out,
        .start = start,
        .copies = copies,
        .error = error ? error : &own};
    int rc = mapping->whole ? run_whole(mapping, &run) : run_fields(mapping, &run);
    if (rc == 0)
        return 0;
    out->size = start;
    if (copies)
        copies->count = 0;
    if (rc == -EMSGSIZE)
        return error_set(error, MAPPING_REFUSED, "the mapped message is larger than a message may be");
    return rc == -ENOMEM ? error_no_memory(error) : rc;
}
