// Retention: which segments go, and what has to be written again before they can.
#include "broker/internal.h"

#define PORTION_RECORDS 256 // carried in one look, so that nobody waits long
#define PORTION_BYTES ((size_t)1 << 20)

struct look {
    struct broker *broker;
    struct update *update;
    const struct event *now;
    enum broker_room room;
    uint32_t queue;  // that holds up the oldest segment; 0: none
    uint64_t last;   // position in that segment
    bool activation; // what is in force holds it up
    bool waits;      // what takes its place is not on the disk yet
    bool stopped;    // the batch has no room for more of what is carried
    struct error *error;
};

// What is in force stays provable: its record is written again, and when that is on the disk the old one may
// go. Where what was gathered is refused, the old one must go first, and the new one waits in memory; should
// the process end there, the next start writes it.
static bool may_go_activation(struct look *look, const struct broker_active *active, uint64_t last) {
    if (broker_settled(look->broker, active->queue, last))
        return true;
    look->activation = last >= active->position;
    look->waits = !look->activation && look->room != BROKER_ROOM_NONE;
    return !look->activation && !look->waits;
}

static bool may_go(void *context, uint32_t queue, uint64_t last_position) {
    struct look *look = context;
    struct broker_active active;
    broker_active(look->broker, &active);
    if (queue == active.queue)
        return may_go_activation(look, &active, last_position);
    bool settled = broker_settled(look->broker, queue, last_position);
    if (!settled) {
        look->queue = queue;
        look->last = last_position;
    }
    return settled;
}

static int visit(void *context, const struct journal_record *record, uint64_t position) {
    struct look *look = context;
    struct event event = *look->now;
    event.kind = EVENT_CARRY_RECORD;
    event.queue = look->queue;
    event.position = position;
    event.record = record;
    int rc = broker_step(look->broker, &event, look->update);
    look->stopped = rc == BROKER_NO_ROOM;
    if (rc == BROKER_DAMAGED)
        return error_set(look->error, JOURNAL_DAMAGED, "%s", look->update->damage);
    return rc;
}

static int carry_activation(struct look *look, struct retirement *out) {
    struct event event = *look->now;
    event.kind = EVENT_CARRY;
    int rc = broker_step(look->broker, &event, look->update);
    out->more = rc == 0 || look->room == BROKER_ROOM;
    return rc;
}

static int carry_portion(
    struct look *look, struct journal *journal, struct retirement *out, struct error *error) {
    uint64_t from = carry_needed(look->broker, look->queue, look->last);
    size_t before = journal_batch_count(look->update->batch);
    if (from == 0) {
        out->more = carry_waits(look->broker, look->queue, look->last);
        return 0;
    }
    out->more = before > 0; // what was carried or settled may be on disk after the next append
    // No further than the segment goes: what stands behind it may be damaged, and is no matter here.
    uint64_t left = look->last - from + 1;
    size_t count = left < PORTION_RECORDS ? (size_t)left : PORTION_RECORDS;
    look->stopped = false;
    int rc = journal_read_queue(journal, look->queue, from, count, PORTION_BYTES, visit, look, error);
    out->more |= journal_batch_count(look->update->batch) > before;
    return look->stopped ? 0 : rc;
}

// Each look is one more try.
static bool is_unreadable(int rc) {
    return rc == JOURNAL_DAMAGED || rc == JOURNAL_UNREAD;
}

int broker_retire(struct broker *broker, struct journal *journal, int64_t keep_until_ns,
    enum broker_room room, const struct event *now, struct update *update, struct retirement *out,
    struct error *error) {
    struct look look = {.broker = broker, .update = update, .now = now, .room = room, .error = error};
    struct journal_settled settled = {.context = &look, .settled = may_go};
    int rc = journal_retire(journal, keep_until_ns, &settled, &out->retired, error);
    out->damaged = is_unreadable(rc);
    if (rc >= 0 && look.activation)
        rc = carry_activation(&look, out);
    // On a full disk nothing can be written before something goes.
    if (rc >= 0 && look.queue && room == BROKER_ROOM) {
        rc = carry_portion(&look, journal, out, error);
        out->damaged = is_unreadable(rc);
    }
    out->more |= look.waits;
    return rc < 0 ? rc : 0;
}

static int find(void *context, const struct journal_record *record, uint64_t position) {
    uint64_t *found = context;
    *found = record->body.data ? position : 0;
    return 0;
}

int broker_prove_active(struct broker *broker, struct journal *journal, const struct event *now,
    struct update *update, bool *again, struct error *error) {
    struct event event = *now;
    struct broker_active active;
    uint64_t found = 0;
    broker_active(broker, &active);
    *again = false;
    if (broker->active.record > broker->durable) // the start wrote it
        return 0;
    int rc = journal_read_queue(journal, active.queue, active.position, 1, 1, find, &found, error);
    if (rc == JOURNAL_UNREAD) // another start may find it
        return -EIO;
    if (rc < 0 || (rc == 0 && found == active.position))
        return rc;
    event.kind = EVENT_CARRY;
    rc = broker_step(broker, &event, update);
    *again = rc == 0;
    return rc < 0 ? rc : 0;
}
