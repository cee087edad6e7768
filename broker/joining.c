// With a journal that other brokers share: what its adapters come with is known there first. A hello waits
// until its stream's last sequence is, and queues are read here while somebody takes from them.
#include "broker/daemon_internal.h"
#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// A hello that waits, a copy.
struct guest {
    uint64_t connection;
    const char *owner; // lives as long as the daemon
    struct buffer head;
    char system[129];
    uint8_t stream[WIRE_STREAM_SIZE];
};

static void guest_free(struct guest *guest) {
    if (guest)
        buffer_destroy(&guest->head);
    free(guest);
}

void joining_destroy(struct daemon *daemon) {
    size_t cursor = 0;
    void *guest;
    while (number_map_next(&daemon->guests, &cursor, NULL, &guest))
        guest_free(guest);
    number_map_destroy(&daemon->guests);
}

void joining_forget(struct daemon *daemon, uint64_t connection) {
    guest_free(number_map_remove(&daemon->guests, connection));
}

// 0 with the hello let in, JOURNAL_BUSY, negative.
static int let_in(struct daemon *daemon, const struct guest *guest, struct error *error) {
    struct event event = {.kind = EVENT_FRAME,
        .connection = guest->connection,
        .proved = guest->owner ? policy_system_by_key(daemon->policy, guest->owner) : NULL,
        .key = guest->owner,
        .head = buffer_bytes(&guest->head)};
    int rc = journal_stream(daemon->journal, guest->system, guest->stream, &event.last_sequence, error);
    return rc ? rc : daemon_step(daemon, event);
}

int joining_run(struct daemon *daemon, struct error *error) {
    size_t cursor = 0;
    uint64_t connection;
    void *guest;
    while (number_map_next(&daemon->guests, &cursor, &connection, &guest)) {
        int rc = let_in(daemon, guest, error);
        if (rc == JOURNAL_BUSY)
            continue;
        joining_forget(daemon, connection);
        if (rc)
            return rc;
        daemon->update.more = true;
        cursor = 0; // others may have moved
    }
    return 0;
}

static struct guest *guest_new(const struct incoming *incoming, const Hutong__Bus__V1__Hello *hello) {
    struct guest *guest = calloc(1, sizeof *guest);
    if (!guest)
        return NULL;
    guest->connection = incoming->connection;
    guest->owner = incoming->owner;
    snprintf(guest->system, sizeof guest->system, "%s", hello->system);
    memcpy(guest->stream, hello->stream.data, sizeof guest->stream);
    if (buffer_append_bytes(&guest->head, incoming->head) != 0) {
        guest_free(guest);
        return NULL;
    }
    return guest;
}

// A connection's last hello only. Where as many wait as may connect, it is dropped: its sender tries again.
static int keep_guest(
    struct daemon *daemon, const struct incoming *incoming, const Hutong__Bus__V1__Hello *hello) {
    joining_forget(daemon, incoming->connection);
    if (daemon->guests.size >= policy_settings(daemon->policy)->connections)
        return 0;
    struct guest *guest = guest_new(incoming, hello);
    int rc = guest ? number_map_put(&daemon->guests, incoming->connection, guest) : -ENOMEM;
    if (rc)
        guest_free(guest);
    return rc;
}

// NULL: none that has to wait, and the core has an answer.
static wire_frame *hello_of_stream(const struct incoming *incoming) {
    enum { HELLO = 1 << 3 | 2 }; // the first byte of a frame that is one
    struct error error;
    wire_frame *frame = NULL;
    if (incoming->body || incoming->malformed || !incoming->head.size || incoming->head.data[0] != HELLO ||
        wire_frame_parse(incoming->head, &frame, &error) != 0)
        return NULL;
    if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_HELLO &&
        frame->hello->stream.len == WIRE_STREAM_SIZE)
        return frame;
    wire_frame_free(&frame);
    return NULL;
}

// In a session a hello is a mistake, to be answered at once. Whoever says something else while its hello
// waits is ended by the core, for which it is the first frame: the hello is void.
int joining_take(struct daemon *daemon, const struct incoming *incoming, bool *taken) {
    *taken = false;
    if (broker_has_session(daemon->broker, incoming->connection))
        return 0;
    wire_frame *frame = hello_of_stream(incoming);
    if (!frame) {
        joining_forget(daemon, incoming->connection);
        return 0;
    }
    int rc = keep_guest(daemon, incoming, frame->hello);
    *taken = daemon->update.more = rc == 0;
    wire_frame_free(&frame);
    return rc;
}

// ---- Queues ----

struct serving {
    struct daemon *daemon;
    struct error *error;
    int rc;
};

static void serve(void *context, uint32_t queue, const char *name, bool served) {
    struct serving *serving = context;
    if (serving->rc == 0)
        serving->rc = journal_serve(serving->daemon->journal, queue, name, served, serving->error);
}

int joining_serve(struct daemon *daemon, struct error *error) {
    struct serving serving = {.daemon = daemon, .error = error};
    if (journal_shared(daemon->journal) && daemon->update.receivers)
        broker_each_served(daemon->broker, serve, &serving);
    daemon->update.receivers = false;
    return serving.rc;
}
