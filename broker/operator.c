// An operator's act, asked for in parts: what is asked is read and checked here, the core does it.
#include "broker/loader_internal.h"

#include "broker/delivery/record.h"
#include "core/base/log.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS_BYTES ((size_t)4 << 20) // of the journal in one part
#define NO_REPLAY                                                                                            \
    "the journal is on Kafka, where no record holds a message as it came: nothing can be replayed from it, " \
    "but dead letters (hutong dead replay)"

// What was asked for: items as rising spans.
struct wish {
    struct span spans[OPERATION_ITEMS];
    size_t span_count;
    uint64_t items;
};

// ---- What is asked ----

static const char *text_of(const json_t *request, const char *key) {
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

static bool add_span(struct wish *wish, const json_t *pair) {
    json_int_t first = json_integer_value(json_array_get(pair, 0));
    json_int_t count = json_integer_value(json_array_get(pair, 1));
    uint64_t behind = wish->span_count ? wish->spans[wish->span_count - 1].last : 0;
    if (json_array_size(pair) != 2 || first <= 0 || count <= 0 || (uint64_t)first <= behind ||
        wish->span_count == OPERATION_ITEMS || count > OPERATION_ITEMS ||
        wish->items + (uint64_t)count > OPERATION_ITEMS || first > INT64_MAX - count)
        return false;
    wish->spans[wish->span_count++] =
        (struct span){.first = (uint64_t)first, .last = (uint64_t)first + (uint64_t)count - 1};
    wish->items += (uint64_t)count;
    return true;
}

static bool read_spans(const json_t *list, struct wish *wish) {
    size_t i;
    const json_t *pair;
    json_array_foreach((json_t *)(uintptr_t)list, i, pair) {
        if (!add_span(wish, pair))
            return false;
    }
    return wish->items > 0;
}

// What is wrong with the request, or NULL.
static const char *read_request(
    enum operation_act act, const json_t *request, struct part *part, struct wish *wish) {
    part->operation = (struct operation){.act = act,
        .system = text_of(request, "system"),
        .who = text_of(request, "who"),
        .why = text_of(request, "why"),
        .filter = text_of(request, "filter")};
    if (!wire_address_valid(bytes_of_string(part->operation.system)))
        return "which system? \"system\" is agency/system";
    if (!part->operation.why[0] || strlen(part->operation.why) > OPERATION_WHY_LIMIT)
        return "why? The journal keeps it: \"why\" has 1 to 256 bytes";
    if (strlen(part->operation.who) > OPERATION_WHO_LIMIT ||
        strlen(part->operation.filter) > OPERATION_FILTER_LIMIT)
        return "\"filter\" has at most 4096 bytes";
    if (!read_spans(json_object_get(request, act == OPERATION_REPLAY ? "sequences" : "positions"), wish))
        return "\"positions\" (of a replay from the journal \"sequences\") is a rising list of [first, "
               "count], "
               "at most 512 in all";
    return NULL;
}

// ---- Messages of the journal ----

enum { ENOUGH = 1000 }; // ends the scan

struct gathering {
    const struct wish *wish;
    size_t span; // that is looked for
    struct journal_record *records;
    size_t count;
    size_t bytes;
    uint64_t next; // the first for which there was no room; 0: none
};

static int keep_record(struct gathering *gathering, const struct journal_record *record) {
    if (gathering->count && gathering->bytes + record->body.size > RECORDS_BYTES) {
        gathering->next = record->sequence;
        return ENOUGH;
    }
    struct journal_record *kept = &gathering->records[gathering->count];
    *kept = *record;
    kept->entries = NULL;
    kept->entry_count = 0;
    if (record->body.data) {
        uint8_t *copy = malloc(record->body.size + 1);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, record->body.data, record->body.size);
        kept->body.data = copy;
    }
    gathering->count++;
    gathering->bytes += record->body.size;
    return 0;
}

static int gather(void *context, const struct journal_record *record) {
    struct gathering *gathering = context;
    const struct wish *wish = gathering->wish;
    while (gathering->span < wish->span_count && record->sequence > wish->spans[gathering->span].last)
        gathering->span++;
    if (gathering->span == wish->span_count)
        return ENOUGH;
    int rc = record->sequence < wish->spans[gathering->span].first ? 0 : keep_record(gathering, record);
    // What is behind the last one may be being written.
    return rc || record->sequence < wish->spans[wish->span_count - 1].last ? rc : ENOUGH;
}

static void gathering_free(struct gathering *gathering) {
    for (size_t i = 0; i < gathering->count; i++)
        free((void *)(uintptr_t)gathering->records[i].body.data);
    free(gathering->records);
}

