#include "adapters/sidecar/sidecar.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/codes/load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 1000u // at most, for the status
#define SETTLE_NS (2 * CLOCK_SECOND_NS)
#define BATCHES 8 // of the source before the bus is looked at again

// ---- Making ----

static int load_catalogue(struct sidecar *sidecar, struct report *report) {
    struct error error = {0};
    const struct config_node *root = config_root(sidecar->config->file);
    int rc = catalogue_load_file(sidecar->config->catalogue, &sidecar->catalogue, &error);
    if (rc)
        config_error(config_get(root, "catalogue"), report, "%s: %s", sidecar->config->catalogue, error.text);
    return rc ? -EINVAL : 0;
}

static int load_codes(struct sidecar *sidecar, struct report *report) {
    sidecar->codes = codes_new();
    if (!sidecar->codes)
        return -ENOMEM;
    return sidecar->config->codes && codes_load(sidecar->codes, sidecar->config->codes, report) ? -EINVAL : 0;
}

static int make_texts(struct sidecar *sidecar) {
    return asprintf(&sidecar->status_path, "%s/status.json", sidecar->config->state) < 0 ||
                   asprintf(&sidecar->status_temporary, "%s/status.json.new", sidecar->config->state) < 0
               ? -ENOMEM
               : 0;
}

int sidecar_new(const struct sidecar_config *config, struct sidecar **out, struct report *report) {
    struct sidecar *sidecar = calloc(1, sizeof *sidecar);
    if (!sidecar)
        return -ENOMEM;
    sidecar->config = config;
    sidecar->connector_fd = sidecar->signals = -1;
    sidecar->crashes.fd = -1;
    int rc = make_texts(sidecar);
    rc = rc ? rc : load_catalogue(sidecar, report);
    rc = rc ? rc : load_codes(sidecar, report);
    if (!rc) {
        sidecar_host(sidecar);
        sidecar->connector = config->class->configure(config->node, &sidecar->host, report);
        rc = sidecar->connector && report_errors(report) == 0 ? 0 : -EINVAL;
    }
    if (rc)
        sidecar_destroy(&sidecar);
    else
        *out = sidecar;
    return rc;
}

void sidecar_destroy(struct sidecar **self) {
    struct sidecar *sidecar = *self;
    if (!sidecar)
        return;
    take_forget(sidecar);
    sidecar->config->class->destroy(&sidecar->connector);
    if (sidecar->hutong)
        hutong_close(&sidecar->hutong, 0);
    if (sidecar->inbox)
        inbox_close(&sidecar->inbox);
    crashes_close(&sidecar->crashes, false);
    if (sidecar->signals >= 0)
        close(sidecar->signals);
    codes_destroy(&sidecar->codes);
    catalogue_destroy(&sidecar->catalogue);
    buffer_destroy(&sidecar->subject);
    buffer_destroy(&sidecar->id);
    buffer_destroy(&sidecar->position);
    free(sidecar->status_path);
    free(sidecar->status_temporary);
    free(sidecar);
    *self = NULL;
}

void sidecar_trouble(
    struct sidecar *sidecar, enum log_level level, const char *id, const struct error *error) {
    char quoted[ERROR_TEXT_SIZE + 64];
    snprintf(sidecar->trouble, sizeof sidecar->trouble, "%s", error->text);
    log_event(level, id, "connector=%s reason=%s", sidecar->config->class->name,
        log_quote(error->text, quoted, sizeof quoted));
}

// What is waited for with growing pauses: the system, memory, and room on the disk.
static bool may_pass(int rc) {
    return rc > 0 || rc == -ENOMEM || rc == -ENOSPC || rc == -EDQUOT;
}

// ---- Opening ----

static int fail(struct sidecar *sidecar, const char *id, const char *text) {
    char quoted[ERROR_TEXT_SIZE + 64];
    log_event(LOG_ERROR, id, "reason=%s", log_quote(text, quoted, sizeof quoted));
    sidecar->failed = true;
    return -1;
}

static int make_folder(struct sidecar *sidecar) {
    if (mkdir(sidecar->config->state, 0700) == 0 || errno == EEXIST)
        return 0;
    char text[512];
    snprintf(text, sizeof text, "%s: %s", sidecar->config->state, strerror(errno));
    return fail(sidecar, "adapter.state", text);
}

