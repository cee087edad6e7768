#include "core/schema/compat.h"

#include "core/schema/compat_internal.h"
#include "core/schema/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// ---- Findings ----

void compat_add(struct compat *compat, enum compat_id id, struct compat_where now, struct compat_where was,
    const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *kept = arena_string(&compat->arena, bytes_of_string(text));
    if (!kept ||
        schema_grow(&compat->findings, &compat->capacity, compat->count + 1, sizeof *compat->findings) != 0) {
        compat->failed = true;
        return;
    }
    const struct compat_rule *rule = compat_rule_at(id);
    bool breaks = (rule->breaks & compat->whom) != 0;
    compat->findings[compat->count++] = (struct compat_finding){.rule = rule,
        .breaks = breaks,
        .text = kept,
        .file = now.file,
        .place = now.place,
        .old_file = was.file,
        .old_place = was.place};
    compat->breaks += breaks;
}

static int by_text(const char *a, const char *b) {
    return strcmp(a ? a : "", b ? b : "");
}

static int by_place(struct model_place a, struct model_place b) {
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    return a.column == b.column ? 0 : a.column < b.column ? -1 : 1;
}

static int by_where(const void *a, const void *b) {
    const struct compat_finding *left = a, *right = b;
    int order =
        by_text(left->file ? left->file : left->old_file, right->file ? right->file : right->old_file);
    if (order == 0)
        order = by_place(
            left->file ? left->place : left->old_place, right->file ? right->place : right->old_place);
    if (order == 0)
        order = by_place(left->old_place, right->old_place);
    if (order == 0)
        order = strcmp(left->rule->id, right->rule->id);
    return order ? order : strcmp(left->text, right->text);
}

// ---- Reserved ----

bool compat_covers(const struct model_range *ranges, size_t count, int64_t first, int64_t last) {
    while (first <= last) {
        int64_t reached = first;
        for (size_t i = 0; i < count; i++)
            if (ranges[i].first <= first && ranges[i].last >= reached)
                reached = ranges[i].last + 1;
        if (reached == first)
            return false;
        first = reached;
    }
    return true;
}

bool compat_named(const struct model_reserved *reserved, const char *name) {
    for (size_t i = 0; i < reserved->name_count; i++)
        if (strcmp(reserved->names[i], name) == 0)
            return true;
    return false;
}

void compat_reserved(struct compat *compat, enum compat_id number, enum compat_id name, const char *type,
    const struct model_reserved *was, struct compat_where was_at, const struct model_reserved *now,
    struct compat_where now_at) {
    for (size_t i = 0; i < was->range_count; i++) {
        const struct model_range *range = &was->ranges[i];
        if (compat_covers(now->ranges, now->range_count, range->first, range->last))
            continue;
        struct compat_where range_at = {.file = was_at.file, .place = range->place};
        if (range->first == range->last)
            compat_add(compat, number, now_at, range_at, "%s reserved the number %lld, and no longer does",
                type, (long long)range->first);
        else
            compat_add(compat, number, now_at, range_at,
                "%s reserved the numbers %lld to %lld, and no longer all of them", type,
                (long long)range->first, (long long)range->last);
    }
    for (size_t i = 0; i < was->name_count; i++)
        if (!compat_named(now, was->names[i]))
            compat_add(compat, name, now_at, was_at, "%s reserved the name \"%s\", and no longer does", type,
                was->names[i]);
}

// ---- Types that are gone or elsewhere ----

static bool google(const char *package) {
    return strcmp(package, "google.protobuf") == 0;
}

// The place in the new files of what held it: the type around it, else its file.
static struct compat_where around(
    const struct compat *compat, const struct model_file *file, const char *full_name) {
    const char *dot = strrchr(full_name, '.');
    if (dot) {
        char outer[1024];
        snprintf(outer, sizeof outer, "%.*s", (int)(dot - full_name), full_name);
        const struct model_message *parent = model_message(compat->after, outer);
        if (parent)
            return compat_where(parent->file, parent->name_place);
    }
    const struct model_file *now = model_file(compat->after, file->name);
    return now ? compat_where(now, (struct model_place){1, 1}) : (struct compat_where){0};
}

static void check_moved(struct compat *compat, const char *what, const char *full_name,
    struct compat_where was, struct compat_where now) {
    if (strcmp(was.file, now.file) != 0)
        compat_add(
            compat, TYPE_MOVED, now, was, "%s %s was in %s, now in %s", what, full_name, was.file, now.file);
}

