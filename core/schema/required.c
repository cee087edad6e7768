#include "core/schema/required.h"

#include "core/schema/gather.h"
#include "core/schema/trail.h"

#include <errno.h>

struct check {
    struct gather gather;
    struct trail trail;
};

static int check_message(struct check *check, const struct schema_message *type, uint32_t first);

// The elements of a repeated field are messages of their own, the records of a singular one are a single
// message.
static int check_field(struct check *check, const struct schema_field *field, uint32_t first) {
    if (!field->repeated)
        return check_message(check, field->message, first);
    for (uint32_t i = first; i != GATHER_NONE;) {
        uint32_t one, next = check->gather.records[i].next;
        size_t mark = check->gather.record_count;
        int rc = gather_one(&check->gather, i, &one);
        if (rc == 0)
            rc = check_message(check, field->message, one);
        if (rc != 0)
            return rc;
        check->gather.record_count = mark;
        i = next;
    }
    return 0;
}

// As deep as the message, which has a limit.
static int check_message(struct check *check, const struct schema_message *type, uint32_t first) {
    struct gather_frame frame;
    int rc = gather_open(&check->gather, type, first, &frame);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        uint32_t record = gather_field(&check->gather, &frame, i);
        bool needed = field->required || (type->map_entry && field->message); // no value is the empty message
        if (record == GATHER_NONE && !needed)
            continue;
        if (record == GATHER_NONE && field->required)
            rc = VIEW_REFUSED;
        else if (field->message && field->message->has_required)
            rc = check_field(check, field, record);
        if (rc == VIEW_REFUSED)
            trail_prepend(&check->trail, field->name);
    }
    gather_close(&check->gather, &frame);
    return rc;
}

int required_check(const struct schema_message *type, struct bytes message, struct error *error) {
    struct check check = {0};
    uint32_t root;
    int rc = gather_root(&check.gather, message, &root);
    if (rc == 0)
        rc = check_message(&check, type, root);
    gather_destroy(&check.gather);
    if (rc == -ENOMEM)
        return error_no_memory(error);
    if (rc != 0)
        return error_set(error, rc, "%s: at %.*s: this field is required and missing", type->full_name,
            TRAIL_ARGS(&check.trail));
    return 0;
}