// The journal's files are read beside the core, as any tool reads them: what is not there, or not on disk
// yet, is told from what the core says of it.
static int read_records(
    const struct loader *loader, const struct wish *wish, struct gathering *out, struct error *error) {
    *out = (struct gathering){.wish = wish, .records = calloc(OPERATION_ITEMS, sizeof *out->records)};
    if (!out->records)
        return error_no_memory(error);
    int rc = journal_scan(
        policy_settings(loader->active->policy)->journal, wish->spans[0].first, gather, out, error);
    return rc == ENOUGH ? 0 : rc;
}

// ---- What came of it ----

static json_t *refusals_json(const struct operation *operation) {
    json_t *all = json_array();
    for (size_t i = 0; i < operation->refusal_count; i++) {
        const struct operation_refusal *refusal = &operation->refusals[i];
        json_array_append_new(all, json_pack("{s:I, s:s, s:s}", "item", (json_int_t)refusal->item, "reason",
                                       wire_reason_name(refusal->reason), "text", refusal->text));
    }
    return all;
}

static uint64_t count_done(const struct operation *operation) {
    uint64_t done = 0;
    for (size_t i = 0; i < operation->done.count; i++)
        done += operation->done.items[i].last - operation->done.items[i].first + 1;
    return done;
}

static void log_part(const struct operation *operation) {
    static const char *const ids[] = {[OPERATION_DEAD_REPLAY] = "dead.replayed",
        [OPERATION_DEAD_DROP] = "dead.dropped",
        [OPERATION_REPLAY] = "journal.replayed"};
    char who[256];
    char why[600];
    log_event(LOG_INFO, ids[operation->act], "system=%s done=%llu refused=%llu who=%s why=%s",
        operation->system, (unsigned long long)count_done(operation), (unsigned long long)operation->refused,
        log_quote(operation->who, who, sizeof who), log_quote(operation->why, why, sizeof why));
}

static void say_part(const struct part *part, uint64_t next, struct answer *answer) {
    const struct operation *operation = &part->operation;
    answer->status = 200;
    answer->body =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "result", part->problem[0] ? "partial" : "done",
            "done", (json_int_t)count_done(operation), "deliveries", (json_int_t)operation->deliveries,
            "refused", (json_int_t)operation->refused, "gone", (json_int_t)operation->gone, "next",
            (json_int_t)next, "recorded", part->recorded, "refusals", refusals_json(operation));
    if (answer->body && part->problem[0])
        json_object_set_new(answer->body, "error", json_string(part->problem));
    log_part(operation);
}

// The core does it; `part` is its alone until the answer is here.
static void hand_over(struct loader *loader, struct part *part, uint64_t next, struct answer *answer) {
    struct buffer nothing = {0};
    char request[64];
    snprintf(request, sizeof request, "operate %p", (void *)part);
    int rc = control_ask(loader->core, bytes_of_string(request), &nothing, -1);
    for (int waited = 0; rc == 0 && part->later && waited < LOADER_LETTERS_MS; waited += LOADER_AGAIN_MS) {
        poll(NULL, 0, LOADER_AGAIN_MS);
        part->later = false;
        rc = control_ask(loader->core, bytes_of_string(request), &nothing, -1);
    }
    buffer_destroy(&nothing);
    if (!part->taken)
        answer_problem(answer, 503, "%s; nothing was changed",
            part->problem[0] ? part->problem
            : rc             ? "the broker ends"
                             : "the core does not answer");
    else
        say_part(part, part->next ? part->next : next, answer);
}

static void operate(
    struct loader *loader, struct part *part, const struct wish *wish, struct answer *answer) {
    struct gathering gathering = {0};
    struct error error = {0};
    int rc = 0;
    part->positions = wish->spans;
    part->position_count = wish->span_count;
    if (part->operation.act == OPERATION_REPLAY)
        rc = read_records(loader, wish, &gathering, &error);
    part->records = gathering.records;
    part->record_count = gathering.count;
    if (part->operation.act == OPERATION_REPLAY && !gathering.next)
        part->operation.gone = wish->items - gathering.count;
    if (rc)
        answer_problem(answer, 503, "%s; nothing was changed", error.text);
    else
        hand_over(loader, part, gathering.next, answer);
    gathering_free(&gathering);
}

void loader_operate(
    struct loader *loader, enum operation_act act, const json_t *request, struct answer *answer) {
    struct wish *wish = calloc(1, sizeof *wish);
    struct part *part = calloc(1, sizeof *part);
    const char *wrong = wish && part ? read_request(act, request, part, wish) : NULL;
    if (!wish || !part)
        answer_problem(answer, 503, "out of memory");
    else if (act == OPERATION_REPLAY && policy_settings(loader->active->policy)->cluster.used)
        answer_problem(answer, 409, "%s", NO_REPLAY);
    else if (wrong)
        answer_problem(answer, 400, "%s", wrong);
    else
        operate(loader, part, wish, answer);
    if (part)
        operation_clear(&part->operation);
    free(part);
    free(wish);
}
