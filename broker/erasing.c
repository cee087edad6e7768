// An erasure that was asked for: from the thread that answers admins to the core and back. The record of who
// and why is on disk before the body goes.
#include "broker/daemon_internal.h"
#include "broker/loader_internal.h"
#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WHY_LIMIT 256 // bytes

// ---- In the core ----

struct look {
    struct daemon *daemon;
    struct erasing *erasing;
};

static int look_at(void *context, const struct journal_record *record, uint64_t position) {
    const struct look *look = context;
    struct erasing *erasing = look->erasing;
    (void)position;
    if (!record->body.data) {
        erasing->gone = true;
        snprintf(erasing->problem, sizeof erasing->problem, "record %llu is erased already",
            (unsigned long long)record->sequence);
        return 0;
    }
    if (!broker_may_erase(look->daemon->broker, record, erasing->problem) || erasing->check)
        return 0;
    int rc =
        broker_record_erased(look->daemon->broker, record, erasing->who, erasing->why, &look->daemon->update);
    if (rc == BROKER_NO_ROOM)
        snprintf(erasing->problem, sizeof erasing->problem, "the batch is full: try again");
    return rc == BROKER_NO_ROOM ? 0 : rc;
}

int erasing_start(struct daemon *daemon, struct erasing *erasing) {
    struct look look = {.daemon = daemon, .erasing = erasing};
    struct error error = {0};
    if (daemon->paused || daemon->draining) {
        snprintf(erasing->problem, sizeof erasing->problem,
            daemon->paused ? "the journal is full, and the record of an erasure needs room"
                           : "the broker shuts down");
        return router_control_answer(daemon->router, bytes_of(NULL, 0));
    }
    int rc = journal_read_record(daemon->journal, erasing->sequence, look_at, &look, &error);
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

// ---- In the thread that answers ----

static void say(const struct erasing *erasing, struct answer *answer) {
    char who[256];
    char why[600];
    answer->status = 200;
    answer->body =
        json_pack("{s:I, s:b}", "sequence", (json_int_t)erasing->sequence, "erased", erasing->done);
    if (erasing->done)
        log_event(LOG_INFO, "journal.erased", "sequence=%llu who=%s why=%s",
            (unsigned long long)erasing->sequence, log_quote(erasing->who, who, sizeof who),
            log_quote(erasing->why, why, sizeof why));
}

static void hand_over(struct loader *loader, struct erasing *erasing, struct answer *answer) {
    struct buffer nothing = {0};
    char request[64];
    snprintf(request, sizeof request, "erase %p", (void *)erasing);
    int rc = control_ask(loader->core, bytes_of_string(request), &nothing, -1);
    buffer_destroy(&nothing);
    if (rc)
        answer_problem(answer, 503, "the core does not answer");
    else if (erasing->problem[0])
        answer_problem(answer, erasing->gone ? 410 : 409, "%s", erasing->problem);
    else
        say(erasing, answer);
}

static const char *text_of(const json_t *request, const char *key) {
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

void loader_erase(struct loader *loader, const json_t *request, struct answer *answer) {
    json_int_t sequence = json_integer_value(json_object_get(request, "sequence"));
    struct erasing *erasing = calloc(1, sizeof *erasing);
    if (!erasing) {
        answer_problem(answer, 503, "out of memory");
        return;
    }
    *erasing = (struct erasing){.sequence = (uint64_t)sequence,
        .check = json_is_true(json_object_get(request, "check")),
        .who = text_of(request, "who"),
        .why = text_of(request, "why")};
    if (sequence <= 0)
        answer_problem(answer, 400, "which record? \"sequence\" is a number from 1");
    else if (!erasing->check && (!erasing->why[0] || strlen(erasing->why) > WHY_LIMIT))
        answer_problem(answer, 400, "why? The journal keeps it: \"why\" has 1 to 256 bytes");
    else
        hand_over(loader, erasing, answer);
    free(erasing);
}
