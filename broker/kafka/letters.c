// Dead letters, for an operator: while one looks at a system's, this process is in the group of its topic of
// dead letters, as with deliveries, and so nobody else can settle any. An item is a place, which is the same
// for every broker. The core is told nothing of them: it asks.
#include "broker/kafka/journal_internal.h"
#include "core/base/clock.h"

#include <errno.h>

#define KEPT_MS 60000   // how long this process stays in the group for an operator to go on
#define YIELDED_MS 3000 // how long another one's operator has them for itself, when both want them

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
}

static size_t part_count(const struct destination *letters) {
    size_t count = 0;
    LIST_EACH(node, &letters->parts)
    count++;
    return count;
}

static bool is_whole(const struct kafka_journal *journal, const struct destination *letters) {
    return part_count(letters) == (size_t)journal->partitions;
}

// Whether all that wait are here, or as many as may be.
static bool is_read(const struct kafka_journal *journal, const struct destination *letters) {
    if (!letters->group || letters->leaving || letters->releasing || !is_whole(journal, letters))
        return false;
    LIST_EACH(node, &letters->parts) {
        const struct part *part = LIST_ITEM(node, struct part, link);
        if (part->question || !(part->caught_up || letters->held))
            return false;
    }
    return true;
}

int letters_fetch(struct kafka_journal *journal, uint32_t queue, struct error *error) {
    struct destination *letters = kafka_destination(journal, queue);
    if (!letters || !letters->letters)
        return error_set(error, JOURNAL_REFUSED, "queue %u holds no dead letters", queue);
    if (letters->yields || now_ms() < letters->again_ms)
        return JOURNAL_BUSY;
    letters->served = true;
    letters->leave_ms = now_ms() + KEPT_MS;
    if (!letters->group) {
        int rc = inward_join(journal, letters, error);
        return rc < 0 ? rc : JOURNAL_BUSY;
    }
    return is_read(journal, letters) ? 0 : JOURNAL_BUSY;
}

static void yield(struct destination *letters) {
    letters->yields = true;
    letters->again_ms = now_ms() + YIELDED_MS;
}

// Who has only some of them is of no use to its operator; the one with the first stays.
void letters_assigned(const struct kafka_journal *journal, struct destination *letters) {
    if (!is_whole(journal, letters) && !destination_part(letters, 0))
        yield(letters);
}

// Another broker's operator comes: it is to have all of them.
void letters_revoked(const struct kafka_journal *journal, struct destination *letters) {
    if (is_whole(journal, letters))
        yield(letters);
}

int letters_arrive(struct kafka_journal *journal, struct part *part, const struct group_event *event) {
    static const struct lane_origin nobody;
    uint64_t number = (uint64_t)event->offset + 1;
    int rc = lane_look(&part->lane, number, &nobody);
    if (rc != LANE_NEW)
        return rc == LANE_OVER ? 0 : rc;
    if (!event->value.data)
        return arriving_pass_by(journal, part, number);
    const struct arrival arrival = {
        .part = part, .number = number, .size = event->value.size, .time_ms = event->time_ms};
    return destination_arrive(part->destination, &arrival, event->value);
}

// ---- Reading ----

struct reader {
    uint64_t from; // a place
    size_t count;
    size_t bytes;
    journal_visit *visit;
    void *context;
};

static int visit_letter(struct reader *reader, const struct arrival *arrival) {
    uint64_t place = part_place(arrival->part, arrival->number);
    const struct journal_record record = {.kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD,
        .sequence = place,
        .time_ns = arrival->time_ms * (int64_t)CLOCK_MILLISECOND_NS,
        .body = buffer_bytes(&arrival->value),
        .place = place};
    size_t size = arrival->value.size;
    reader->count--;
    reader->bytes -= size < reader->bytes ? size : reader->bytes;
    return reader->visit(reader->context, &record, place);
}

// In a lane they arrived in order.
static int read_lane(const struct destination *letters, const struct part *part, struct reader *reader) {
    int rc = 0;
    const struct arrival *arrival = destination_from(letters, 0);
    while (arrival && reader->count && reader->bytes && rc == 0) {
        if (arrival->part == part && part_place(part, arrival->number) >= reader->from)
            rc = visit_letter(reader, arrival);
        arrival = destination_from(letters, arrival->position + 1);
    }
    return rc;
}

int letters_read(struct kafka_journal *journal, const struct destination *letters, uint64_t from,
    size_t max_count, size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    struct reader reader = {
        .from = from, .count = max_count, .bytes = max_bytes, .visit = visit, .context = context};
    if (!is_read(journal, letters))
        return error_set(
            error, JOURNAL_REFUSED, "another broker has dead letters of %s now", letters->name + 5);
    int rc = 0;
    for (int32_t i = place_partition(from) < 0 ? 0 : place_partition(from);
        i < journal->partitions && rc == 0; i++) {
        const struct part *part = destination_part(letters, i);
        rc = part ? read_lane(letters, part, &reader) : 0;
    }
    return rc;
}

// ---- Settling ----

int letters_part(
    struct kafka_journal *journal, struct destination *letters, uint64_t place, uint32_t *part, bool *gone) {
    struct arrival *arrival = letters ? destination_at_place(letters, place) : NULL;
    *gone = !arrival;
    if (*gone) {
        journal->counters.letters_lost++;
        return 0;
    }
    arrival->part->news = true; // a group's part must say something of it
    return gathered_part(journal->batch, group_token(letters->group), part);
}

struct destination *letters_of(const struct kafka_journal *journal, const struct destination *of) {
    for (size_t i = 0; of && i < journal->destination_count; i++) {
        struct destination *one = journal->destinations[i];
        if (one && one->letters && strcmp(one->name + 5, of->name) == 0)
            return one;
    }
    return NULL;
}
