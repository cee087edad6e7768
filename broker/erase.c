// Erasure of one record's body, as the broker's core sees it: what may go, the record of who and why, and
// what a restart makes of a record without its body.
#include "broker/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

// ---- What may go ----

static int count_none(void *context, const struct record_delivery *delivery) {
    (void)context, (void)delivery;
    return 0;
}

// Whether the disk has what settled it. Of more than the last record nothing is known: all of them count.
static bool is_recorded(const struct broker *broker, const struct queue *queue, uint64_t position) {
    return position <= queue->settled_durable ||
           (queue->settle_record <= broker->durable && !spans_has(&queue->unwritten.settled, position));
}

// Whether (queue, position) still needs its bytes; then `problem` says what to do.
static enum broker_erasable check_place(
    const struct broker *broker, uint32_t id, uint64_t position, char problem[BROKER_PROBLEM_SIZE]) {
    const struct queue *queue = registry_queue(broker, id);
    if (!queue || queue == broker->activations)
        return BROKER_ERASABLE;
    bool dead = strncmp(queue->name, "dead:", 5) == 0;
    const char *system = dead ? queue->name + 5 : queue->name;
    if (queue_settled_to(queue, position) >= position)
        return is_recorded(broker, queue, position) ? BROKER_ERASABLE : BROKER_ERASABLE_LATER;
    snprintf(problem, BROKER_PROBLEM_SIZE,
        dead ? "dead letter %2$" PRIu64
               " of %1$s waits: replay it, or: hutong dead drop --system %1$s %2$" PRIu64
             : "its delivery %2$" PRIu64
               " to %1$s is not settled: wait until it is, or until it is a dead letter",
        system, position);
    return BROKER_NOT_ERASABLE;
}

static enum broker_erasable check_places(
    const struct broker *broker, const struct journal_record *record, char problem[BROKER_PROBLEM_SIZE]) {
    enum broker_erasable least = BROKER_ERASABLE;
    for (size_t i = 0; i < record->entry_count && least != BROKER_NOT_ERASABLE; i++) {
        enum broker_erasable one =
            check_place(broker, record->entries[i].queue, record->entries[i].position, problem);
        least = one < least ? one : least;
    }
    return least;
}

enum broker_erasable broker_may_erase(
    const struct broker *broker, const struct journal_record *record, char problem[BROKER_PROBLEM_SIZE]) {
    struct carried_record carried;
    switch (record->kind) {
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE:
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD:
        return check_places(broker, record, problem);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED:
        return record->body.data && carried_read(record->body, &carried) == 0
                   ? check_place(broker, carried.queue, carried.position, problem)
                   : BROKER_ERASABLE;
    default:
        snprintf(problem, BROKER_PROBLEM_SIZE,
            "record %" PRIu64 " holds no message: only messages, dead letters and carried ones are erased",
            record->sequence);
        return BROKER_NOT_ERASABLE;
    }
}

// ---- The record of it ----

int broker_record_erased(struct broker *broker, const struct journal_record *erased, const char *who,
    const char *why, struct update *update) {
    struct record_message message = {0};
    if (erased->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE && erased->body.data &&
        record_message_each(erased->body, &message, count_none, NULL))
        return BROKER_DAMAGED;
    Hutong__Bus__V1__ErasedRecord record = HUTONG__BUS__V1__ERASED_RECORD__INIT;
    record.sequence = erased->sequence;
    record.who = (char *)(uintptr_t)who;
    record.why = (char *)(uintptr_t)why;
    record.publisher = message.publisher;
    record.publisher_sequence = message.sequence;
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_ERASED, &record.base, NULL);
    return rc == JOURNAL_BATCH_FULL ? BROKER_NO_ROOM : rc;
}

// ---- Recovery ----

int erase_replay(struct broker *broker, const struct journal_record *record) {
    // How large it was is not known: what is settled takes no more than there is off a queue's bytes.
    for (size_t i = 0; i < record->entry_count; i++) {
        struct queue *queue = registry_queue(broker, record->entries[i].queue);
        if (!queue)
            return -EBADMSG;
        queue_recover_push(queue, record->entries[i].position, 0);
    }
    return 0;
}
