#include "broker/operation.h"

#include "broker/operations.h"
#include "core/base/utf8.h"

#include <errno.h>
#include <stdlib.h>

void operation_clear(struct operation *operation) {
    spans_destroy(&operation->done);
    free(operation->refusals);
    operation->refusals = NULL;
    operation->refusal_count = operation->refusal_capacity = 0;
}

int operation_refuse(struct operation *operation, uint64_t item, wire_reason reason, const char *text) {
    if (operation->refusal_count == operation->refusal_capacity) {
        size_t capacity = operation->refusal_capacity ? operation->refusal_capacity * 2 : 16;
        struct operation_refusal *refusals = realloc(operation->refusals, capacity * sizeof *refusals);
        if (!refusals)
            return -ENOMEM;
        operation->refusals = refusals;
        operation->refusal_capacity = capacity;
    }
    struct operation_refusal *refusal = &operation->refusals[operation->refusal_count++];
    *refusal = (struct operation_refusal){.item = item, .reason = reason};
    utf8_copy(refusal->text, sizeof refusal->text, text);
    return 0;
}

int operation_refuse_item(struct operation *operation, uint64_t item, wire_reason reason, const char *text) {
    operation->refused++;
    return operation_refuse(operation, item, reason, text);
}

// ---- Room: what is written at the end of a part must always fit behind what it is about. ----

size_t operation_room(const struct operation *operation) {
    const size_t records = 1024; // the rest of two records, with a system's name
    const size_t span = 24;      // two numbers, in each of them
    return records + OPERATION_WHO_LIMIT + OPERATION_WHY_LIMIT + OPERATION_FILTER_LIMIT +
           2 * span * (operation->done.count + 1);
}

// ---- The end of a part ----

struct span_list {
    Hutong__Bus__V1__PositionSpan *items;
    Hutong__Bus__V1__PositionSpan **pointers;
};

static void span_list_free(struct span_list *list) {
    free(list->items);
    free(list->pointers);
}

static int span_list_make(const struct spans *spans, struct span_list *out) {
    *out = (struct span_list){.items = calloc(spans->count + 1, sizeof *out->items),
        .pointers = calloc(spans->count + 1, sizeof(Hutong__Bus__V1__PositionSpan *))};
    if (!out->items || !out->pointers) {
        span_list_free(out);
        return -ENOMEM;
    }
    for (size_t i = 0; i < spans->count; i++) {
        hutong__bus__v1__position_span__init(&out->items[i]);
        out->items[i].first = spans->items[i].first;
        out->items[i].count = spans->items[i].last - spans->items[i].first + 1;
        out->pointers[i] = &out->items[i];
    }
    return 0;
}

static int settle_span(struct queue *dead, const struct span *span) {
    int rc = spans_add(&dead->settled_beyond, span->first, span->last);
    if (rc)
        return rc;
    spans_absorb(&dead->settled_beyond, &dead->settled);
    dead->unsettled -= span->last - span->first + 1;
    dead->counters.settled += span->last - span->first + 1;
    queue_wake(dead);
    return 0;
}

// In a shared journal the core knows only of those that were written here.
static void count_shared(struct queue *dead, const struct spans *done) {
    for (size_t i = 0; i < done->count; i++) {
        uint64_t count = done->items[i].last - done->items[i].first + 1;
        dead->unsettled -= count < dead->unsettled ? count : dead->unsettled;
        dead->counters.settled += count;
    }
}

// The dead letters that were done are settled.
static int settle(struct broker *broker, struct operation *operation, struct queue *dead,
    const struct span_list *list, struct update *update) {
    Hutong__Bus__V1__SettledRecord record = HUTONG__BUS__V1__SETTLED_RECORD__INIT;
    record.queue = dead->id;
    record.n_spans = operation->done.count;
    record.spans = list->pointers;
    record.bytes = operation->settled_bytes;
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED, &record.base, NULL);
    if (rc == 0)
        dead->settle_record = broker->next_record - 1;
    if (rc == 0 && dead->shared)
        count_shared(dead, &operation->done);
    for (size_t i = 0; i < operation->done.count && rc == 0 && !dead->shared; i++)
        rc = settle_span(dead, &operation->done.items[i]);
    dead->bytes -= operation->settled_bytes < dead->bytes ? operation->settled_bytes : dead->bytes;
    return rc;
}

static int record_operated(struct broker *broker, const struct operation *operation,
    const struct queue *queue, const struct queue *dead, const struct span_list *list,
    struct update *update) {
    Hutong__Bus__V1__OperatedRecord record = HUTONG__BUS__V1__OPERATED_RECORD__INIT;
    record.act = (Hutong__Bus__V1__OperatedRecord__Act)operation->act;
    record.who = (char *)(uintptr_t)operation->who;
    record.why = (char *)(uintptr_t)operation->why;
    record.filter = (char *)(uintptr_t)operation->filter;
    record.queue = queue->id;
    record.dead_queue = dead ? dead->id : 0;
    if (broker->shared) // numbers are this process's own
        record.system = (char *)(uintptr_t)queue->name;
    record.n_done = operation->done.count;
    record.done = list->pointers;
    record.refused = operation->refused;
    return broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_OPERATED, &record.base, NULL);
}

int operation_finish(struct broker *broker, struct operation *operation, struct update *update) {
    struct queue *queue = operation_queue(broker, operation);
    if (!queue || operation->done.count == 0)
        return 0; // nothing was done: there is nothing to answer for
    struct queue *dead = operation->act == OPERATION_REPLAY ? NULL : registry_dead_queue(broker, queue);
    struct span_list list;
    int rc = span_list_make(&operation->done, &list);
    if (rc)
        return rc;
    if (dead)
        rc = settle(broker, operation, dead, &list, update);
    rc = rc ? rc : record_operated(broker, operation, queue, dead, &list, update);
    span_list_free(&list);
    return rc == JOURNAL_BATCH_FULL ? -EMSGSIZE : rc; // there was room for it
}

// ---- Items ----

struct queue *operation_queue(const struct broker *broker, const struct operation *operation) {
    struct queue *queue = map_get(broker->queues_by_name, bytes_of_string(operation->system));
    return queue && !strchr(queue->name, ':') ? queue : NULL;
}

int operation_take(struct broker *broker, struct operation *operation, uint64_t position,
    const struct journal_record *record, struct update *update) {
    int rc = operation->act == OPERATION_REPLAY ? replay_record(broker, operation, record, update)
                                                : dead_letter(broker, operation, position, record, update);
    return rc == JOURNAL_BATCH_FULL ? BROKER_NO_ROOM : rc;
}
