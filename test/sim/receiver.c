#include "test/sim/receiver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct sim_receiver *of(struct client *client) {
    return (struct sim_receiver *)client;
}

void inbox_destroy(struct inbox *inbox) {
    free(inbox->entries);
    *inbox = (struct inbox){0};
}

static struct inbox_entry *entry_of(struct inbox *inbox, uint64_t position) {
    inbox->entries = world_grow(inbox->entries, &inbox->capacity, (size_t)position, sizeof *inbox->entries);
    return &inbox->entries[position];
}

// ---- Settling ----

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void send_credit(struct sim_receiver *receiver) {
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = receiver->granted_messages = receiver->window_messages + receiver->freed_messages;
    credit.bytes = receiver->granted_bytes = receiver->window_bytes + receiver->freed_bytes;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_CREDIT;
    frame.credit = &credit;
    client_send(&receiver->client, &frame, NULL);
}

static size_t make_ranges(struct sim_receiver *receiver, Hutong__Bus__V1__PositionRange *ranges) {
    size_t count = 0;
    if (receiver->done_count)
        qsort(receiver->done, receiver->done_count, sizeof *receiver->done, by_value);
    for (size_t i = 0; i < receiver->done_count; i++) {
        uint64_t position = receiver->done[i];
        if (count && position <= ranges[count - 1].last + 1) {
            ranges[count - 1].last = position;
            continue;
        }
        hutong__bus__v1__position_range__init(&ranges[count]);
        ranges[count].first = ranges[count].last = position;
        count++;
    }
    return count;
}

static void make_failures(struct sim_receiver *receiver, Hutong__Bus__V1__Failure *failures) {
    for (size_t i = 0; i < receiver->failed_count; i++) {
        hutong__bus__v1__failure__init(&failures[i]);
        failures[i].position = receiver->failed[i].position;
        failures[i].retry_after_ms = receiver->failed[i].retry_after_ms;
        failures[i].reject = receiver->failed[i].reject;
        failures[i].text = (char *)(uintptr_t)"it is simulated so";
    }
}

static void send_settle(struct sim_receiver *receiver) {
    size_t most = receiver->done_count + receiver->failed_count + 1;
    Hutong__Bus__V1__PositionRange *ranges = calloc(most, sizeof *ranges);
    Hutong__Bus__V1__Failure *failures = calloc(most, sizeof *failures);
    void **pointers = calloc(2 * most, sizeof *pointers);
    if (!ranges || !failures || !pointers)
        abort();
    Hutong__Bus__V1__Settle settle = HUTONG__BUS__V1__SETTLE__INIT;
    settle.n_done = make_ranges(receiver, ranges);
    settle.n_failures = receiver->failed_count;
    make_failures(receiver, failures);
    for (size_t i = 0; i < settle.n_done; i++)
        pointers[i] = &ranges[i];
    for (size_t i = 0; i < settle.n_failures; i++)
        pointers[most + i] = &failures[i];
    settle.done = (Hutong__Bus__V1__PositionRange **)pointers;
    settle.failures = (Hutong__Bus__V1__Failure **)(pointers + most);
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_SETTLE;
    frame.settle = &settle;
    world_note(receiver->client.world, "settle", receiver->client.index, settle.n_done, settle.n_failures);
    if (client_send(&receiver->client, &frame, NULL))
        receiver->done_count = receiver->failed_count = 0;
    free(ranges);
    free(failures);
    free(pointers);
}

// Whether a quarter of the window is free again.
static bool is_due(uint64_t window, uint64_t freed, uint64_t granted) {
    return window + freed - granted >= (window + 3) / 4;
}

static void flush(void *context, uint64_t life) {
    struct sim_receiver *receiver = context;
    if (life != receiver->client.lives)
        return;
    receiver->flushing = false;
    if (receiver->client.phase != CLIENT_SESSION)
        return; // what waits is told in the next session
    if (receiver->done_count || receiver->failed_count)
        send_settle(receiver);
    if (is_due(receiver->window_messages, receiver->freed_messages, receiver->granted_messages) ||
        is_due(receiver->window_bytes, receiver->freed_bytes, receiver->granted_bytes))
        send_credit(receiver);
}

static void flush_soon(struct sim_receiver *receiver) {
    struct world *world = receiver->client.world;
    if (receiver->flushing)
        return;
    receiver->flushing = true;
    world_at(world, world->now + world_skewed(world, 0, 50 * MS_NS), flush, receiver, receiver->client.lives);
}

