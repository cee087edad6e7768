// An erasure that was asked for, in the core's thread. The record of who and why is on disk before the body
// goes.
#include "broker/daemon_internal.h"

#include <errno.h>
#include <stdio.h>

struct look {
    struct daemon *daemon;
    struct erasing *erasing;
    bool again; // when what was gathered is on disk
};

static int look_at(void *context, const struct journal_record *record, uint64_t position) {
    struct look *look = context;
    struct erasing *erasing = look->erasing;
    (void)position;
    if (!record->body.data) {
        erasing->gone = true;
        snprintf(erasing->problem, sizeof erasing->problem, "record %llu is erased already",
            (unsigned long long)record->sequence);
        return 0;
    }
    enum broker_erasable may = broker_may_erase(look->daemon->broker, record, erasing->problem);
    look->again = may == BROKER_ERASABLE_LATER && !erasing->check;
    if (may != BROKER_ERASABLE || erasing->check)
        return 0;
    int rc =
        broker_record_erased(look->daemon->broker, record, erasing->who, erasing->why, &look->daemon->update);
    look->again = rc == BROKER_NO_ROOM;
    if (rc == BROKER_DAMAGED)
        snprintf(erasing->problem, sizeof erasing->problem,
            "record %llu can't be decoded, so nobody could say any more who published it: it stays",
            (unsigned long long)record->sequence);
    return rc == BROKER_NO_ROOM || rc == BROKER_DAMAGED ? 0 : rc;
}

static void say_full(struct erasing *erasing) {
    snprintf(erasing->problem, sizeof erasing->problem,
        "the journal is full, and the record of an erasure needs room");
}

// At full load there is always something that is not on disk yet: so it is written here, before more comes.
// What receivers said waits for room at most, and each batch takes some of it: that ends.
static int look(struct daemon *daemon, struct erasing *erasing, struct error *error) {
    struct look look = {.daemon = daemon, .erasing = erasing};
    int rc;
    do {
        look.again = false;
        rc = journal_read_record(daemon->journal, erasing->sequence, look_at, &look, error);
        if (rc == 0 && look.again)
            rc = commit_all(daemon, error);
    } while (rc == 0 && look.again && !daemon->paused);
    if (rc == 0 && look.again)
        say_full(erasing);
    return rc;
}

int erasing_start(struct daemon *daemon, struct erasing *erasing) {
    struct error error = {0};
    int rc = 0;
    if (daemon->draining)
        snprintf(erasing->problem, sizeof erasing->problem, "the broker shuts down");
    else if (daemon->paused)
        say_full(erasing);
    else
        rc = look(daemon, erasing, &error);
    if (rc == JOURNAL_REFUSED)
        erasing->gone = true;
    if (rc > 0)
        snprintf(
            erasing->problem, sizeof erasing->problem, "%.*s", (int)sizeof erasing->problem - 1, error.text);
    if (rc < 0)
        return rc;
    if (erasing->problem[0] || erasing->check)
        return router_control_answer(daemon->router, bytes_of(NULL, 0));
    daemon->erasing = erasing;
    daemon->answer_at = commit_gathered(daemon);
    daemon->update.more = true;
    return 0;
}

int erasing_committed(struct daemon *daemon) {
    struct erasing *erasing = daemon->erasing;
    struct error error = {0};
    if (!erasing)
        return 0;
    daemon->erasing = NULL;
    int rc = commit_all(daemon, &error); // the core hears of what an erasure would wait for
    if (rc < 0)
        return rc;
    rc = daemon->paused ? error_set(&error, JOURNAL_FULL, "the journal is full: nothing was erased")
                        : journal_erase(daemon->journal, erasing->sequence, &error);
    erasing->done = rc == 0;
    if (rc)
        snprintf(
            erasing->problem, sizeof erasing->problem, "%.*s", (int)sizeof erasing->problem - 1, error.text);
    int answered = router_control_answer(daemon->router, bytes_of(NULL, 0));
    return rc < 0 ? rc : answered;
}
