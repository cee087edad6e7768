#include "broker/reading.h"

#include "broker/delivery/carried.h"

enum { BEHIND = 1001 }; // the last one that is wanted

static int visit_letter(void *context, const struct journal_record *record, uint64_t at) {
    struct reading *reading = context;
    struct journal_record letter = *record;
    struct carried_record carried;
    uint64_t position = at + reading->offset;
    if (position > reading->last)
        return BEHIND;
    if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED && record->body.data) {
        if (carried_read(record->body, &carried))
            return error_set(reading->error, JOURNAL_DAMAGED, "a carried record that can't be decoded");
        letter.kind = carried.kind;
        letter.sequence = carried.sequence;
        letter.time_ns = carried.time_ns;
        letter.body = carried.body;
    }
    size_t size = record->body.size;
    reading->count--;
    reading->bytes -= size < reading->bytes ? size : reading->bytes;
    reading->visited++;
    reading->next = position + 1;
    if (broker_next_unsettled(reading->broker, reading->queue, position) != position)
        return 0;
    return reading->visit(reading->context, &letter, position);
}

static int visit_place(void *context, const struct journal_record *record, uint64_t place) {
    struct reading *reading = context;
    if (place > reading->last)
        return BEHIND;
    size_t size = record->body.size;
    reading->count--;
    reading->bytes -= size < reading->bytes ? size : reading->bytes;
    reading->next = place + 1;
    return reading->visit(reading->context, record, place);
}

// A shared journal knows by itself which ones wait, and by their places.
static int read_shared(struct reading *reading, uint64_t from, struct error *error) {
    int rc = journal_read_queue(
        reading->journal, reading->queue, from, reading->count, reading->bytes, visit_place, reading, error);
    if (rc == 0 || rc == BEHIND)
        reading->next = rc == 0 && !(reading->count && reading->bytes) ? reading->next : 0;
    return rc == BEHIND ? 0 : rc;
}

int reading_run(struct reading *reading, uint64_t from, struct error *error) {
    reading->next = from;
    reading->error = error;
    if (journal_shared(reading->journal))
        return read_shared(reading, from, error);
    while (reading->count && reading->bytes) {
        uint64_t at;
        uint64_t rest;
        uint64_t position = broker_next_unsettled(reading->broker, reading->queue, reading->next);
        if (position == 0 || position > reading->last)
            break;
        uint32_t place = broker_place(reading->broker, reading->queue, position, &at, &rest);
        reading->offset = position - at;
        reading->visited = 0;
        int rc = journal_read_queue(reading->journal, place, at,
            rest < reading->count ? (size_t)rest : reading->count, reading->bytes, visit_letter, reading,
            error);
        if (rc && rc != BEHIND)
            return rc;
        if (rc || reading->visited == 0)
            break; // or it is not on disk yet
    }
    if (reading->count && reading->bytes)
        reading->next = 0;
    return 0;
}