// ---- Handling ----

static void forget(struct handling *handling) {
    list_remove(&handling->link);
    free(handling);
}

static void settled(struct sim_receiver *receiver, const struct handling *handling) {
    if (handling->session == receiver->session && !handling->kept) {
        receiver->freed_messages++;
        receiver->freed_bytes += handling->size;
    }
    flush_soon(receiver);
}

static void tell_done(struct sim_receiver *receiver, const struct handling *handling) {
    receiver->done =
        world_grow(receiver->done, &receiver->done_capacity, receiver->done_count, sizeof *receiver->done);
    receiver->done[receiver->done_count++] = handling->position;
    settled(receiver, handling);
}

static void tell_failed(struct sim_receiver *receiver, const struct handling *handling, bool reject) {
    struct world *world = receiver->client.world;
    if (handling->kept)
        return; // nobody waits for this verdict
    receiver->failed = world_grow(
        receiver->failed, &receiver->failed_capacity, receiver->failed_count, sizeof *receiver->failed);
    uint32_t after = world_chance(world, 500) ? (uint32_t)world_skewed(world, 1, 3000) : 0;
    receiver->failed[receiver->failed_count++] = (struct settling){
        .position = handling->position, .retry_after_ms = reject ? 0 : after, .reject = reject};
    history_failed(receiver->history, receiver->queue, handling->position, reject);
    settled(receiver, handling);
}

static void take_effect(
    struct sim_receiver *receiver, struct inbox_entry *entry, const struct handling *handling) {
    world_note(receiver->client.world, "effect", receiver->queue, handling->position, handling->message);
    entry->effect = true;
    history_effect(receiver->history, receiver->queue, handling->position, handling->message);
    tell_done(receiver, handling);
}

// The handler comes to its end, or the process to its own.
static void handle(struct sim_receiver *receiver, struct handling *handling) {
    struct world *world = receiver->client.world;
    struct inbox_entry *entry = entry_of(receiver->inbox, handling->position);
    unsigned times;
    enum nature nature = message_nature(world->seed, handling->message, receiver->queue, &times);
    if (entry->effect) {
        world_count(world, COUNT_INBOX_HITS, 1);
        tell_done(receiver, handling);
        return;
    }
    bool early = ++entry->handled <= times;
    switch (nature) {
    case NATURE_REJECT:
    case NATURE_NEVER:
        tell_failed(receiver, handling, nature == NATURE_REJECT);
        break;
    case NATURE_FAILS:
        if (early)
            tell_failed(receiver, handling, false);
        else
            take_effect(receiver, entry, handling);
        break;
    case NATURE_CRASH:
        if (!early) {
            take_effect(receiver, entry, handling);
            break;
        }
        world_count(world, COUNT_POISON_CRASHES, 1);
        sim_receiver_crash(receiver, world_skewed(world, 100 * MS_NS, 5 * S_NS));
        break;
    default:
        take_effect(receiver, entry, handling);
        if (world_chance(world, world->healed ? 0 : 3)) // its effect is there, and nobody hears of it
            sim_receiver_crash(receiver, world_skewed(world, 100 * MS_NS, 5 * S_NS));
        break;
    }
}

static void handled(void *context, uint64_t id) {
    struct sim_receiver *receiver = context;
    LIST_EACH(node, &receiver->handlings) {
        struct handling *handling = LIST_ITEM(node, struct handling, link);
        if (handling->session * 1000000 + handling->position == id) {
            struct handling copy = *handling;
            forget(handling);
            handle(receiver, &copy);
            return;
        }
    }
}

// What a list owns, GCC's analyzer takes for lost: here, and only here, it isn't asked.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static void begin(struct sim_receiver *receiver, uint64_t position, size_t message, size_t size) {
    struct world *world = receiver->client.world;
    struct handling *handling = calloc(1, sizeof *handling);
    if (!handling)
        abort();
    *handling = (struct handling){
        .position = position, .message = message, .size = size, .session = receiver->session};
    list_append(&receiver->handlings, &handling->link);
    world_at(world, world->now + world_skewed(world, 0, receiver->slowness), handled, receiver,
        handling->session * 1000000 + position);
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

// ---- The session ----

static void greet(struct client *client, Hutong__Bus__V1__Hello *hello) {
    struct sim_receiver *receiver = of(client);
    receiver->got_messages = receiver->got_bytes = receiver->freed_messages = receiver->freed_bytes = 0;
    receiver->granted_messages = receiver->window_messages;
    receiver->granted_bytes = receiver->window_bytes;
    receiver->session++;
    client->credit->messages = receiver->granted_messages;
    client->credit->bytes = receiver->granted_bytes;
    hello->credit = client->credit;
    hello->receive = true;
}

