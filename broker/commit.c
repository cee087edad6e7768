// What was gathered goes to disk, one batch at a time; only then may anybody hear of it.
#include "broker/daemon_internal.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <errno.h>
#include <poll.h>

// Settlements alone wait so long for a message that shares its sync with them, or until they are so many.
#define COMPANY_MS 5
#define COMPANY_BYTES ((size_t)64 << 10)

// A cluster that doesn't answer is waited for so long at the end.
#define LAST_NS (3 * CLOCK_SECOND_NS)
#define LOOK_MS 20

static void pause_intake(struct daemon *daemon, bool paused, const char *why) {
    char quoted[256];
    if (paused != daemon->paused)
        log_event(paused ? LOG_ERROR : LOG_INFO, paused ? "journal.full" : "journal.room", "reason=%s",
            log_quote(why, quoted, sizeof quoted));
    if (paused && !daemon->paused)
        daemon->retire_at_ms = 0;
    daemon->paused = paused;
}

void commit_pause(struct daemon *daemon, const char *why) {
    pause_intake(daemon, true, why);
    daemon->refused = true;
    daemon->append_at_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS + DAEMON_PAUSE_MS;
}

// The last segment that the limit allows, or what is left of it on a full disk, is for what settles, fails
// and is carried: without records of these no older one could ever go.
void commit_check_room(struct daemon *daemon) {
    struct journal_status status;
    journal_status(daemon->journal, &status);
    pause_intake(daemon, status.last_segment,
        status.last_segment ? "there is room for no other segment: the last one is kept for what settles"
                            : "there is room again");
}

// The core hears of what became durable.
static int tell_durable(struct daemon *daemon) {
    uint64_t durable = journal_durable(daemon->journal);
    if (durable == daemon->durable)
        return 0;
    daemon->durable = durable;
    return daemon_step(daemon, (struct event){.kind = EVENT_DURABLE, .durable = durable});
}

static int collect(struct daemon *daemon, bool wait, struct error *error) {
    int rc = journal_collect(daemon->journal, wait, error);
    if (rc)
        return rc < 0 ? rc : -EIO;
    return tell_durable(daemon);
}

int commit_collect(struct daemon *daemon, struct error *error) {
    bool any = journal_busy(daemon->journal) || journal_shared(daemon->journal);
    return any ? collect(daemon, false, error) : 0;
}

static bool is_awaited(const struct daemon *daemon) {
    return broker_awaited(daemon->broker) > journal_last(daemon->journal) ||
           daemon->answer_at > journal_last(daemon->journal) || daemon->paused || daemon->draining ||
           journal_batch_size(daemon->batch) >= COMPANY_BYTES;
}

static bool waits_for_company(struct daemon *daemon, uint64_t now_ms) {
    if (is_awaited(daemon))
        return false;
    if (!daemon->company_until_ms)
        daemon->company_until_ms = now_ms + COMPANY_MS;
    return now_ms < daemon->company_until_ms;
}

uint64_t commit_deadline_ms(const struct daemon *daemon) {
    bool waits = daemon->company_until_ms && !daemon->paused && !journal_busy(daemon->journal);
    return waits ? daemon->company_until_ms : UINT64_MAX;
}

static int append(struct daemon *daemon, struct error *error) {
    daemon->company_until_ms = 0;
    int rc = journal_append(daemon->journal, daemon->batch, error);
    if (rc == JOURNAL_FULL) {
        commit_pause(daemon, error->text);
        return 0;
    }
    if (rc)
        return rc < 0 ? rc : -EIO;
    daemon->refused = false;
    commit_check_room(daemon);
    if (journal_busy(daemon->journal))
        return daemon_step(daemon, (struct event){.kind = EVENT_APPENDED});
    return tell_durable(daemon);
}

static bool may_append(const struct daemon *daemon, uint64_t now_ms) {
    return journal_batch_count(daemon->batch) > 0 && !journal_busy(daemon->journal) &&
           (!daemon->paused || now_ms >= daemon->append_at_ms);
}

int commit_run(struct daemon *daemon, struct error *error) {
    uint64_t now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
    return may_append(daemon, now_ms) && !waits_for_company(daemon, now_ms) ? append(daemon, error) : 0;
}

int commit_all(struct daemon *daemon, struct error *error) {
    int rc = collect(daemon, true, error);
    if (rc == 0 && may_append(daemon, clock_monotonic_ns() / CLOCK_MILLISECOND_NS))
        rc = append(daemon, error);
    return rc ? rc : collect(daemon, true, error);
}

static int commit_shared(struct daemon *daemon, struct error *error) {
    uint64_t until = clock_monotonic_ns() + LAST_NS;
    int rc = 0;
    while (rc == 0 && (journal_busy(daemon->journal) || journal_batch_count(daemon->batch) > 0) &&
           clock_monotonic_ns() < until) {
        struct pollfd readable = {.fd = journal_fd(daemon->journal), .events = POLLIN};
        poll(&readable, 1, LOOK_MS);
        rc = collect(daemon, false, error);
        rc = rc ? rc : commit_run(daemon, error);
    }
    return rc;
}

int commit_last(struct daemon *daemon, struct error *error) {
    return journal_shared(daemon->journal) ? commit_shared(daemon, error) : commit_all(daemon, error);
}

bool commit_blocked(const struct daemon *daemon) {
    return journal_busy(daemon->journal) &&
           journal_batch_size(daemon->batch) >= policy_settings(daemon->policy)->journal_batch;
}

uint64_t commit_gathered(const struct daemon *daemon) {
    return journal_last(daemon->journal) + journal_batch_count(daemon->batch);
}
