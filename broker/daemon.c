#include "broker/daemon.h"

#include "broker/daemon_internal.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/crypto/keys.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define FRAMES_A_TURN 256
// What the disk takes in less time than two threads need to wake each other, and to find a core.
#define INLINE_BYTES ((size_t)128 << 10)
#define DENIED_EVERY_MS 1000 // how often a denied key is logged; each is counted

// A copy of the key that lives as long as the daemon: connections outlive configurations.
static const char *keep_key(struct daemon *daemon, const char *public_key) {
    struct bytes key = bytes_of_string(public_key);
    char *kept = map_get(daemon->keys, key);
    if (kept)
        return kept;
    kept = strdup(public_key);
    if (kept && map_put(daemon->keys, key, kept) != 0) {
        free(kept);
        kept = NULL;
    }
    return kept; // without memory the peer is refused, and tries again
}

static const char *owner_of(void *context, const char *public_key) {
    struct daemon *daemon = context;
    const struct policy_system *system = policy_system_by_key(daemon->policy, public_key);
    uint64_t now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
    if (!system && now_ms >= daemon->denied_log_ms) {
        daemon->denied_log_ms = now_ms + DENIED_EVERY_MS;
        log_event(LOG_WARNING, "peer.denied", "public_key=\"%s\" reason=\"no system owns it\"", public_key);
    }
    return system ? keep_key(daemon, public_key) : NULL;
}

static int open_router(struct daemon *daemon, struct error *error) {
    const struct policy_settings *settings = policy_settings(daemon->policy);
    char public_key[41] = "";
    char secret_key[41] = "";
    int rc = settings->curve ? keys_load_secret(settings->key_file, public_key, secret_key, error) : 0;
    if (rc)
        return rc;
    struct router_options options = {.listen = settings->listen,
        .secret_key = settings->curve ? secret_key : NULL,
        .connections = settings->connections,
        .message_bytes = settings->message_bytes + settings->batch_bytes + 4096,
        .silence_ms = 3 * settings->heartbeat_ms,
        .owner_of = owner_of,
        .context = daemon};
    rc = router_new(&options, &daemon->router, error);
    explicit_bzero(secret_key, sizeof secret_key);
    return rc;
}

static int open_journal(struct daemon *daemon, const struct broker_journals *journals, struct error *error) {
    const struct policy_settings *settings = policy_settings(daemon->policy);
    const struct journal_owner owner = broker_journal_owner(daemon->broker);
    if (settings->cluster.used)
        return journals->open_shared(settings, &owner, &daemon->journal, error);
    const struct journal_options options = {.folder = settings->journal,
        .segment_size = settings->segment_size,
        .size_limit = settings->journal_limit,
        .sm3 = settings->journal_sm3,
        .background = true,
        .inline_bytes = INLINE_BYTES};
    return journals->open_file(&options, &owner, &daemon->journal, error);
}

static void say_recovered(const struct daemon *daemon, uint64_t started_ns) {
    const struct policy_settings *settings = policy_settings(daemon->policy);
    struct journal_status status;
    journal_status(daemon->journal, &status);
    log_event(status.torn_bytes ? LOG_WARNING : LOG_INFO, "journal.recovered",
        "%s=%s last=%llu torn_bytes=%llu ms=%llu", settings->cluster.used ? "kafka" : "folder",
        settings->cluster.used ? settings->cluster.brokers : settings->journal,
        (unsigned long long)journal_last(daemon->journal), (unsigned long long)status.torn_bytes,
        (unsigned long long)((clock_monotonic_ns() - started_ns) / CLOCK_MILLISECOND_NS));
}

static int recover(struct daemon *daemon, const struct daemon_options *options, struct error *error) {
    const struct policy_settings *settings = policy_settings(daemon->policy);
    uint64_t started = clock_monotonic_ns();
    int rc = open_journal(daemon, options->journals, error);
    if (rc)
        return rc < 0 ? rc : -EIO;
    daemon->batch = daemon->update.batch = journal_batch_new(settings->journal_batch_limit);
    if (!daemon->batch)
        return error_no_memory(error);
    update_clear(&daemon->update);
    rc = broker_start(daemon->broker, daemon->journal, clock_realtime_ns() / 1000, &daemon->update, error);
    if (rc == 0 && journal_batch_count(daemon->batch))
        rc = journal_append(daemon->journal, daemon->batch, error);
    rc = rc ? rc : journal_collect(daemon->journal, true, error);
    if (rc == JOURNAL_FULL) { // it starts paused: what retires or what others free may make room
        commit_pause(daemon, error->text);
        rc = 0;
    }
    if (rc)
        return rc < 0 ? rc : -ENOSPC;
    daemon->durable = journal_durable(daemon->journal);
    say_recovered(daemon, started);
    return 0;
}

// A full disk may have taken the record of what is in force, before the one in its place was written.
static int prove_active(struct daemon *daemon, struct error *error) {
    struct event now = {
        .now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS, .now_us = clock_realtime_ns() / 1000};
    bool again;
    int rc = broker_prove_active(daemon->broker, daemon->journal, &now, &daemon->update, &again, error);
    if (again)
        log_event(LOG_WARNING, "configuration.recorded", "reason=\"its record was gone, or is damaged\"");
    return rc;
}