static int open_inbox(struct sidecar *sidecar) {
    char *folder;
    struct error error = {0};
    if (!sidecar->config->takes || sidecar->config->class->own_inbox)
        return 0;
    if (asprintf(&folder, "%s/inbox", sidecar->config->state) < 0)
        return fail(sidecar, "adapter.memory", "out of memory");
    int rc = inbox_open(folder, &sidecar->inbox, &error);
    free(folder);
    return rc ? fail(sidecar, "adapter.inbox", error.text) : 0;
}

static int open_crashes(struct sidecar *sidecar) {
    struct error error = {0};
    if (!sidecar->config->takes)
        return 0;
    if (crashes_open(sidecar->config->state, &sidecar->crashes, &error))
        return fail(sidecar, "adapter.state", error.text);
    if (sidecar->crashes.careful)
        log_event(LOG_WARNING, "adapter.careful",
            "reason=\"the adapter ended without an end: what comes again is tried alone\"");
    return 0;
}

static int open_bus(struct sidecar *sidecar) {
    const struct sidecar_config *config = sidecar->config;
    struct hutong_error error = {0};
    char *spool;
    if (asprintf(&spool, "%s/spool", config->state) < 0)
        return fail(sidecar, "adapter.memory", "out of memory");
    struct hutong_options options = {.endpoint = config->endpoint,
        .system = config->system,
        .instance = config->instance,
        .key_file = config->key,
        .broker_key_file = config->broker_key,
        .spool_folder = spool,
        .spool_limit = config->spool_limit,
        .software = "hutong-adapter " HUTONG_VERSION,
        .receive = config->takes,
        .receive_messages = (uint32_t)config->receive};
    enum hutong_code code = hutong_open(&options, &sidecar->hutong, &error);
    if (code == HUTONG_OK)
        code = hutong_handle(sidecar->hutong, NULL, take_hold, sidecar, &error);
    free(spool);
    return code == HUTONG_OK ? 0 : fail(sidecar, "adapter.bus", error.text);
}

// ---- One turn ----

static void open_system(struct sidecar *sidecar, uint64_t now_ns) {
    struct error error = {0};
    if (sidecar->opening.due_ns > now_ns)
        return;
    int rc = sidecar->config->class->open(sidecar->connector, &error);
    if (rc == 0) {
        sidecar->opened = true;
        sidecar->trouble[0] = '\0';
        back_off_reset(&sidecar->opening);
        log_event(LOG_INFO, "adapter.connected", "connector=%s", sidecar->config->class->name);
        sidecar->settle_ns = clock_monotonic_ns() + SETTLE_NS;
    } else if (may_pass(rc)) {
        back_off_grow(&sidecar->opening, clock_monotonic_ns());
        sidecar_trouble(sidecar, LOG_WARNING, "adapter.unreachable", &error);
    } else {
        sidecar_trouble(sidecar, LOG_ERROR, "adapter.failed", &error);
        sidecar->failed = true;
    }
}

static void after_poll(
    struct sidecar *sidecar, int rc, bool more, uint32_t wait_ms, const struct error *error) {
    uint64_t now_ns = clock_monotonic_ns();
    if (rc == 0) {
        if (sidecar->giving.delay_ns) {
            log_event(LOG_INFO, "source.resumed", "connector=%s", sidecar->config->class->name);
            sidecar->trouble[0] = '\0';
        }
        back_off_reset(&sidecar->giving);
        sidecar->poll_due_ns = more ? now_ns : now_ns + wait_ms * CLOCK_MILLISECOND_NS;
    } else if (may_pass(rc)) {
        back_off_grow(&sidecar->giving, now_ns);
        sidecar->poll_due_ns = sidecar->giving.due_ns;
        sidecar_trouble(sidecar, LOG_WARNING, "source.retry", error);
    } else {
        sidecar_trouble(sidecar, LOG_ERROR, "source.failed", error);
        sidecar->failed = true;
    }
}

