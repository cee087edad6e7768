// With a journal that other brokers share: what its adapters come with is known there first. A hello waits
// until its stream's last sequence is, and queues are read here while somebody takes from them.
#include "broker/daemon_internal.h"
#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// A hello that waits, a copy.
struct guest {
    struct list link;
    uint64_t connection;
    const char *owner; // lives as long as the daemon
    struct buffer head;
    char system[129];
    uint8_t stream[WIRE_STREAM_SIZE];
};

static void guest_free(struct guest *guest) {
    list_remove(&guest->link);
    buffer_destroy(&guest->head);
    free(guest);
}

void joining_destroy(struct daemon *daemon) {
    struct list *next;
    for (struct list *node = daemon->guests.next; node != &daemon->guests; node = next) {
        next = node->next;
        guest_free(LIST_ITEM(node, struct guest, link));
    }
}

void joining_forget(struct daemon *daemon, uint64_t connection) {
    struct list *next;
    for (struct list *node = daemon->guests.next; node != &daemon->guests; node = next) {
        next = node->next;
        struct guest *guest = LIST_ITEM(node, struct guest, link);
        if (guest->connection == connection)
            guest_free(guest);
    }
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
    struct list *next;
    for (struct list *node = daemon->guests.next; node != &daemon->guests; node = next) {
        next = node->next;
        struct guest *guest = LIST_ITEM(node, struct guest, link);
        int rc = let_in(daemon, guest, error);
        if (rc == JOURNAL_BUSY)
            continue;
        guest_free(guest);
        if (rc)
            return rc;
        daemon->update.more = true;
    }
    return 0;
}

static struct guest *guest_new(const struct incoming *incoming, const Hutong__Bus__V1__Hello *hello) {
    struct guest *guest = calloc(1, sizeof *guest);
    if (!guest)
        return NULL;
    list_init(&guest->link);
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

int joining_take(struct daemon *daemon, const struct incoming *incoming, bool *taken) {
    enum { HELLO = 1 << 3 | 2 }; // the first byte of a frame that is one
    struct error error;
    wire_frame *frame = NULL;
    *taken = false;
    if (incoming->body || incoming->malformed || !incoming->head.size || incoming->head.data[0] != HELLO ||
        wire_frame_parse(incoming->head, &frame, &error) != 0)
        return 0; // the core has an answer
    int rc = 0;
    if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_HELLO &&
        frame->hello->stream.len == WIRE_STREAM_SIZE) {
        struct guest *guest = guest_new(incoming, frame->hello);
        if (guest)
            list_append(&daemon->guests, &guest->link);
        *taken = daemon->update.more = guest != NULL;
        rc = guest ? 0 : -ENOMEM;
    }
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
