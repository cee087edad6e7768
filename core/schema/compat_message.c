#include "core/schema/compat_internal.h"

static const struct model_field *field_named(const struct model_message *message, const char *name) {
    for (size_t i = 0; i < message->field_count; i++)
        if (strcmp(message->fields[i].name, name) == 0)
            return &message->fields[i];
    return NULL;
}

static const struct model_field *field_numbered(const struct model_message *message, uint32_t number) {
    for (size_t i = 0; i < message->field_count; i++)
        if (message->fields[i].number == number)
            return &message->fields[i];
    return NULL;
}

// The field that took its number under a name that the message did not have.
static const struct model_field *renamed_field(
    const struct model_message *was_in, const struct model_field *was, const struct model_message *now) {
    const struct model_field *found = field_numbered(now, was->number);
    return found && !field_named(was_in, found->name) ? found : NULL;
}

// What a field of the old message is in the new one, or NULL.
static const struct model_field *counterpart(
    const struct model_message *was_in, const struct model_field *was, const struct model_message *now) {
    const struct model_field *same = field_named(now, was->name);
    return same ? same : renamed_field(was_in, was, now);
}

static void check_removed(struct compat *compat, const struct model_message *was,
    const struct model_field *field, const struct model_message *now) {
    struct compat_where now_at = compat_where(now->file, now->name_place);
    struct compat_where was_at = compat_where(was->file, field->note.place);
    const struct model_field *other = field_numbered(now, field->number);
    bool named = compat_named(&now->reserved, field->name);
    bool numbered = !other && compat_covers(now->reserved.ranges, now->reserved.range_count, field->number,
                                  field->number);
    if (other)
        compat_add(compat, FIELD_REMOVED_NUMBER_UNRESERVED, compat_where(now->file, other->number_place),
            was_at, "field %s of %s is gone, and its number %u is that of %s now", field->name,
            was->full_name, field->number, other->name);
    else if (!numbered)
        compat_add(compat, FIELD_REMOVED_NUMBER_UNRESERVED, now_at, was_at,
            "field %s of %s is gone, and its number %u is not reserved", field->name, was->full_name,
            field->number);
    if (!named)
        compat_add(compat, FIELD_REMOVED_NAME_UNRESERVED, now_at, was_at,
            "field %s of %s is gone, and its name is not reserved", field->name, was->full_name);
    if (named && numbered)
        compat_add(compat, FIELD_REMOVED, now_at, was_at, "field %s = %u of %s is gone", field->name,
            field->number, was->full_name);
    if (field->required)
        compat_add(compat, REQUIRED_FIELD_REMOVED, now_at, was_at, "the required field %s of %s is gone",
            field->name, was->full_name);
}

static void check_field(struct compat *compat, const struct model_message *was_in,
    const struct model_field *was, const struct model_message *now_in) {
    const struct model_field *now = counterpart(was_in, was, now_in);
    if (!now) {
        check_removed(compat, was_in, was, now_in);
        return;
    }
    if (now->number != was->number)
        compat_add(compat, FIELD_NUMBER_CHANGED, compat_where(now_in->file, now->number_place),
            compat_where(was_in->file, was->number_place), "field %s of %s had number %u, now %u", was->name,
            was_in->full_name, was->number, now->number);
    if (strcmp(was->name, now->name) != 0)
        compat_add(compat, FIELD_RENAMED, compat_where(now_in->file, now->name_place),
            compat_where(was_in->file, was->name_place), "field %u of %s was named %s, now %s", was->number,
            was_in->full_name, was->name, now->name);
    compat_field(compat, was_in->full_name, was, now);
    compat_oneof(compat, was_in, was, now_in, now);
}

static void check_added(
    struct compat *compat, const struct model_message *was, const struct model_message *now) {
    for (size_t i = 0; i < now->field_count; i++) {
        const struct model_field *field = &now->fields[i];
        const struct model_field *before = field_numbered(was, field->number);
        bool there = field_named(was, field->name) || (before && counterpart(was, before, now) == field);
        if (field->needed && !field->required && !there)
            compat_add(compat, FIELD_NEEDED, compat_where(now->file, field->name_place),
                compat_where(was->file, was->name_place), "field %s of %s is new and must be filled",
                field->name, now->full_name);
        if (field->required && !there)
            compat_add(compat, REQUIRED_FIELD_ADDED, compat_where(now->file, field->label_place),
                compat_where(was->file, was->name_place), "field %s of %s is new and required", field->name,
                now->full_name);
    }
}