// Some batches, so that a long backlog holds up no delivery.
static void poll_source(struct sidecar *sidecar, uint64_t now_ns) {
    const struct connector_class *class = sidecar->config->class;
    bool more = class->poll && now_ns >= sidecar->poll_due_ns;
    for (int i = 0; i < BATCHES && more; i++) {
        struct error error = {0};
        uint32_t wait_ms = WAIT_MS;
        more = false;
        int rc = class->poll(sidecar->connector, &more, &wait_ms, &sidecar->connector_fd, &error);
        after_poll(sidecar, rc, more, wait_ms, &error);
        more = more && rc == 0;
    }
}

static void note_movement(struct sidecar *sidecar, const struct hutong_status *status) {
    uint64_t moved = status->published + status->accepted + status->received + status->settled;
    if (moved != sidecar->moved && sidecar->settled)
        sidecar->settle_ns = clock_monotonic_ns() + SETTLE_NS;
    sidecar->moved = moved;
}

static void watch_bus(struct sidecar *sidecar) {
    static const char *const ids[] = {"bus.connecting", "bus.connected", "bus.denied", "bus.disk_full"};
    struct hutong_status status;
    char quoted[320];
    hutong_status(sidecar->hutong, &status);
    note_movement(sidecar, &status);
    // The same trouble is said once, however often it comes again.
    bool trouble =
        status.state != HUTONG_CONNECTED && status.text[0] && strcmp(status.text, sidecar->seen_text) != 0;
    snprintf(sidecar->seen_text, sizeof sidecar->seen_text, "%s", status.text);
    if (!sidecar->state_seen || status.state != sidecar->seen_state || trouble)
        log_event(!trouble && (status.state == HUTONG_CONNECTED || status.state == HUTONG_CONNECTING)
                      ? LOG_INFO
                      : LOG_WARNING,
            ids[status.state], "endpoint=%s spooled=%llu reason=%s", sidecar->config->endpoint,
            (unsigned long long)status.spooled, log_quote(status.text, quoted, sizeof quoted));
    if (status.refused != sidecar->seen_refused)
        log_event(LOG_WARNING, "bus.refused", "messages=%llu reason=%s",
            (unsigned long long)(status.refused - sidecar->seen_refused),
            log_quote(status.text, quoted, sizeof quoted));
    if (status.notice[0] && strcmp(status.notice, sidecar->seen_notice) != 0)
        log_event(LOG_WARNING, "bus.notice", "reason=%s", log_quote(status.notice, quoted, sizeof quoted));
    memcpy(sidecar->seen_notice, status.notice, sizeof sidecar->seen_notice);
    if (strcmp(status.hold, sidecar->seen_hold) != 0)
        log_event(status.hold[0] ? LOG_WARNING : LOG_INFO, status.hold[0] ? "bus.parked" : "bus.unparked",
            "spooled=%llu reason=%s", (unsigned long long)status.spooled,
            log_quote(status.hold, quoted, sizeof quoted));
    memcpy(sidecar->seen_hold, status.hold, sizeof sidecar->seen_hold);
    sidecar->seen_refused = status.refused;
    sidecar->seen_state = status.state;
    sidecar->state_seen = true;
}

static uint32_t wait_ms(const struct sidecar *sidecar, uint64_t now_ns) {
    uint64_t due = now_ns + WAIT_MS * CLOCK_MILLISECOND_NS;
    if (!sidecar->opened && sidecar->opening.due_ns < due)
        due = sidecar->opening.due_ns;
    if (sidecar->opened && sidecar->config->class->poll && sidecar->poll_due_ns < due)
        due = sidecar->poll_due_ns;
    if (sidecar->opened && sidecar->held_count > 0 && sidecar->taking.due_ns < due)
        due = sidecar->taking.due_ns;
    return due <= now_ns ? 0 : (uint32_t)((due - now_ns + CLOCK_MILLISECOND_NS - 1) / CLOCK_MILLISECOND_NS);
}

static void begin_end(struct sidecar *sidecar) {
    if (sidecar->end_by_ns == 0)
        sidecar->end_by_ns = clock_monotonic_ns() + sidecar->config->drain_ns;
}

static void hear_signal(struct sidecar *sidecar) {
    struct signalfd_siginfo info;
    if (read(sidecar->signals, &info, sizeof info) != sizeof info)
        return;
    begin_end(sidecar);
    log_event(LOG_INFO, "adapter.stopping", "signal=%u held=%zu", info.ssi_signo, sidecar->held_count);
}

