#include "core/mapping/internal.h"
#include "core/schema/encoding.h"
#include "core/schema/put.h"

#include <errno.h>

static int run_fields(const struct mapping *mapping, struct cel_activation *activation, struct buffer *out,
    struct error *error);

// A message without anything in it is left out.
static int run_nested(const struct mapped_field *mapped, struct cel_activation *activation,
    struct buffer *out, struct error *error) {
    size_t start = out->size;
    int rc = view_put_tag(out, mapped->field->number, ENCODING_LEN);
    size_t mark = out->size;
    rc = rc ? rc : run_fields(mapped->nested, activation, out, error);
    if (rc == 0 && out->size > mark)
        return put_length(out, mark);
    if (rc == 0)
        out->size = start;
    return rc;
}

static int run_expression(const struct mapped_field *mapped, struct cel_activation *activation,
    struct buffer *out, struct error *error) {
    struct cel_value value;
    if (cel_program_absent(mapped->program, activation))
        return 0;
    int rc = cel_eval(mapped->program, activation, &value, error);
    rc = rc ? rc : mapping_write(mapped->field, &value, activation, out, error);
    return rc > 0 ? MAPPING_REFUSED : rc;
}

static int run_constant(const struct mapped_field *mapped, struct cel_activation *activation,
    struct buffer *out, struct error *error) {
    struct cel_value value = {.kind = CEL_INT, .i64 = mapped->number};
    return mapping_write(mapped->field, &value, activation, out, error);
}

// The fields' names stand before the text, from the outermost on.
static int name_field(const struct mapped_field *mapped, struct error *error) {
    error_prefix(error, mapped->nested ? "%s." : "%s: ", mapped->field->name);
    return MAPPING_REFUSED;
}

// NOLINTNEXTLINE(misc-no-recursion): mappings nest 16 deep at most
static int run_fields(const struct mapping *mapping, struct cel_activation *activation, struct buffer *out,
    struct error *error) {
    for (size_t i = 0; i < mapping->count; i++) {
        const struct mapped_field *mapped = &mapping->fields[i];
        int rc = mapped->nested    ? run_nested(mapped, activation, out, error)
                 : mapped->program ? run_expression(mapped, activation, out, error)
                                   : run_constant(mapped, activation, out, error);
        if (rc)
            return rc == MAPPING_REFUSED ? name_field(mapped, error) : rc;
    }
    return 0;
}

int mapping_run(const struct mapping *mapping, struct cel_activation *activation, struct buffer *out,
    struct error *error) {
    size_t start = out->size;
    struct error own = {0};
    int rc = run_fields(mapping, activation, out, error ? error : &own);
    if (rc == 0)
        return 0;
    out->size = start;
    if (rc == -EMSGSIZE)
        return error_set(error, MAPPING_REFUSED, "the mapped message is larger than a message may be");
    return rc == -ENOMEM ? error_no_memory(error) : rc;
}