static void check_messages(struct compat *compat) {
    for (size_t i = 0; i < model_message_count(compat->before); i++) {
        const struct model_message *was = model_message_at(compat->before, i);
        const struct model_message *now = model_message(compat->after, was->full_name);
        if (was->map_entry || google(was->file->package) || compat_gone_with_package(compat, was->file))
            continue;
        if (!now) {
            compat_add(compat, MESSAGE_REMOVED, around(compat, was->file, was->full_name),
                compat_where(was->file, was->name_place), "message %s is gone", was->full_name);
            continue;
        }
        check_moved(compat, "message", was->full_name, compat_where(was->file, was->name_place),
            compat_where(now->file, now->name_place));
        compat_message(compat, was, now);
    }
}

static void check_enums(struct compat *compat) {
    for (size_t i = 0; i < model_enum_count(compat->before); i++) {
        const struct model_enum *was = model_enum_at(compat->before, i);
        const struct model_enum *now = model_enum(compat->after, was->full_name);
        if (google(was->file->package) || compat_gone_with_package(compat, was->file))
            continue;
        if (!now) {
            compat_add(compat, ENUM_REMOVED, around(compat, was->file, was->full_name),
                compat_where(was->file, was->name_place), "enum %s is gone", was->full_name);
            continue;
        }
        check_moved(compat, "enum", was->full_name, compat_where(was->file, was->name_place),
            compat_where(now->file, now->name_place));
        compat_enum(compat, was, now);
    }
}

static void check_services(struct compat *compat) {
    for (size_t i = 0; i < model_service_count(compat->before); i++) {
        const struct model_service *was = model_service_at(compat->before, i);
        const struct model_service *now = model_service(compat->after, was->full_name);
        if (compat_gone_with_package(compat, was->file))
            continue;
        if (!now) {
            compat_add(compat, SERVICE_REMOVED, around(compat, was->file, was->full_name),
                compat_where(was->file, was->note.place), "service %s is gone", was->full_name);
            continue;
        }
        check_moved(compat, "service", was->full_name, compat_where(was->file, was->note.place),
            compat_where(now->file, now->note.place));
        compat_service(compat, was, now);
    }
}

static void check_extensions(struct compat *compat) {
    for (size_t i = 0; i < model_extension_count(compat->before); i++) {
        const struct model_field *was = model_extension_at(compat->before, i);
        const struct model_field *now = model_extension(compat->after, was->full_name);
        struct compat_where was_at = compat_where(was->file, was->name_place);
        if (google(was->file->package) || compat_gone_with_package(compat, was->file))
            continue;
        if (!now) {
            compat_add(compat, EXTENSION_REMOVED, around(compat, was->file, was->full_name), was_at,
                "extension %s of %s is gone", was->full_name, was->extendee);
            continue;
        }
        struct compat_where now_at = compat_where(now->file, now->name_place);
        if (strcmp(was->extendee, now->extendee) != 0)
            compat_add(compat, EXTENSION_MOVED, now_at, was_at, "extension %s extended %s, now %s",
                was->full_name, was->extendee, now->extendee);
        if (was->number != now->number)
            compat_add(compat, FIELD_NUMBER_CHANGED, compat_where(now->file, now->number_place),
                compat_where(was->file, was->number_place), "extension %s had number %u, now %u",
                was->full_name, was->number, now->number);
        compat_field(compat, was->extendee, was, now);
    }
}

int compat_check(const struct model *old_model, const struct model *new_model, unsigned whom,
    struct compat **out, struct error *error) {
    struct compat *compat = calloc(1, sizeof *compat);
    if (!compat)
        return error_no_memory(error);
    compat->before = old_model;
    compat->after = new_model;
    compat->whom = whom;
    compat_files(compat);
    check_messages(compat);
    check_enums(compat);
    check_services(compat);
    check_extensions(compat);
    if (compat->failed) {
        compat_destroy(&compat);
        return error_no_memory(error);
    }
    if (compat->count)
        qsort(compat->findings, compat->count, sizeof *compat->findings, by_where);
    *out = compat;
    return 0;
}

void compat_destroy(struct compat **self) {
    struct compat *compat = *self;
    if (!compat)
        return;
    free(compat->findings);
    arena_destroy(&compat->arena);
    free(compat);
    *self = NULL;
}

size_t compat_count(const struct compat *compat) {
    return compat->count;
}

const struct compat_finding *compat_at(const struct compat *compat, size_t i) {
    return &compat->findings[i];
}

size_t compat_breaks(const struct compat *compat) {
    return compat->breaks;
}