struct event daemon_now(struct event event) {
    event.now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
    event.now_us = clock_realtime_ns() / 1000;
    return event;
}

int daemon_step(struct daemon *daemon, struct event event) {
    event = daemon_now(event);
    return broker_step(daemon->broker, &event, &daemon->update);
}

int daemon_new(const struct daemon_options *options, struct daemon **out, struct error *error) {
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon)
        return error_no_memory(error);
    daemon->configuration = options->configuration;
    daemon->policy = options->configuration->policy;
    daemon->keys = map_new();
    daemon->broker = daemon->keys ? broker_new(options->configuration) : NULL;
    int rc = daemon->broker ? recover(daemon, options, error) : error_no_memory(error);
    if (rc == 0 && !journal_shared(daemon->journal))
        rc = prove_active(daemon, error);
    if (rc == 0)
        rc = daemon_step(daemon, (struct event){.kind = EVENT_DURABLE, .durable = daemon->durable});
    rc = rc ? rc : open_router(daemon, error);
    if (rc) {
        daemon_destroy(&daemon);
        return rc < 0 ? rc : -EINVAL;
    }
    *out = daemon;
    return 0;
}

void daemon_destroy(struct daemon **self) {
    struct daemon *daemon = *self;
    if (!daemon)
        return;
    joining_destroy(daemon);
    router_destroy(&daemon->router);
    size_t cursor = 0;
    void *key;
    while (daemon->keys && map_next(daemon->keys, &cursor, NULL, &key))
        free(key);
    map_destroy(&daemon->keys);
    buffer_destroy(&daemon->request);
    journal_close(&daemon->journal);
    update_destroy(&daemon->update);
    journal_batch_destroy(&daemon->batch);
    broker_destroy(&daemon->broker);
    free(daemon);
    *self = NULL;
}

struct router *daemon_router(struct daemon *daemon) {
    return daemon->router;
}

static int end_connection(struct daemon *daemon, uint64_t connection) {
    joining_forget(daemon, connection);
    return daemon_step(daemon, (struct event){.kind = EVENT_GONE, .connection = connection});
}

static int take_frame(struct daemon *daemon, struct incoming *incoming) {
    bool taken = false;
    int rc = incoming->gone ? end_connection(daemon, incoming->gone) : 0;
    if (rc == 0 && journal_shared(daemon->journal))
        rc = joining_take(daemon, incoming, &taken);
    if (rc == 0 && !taken) {
        const struct policy_system *proved =
            incoming->owner ? policy_system_by_key(daemon->policy, incoming->owner) : NULL;
        rc = daemon_step(daemon, (struct event){.kind = EVENT_FRAME,
                                     .connection = incoming->connection,
                                     .proved = proved,
                                     .key = incoming->owner,
                                     .head = incoming->malformed ? bytes_of(NULL, 0) : incoming->head,
                                     .body = incoming->body});
    }
    chunk_unref(&incoming->body);
    return rc;
}

// Whether the batch has room for what a frame may bring: less than a batch's worth. While there is no room on
// the disk it may grow by what settles, which makes some.
static bool may_receive(const struct daemon *daemon) {
    const struct policy_settings *settings = policy_settings(daemon->policy);
    size_t most = settings->journal_batch;
    if (daemon->paused && settings->journal_batch_limit > 2 * most)
        most = settings->journal_batch_limit - most;
    return journal_batch_size(daemon->batch) < most;
}

static int receive_frames(struct daemon *daemon) {
    for (int i = 0; i < FRAMES_A_TURN && may_receive(daemon); i++) {
        struct incoming incoming;
        int rc = router_receive(daemon->router, &incoming);
        if (rc == ROUTER_EMPTY)
            return 0;
        rc = rc ? rc : take_frame(daemon, &incoming);
        if (rc)
            return rc;
    }
    daemon->update.more = true;
    return 0;
}

// A stand-by may take over.
static int end_gone(struct daemon *daemon) {
    int rc = 0;
    for (uint64_t gone; rc == 0 && (gone = router_gone(daemon->router)) != 0;)
        rc = end_connection(daemon, gone);
    return rc;
}

static int transmit(struct daemon *daemon) {
    int rc = 0;
    for (size_t i = 0; i < daemon->update.frame_count && rc == 0; i++) {
        struct outgoing *frame = &daemon->update.frames[i];
        uint64_t connection = frame->connection;
        bool last = frame->last;
        // An empty one only says that the connection is to be forgotten.
        if (frame->head.size)
            rc = router_send(daemon->router, connection, &frame->head, &frame->body);
        if (last)
            router_forget(daemon->router, connection);
    }
    if (router_cut(daemon->router))
        daemon->update.more = true;
    if (rc == 0) // otherwise the process ends, and what nobody took is freed with the update
        daemon->update.frame_count = 0;
    return rc;
}

