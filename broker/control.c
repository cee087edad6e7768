// What other threads ask the core.
#include "broker/daemon_internal.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

// ---- status ----

// So that a tool can tell whether a folder is this journal.
static json_t *describe_id(const uint8_t id[16]) {
    char hex[33];
    for (size_t i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    return json_string(hex);
}

static json_t *describe(struct daemon *daemon) {
    struct journal_status journal;
    struct router_counters net;
    journal_status(daemon->journal, &journal);
    router_counters(daemon->router, &net);
    json_t *status = broker_describe(daemon->broker);
    if (!status)
        return NULL;
    json_object_set_new(status, "listen", json_string(router_endpoint(daemon->router)));
    json_object_set_new(status, "state",
        json_string(daemon->paused     ? "disk_full"
                    : daemon->draining ? "draining"
                                       : "running"));
    json_object_set_new(status, "journal",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "segments", (json_int_t)journal.segments, "bytes",
            (json_int_t)journal.bytes, "first", (json_int_t)journal.first, "last", (json_int_t)journal.last,
            "written_bytes", (json_int_t)journal.appended_bytes, "payload_bytes",
            (json_int_t)journal.payload_bytes, "syncs", (json_int_t)journal.syncs));
    json_object_set_new(json_object_get(status, "journal"), "full", json_integer(daemon->paused));
    json_object_set_new(
        json_object_get(status, "journal"), "damaged", json_integer(daemon->damage[0] != '\0'));
    json_object_set_new(json_object_get(status, "journal"), "damage", json_string(daemon->damage));
    json_object_set_new(
        json_object_get(status, "journal"), "unreadable", json_integer((json_int_t)daemon->unreadable));
    json_object_set_new(
        json_object_get(status, "journal"), "read_failures", json_integer((json_int_t)daemon->read_failures));
    json_object_set_new(json_object_get(status, "journal"), "read_failure", json_string(daemon->unread));
    json_object_set_new(json_object_get(status, "journal"), "id", describe_id(journal_id(daemon->journal)));
    json_object_set_new(status, "net",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "authenticated", (json_int_t)net.authenticated,
            "denied_keys", (json_int_t)net.denied, "bad_handshakes", (json_int_t)net.bad_handshakes,
            "received_frames", (json_int_t)net.received_frames, "sent_frames", (json_int_t)net.sent_frames,
            "received_bytes", (json_int_t)net.received_bytes, "sent_bytes", (json_int_t)net.sent_bytes));
    return status;
}

static int answer_status(struct daemon *daemon) {
    json_t *answer = describe(daemon);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    int rc = router_control_answer(daemon->router, bytes_of_string(text ? text : "{}"));
    free(text);
    json_decref(answer);
    return rc;
}

// ---- records ----

#define RECORDS_BYTES ((size_t)4 << 20)

static int append_record(void *context, const struct journal_record *record, uint64_t position) {
    struct buffer *out = context;
    uint8_t head[12];
    size_t size = record->body.data ? record->body.size : 0; // 0: erased
    store_u64(head, position);
    store_u32(head + 8, (uint32_t)size);
    int rc = buffer_append(out, head, sizeof head);
    return rc || size == 0 ? rc : buffer_append(out, record->body.data, size);
}

// Only copies: who asked takes them apart.
static int answer_records(struct daemon *daemon, const char *argument) {
    struct buffer out = {0};
    struct broker_active active;
    struct error error = {0};
    uint8_t *next = buffer_extend(&out, 8);
    if (!next)
        return -ENOMEM;
    broker_active(daemon->broker, &active);
    store_u64(next, active.position + 1);
    int rc = journal_read_queue(daemon->journal, active.queue, strtoull(argument, NULL, 10), DAEMON_RECORDS,
        RECORDS_BYTES, append_record, &out, &error);
    if (rc) { // damage in an old segment: history ends there, and the bus goes on
        char quoted[ERROR_TEXT_SIZE];
        log_event(LOG_ERROR, "journal.unreadable", "reason=%s", log_quote(error.text, quoted, sizeof quoted));
        out.size = 8;
    }
    rc = rc == -ENOMEM ? rc : router_control_answer(daemon->router, buffer_bytes(&out));
    buffer_destroy(&out);
    return rc;
}

// ---- activate ----

static int refuse_takeover(struct daemon *daemon, struct takeover *takeover, const char *why) {
    snprintf(takeover->problem, sizeof takeover->problem, "%s", why);
    return router_control_answer(daemon->router, bytes_of(NULL, 0));
}

static void take_over(struct daemon *daemon, struct takeover *takeover) {
    struct broker_active active;
    enum log_level level = LOG_INFO;
    broker_active(daemon->broker, &active);
    takeover->taken = true;
    takeover->old = daemon->configuration;
    takeover->number = active.number;
    daemon->configuration = takeover->activation.configuration;
    daemon->policy = daemon->configuration->policy;
    daemon->takeover = takeover;
    daemon->answer_at = commit_gathered(daemon);
    daemon->update.more = true;
    log_level_parse(policy_settings(daemon->policy)->log_level, &level);
    log_set_level(level);
}

static int activate(struct daemon *daemon, struct takeover *takeover) {
    if (daemon->draining)
        return refuse_takeover(daemon, takeover, "the broker shuts down");
    if (daemon->paused)
        return refuse_takeover(daemon, takeover, "the journal has no room for the record of the activation");
    struct broker_active before;
    struct broker_active after;
    uint64_t started = clock_monotonic_ns();
    broker_active(daemon->broker, &before);
    int rc =
        daemon_step(daemon, (struct event){.kind = EVENT_CONFIGURATION, .activation = &takeover->activation});
    broker_active(daemon->broker, &after);
    takeover->swap_us = (clock_monotonic_ns() - started) / 1000;
    if (rc == BROKER_NO_ROOM)
        return refuse_takeover(daemon, takeover, "the record of the activation doesn't fit a batch");
    if (rc == BROKER_NO_MEMORY)
        return refuse_takeover(daemon, takeover, "out of memory");
    if (after.number != before.number) // also where the process must end for what came behind
        take_over(daemon, takeover);
    return rc;
}

int control_committed(struct daemon *daemon) {
    struct takeover *takeover = daemon->takeover;
    if (daemon->durable < daemon->answer_at && !daemon->paused)
        return 0;
    if (!takeover)
        return daemon->erasing ? erasing_committed(daemon) : perform_committed(daemon);
    daemon->takeover = NULL;
    takeover->recorded = !daemon->paused;
    return router_control_answer(daemon->router, bytes_of(NULL, 0));
}

int control_answer(struct daemon *daemon) {
    buffer_clear(&daemon->request);
    int rc = router_control_receive(daemon->router, &daemon->request);
    if (rc)
        return rc == ROUTER_EMPTY ? 0 : rc;
    const char *request = buffer_text(&daemon->request);
    void *address = NULL;
    if (!request)
        return -ENOMEM;
    if (strcmp(request, "status") == 0)
        return answer_status(daemon);
    if (strncmp(request, "records ", 8) == 0)
        return answer_records(daemon, request + 8);
    if (strncmp(request, "letters ", 8) == 0)
        return perform_letters(daemon, request + 8);
    if (sscanf(request, "operate %p", &address) == 1)
        return perform_part(daemon, address);
    if (sscanf(request, "erase %p", &address) == 1)
        return erasing_start(daemon, address);
    if (sscanf(request, "activate %p", &address) == 1)
        return activate(daemon, address);
    return router_control_answer(daemon->router, bytes_of(NULL, 0));
}