static void welcomed(struct client *client, const Hutong__Bus__V1__Welcome *welcome) {
    struct sim_receiver *receiver = of(client);
    struct inbox *inbox = receiver->inbox;
    if (inbox->bus_known && memcmp(inbox->bus, welcome->bus.data, sizeof inbox->bus) != 0)
        world_fail(client->world, "the broker's journal became another one");
    memcpy(inbox->bus, client->bus, sizeof inbox->bus);
    inbox->bus_known = true;
    if (receiver->done_count)
        flush_soon(receiver);
}

static void no_acceptance(struct client *client, const Hutong__Bus__V1__Accepted *accepted) {
    (void)accepted;
    world_fail(client->world, "an acceptance or credit for a receiver that publishes nothing");
}

static void deliver(struct client *client, const Hutong__Bus__V1__Deliver *deliver, struct bytes body) {
    struct sim_receiver *receiver = of(client);
    if (receiver->got_messages >= receiver->granted_messages ||
        receiver->got_bytes >= receiver->granted_bytes)
        world_fail(client->world,
            "%s got %" PRIu64 " messages, %" PRIu64 " bytes and more; granted were %" PRIu64 " and %" PRIu64,
            client->system, receiver->got_messages, receiver->got_bytes, receiver->granted_messages,
            receiver->granted_bytes);
    receiver->got_bytes += body.size;
    for (size_t i = 0; i < deliver->n_runs; i++)
        for (uint32_t k = 0; k < deliver->runs[i]->count; k++) {
            struct bytes before = body;
            struct bytes raw;
            struct wire_envelope envelope;
            if (wire_body_next(&body, &raw, NULL) != 0 || wire_envelope_parse(raw, &envelope, NULL) != 0) {
                world_fail(client->world, "the body of a delivery can't be read");
                return;
            }
            receiver->got_messages++;
            begin(receiver, deliver->runs[i]->first_position + k, message_of(envelope.id),
                before.size - body.size);
        }
    if (body.size)
        world_fail(client->world, "the body of a delivery has more than its runs");
}

static void ended(struct client *client) {
    struct sim_receiver *receiver = of(client);
    struct world *world = client->world;
    receiver->failed_count = 0;
    struct list *next;
    for (struct list *node = receiver->handlings.next; node != &receiver->handlings; node = next) {
        next = node->next;
        struct handling *handling = LIST_ITEM(node, struct handling, link);
        // What its handler already works on can't be called back.
        if (!handling->kept && !world_chance(world, 200))
            forget(handling);
        else if (!handling->kept) {
            handling->kept = true;
            history_stale(receiver->history, receiver->queue, handling->position);
        }
    }
}

static const struct client_role role = {
    .greet = greet, .welcomed = welcomed, .accepted = no_acceptance, .deliver = deliver, .ended = ended};

static void forget_all(struct sim_receiver *receiver) {
    struct list *next;
    for (struct list *node = receiver->handlings.next; node != &receiver->handlings; node = next) {
        next = node->next;
        forget(LIST_ITEM(node, struct handling, link));
    }
    receiver->done_count = receiver->failed_count = 0;
    receiver->flushing = false;
}

void sim_receiver_crash(struct sim_receiver *receiver, uint64_t back_after) {
    client_crash(&receiver->client, back_after);
    forget_all(receiver);
}

void sim_receiver_init(struct sim_receiver *receiver, size_t queue, size_t instance, struct inbox *inbox,
    struct world *world, struct net *net, struct history *history) {
    *receiver = (struct sim_receiver){.client = {.world = world,
                                          .net = net,
                                          .role = &role,
                                          .system = destination_names[queue],
                                          .index = 100 + 10 * queue + instance},
        .history = history,
        .queue = queue,
        .inbox = inbox,
        .window_messages = world_skewed(world, 1, 300),
        .window_bytes = world_skewed(world, 1, 1 << 18),
        .slowness = world_skewed(world, MS_NS, 4 * S_NS)};
    list_init(&receiver->handlings);
    snprintf(receiver->client.instance, sizeof receiver->client.instance, "i%zu", instance);
}

void sim_receiver_destroy(struct sim_receiver *receiver) {
    forget_all(receiver);
    free(receiver->done);
    free(receiver->failed);
}