static void log_notices(struct daemon *daemon) {
    static const char *const ids[] = {[NOTICE_UP] = "peer.up",
        [NOTICE_DOWN] = "peer.down",
        [NOTICE_ENDED] = "peer.ended",
        [NOTICE_PARKED] = "peer.parked",
        [NOTICE_RESUMED] = "peer.resumed"};
    for (size_t i = 0; i < daemon->update.notice_count; i++) {
        const struct notice *notice = &daemon->update.notices[i];
        char quoted[600];
        log_event(notice->kind == NOTICE_ENDED || notice->kind == NOTICE_PARKED ? LOG_WARNING : LOG_INFO,
            ids[notice->kind], "system=%s instance=%s text=%s", notice->system[0] ? notice->system : "-",
            notice->instance[0] ? notice->instance : "-", log_quote(notice->text, quoted, sizeof quoted));
    }
    daemon->update.notice_count = 0;
}

static int turn(struct daemon *daemon, struct error *error) {
    enum event_kind kind = commit_blocked(daemon) ? EVENT_BLOCKED : EVENT_TURN;
    int rc = daemon_step(daemon, (struct event){.kind = daemon->paused ? EVENT_PAUSED : kind});
    rc = rc ? rc : commit_run(daemon, error);
    rc = rc ? rc : control_committed(daemon);
    rc = rc ? rc : joining_serve(daemon, error);
    rc = rc ? rc : loading_run(daemon, error);
    rc = rc ? rc : transmit(daemon);
    log_notices(daemon);
    return rc ? rc : retiring_run(daemon, clock_monotonic_ns() / CLOCK_MILLISECOND_NS, error);
}

static void start_draining(struct daemon *daemon, uint64_t now_ms) {
    daemon->draining = true;
    daemon->drain_until_ms = now_ms + policy_settings(daemon->policy)->drain_ms;
    log_event(LOG_INFO, "broker.draining", "deadline_ms=%u", policy_settings(daemon->policy)->drain_ms);
}

static int wait_and_receive(struct daemon *daemon, int stop_fd, struct error *error) {
    uint64_t now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
    struct update *update = &daemon->update;
    uint64_t deadline = update->deadline_ms;
    if (daemon->draining && daemon->drain_until_ms < deadline)
        deadline = daemon->drain_until_ms;
    uint64_t company = commit_deadline_ms(daemon);
    if (company < deadline)
        deadline = company;
    uint64_t wait = deadline > now_ms ? deadline - now_ms : 0;
    bool blocked = commit_blocked(daemon);
    if (blocked ? journal_work_ahead(daemon->journal, daemon->batch) : update->more)
        wait = 0;
    else if (daemon->paused && wait > DAEMON_PAUSE_MS)
        wait = DAEMON_PAUSE_MS;
    if (journal_shared(daemon->journal) && wait > DAEMON_SHARED_MS)
        wait = DAEMON_SHARED_MS;
    update_clear(update);
    bool readable = false;
    bool control = false;
    int fds[] = {daemon->draining ? -1 : stop_fd, journal_fd(daemon->journal)};
    bool listen = may_receive(daemon) && !blocked;
    int rc = router_wait(daemon->router, wait, fds, listen, &readable, &control);
    rc = rc ? rc : commit_collect(daemon, error);
    rc = rc ? rc : joining_run(daemon, error);
    if (rc == 0 && control)
        rc = control_answer(daemon);
    if (rc == 0 && (readable || (listen && router_cut(daemon->router))))
        rc = receive_frames(daemon);
    return rc ? rc : end_gone(daemon);
}

// Drained, or out of time: what was gathered is made durable, everybody is told, and the loop ends.
static int say_bye(struct daemon *daemon, struct error *error) {
    int rc = commit_last(daemon, error);
    rc = rc ? rc : transmit(daemon);
    if (rc)
        return rc;
    log_event(LOG_INFO, "broker.bye", "drained=%s", daemon->update.drained ? "yes" : "no");
    daemon->done = true;
    update_clear(&daemon->update);
    rc = daemon_step(daemon, (struct event){.kind = EVENT_BYE});
    return rc ? rc : transmit(daemon);
}

static int check_stop(struct daemon *daemon, int stop_fd, struct error *error) {
    uint64_t now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    if (!daemon->draining && poll(&stop, 1, 0) == 1) {
        start_draining(daemon, now_ms);
        daemon->update.more = true;
        return daemon_step(daemon, (struct event){.kind = EVENT_DRAIN});
    }
    if (daemon->draining && (daemon->update.drained || now_ms >= daemon->drain_until_ms))
        return say_bye(daemon, error);
    return 0;
}

int daemon_run(struct daemon *daemon, int stop_fd, struct error *error) {
    daemon->update.more = true;
    while (!daemon->done) {
        int rc = wait_and_receive(daemon, stop_fd, error);
        rc = rc ? rc : turn(daemon, error);
        rc = rc ? rc : check_stop(daemon, stop_fd, error);
        if (rc) {
            if (!error->text[0])
                error_set(error, rc, "%s", strerror(-rc));
            return rc;
        }
    }
    return 0;
}
