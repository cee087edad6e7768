// What the core wished for is read from the journal. Where that is damaged, the rest goes on: what can't be
// read is said, and the core makes dead letters of it.
#include "broker/daemon_internal.h"
#include "core/base/log.h"

#include <errno.h>

#define UNREADABLE_MOST 64 // that one load passes over: the disk is asked for each, and the bus waits

struct visit {
    struct daemon *daemon;
    struct event event; // of all: a backlog doesn't ask the clock for each
    struct queue_load left;
    bool any;
};

static int visit_record(void *context, const struct journal_record *record, uint64_t position) {
    struct visit *visit = context;
    visit->any = true;
    visit->left.from = position + 1;
    visit->left.count--;
    visit->left.bytes -= record->body.size < visit->left.bytes ? record->body.size : visit->left.bytes;
    visit->event.position = position;
    visit->event.record = record;
    return broker_step(visit->daemon->broker, &visit->event, &visit->daemon->update);
}

static void say(const struct load_wish *wish, uint64_t position, const char *damage) {
    char quoted[ERROR_TEXT_SIZE];
    log_event(LOG_ERROR, "delivery.unreadable", "queue=%u position=%llu reason=%s", wish->of,
        (unsigned long long)position, log_quote(damage, quoted, sizeof quoted));
}

// The first one that wasn't visited can't be read. What lies behind it may be.
static int pass_over(struct visit *visit, const struct load_wish *wish, const char *damage) {
    uint64_t at = visit->left.from - wish->load.from;
    visit->any = true;
    visit->left.from++;
    visit->left.count--;
    if (at >= wish->rest) // another queue's, among what was carried
        return 0;
    if (visit->daemon->unreadable++ % UNREADABLE_MOST == 0)
        say(wish, wish->first + at, damage);
    struct event event = visit->event;
    event.kind = EVENT_UNREADABLE;
    event.queue = wish->of;
    event.position = wish->first + at;
    event.damage = damage;
    return broker_step(visit->daemon->broker, &event, &visit->daemon->update);
}

static int load(struct daemon *daemon, const struct load_wish *wish, struct error *error) {
    struct visit visit = {.daemon = daemon,
        .event = daemon_now((struct event){.kind = EVENT_RECORD, .queue = wish->queue}),
        .left = wish->load};
    int rc = JOURNAL_DAMAGED;
    for (size_t i = 0; rc == JOURNAL_DAMAGED && i < UNREADABLE_MOST && visit.left.count && visit.left.bytes;
        i++) {
        rc = journal_read_queue(daemon->journal, wish->queue, visit.left.from, visit.left.count,
            visit.left.bytes, visit_record, &visit, error);
        int passed = rc == JOURNAL_DAMAGED ? pass_over(&visit, wish, error->text) : 0;
        rc = passed ? passed : rc;
    }
    daemon->update.more |= visit.any;
    if (rc == JOURNAL_DAMAGED)
        error->text[0] = '\0'; // the bus goes on
    return rc == JOURNAL_DAMAGED ? 0 : rc < 0 ? rc : rc ? -EIO : 0;
}

int loading_run(struct daemon *daemon, struct error *error) {
    size_t count = daemon->update.load_count;
    int rc = 0;
    daemon->update.load_count = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct load_wish wish = daemon->update.loads[i];
        rc = load(daemon, &wish, error);
    }
    return rc;
}
