// When retention looks, and what it says.
#include "broker/daemon_internal.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#include <stdio.h>

#define RETIRE_MS 600000    // between looks for segments past their time
#define RETIRE_FULL_MS 2000 // the same while the journal has no room: what may go makes some

static void say_retired(struct daemon *daemon, size_t segments) {
    log_event(LOG_INFO, "journal.retired", "segments=%zu", segments);
    daemon->damage[0] = '\0';                    // it would have kept them
    if (journal_batch_count(daemon->batch) == 0) // otherwise the append of what was gathered tells
        commit_check_room(daemon);
}

// Once: looks come every two seconds where the journal is full.
static void say_damaged(struct daemon *daemon, struct error *error) {
    char quoted[ERROR_TEXT_SIZE];
    if (strcmp(daemon->damage, error->text) != 0)
        log_event(LOG_ERROR, "journal.damaged", "reason=%s", log_quote(error->text, quoted, sizeof quoted));
    snprintf(daemon->damage, sizeof daemon->damage, "%s", error->text);
    error->text[0] = '\0'; // the bus goes on
}

static enum broker_room room_of(const struct daemon *daemon) {
    if (daemon->refused)
        return BROKER_ROOM_NONE;
    return daemon->paused ? BROKER_ROOM_LAST : BROKER_ROOM;
}

int retiring_run(struct daemon *daemon, uint64_t now_ms, struct error *error) {
    // What is to take the place of something older is on disk first.
    uint64_t newest = daemon->carried > daemon->answer_at ? daemon->carried : daemon->answer_at;
    if (now_ms < daemon->retire_at_ms || (daemon->durable < newest && !daemon->refused))
        return 0;
    struct event now = {.now_ms = now_ms, .now_us = clock_realtime_ns() / 1000};
    struct retirement done = {0};
    // One measure for all portions of a look: what they carry is not itself looked at.
    if (!daemon->retiring)
        daemon->keep_until_ns = (now.now_us - (int64_t)policy_settings(daemon->policy)->retention_us) * 1000;
    int rc = broker_retire(daemon->broker, daemon->journal, daemon->keep_until_ns, room_of(daemon), &now,
        &daemon->update, &done, error);
    if (done.retired)
        say_retired(daemon, done.retired);
    else if (daemon->paused && !daemon->refused)
        commit_check_room(daemon); // others may have made room on the disk
    if (rc == 0 && done.damaged)
        say_damaged(daemon, error);
    daemon->retiring = done.more;
    if (done.more)
        daemon->carried = commit_gathered(daemon);
    daemon->retire_at_ms = done.more ? now_ms : now_ms + (daemon->paused ? RETIRE_FULL_MS : RETIRE_MS);
    daemon->update.more |= done.more;
    return rc;
}
