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

// Whether (queue, position) still needs its bytes; then `problem` says what to do.
static bool is_needed(
    const struct broker *broker, uint32_t id, uint64_t position, char problem[BROKER_PROBLEM_SIZE]) {
    const struct queue *queue = registry_queue(broker, id);
    if (!queue || queue == broker->activations)
        return false;
    bool dead = strncmp(queue->name, "dead:", 5) == 0;
    const char *system = dead ? queue->name + 5 : queue->name;
    if (queue_settled_to(queue, position) < position)
        snprintf(problem, BROKER_PROBLEM_SIZE,
            dead ? "dead letter %2$" PRIu64
                   " of %1$s waits: replay it, or: hutong dead drop --system %1$s %2$" PRIu64
                 : "its delivery %2$" PRIu64
                   " to %1$s is not settled: wait until it is, or until it is a dead letter",
            system, position);
    else if (queue->settle_record > broker->durable)
        snprintf(problem, BROKER_PROBLEM_SIZE, "what settled it is not on disk yet: try again");
    else
        return false;
    return true;
}

bool broker_may_erase(
    const struct broker *broker, const struct journal_record *record, char problem[BROKER_PROBLEM_SIZE]) {
    switch (record->kind) {
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE:
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD:
        for (size_t i = 0; i < record->entry_count; i++)
            if (is_needed(broker, record->entries[i].queue, record->entries[i].position, problem))
                return false;
        return true;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED: {
        struct carried_record carried;
        bool readable = record->body.data && carried_read(record->body, &carried) == 0;
        return !readable || !is_needed(broker, carried.queue, carried.position, problem);
    }
    default:
        snprintf(problem, BROKER_PROBLEM_SIZE,
            "record %" PRIu64 " holds no message: only messages, dead letters and carried ones are erased",
            record->sequence);
        return false;
    }
}

// ---- The record of it ----

int broker_record_erased(struct broker *broker, const struct journal_record *erased, const char *who,
    const char *why, struct update *update) {
    struct record_message message = {0};
    if (erased->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE && erased->body.data &&
        record_message_each(erased->body, &message, count_none, NULL))
        return -EBADMSG;
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