static bool has_oneof(const struct model_message *message, const char *name) {
    for (size_t i = 0; i < message->oneof_count; i++)
        if (strcmp(message->oneofs[i].name, name) == 0)
            return true;
    return false;
}

static void check_oneofs(
    struct compat *compat, const struct model_message *was, const struct model_message *now) {
    for (size_t i = 0; i < was->oneof_count; i++)
        if (!has_oneof(now, was->oneofs[i].name))
            compat_add(compat, ONEOF_REMOVED, compat_where(now->file, now->name_place),
                compat_where(was->file, was->oneofs[i].note.place), "oneof %s of %s is gone",
                was->oneofs[i].name, was->full_name);
}

static void check_extensions(
    struct compat *compat, const struct model_message *was, const struct model_message *now) {
    for (size_t i = 0; i < was->extension_count; i++) {
        const struct model_range *range = &was->extensions[i];
        if (!compat_covers(now->extensions, now->extension_count, range->first, range->last))
            compat_add(compat, MESSAGE_EXTENSIONS_REMOVED, compat_where(now->file, now->name_place),
                compat_where(was->file, range->place),
                "%s left the numbers %lld to %lld to extensions, and no longer all of them", was->full_name,
                (long long)range->first, (long long)range->last);
    }
}

void compat_message(struct compat *compat, const struct model_message *was, const struct model_message *now) {
    struct compat_where now_at = compat_where(now->file, now->name_place);
    struct compat_where was_at = compat_where(was->file, was->name_place);
    for (size_t i = 0; i < was->field_count; i++)
        check_field(compat, was, &was->fields[i], now);
    check_added(compat, was, now);
    check_oneofs(compat, was, now);
    check_extensions(compat, was, now);
    compat_reserved(compat, MESSAGE_RESERVED_NUMBER_REMOVED, MESSAGE_RESERVED_NAME_REMOVED, was->full_name,
        &was->reserved, was_at, &now->reserved, now_at);
}

// ---- Oneofs ----

// Whether a field has its oneof for itself: of all fields of the message, or of those that `known` has too.
static bool alone(
    const struct model_message *in, const struct model_field *field, const struct model_message *known) {
    for (size_t i = 0; i < in->field_count; i++) {
        const struct model_field *member = &in->fields[i];
        if (member != field && member->oneof == field->oneof && (!known || field_named(known, member->name)))
            return false;
    }
    return true;
}

// Whether two oneofs hold the same fields, of those that both messages have.
static bool same_members(const struct model_message *was_in, int32_t was_oneof,
    const struct model_message *now_in, int32_t now_oneof) {
    for (size_t i = 0; i < was_in->field_count; i++) {
        const struct model_field *was = &was_in->fields[i], *now = counterpart(was_in, was, now_in);
        if (now && (was->oneof == was_oneof) != (now->oneof == now_oneof))
            return false;
    }
    return true;
}

// Alone in a oneof a field is read as outside of it, but for has().
static enum compat_id by_itself(const struct model_field *was, const struct model_field *now) {
    return was->presence != now->presence ? FIELD_PRESENCE_CHANGED : FIELD_ALONE_IN_ONEOF;
}

void compat_oneof(struct compat *compat, const struct model_message *was_in, const struct model_field *was,
    const struct model_message *now_in, const struct model_field *now) {
    struct compat_where now_at = compat_where(now_in->file, now->name_place);
    struct compat_where was_at = compat_where(was_in->file, was->name_place);
    const char *before = was->oneof >= 0 ? was_in->oneofs[was->oneof].name : NULL;
    const char *after = now->oneof >= 0 ? now_in->oneofs[now->oneof].name : NULL;
    if (!before && after)
        compat_add(compat, alone(now_in, now, was_in) ? by_itself(was, now) : FIELD_JOINED_ONEOF, now_at,
            was_at, "field %s of %s is in oneof %s now", was->name, was_in->full_name, after);
    else if (before && !after)
        compat_add(compat, alone(was_in, was, NULL) ? by_itself(was, now) : FIELD_LEFT_ONEOF, now_at, was_at,
            "field %s of %s is no longer in oneof %s", was->name, was_in->full_name, before);
    else if (before && strcmp(before, after) != 0 && !same_members(was_in, was->oneof, now_in, now->oneof))
        compat_add(compat, FIELD_CHANGED_ONEOF, now_at, was_at, "field %s of %s was in oneof %s, now in %s",
            was->name, was_in->full_name, before, after);
}
