#include "bench/hotpath.h"
#include "core/wire/wire.h"

#include <stdio.h>
#include <stdlib.h>

#define SYSTEMS_MAX 16
#define SUBJECTS 100000

struct peer {
    const struct policy_system *system;
    bool receive;
    uint64_t settled;   // positions that were said to be settled
    uint64_t delivered; // positions that came
};

struct hotpath_peers {
    struct peer peers[SYSTEMS_MAX]; // connection: index + 1; the publisher is the first
    size_t count;
    const struct bytes *payloads;
    size_t payload_count;
    bool greeted;
    uint64_t sequence; // published so far
    uint64_t accepted;
    uint64_t delivered;
};

static void must(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "hutong-bench-hotpath: %s\n", what);
    exit(2);
}

struct hotpath_peers *hotpath_peers_new(const struct configuration *configuration, const char *publisher,
    const struct bytes *payloads, size_t payload_count) {
    struct hotpath_peers *peers = calloc(1, sizeof *peers);
    must(peers != NULL, "no memory");
    peers->payloads = payloads;
    peers->payload_count = payload_count;
    peers->count = 1;
    peers->peers[0].system = policy_system_named(configuration->policy, bytes_of_string(publisher));
    must(peers->peers[0].system != NULL, "the configuration has no such publisher");
    for (size_t i = 0; i < policy_system_count(configuration->policy); i++) {
        const struct policy_system *system = policy_system_at(configuration->policy, i);
        if (system == peers->peers[0].system)
            continue;
        must(peers->count < SYSTEMS_MAX, "too many systems");
        peers->peers[peers->count++] = (struct peer){.system = system, .receive = true};
    }
    return peers;
}

void hotpath_peers_destroy(struct hotpath_peers **self) {
    free(*self);
    *self = NULL;
}

static struct hotpath_frame *say(struct hotpath_peers *peers, size_t peer, const wire_frame *frame,
    struct chunk *body, struct hotpath_frame *out) {
    *out = (struct hotpath_frame){.connection = peer + 1, .proved = peers->peers[peer].system, .body = body};
    must(wire_frame_append(frame, &out->head) == 0, "no memory");
    return out;
}

static size_t greet(struct hotpath_peers *peers, struct hotpath_frame *frames) {
    static const uint8_t stream[WIRE_STREAM_SIZE] = "hotpath-bench-01";
    for (size_t i = 0; i < peers->count; i++) {
        Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
        credit.messages = 1u << 30;
        credit.bytes = 1ull << 50;
        Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
        hello.protocol = WIRE_PROTOCOL;
        hello.system = (char *)(uintptr_t)peers->peers[i].system->address;
        hello.instance = (char *)(uintptr_t)"default";
        hello.receive = peers->peers[i].receive;
        hello.credit = &credit;
        if (!hello.receive) {
            hello.stream.data = (uint8_t *)(uintptr_t)stream;
            hello.stream.len = sizeof stream;
        }
        wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
        frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
        frame.hello = &hello;
        say(peers, i, &frame, NULL, &frames[i]);
    }
    peers->greeted = true;
    return peers->count;
}

static void add_message(struct hotpath_peers *peers, uint64_t sequence, struct buffer *body) {
    char id[40];
    char subject[32];
    snprintf(id, sizeof id, "0123456789abcdef-%08llu", (unsigned long long)sequence);
    snprintf(subject, sizeof subject, "3301061990%08llu", (unsigned long long)(sequence * 7919 % SUBJECTS));
    struct wire_envelope envelope = {.id = bytes_of_string(id),
        .source = bytes_of_string(peers->peers[0].system->address), // as the SDK does: it goes out as it came
        .type = bytes_of_string("gov.public_security.v1.ResidenceRegistered"),
        .subject = bytes_of_string(subject),
        .time_us = 1764201600000000 + (int64_t)sequence,
        .payload = peers->payloads[sequence % peers->payload_count]};
    struct buffer raw = {0};
    must(wire_envelope_append(&envelope, &raw) == 0 && wire_body_append(body, buffer_bytes(&raw)) == 0,
        "no memory");
    buffer_destroy(&raw);
}

