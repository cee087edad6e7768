// What an operator does with one dead letter: it goes to its system's queue again, or is given up.
#include "broker/operations.h"

#include <errno.h>

static struct resend resend_of(
    uint64_t position, const struct journal_record *record, const Hutong__Bus__V1__DeadRecord *letter) {
    return (struct resend){.item = position,
        .record = record->sequence,
        .source = bytes_of_string(letter->source),
        .raw = bytes_of(letter->envelope.data, letter->envelope.len),
        .route = bytes_of_string(letter->route),
        .element = letter->element,
        .whole = true,
        .subject_hash = letter->subject_hash};
}

// One that never had a position holds the original; any other what its route made of it.
static int send_letter(struct broker *broker, struct operation *operation, uint64_t position,
    const struct journal_record *record, const Hutong__Bus__V1__DeadRecord *letter, struct update *update,
    size_t *sent) {
    struct resend resend = resend_of(position, record, letter);
    return letter->position ? resend_made(broker, operation, &resend, update, sent)
                            : resend_original(broker, operation, &resend, update, sent);
}

static int check_room(
    const struct broker *broker, const struct operation *operation, const struct update *update) {
    return journal_batch_size(update->batch) + operation_room(operation) > broker->batch_hard
               ? JOURNAL_BATCH_FULL
               : 0;
}

// A shared journal gives only what waits.
static bool is_gone(const struct operation *operation, const struct queue *dead, uint64_t position) {
    if (dead->shared)
        return spans_has(&operation->done, position);
    return position >= dead->next_position || position <= dead->settled ||
           spans_has(&dead->settled_beyond, position) || spans_has(&operation->done, position);
}

static int do_letter(struct broker *broker, struct operation *operation, uint64_t position,
    const struct journal_record *record, const Hutong__Bus__V1__DeadRecord *letter, struct update *update) {
    bool done = operation->act == OPERATION_DEAD_DROP;
    size_t sent = 0;
    int rc = done ? check_room(broker, operation, update)
                  : send_letter(broker, operation, position, record, letter, update, &sent);
    if (rc || !(done || sent))
        return rc;
    operation->deliveries += sent;
    operation->settled_bytes += letter->envelope.len;
    return spans_add(&operation->done, position, position);
}

// Whole by its CRC, but no dead letter that can be taken apart: it can be given up, and nothing else. Too
// little memory looks the same, so what is said is no more than that it can't be read.
static int undecodable(struct broker *broker, struct operation *operation, uint64_t position,
    const struct journal_record *record, struct update *update) {
    static const Hutong__Bus__V1__DeadRecord nothing = HUTONG__BUS__V1__DEAD_RECORD__INIT;
    return operation->act == OPERATION_DEAD_REPLAY
               ? operation_refuse_item(operation, position, HUTONG__BUS__V1__REASON__REASON_DAMAGED,
                     "its record can't be decoded, so there is nothing to send")
               : do_letter(broker, operation, position, record, &nothing, update);
}

int dead_letter(struct broker *broker, struct operation *operation, uint64_t position,
    const struct journal_record *record, struct update *update) {
    struct queue *queue = operation_queue(broker, operation);
    const struct queue *dead = queue ? registry_dead_queue(broker, queue) : NULL;
    if (!dead || is_gone(operation, dead, position) ||
        record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD) {
        operation->gone++;
        return 0;
    }
    if (!record->body.data && operation->act == OPERATION_DEAD_REPLAY)
        return operation_refuse_item(
            operation, position, HUTONG__BUS__V1__REASON__REASON_UNSPECIFIED, "its body was erased");
    Hutong__Bus__V1__DeadRecord *letter =
        hutong__bus__v1__dead_record__unpack(NULL, record->body.size, record->body.data);
    if (!letter)
        return undecodable(broker, operation, position, record, update);
    bool empty = letter->reason == HUTONG__BUS__V1__REASON__REASON_DAMAGED && letter->envelope.len == 0;
    int rc = empty && operation->act == OPERATION_DEAD_REPLAY
                 ? operation_refuse_item(operation, position, HUTONG__BUS__V1__REASON__REASON_DAMAGED,
                       "the journal could not be read where its message stands, so there is nothing to send")
                 : do_letter(broker, operation, position, record, letter, update);
    hutong__bus__v1__dead_record__free_unpacked(letter, NULL);
    return rc;
}
