// What comes from the broker to be handled: deliveries on their way to hutong_dispatch(), and settlements and
// credit back. All in the connection's thread.
#include "sdk/internal.h"

#include <stdlib.h>

// In one settle frame, so that it stays under WIRE_FRAME_LIMIT: 24 bytes a range, up to 560 a failure.
#define FRAME_RANGES 4000u
#define FRAME_FAILURES 200u

// ---- A session begins and ends ----

void arrival_free(struct arrival *arrival) {
    wire_frame_free(&arrival->frame);
    zmq_msg_close(&arrival->body);
    free(arrival);
}

static void drop_arrivals(struct arrival *arrival) {
    while (arrival) {
        struct arrival *next = arrival->next;
        arrival_free(arrival);
        arrival = next;
    }
}

void incoming_begin(struct hutong *hutong, const uint8_t *bus) {
    struct inward *inward = &hutong->inward;
    pthread_mutex_lock(&hutong->lock);
    // Positions count within a bus: another one's settlements say nothing here.
    if (inward->bus_known && memcmp(inward->bus, bus, sizeof inward->bus) != 0)
        settlements_clear(&inward->settlements);
    memcpy(inward->bus, bus, sizeof inward->bus);
    inward->bus_known = true;
    pthread_mutex_unlock(&hutong->lock);
    hutong->granted_messages = hutong->options.receive_messages;
    hutong->granted_bytes = hutong->options.receive_bytes;
}

// What was not handled yet comes again in the next session; what is being handled is settled there all the
// same.
void incoming_end(struct hutong *hutong) {
    struct inward *inward = &hutong->inward;
    pthread_mutex_lock(&hutong->lock);
    struct arrival *arrivals = inward->head;
    inward->head = NULL;
    inward->tail = &inward->head;
    inward->session++;
    inward->freed_messages = inward->freed_bytes = 0;
    inward->broken = false;
    number_map_destroy(&inward->later);
    pthread_mutex_unlock(&hutong->lock);
    drop_arrivals(arrivals);
}

void incoming_destroy(struct hutong *hutong) {
    drop_arrivals(hutong->inward.head);
    hutong->inward.head = NULL;
    number_map_destroy(&hutong->inward.later);
    settlements_destroy(&hutong->inward.settlements);
}

// ---- Deliveries ----

void incoming_deliver(struct hutong *hutong, wire_frame **frame, zmq_msg_t *body) {
    struct arrival *arrival = calloc(1, sizeof *arrival);
    if (!arrival) {
        zmq_msg_close(body);
        connection_fail(hutong, "out of memory");
        return;
    }
    arrival->frame = *frame;
    *frame = NULL;
    zmq_msg_init(&arrival->body);
    zmq_msg_move(&arrival->body, body);
    pthread_mutex_lock(&hutong->lock);
    *hutong->inward.tail = arrival;
    hutong->inward.tail = &arrival->next;
    sdk_ready(hutong);
    pthread_mutex_unlock(&hutong->lock);
}

// ---- Settlements ----

// The generated types want arrays of pointers: both in one allocation.
struct packing {
    Hutong__Bus__V1__PositionRange *done[FRAME_RANGES];
    Hutong__Bus__V1__Failure *failures[FRAME_FAILURES];
    Hutong__Bus__V1__PositionRange done_items[FRAME_RANGES];
    Hutong__Bus__V1__Failure failure_items[FRAME_FAILURES];
};

static void pack_done(struct packing *packing, const struct range *done, size_t count) {
    for (size_t i = 0; i < count; i++) {
        Hutong__Bus__V1__PositionRange *range = &packing->done_items[i];
        hutong__bus__v1__position_range__init(range);
        range->first = done[i].first;
        range->last = done[i].last;
        packing->done[i] = range;
    }
}

static void pack_failures(
    struct packing *packing, const struct settlements *settlements, size_t from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct failure *one = &settlements->failures[from + i];
        Hutong__Bus__V1__Failure *failure = &packing->failure_items[i];
        hutong__bus__v1__failure__init(failure);
        failure->position = one->position;
        failure->retry_after_ms = one->retry_after_ms;
        failure->reject = one->reject;
        failure->text = (char *)(uintptr_t)settlements_text(settlements, one); // only read
        packing->failures[i] = failure;
    }
}

static size_t at_most(size_t count, size_t limit) {
    return count < limit ? count : limit;
}

static void send_settlements(
    struct hutong *hutong, const struct settlements *settlements, struct packing *packing) {
    size_t done = 0;
    size_t failed = 0;
    while (done < settlements->done_count || failed < settlements->failure_count) {
        Hutong__Bus__V1__Settle settle = HUTONG__BUS__V1__SETTLE__INIT;
        settle.n_done = at_most(settlements->done_count - done, FRAME_RANGES);
        settle.n_failures = at_most(settlements->failure_count - failed, FRAME_FAILURES);
        settle.done = packing->done;
        settle.failures = packing->failures;
        pack_done(packing, settlements->done + done, settle.n_done);
        pack_failures(packing, settlements, failed, settle.n_failures);
        wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
        frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_SETTLE;
        frame.settle = &settle;
        if (!connection_send(hutong, &frame, NULL))
            return; // what is lost comes again
        done += settle.n_done;
        failed += settle.n_failures;
    }
}

// Grants more once a quarter of the window is free: fewer frames, and the broker never runs dry.
static void send_credit(struct hutong *hutong, uint64_t messages, uint64_t bytes) {
    const struct options *options = &hutong->options;
    messages += options->receive_messages;
    bytes += options->receive_bytes;
    if (messages - hutong->granted_messages <= options->receive_messages / 4 &&
        bytes - hutong->granted_bytes <= options->receive_bytes / 4)
        return;
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = messages;
    credit.bytes = bytes;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_CREDIT;
    frame.credit = &credit;
    if (!connection_send(hutong, &frame, NULL))
        return;
    hutong->granted_messages = messages;
    hutong->granted_bytes = bytes;
}

void incoming_settle(struct hutong *hutong) {
    struct inward *inward = &hutong->inward;
    pthread_mutex_lock(&hutong->lock);
    struct settlements settlements = inward->settlements;
    uint64_t messages = inward->freed_messages;
    uint64_t bytes = inward->freed_bytes;
    bool broken = inward->broken;
    inward->settlements = (struct settlements){0};
    pthread_mutex_unlock(&hutong->lock);
    if (settlements.done_count || settlements.failure_count) {
        struct packing *packing = malloc(sizeof *packing);
        if (packing)
            send_settlements(hutong, &settlements, packing);
        else
            connection_fail(hutong, "out of memory");
        free(packing);
    }
    settlements_destroy(&settlements);
    if (hutong->phase == PHASE_SESSION)
        send_credit(hutong, messages, bytes);
    if (hutong->phase == PHASE_SESSION && broken)
        connection_fail(hutong, "a delivery's body can't be read");
}