uint32_t sidecar_patience_ms(struct sidecar *sidecar, uint32_t most_ms) {
    hear_signal(sidecar);
    uint64_t now_ns = clock_monotonic_ns();
    if (sidecar->end_by_ns == 0)
        return most_ms;
    uint64_t left_ms = sidecar->end_by_ns > now_ns ? (sidecar->end_by_ns - now_ns) / CLOCK_MILLISECOND_NS : 0;
    return left_ms < most_ms ? (uint32_t)left_ms : most_ms;
}

static void wait_for_work(struct sidecar *sidecar) {
    struct pollfd fds[] = {{.fd = sidecar->signals, .events = POLLIN},
        {.fd = hutong_fd(sidecar->hutong), .events = POLLIN},
        {.fd = sidecar->connector_fd, .events = POLLIN}};
    if (poll(fds, 3, (int)wait_ms(sidecar, clock_monotonic_ns())) <= 0)
        return;
    if (fds[0].revents)
        hear_signal(sidecar);
    if (fds[2].revents && !sidecar->giving.delay_ns)
        sidecar->poll_due_ns = 0;
}

// Once what a start takes is over (the login, the first batch), and each time that nothing moves any more.
static void settle_memory(struct sidecar *sidecar, uint64_t now_ns) {
    if (sidecar->settle_ns == 0 || now_ns < sidecar->settle_ns)
        return;
    sidecar->settle_ns = 0;
    if (sidecar->settled)
        memory_trim();
    else
        memory_settle();
    sidecar->settled = true;
}

// All that has come is one round, so that it is one transaction of the system; credit bounds it.
static void take_in(struct sidecar *sidecar) {
    while (hutong_dispatch(sidecar->hutong, 0) > 0 && sidecar->held_count < (size_t)sidecar->config->receive)
        ;
}

static void turn(struct sidecar *sidecar) {
    uint64_t now_ns = clock_monotonic_ns();
    watch_bus(sidecar);
    if (!sidecar->opened)
        open_system(sidecar, now_ns);
    take_in(sidecar);
    if (sidecar->opened) {
        take_round(sidecar, clock_monotonic_ns());
        poll_source(sidecar, clock_monotonic_ns());
    }
    now_ns = clock_monotonic_ns();
    settle_memory(sidecar, now_ns);
    status_write(sidecar, now_ns, sidecar->opened ? "running" : "waiting");
}

// ---- The end ----

// What is held gets one more try; what stays unsettled comes again in the next session.
static void drain(struct sidecar *sidecar) {
    const struct sidecar_config *config = sidecar->config;
    begin_end(sidecar);
    if (sidecar->opened && !sidecar->failed)
        take_round(sidecar, clock_monotonic_ns());
    take_forget(sidecar);
    if (sidecar->opened && config->class->finish)
        config->class->finish(sidecar->connector);
    sidecar->status_look_ns = sidecar->status_due_ns = 0;
    status_write(sidecar, clock_monotonic_ns(), "stopped");
    enum hutong_code code = hutong_close(&sidecar->hutong, sidecar_patience_ms(sidecar, UINT32_MAX));
    log_event(LOG_INFO, "adapter.stopped", "done=%llu refused_rows=%llu left_in_spool=%s",
        (unsigned long long)sidecar->counts.done, (unsigned long long)sidecar->counts.refused_rows,
        code == HUTONG_TIMEOUT ? "yes" : "no");
}

static int signals_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int sidecar_run(struct sidecar *sidecar) {
    sidecar->signals = signals_open();
    if (sidecar->signals < 0 || make_folder(sidecar) || open_inbox(sidecar) || open_crashes(sidecar) ||
        open_bus(sidecar))
        return 1;
    log_event(LOG_INFO, "adapter.ready", "system=%s connector=%s endpoint=%s encrypted=%s",
        sidecar->config->system, sidecar->config->class->name, sidecar->config->endpoint,
        sidecar->config->key ? "yes" : "no");
    while (sidecar->end_by_ns == 0 && !sidecar->failed) {
        turn(sidecar);
        if (sidecar->end_by_ns == 0 && !sidecar->failed)
            wait_for_work(sidecar);
    }
    drain(sidecar);
    crashes_close(&sidecar->crashes, true);
    return sidecar->failed ? 1 : 0;
}