static void publish(struct hotpath_peers *peers, uint32_t messages, struct hotpath_frame *out) {
    struct buffer body = {0};
    for (uint32_t i = 0; i < messages; i++)
        add_message(peers, peers->sequence + 1 + i, &body);
    Hutong__Bus__V1__Publish publish = HUTONG__BUS__V1__PUBLISH__INIT;
    publish.first_sequence = peers->sequence + 1;
    publish.count = messages;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_PUBLISH;
    frame.publish = &publish;
    struct chunk *chunk = chunk_copy(buffer_bytes(&body));
    must(chunk != NULL, "no memory");
    say(peers, 0, &frame, chunk, out);
    peers->sequence += messages;
    buffer_destroy(&body);
}

static void settle(struct hotpath_peers *peers, size_t i, struct hotpath_frame *out) {
    struct peer *peer = &peers->peers[i];
    Hutong__Bus__V1__PositionRange range = HUTONG__BUS__V1__POSITION_RANGE__INIT;
    range.first = peer->settled + 1;
    range.last = peer->delivered;
    Hutong__Bus__V1__PositionRange *ranges = &range;
    Hutong__Bus__V1__Settle settle = HUTONG__BUS__V1__SETTLE__INIT;
    settle.n_done = 1;
    settle.done = &ranges;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_SETTLE;
    frame.settle = &settle;
    say(peers, i, &frame, NULL, out);
    peer->settled = peer->delivered;
}

size_t hotpath_peers_speak(struct hotpath_peers *peers, size_t publishes, uint32_t messages,
    struct hotpath_frame *frames, size_t capacity) {
    must(capacity >= publishes + SYSTEMS_MAX, "too many frames");
    if (!peers->greeted)
        return greet(peers, frames);
    size_t count = 0;
    for (size_t i = 0; i < publishes; i++)
        publish(peers, messages, &frames[count++]);
    for (size_t i = 1; i < peers->count; i++)
        if (peers->peers[i].delivered > peers->peers[i].settled)
            settle(peers, i, &frames[count++]);
    return count;
}

static void hear_deliveries(
    struct hotpath_peers *peers, struct peer *peer, const Hutong__Bus__V1__Deliver *deliver) {
    for (size_t i = 0; i < deliver->n_runs; i++) {
        must(deliver->runs[i]->first_position == peer->delivered + 1, "a delivery out of its turn");
        peer->delivered += deliver->runs[i]->count;
        peers->delivered += deliver->runs[i]->count;
    }
}

static void hear_frame(struct hotpath_peers *peers, struct outgoing *outgoing) {
    struct error error = {0};
    wire_frame *frame = NULL;
    must(
        wire_frame_parse(buffer_bytes(&outgoing->head), &frame, &error) == 0, "a frame that nobody can read");
    if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_DELIVER)
        hear_deliveries(peers, &peers->peers[outgoing->connection - 1], frame->deliver);
    if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_ACCEPTED) {
        must(frame->accepted->n_refusals == 0, "a message was refused");
        peers->accepted = frame->accepted->sequence;
    }
    must(frame->kind_case != HUTONG__BUS__V1__FRAME__KIND_ERROR, "the broker ended a session");
    wire_frame_free(&frame);
}

void hotpath_peers_hear(struct hotpath_peers *peers, struct update *update) {
    for (size_t i = 0; i < update->frame_count; i++)
        hear_frame(peers, &update->frames[i]);
    update_clear(update);
}

uint64_t hotpath_peers_published(const struct hotpath_peers *peers) {
    return peers->sequence;
}

uint64_t hotpath_peers_accepted(const struct hotpath_peers *peers) {
    return peers->accepted;
}

uint64_t hotpath_peers_delivered(const struct hotpath_peers *peers) {
    return peers->delivered;
}
