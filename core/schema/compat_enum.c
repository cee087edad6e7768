#include "core/schema/compat_internal.h"

static const struct model_value *value_named(const struct model_enum *type, const char *name) {
    for (size_t i = 0; i < type->value_count; i++)
        if (strcmp(type->values[i].name, name) == 0)
            return &type->values[i];
    return NULL;
}

// The first of the file.
static const struct model_value *value_numbered(const struct model_enum *type, int32_t number) {
    for (size_t i = 0; i < type->value_count; i++)
        if (type->values[i].number == number)
            return &type->values[i];
    return NULL;
}

// Another name of the same number that is still there.
static bool has_alias(
    const struct model_enum *was, const struct model_enum *now, const struct model_value *value) {
    for (size_t i = 0; i < was->value_count; i++) {
        const struct model_value *other = &was->values[i];
        const struct model_value *kept = value_named(now, other->name);
        if (other != value && other->number == value->number && kept && kept->number == value->number)
            return true;
    }
    return false;
}

// A name for the number that the enum did not have at all.
static const struct model_value *new_name(
    const struct model_enum *was, const struct model_enum *now, int32_t number) {
    for (size_t i = 0; i < now->value_count; i++)
        if (now->values[i].number == number && !value_named(was, now->values[i].name))
            return &now->values[i];
    return NULL;
}

static void check_removed(struct compat *compat, const struct model_enum *was,
    const struct model_value *value, const struct model_enum *now) {
    struct compat_where now_at = compat_where(now->file, now->name_place);
    struct compat_where was_at = compat_where(was->file, value->note.place);
    bool named = compat_named(&now->reserved, value->name);
    const struct model_value *other = value_numbered(now, value->number);
    if (has_alias(was, now, value)) {
        compat_add(compat, named ? ENUM_VALUE_REMOVED : ENUM_ALIAS_REMOVED, now_at, was_at,
            "%s is no longer a name of %d in enum %s", value->name, value->number, was->full_name);
        return;
    }
    bool numbered = !other && compat_covers(now->reserved.ranges, now->reserved.range_count, value->number,
                                  value->number);
    if (other)
        compat_add(compat, ENUM_VALUE_REMOVED_NUMBER_UNRESERVED, compat_where(now->file, other->note.place),
            was_at, "value %s of enum %s is gone, and its number %d is %s now", value->name, was->full_name,
            value->number, other->name);
    else if (!numbered)
        compat_add(compat, ENUM_VALUE_REMOVED_NUMBER_UNRESERVED, now_at, was_at,
            "value %s of enum %s is gone, and its number %d is not reserved", value->name, was->full_name,
            value->number);
    if (!named)
        compat_add(compat, ENUM_VALUE_REMOVED_NAME_UNRESERVED, now_at, was_at,
            "value %s of enum %s is gone, and its name is not reserved", value->name, was->full_name);
    if (named && numbered)
        compat_add(compat, ENUM_VALUE_REMOVED, now_at, was_at, "value %s = %d of enum %s is gone",
            value->name, value->number, was->full_name);
}

static void check_value(struct compat *compat, const struct model_enum *was, const struct model_value *value,
    const struct model_enum *now) {
    const struct model_value *same = value_named(now, value->name);
    if (same && same->number != value->number) {
        compat_add(compat, ENUM_VALUE_RENUMBERED, compat_where(now->file, same->number_place),
            compat_where(was->file, value->number_place), "value %s of enum %s was %d, now %d", value->name,
            was->full_name, value->number, same->number);
        return;
    }
    if (same)
        return;
    const struct model_value *renamed = new_name(was, now, value->number);
    if (renamed && !has_alias(was, now, value))
        compat_add(compat, ENUM_VALUE_RENAMED, compat_where(now->file, renamed->note.place),
            compat_where(was->file, value->note.place), "value %d of enum %s was %s, now %s", value->number,
            was->full_name, value->name, renamed->name);
    else
        check_removed(compat, was, value, now);
}

static void check_order(struct compat *compat, const struct model_enum *was, const struct model_enum *now) {
    for (size_t i = 0; i < was->value_count; i++) {
        const struct model_value *value = &was->values[i], *kept = value_named(now, value->name);
        const struct model_value *first = value_numbered(now, value->number);
        if (value_numbered(was, value->number) != value || !kept || kept->number != value->number ||
            kept == first)
            continue;
        compat_add(compat, ENUM_ALIAS_ORDER, compat_where(now->file, first->note.place),
            compat_where(was->file, value->note.place), "the first name of %d in enum %s was %s, now %s",
            value->number, was->full_name, value->name, first->name);
    }
}

static void check_added(struct compat *compat, const struct model_enum *was, const struct model_enum *now) {
    for (size_t i = 0; !now->file->proto3 && i < now->value_count; i++) {
        const struct model_value *value = &now->values[i];
        if (value_numbered(was, value->number) || value_named(was, value->name))
            continue;
        compat_add(compat, ENUM_VALUE_ADDED_CLOSED, compat_where(now->file, value->note.place),
            (struct compat_where){0}, "value %s = %d is new in the closed enum %s", value->name,
            value->number, now->full_name);
    }
}

void compat_enum(struct compat *compat, const struct model_enum *was, const struct model_enum *now) {
    struct compat_where now_at = compat_where(now->file, now->name_place);
    struct compat_where was_at = compat_where(was->file, was->name_place);
    if (was->file->proto3 != now->file->proto3)
        compat_add(compat, ENUM_CLOSED_CHANGED, now_at, was_at, "enum %s was %s, now %s", was->full_name,
            was->file->proto3 ? "open" : "closed", now->file->proto3 ? "open" : "closed");
    if (was->value_count && now->value_count && was->values[0].number != now->values[0].number)
        compat_add(compat, ENUM_DEFAULT_CHANGED, compat_where(now->file, now->values[0].note.place),
            compat_where(was->file, was->values[0].note.place),
            "the first value of enum %s was %s = %d, now %s = %d", was->full_name, was->values[0].name,
            was->values[0].number, now->values[0].name, now->values[0].number);
    for (size_t i = 0; i < was->value_count; i++)
        check_value(compat, was, &was->values[i], now);
    check_order(compat, was, now);
    check_added(compat, was, now);
    compat_reserved(compat, ENUM_RESERVED_NUMBER_REMOVED, ENUM_RESERVED_NAME_REMOVED, was->full_name,
        &was->reserved, was_at, &now->reserved, now_at);
}
