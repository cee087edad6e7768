// What the core wished for is read from the journal. Where that is damaged, the rest goes on: what can't be
// read is said, and the core makes dead letters of it.
#include "broker/daemon_internal.h"
#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>

#define UNREADABLE_MOST 64 // that one load passes over: the disk is asked for each, and the bus waits

struct visit {
    struct daemon *daemon;
    const struct load_wish *wish;
    struct event event; // of all: a backlog doesn't ask the clock for each
    struct queue_load left;
    bool any;
    struct error *error;
};

// The delivery that is read at this place; 0: another queue's, among what was carried.
static uint64_t wanted_at(const struct load_wish *wish, uint64_t position) {
    uint64_t at = position - wish->load.from;
    return at < wish->rest ? wish->first + at : 0;
}

static int visit_record(void *context, const struct journal_record *record, uint64_t position) {
    struct visit *visit = context;
    struct update *update = &visit->daemon->update;
    visit->event.position = position;
    visit->event.wanted = wanted_at(visit->wish, position);
    visit->event.record = record;
    int rc = broker_step(visit->daemon->broker, &visit->event, update);
    if (rc == BROKER_DAMAGED)
        return error_set(visit->error, JOURNAL_DAMAGED, "%s", update->damage);
    visit->any = true;
    visit->left.from = position + 1;
    visit->left.count--;
    visit->left.bytes -= record->body.size < visit->left.bytes ? record->body.size : visit->left.bytes;
    return rc;
}

static void say(uint32_t queue, uint64_t position, const char *damage) {
    char quoted[ERROR_TEXT_SIZE];
    log_event(LOG_ERROR, "delivery.unreadable", "queue=%u position=%llu reason=%s", queue,
        (unsigned long long)position, log_quote(damage, quoted, sizeof quoted));
}

// The first one that wasn't visited can't be read. What lies behind it may be.
static int pass_over(struct visit *visit) {
    uint64_t position = wanted_at(visit->wish, visit->left.from);
    visit->any = true;
    visit->left.from++;
    visit->left.count--;
    if (position == 0)
        return 0;
    if (visit->daemon->unreadable++ % UNREADABLE_MOST == 0)
        say(visit->wish->of, position, visit->error->text);
    struct event event = visit->event;
    event.kind = EVENT_UNREADABLE;
    event.queue = visit->wish->of;
    event.position = position;
    event.damage = visit->error->text;
    return broker_step(visit->daemon->broker, &event, &visit->daemon->update);
}

// Said once for each queue: it is tried again, or the queue goes on past it for a while.
static void say_unread(const struct load_wish *wish, uint64_t position, const char *why) {
    char quoted[ERROR_TEXT_SIZE];
    log_event(LOG_ERROR, "delivery.unread", "queue=%u position=%llu tries=%u pause_ms=%d reason=%s", wish->of,
        (unsigned long long)position, QUEUE_READ_TRIES, QUEUE_READ_PAUSE_MS,
        log_quote(why, quoted, sizeof quoted));
}

// The disk fails. Where that comes behind all that was wanted there is nothing to wait for.
static int try_later(struct visit *visit) {
    struct daemon *daemon = visit->daemon;
    struct event event = visit->event;
    uint32_t before = broker_unread(daemon->broker, visit->wish->of);
    daemon->read_failures++;
    snprintf(daemon->unread, sizeof daemon->unread, "%s", visit->error->text);
    event.kind = EVENT_UNREAD;
    event.queue = visit->wish->of;
    event.position = wanted_at(visit->wish, visit->left.from);
    visit->any = true;
    int rc = event.position ? broker_step(daemon->broker, &event, &daemon->update) : 0;
    if (before == 0 && broker_unread(daemon->broker, visit->wish->of))
        say_unread(visit->wish, event.position, visit->error->text);
    return rc;
}

static int read_some(struct visit *visit) {
    int rc = journal_read_queue(visit->daemon->journal, visit->wish->queue, visit->left.from,
        visit->left.count, visit->left.bytes, visit_record, visit, visit->error);
    if (rc == JOURNAL_UNREAD)
        return try_later(visit);
    int passed = rc == JOURNAL_DAMAGED ? pass_over(visit) : 0;
    return passed ? passed : rc;
}

static int load(struct daemon *daemon, const struct load_wish *wish, struct error *error) {
    struct visit visit = {.daemon = daemon,
        .wish = wish,
        .event = daemon_now((struct event){.kind = EVENT_RECORD, .queue = wish->queue, .of = wish->of}),
        .left = wish->load,
        .error = error};
    // A disk that fails may take seconds for it, each time.
    const size_t most = wish->load.bear ? 1 : UNREADABLE_MOST;
    int rc = JOURNAL_DAMAGED;
    journal_bear(daemon->journal, wish->load.bear);
    for (size_t i = 0; rc == JOURNAL_DAMAGED && i < most && visit.left.count && visit.left.bytes; i++)
        rc = read_some(&visit);
    journal_bear(daemon->journal, false);
    daemon->update.more |= visit.any;
    if (rc == 0 || rc == JOURNAL_DAMAGED)
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
