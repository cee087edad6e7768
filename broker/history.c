// What was in force: the records of activations, which the core reads from the journal.
#include "broker/loader_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ASK_MS 10000
#define PAGE_MAX 100

void history_destroy(struct history *history) {
    for (size_t i = 0; i < history->count; i++)
        hutong__bus__v1__activated_record__free_unpacked(history->items[i].record, NULL);
    free(history->items);
    *history = (struct history){0};
}

static int add_record(struct history *history, uint64_t position, struct bytes body) {
    struct activated *items = realloc(history->items, (history->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    history->items = items;
    Hutong__Bus__V1__ActivatedRecord *record =
        hutong__bus__v1__activated_record__unpack(NULL, body.size, body.data);
    if (!record)
        return -EBADMSG;
    items[history->count++] = (struct activated){.position = position, .record = record};
    return 0;
}

// Takes one answer of the core apart. `*from` moves behind its last record; unmoved: there was none.
static int take_page(struct bytes page, uint64_t until, uint64_t *from, struct history *out) {
    if (page.size < 8)
        return -EBADMSG;
    out->next = load_u64(page.data);
    page = bytes_of(page.data + 8, page.size - 8);
    while (page.size >= 12) {
        uint64_t position = load_u64(page.data);
        size_t size = load_u32(page.data + 8);
        if (size > page.size - 12)
            return -EBADMSG;
        *from = position + 1;
        if (position >= until)
            return 0;
        int rc = size ? add_record(out, position, bytes_of(page.data + 12, size)) : 0; // 0: erased
        if (rc)
            return rc;
        page = bytes_of(page.data + 12 + size, page.size - 12 - size);
    }
    return 0;
}

int history_read(struct loader *loader, uint64_t from, uint64_t until, struct history *out) {
    struct history history = {0};
    struct buffer page = {0};
    int rc = 0;
    for (uint64_t before = UINT64_MAX; rc == 0 && from < until && from != before;) {
        char request[40];
        before = from;
        buffer_clear(&page);
        snprintf(request, sizeof request, "records %" PRIu64, from);
        rc = control_ask(loader->core, bytes_of_string(request), &page, ASK_MS);
        rc = rc ? rc : take_page(buffer_bytes(&page), until, &from, &history);
        if (history.next && from >= history.next)
            break;
    }
    buffer_destroy(&page);
    if (rc)
        history_destroy(&history);
    else
        *out = history;
    return rc;
}

// The position behind the last one.
static int find_end(struct loader *loader, uint64_t *out) {
    struct history none = {0};
    int rc = history_read(loader, UINT64_MAX - 1, UINT64_MAX, &none);
    if (rc == 0)
        *out = none.next;
    history_destroy(&none);
    return rc;
}

int history_find(struct loader *loader,
    bool (*accept)(void *context, const Hutong__Bus__V1__ActivatedRecord *), void *context,
    struct history *out) {
    uint64_t until = 0;
    int rc = find_end(loader, &until);
    struct history page = {0};
    *out = (struct history){0};
    for (size_t found = 0; rc == 0 && until > 1 && found == 0;) {
        uint64_t from = until > DAEMON_RECORDS ? until - DAEMON_RECORDS : 1;
        rc = history_read(loader, from, until, &page);
        for (size_t i = page.count; rc == 0 && i > 0 && found == 0; i--)
            if (accept(context, page.items[i - 1].record))
                found = i;
        if (rc == 0 && found) {
            struct activated *one = malloc(sizeof *one);
            if (!one)
                rc = -ENOMEM;
            else {
                *one = page.items[found - 1];
                page.items[found - 1] = page.items[--page.count];
                *out = (struct history){.items = one, .count = 1, .next = page.next};
            }
        }
        if (page.count == 0 && !found)
            until = 1; // older ones went with their segments
        history_destroy(&page);
        until = from < until ? from : until;
    }
    return rc;
}

struct name {
    const char *text;
    uint64_t number; // 0: a digest
};

static bool has_name(void *context, const Hutong__Bus__V1__ActivatedRecord *record) {
    const struct name *name = context;
    char hex[2 * DIGEST_SIZE + 1];
    if (name->number)
        return record->number == name->number;
    if (record->digest.len != DIGEST_SIZE)
        return false;
    digest_hex(record->digest.data, hex);
    return strncmp(hex, name->text, strlen(name->text)) == 0;
}

int history_named(struct loader *loader, const char *text, struct history *out) {
    struct name name = {.text = text};
    char *end = NULL;
    uint64_t number = strtoull(text, &end, 10);
    if (text[0] && !*end && strlen(text) < 8)
        name.number = number;
    *out = (struct history){0};
    return name.number || strlen(text) >= 8 ? history_find(loader, has_name, &name, out) : 0;
}

// ---- What changed ----

Hutong__Bus__V1__ActivatedRecord *history_record_of(const struct configuration *configuration) {
    return hutong__bus__v1__activated_record__unpack(
        NULL, configuration->record.size, configuration->record.data);
}

json_t *history_changes(
    const Hutong__Bus__V1__ActivatedRecord *before, const Hutong__Bus__V1__ActivatedRecord *after) {
    json_t *added = json_array();
    json_t *removed = json_array();
    json_t *changed = json_array();
    size_t b = 0;
    size_t a = 0;
    while (b < before->n_routes || a < after->n_routes) {
        int order = b == before->n_routes  ? 1
                    : a == after->n_routes ? -1
                                           : strcmp(before->routes[b]->name, after->routes[a]->name);
        if (order < 0)
            json_array_append_new(removed, json_string(before->routes[b]->name));
        else if (order > 0)
            json_array_append_new(added, json_string(after->routes[a]->name));
        else if (before->routes[b]->mark != after->routes[a]->mark)
            json_array_append_new(changed, json_string(after->routes[a]->name));
        b += order <= 0;
        a += order >= 0;
    }
    return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

// ---- history ----

static json_t *time_text(int64_t time_us) {
    char text[40];
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_null();
    return json_string(text);
}

static void set_digest(json_t *to, const char *key, const ProtobufCBinaryData *digest) {
    char hex[2 * DIGEST_SIZE + 1] = "";
    if (digest->len == DIGEST_SIZE)
        digest_hex(digest->data, hex);
    json_object_set_new(to, key, json_string(hex));
}

static json_t *describe(
    const Hutong__Bus__V1__ActivatedRecord *record, const Hutong__Bus__V1__ActivatedRecord *before) {
    json_t *one = json_pack("{s:I, s:I, s:s, s:s, s:s, s:I, s:I}", "number", (json_int_t)record->number,
        "time_us", (json_int_t)record->time_us, "who", record->who, "why", record->why, "software",
        record->software, "routes", (json_int_t)record->n_routes, "bytes", (json_int_t)record->files_size);
    if (!one)
        return NULL;
    json_object_set_new(one, "time", time_text(record->time_us));
    set_digest(one, "digest", &record->digest);
    set_digest(one, "routes_digest", &record->routes_digest);
    json_object_set_new(one, "changes", before ? history_changes(before, record) : json_null());
    return one;
}

// Newest first; what was carried forward is told once. The first of the page is only there to compare with,
// unless it is the oldest of all.
static void list(const struct history *history, uint64_t from, struct answer *answer) {
    json_t *all = json_array();
    uint64_t said = 0;
    for (size_t i = history->count; i > 0; i--) {
        const struct activated *one = &history->items[i - 1];
        size_t before = i - 1;
        while (before > 0 && history->items[before - 1].record->number == one->record->number)
            before--;
        if (one->position < from || one->record->number == said)
            continue;
        said = one->record->number;
        json_array_append_new(
            all, describe(one->record, before > 0 ? history->items[before - 1].record : NULL));
    }
    uint64_t oldest = history->count ? history->items[0].position : 0;
    answer->status = 200;
    answer->body = json_pack("{s:o, s:I, s:b}", "activations", all, "before", (json_int_t)from, "more",
        oldest != 0 && oldest < from);
}

void loader_history(struct loader *loader, const json_t *request, struct answer *answer) {
    json_int_t before = json_integer_value(json_object_get(request, "before"));
    json_int_t count = json_integer_value(json_object_get(request, "count"));
    uint64_t end = 0;
    int rc = find_end(loader, &end);
    uint64_t until = before > 0 && (uint64_t)before < end ? (uint64_t)before : end;
    uint64_t most = count > 0 && count < PAGE_MAX ? (uint64_t)count : PAGE_MAX;
    uint64_t from = until > most ? until - most : 1;
    struct history history = {0};
    rc = rc ? rc : history_read(loader, from > 1 ? from - 1 : 1, until, &history);
    if (rc)
        answer_problem(answer, 503, "the history can't be read");
    else
        list(&history, from, answer);
    history_destroy(&history);
}

// ---- files ----

static json_t *files_json(const struct files *files) {
    json_t *all = json_array();
    for (size_t i = 0; i < files->count; i++) {
        const struct file *file = &files->items[i];
        json_array_append_new(all, json_pack("{s:s, s:o}", "name", file->name, "text",
                                       json_stringn((const char *)file->text.data, file->text.size)));
    }
    return all;
}

void loader_files(struct loader *loader, const json_t *request, struct answer *answer) {
    const char *of = json_string_value(json_object_get(request, "of"));
    struct history found = {0};
    struct files files = {0};
    int rc = of ? history_named(loader, of, &found) : -EINVAL;
    if (rc == -EINVAL)
        answer_problem(answer, 400, "which one is missing");
    else if (rc)
        answer_problem(answer, 503, "the history can't be read");
    else if (found.count == 0)
        answer_problem(answer, 404, "there is no activation \"%s\"; see: hutong routes history", of);
    else if ((rc = configuration_unpack(found.items[0].record, &files)) != 0)
        answer_problem(answer, rc == -ENODATA ? 404 : 503, "the record of activation %s %s", of,
            rc == -ENODATA ? "has no files: an older version wrote it" : "can't be read");
    else {
        answer->status = 200;
        answer->body = describe(found.items[0].record, NULL);
        json_object_set_new(answer->body, "files", files_json(&files));
    }
    files_destroy(&files);
    history_destroy(&found);
}
