// Running the application's callbacks, in its own thread: outcomes, and rounds of deliveries with their
// settlements.
#include "core/base/clock.h"
#include "core/base/varint.h"
#include "sdk/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUTCOMES 256u // taken under one lock
// Values in inward.later: from LATER_OPEN on, the delivery's bytes.
#define LATER_SETTLED 1ull
#define LATER_OPEN 2ull
#define ROUND 1000u // deliveries after which a round ends

_Static_assert(HUTONG_LANE_SHIFT == WIRE_LANE_SHIFT, "the same lanes in hutong.h and on the wire");

// ---- Handlers ----

enum hutong_code hutong_handle(struct hutong *hutong, const char *type, hutong_handler *handler,
    void *context, struct hutong_error *error) {
    if (!handler)
        return sdk_fail(error, HUTONG_INVALID, false, "no handler");
    if (!type) {
        hutong->any = (struct handler){handler, context};
        return HUTONG_OK;
    }
    if (!*type || strlen(type) > WIRE_TYPE_LIMIT)
        return sdk_fail(error, HUTONG_INVALID, false,
            "a type must be a full protobuf name of at most %u bytes", WIRE_TYPE_LIMIT);
    struct handler *slot = map_get(hutong->handlers, bytes_of_string(type));
    if (!slot) {
        slot = calloc(1, sizeof *slot);
        if (!slot || map_put(hutong->handlers, bytes_of_string(type), slot) != 0) {
            free(slot);
            return sdk_fail(error, HUTONG_NO_MEMORY, true, "out of memory");
        }
    }
    *slot = (struct handler){handler, context};
    return HUTONG_OK;
}

void hutong_on_round_end(struct hutong *hutong, hutong_round_end *callback, void *context) {
    hutong->round_end = callback;
    hutong->round_context = context;
}

// ---- One delivery ----

#define TEXTS_SIZE ((size_t)8192 + (size_t)WIRE_ATTRIBUTE_LIMIT * (20 + 1024 + 2))

// What a handler is given that needs a NUL at its end.
struct texts {
    size_t used;
    const char *attributes[2 * WIRE_ATTRIBUTE_LIMIT + 1];
    char bytes[TEXTS_SIZE]; // more than the limits of an envelope add up to
};

static const char *text_of(struct texts *texts, struct bytes bytes) {
    char *at = texts->bytes + texts->used;
    if (bytes.size)
        memcpy(at, bytes.data, bytes.size);
    at[bytes.size] = '\0';
    texts->used += bytes.size + 1;
    return at;
}

static const char *const *attributes_of(struct texts *texts, struct bytes cursor) {
    size_t n = 0;
    struct bytes name;
    struct bytes value;
    while (n < (size_t)2 * WIRE_ATTRIBUTE_LIMIT && wire_attribute_next(&cursor, &name, &value)) {
        texts->attributes[n++] = text_of(texts, name);
        texts->attributes[n++] = text_of(texts, value);
    }
    texts->attributes[n] = NULL;
    return texts->attributes;
}

// ---- A round ----

struct verdict {
    uint64_t position;
    uint32_t size; // bytes in the body
    enum hutong_verdict verdict;
};

struct round {
    struct hutong *hutong;
    uint64_t session;
    uint8_t bus[WIRE_STREAM_SIZE];
    struct buffer verdicts; // struct verdict
    size_t count;
    struct settlements failed; // of the verdicts that are RETRY or REJECT
    size_t handled;
    bool broken;
    bool no_memory;
    struct texts texts;
};

struct round *round_new(struct hutong *hutong) {
    struct round *round = calloc(1, sizeof *round);
    if (round)
        round->hutong = hutong;
    return round;
}

void round_destroy(struct round **self) {
    struct round *round = *self;
    if (!round)
        return;
    settlements_destroy(&round->failed);
    buffer_destroy(&round->verdicts);
    free(round);
    *self = NULL;
}

static struct verdict *verdicts_of(const struct round *round) {
    return (struct verdict *)(uintptr_t)round->verdicts.data; // realloc's alignment
}

static void call(
    struct round *round, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct hutong *hutong = round->hutong;
    const struct handler *handler = map_get(hutong->handlers, bytes_of_string(delivery->type));
    handler = handler ? handler : &hutong->any;
    if (handler->call) {
        handler->call(handler->context, delivery, settlement);
        return;
    }
    settlement->verdict = HUTONG_REJECT;
    snprintf(settlement->text, sizeof settlement->text, "%s has no handler for %s", hutong->options.system,
        delivery->type);
}

static void handle(struct round *round, const Hutong__Bus__V1__DeliveryRun *run, uint64_t settled,
    uint64_t position, struct bytes raw) {
    struct hutong_settlement settlement; // field by field: its text is long
    struct wire_envelope envelope;
    struct error error;
    struct texts *texts = &round->texts;
    texts->used = 0;
    settlement.verdict = HUTONG_DONE;
    settlement.retry_after_ms = 0;
    settlement.text[0] = '\0';
    if (wire_envelope_parse(raw, &envelope, &error) != 0) {
        settlement.verdict = HUTONG_REJECT;
        snprintf(settlement.text, sizeof settlement.text, "%.500s", error.text);
    } else {
        struct hutong_delivery delivery = {
            .bus = round->bus,
            .position = position,
            .settled = settled,
            .attempt = run->attempt,
            .replay = run->replay != 0,
            .route = run->route,
            .id = text_of(texts, envelope.id),
            .source = text_of(texts, envelope.source),
            .type = text_of(texts, envelope.type),
            .subject = text_of(texts, envelope.subject),
            .time_us = envelope.time_us,
            .payload = envelope.payload.data,
            .payload_size = envelope.payload.size,
            .attributes = attributes_of(texts, envelope.attributes),
        };
        call(round, &delivery, &settlement);
    }
    if ((settlement.verdict == HUTONG_RETRY || settlement.verdict == HUTONG_REJECT) &&
        settlements_fail(&round->failed, position, &settlement) != 0)
        round->no_memory = true;
    struct verdict verdict = {.position = position,
        .size = (uint32_t)(raw.size + varint_size(raw.size)),
        .verdict = settlement.verdict};
    buffer_append(&round->verdicts, &verdict, sizeof verdict); // reserved by handle_run()
    round->count++;
    round->handled++;
}

static int handle_run(struct round *round, const Hutong__Bus__V1__Deliver *deliver,
    const Hutong__Bus__V1__DeliveryRun *run, struct bytes *rest) {
    // A count that the body can't hold asks for no memory: an envelope takes a byte at least.
    if (run->count > rest->size || buffer_reserve(&round->verdicts, run->count * sizeof(struct verdict)) != 0)
        return -1;
    uint64_t settled = wire_settled_in_lane(deliver, run->first_position);
    for (uint32_t i = 0; i < run->count; i++) {
        struct bytes raw;
        if (wire_body_next(rest, &raw, NULL) != 0)
            return -1;
        wire_body_expect(*rest);
        handle(round, run, settled, run->first_position + i, raw);
    }
    return 0;
}

static void handle_arrival(struct round *round, struct arrival *arrival) {
    const Hutong__Bus__V1__Deliver *deliver = arrival->frame->deliver;
    struct bytes rest = bytes_of(zmq_msg_data(&arrival->body), zmq_msg_size(&arrival->body));
    int rc = 0;
    for (size_t i = 0; i < deliver->n_runs && rc == 0; i++)
        rc = handle_run(round, deliver, deliver->runs[i], &rest);
    if (rc != 0 || rest.size)
        round->broken = true;
}

// ---- The end of a round ----

// The round's end failed: no verdict but this one counts, nor is anything left for later.
static void replace(struct round *round, const struct hutong_settlement *settlement) {
    struct verdict *verdicts = verdicts_of(round);
    settlements_clear(&round->failed);
    for (size_t i = 0; i < round->count; i++) {
        verdicts[i].verdict = settlement->verdict;
        if (settlements_fail(&round->failed, verdicts[i].position, settlement) != 0)
            round->no_memory = true;
    }
}

static void end_round(struct round *round) {
    struct hutong *hutong = round->hutong;
    struct hutong_settlement settlement = {.verdict = HUTONG_DONE};
    if (!hutong->round_end || round->handled == 0)
        return;
    settlement.text[0] = '\0';
    hutong->round_end(hutong->round_context, round->handled, &settlement);
    if (settlement.verdict == HUTONG_RETRY || settlement.verdict == HUTONG_REJECT)
        replace(round, &settlement);
}

// Under the lock.
static int add_failures(struct settlements *to, const struct settlements *from) {
    for (size_t i = 0; i < from->failure_count; i++) {
        const struct failure *failure = &from->failures[i];
        struct hutong_settlement one = {.verdict = failure->reject ? HUTONG_REJECT : HUTONG_RETRY,
            .retry_after_ms = failure->retry_after_ms};
        snprintf(one.text, sizeof one.text, "%s", settlements_text(from, failure));
        if (settlements_fail(to, failure->position, &one) != 0)
            return -ENOMEM;
    }
    return 0;
}

static void free_credit(struct inward *inward, uint64_t size) {
    inward->freed_messages++;
    inward->freed_bytes += size;
}

// Another thread may have settled it before the handler returned.
static int leave_for_later(struct inward *inward, const struct verdict *verdict) {
    if (!number_map_remove(&inward->later, verdict->position))
        return number_map_put(
            &inward->later, verdict->position, (void *)(uintptr_t)(verdict->size + LATER_OPEN));
    free_credit(inward, verdict->size);
    return 0;
}

// Under the lock. Without memory the session ends: what is not settled comes again.
static void publish_verdicts(struct round *round) {
    struct hutong *hutong = round->hutong;
    struct inward *inward = &hutong->inward;
    bool same = inward->session == round->session;
    // Positions count within a bus: those of another one mean other messages.
    if (memcmp(inward->bus, round->bus, sizeof round->bus) != 0) {
        hutong->received += round->count;
        return;
    }
    int rc = add_failures(&inward->settlements, &round->failed);
    for (size_t i = 0; i < round->count && rc == 0; i++) {
        const struct verdict *verdict = &verdicts_of(round)[i];
        if (verdict->verdict == HUTONG_LATER) {
            rc = same ? leave_for_later(inward, verdict) : 0;
            continue;
        }
        if (verdict->verdict == HUTONG_DONE)
            rc = settlements_done(&inward->settlements, verdict->position);
        hutong->settled++;
        if (same)
            free_credit(inward, verdict->size);
    }
    hutong->received += round->count;
    if (same && (rc != 0 || round->broken || round->no_memory))
        inward->broken = true;
    sdk_wake(hutong);
}

static void finish(struct round *round) {
    end_round(round);
    pthread_mutex_lock(&round->hutong->lock);
    publish_verdicts(round);
    pthread_mutex_unlock(&round->hutong->lock);
    settlements_clear(&round->failed);
    buffer_clear(&round->verdicts);
    round->count = 0;
    round->handled = 0;
}

// ---- Dispatching ----

static size_t run_outcomes(struct hutong *hutong) {
    struct outcome outcomes[OUTCOMES];
    pthread_mutex_lock(&hutong->lock);
    size_t count = outcomes_take(&hutong->outcomes, hutong->decided, outcomes, OUTCOMES);
    pthread_mutex_unlock(&hutong->lock);
    struct hutong_outcome outcome = {0}; // once: its text is long
    for (size_t i = 0; i < count; i++) {
        outcome.sequence = outcomes[i].sequence;
        outcome.accepted = !outcomes[i].refused;
        if (outcomes[i].refused)
            sdk_fail(&outcome.error, HUTONG_REFUSED, false, "%s",
                outcomes[i].refusal ? outcomes[i].refusal : "refused");
        outcomes[i].callback(outcomes[i].context, &outcome);
        if (!outcomes[i].refused)
            continue;
        free(outcomes[i].refusal);
        outcome.error = (struct hutong_error){0};
    }
    return count;
}

// The next arrival of the round's session; another session's begins a round of its own.
static struct arrival *next_arrival(struct hutong *hutong, struct round *round) {
    struct inward *inward = &hutong->inward;
    pthread_mutex_lock(&hutong->lock);
    struct arrival *arrival = inward->head;
    if (arrival && (round->count == 0 || round->session == inward->session)) {
        round->session = inward->session;
        memcpy(round->bus, inward->bus, sizeof round->bus);
        inward->head = arrival->next;
        if (!inward->head)
            inward->tail = &inward->head;
    } else {
        arrival = NULL;
    }
    pthread_mutex_unlock(&hutong->lock);
    return arrival;
}

static size_t run_round(struct hutong *hutong) {
    struct round *round = hutong->round;
    size_t handled = 0;
    struct arrival *arrival;
    while (handled < ROUND && (arrival = next_arrival(hutong, round)) != NULL) {
        size_t before = round->handled;
        handle_arrival(round, arrival);
        handled += round->handled - before;
        arrival_free(arrival);
        if (!hutong->round_end)
            finish(round); // nothing gathers: settle soon
    }
    if (round->count || round->broken)
        finish(round);
    round->broken = round->no_memory = false;
    return handled;
}

// Leaves hutong_fd() readable exactly while there is more to do.
static void rest(struct hutong *hutong) {
    uint64_t value;
    pthread_mutex_lock(&hutong->lock);
    bool more = hutong->inward.head || outcomes_ready(&hutong->outcomes, hutong->decided);
    if (!more) {
        hutong->ready = false;
        // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): this descriptor never blocks
        ssize_t n = read(hutong->ready_fd, &value, sizeof value);
        (void)n; // nothing to read is fine
    }
    pthread_mutex_unlock(&hutong->lock);
}

size_t hutong_dispatch(struct hutong *hutong, uint32_t timeout_ms) {
    struct pollfd fd = {.fd = hutong->ready_fd, .events = POLLIN};
    int timeout = timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    if (poll(&fd, 1, timeout) <= 0)
        return 0;
    size_t ran = run_outcomes(hutong);
    ran += run_round(hutong);
    rest(hutong);
    return ran;
}

// Under the lock. A position that waits for nothing is noted: its handler may not have returned yet.
static int settle_later(struct inward *inward, uint64_t position) {
    uintptr_t size = (uintptr_t)number_map_remove(&inward->later, position);
    if (size >= LATER_OPEN)
        free_credit(inward, size - LATER_OPEN);
    return size >= LATER_OPEN ? 0
                              : number_map_put(&inward->later, position, (void *)(uintptr_t)LATER_SETTLED);
}

// Under the lock.
static int settle(struct hutong *hutong, uint64_t position, const struct hutong_settlement *settlement) {
    struct inward *inward = &hutong->inward;
    bool first = inward->settlements.done_count + inward->settlements.failure_count == 0;
    int rc = settlement->verdict == HUTONG_DONE
                 ? settlements_done(&inward->settlements, position)
                 : settlements_fail(&inward->settlements, position, settlement);
    if (rc == 0)
        rc = settle_later(inward, position);
    if (rc == 0)
        hutong->settled++;
    if (first || rc) // those that wait have woken it
        sdk_wake(hutong);
    return rc;
}

enum hutong_code hutong_settle_on(struct hutong *hutong, const uint8_t *bus, uint64_t position,
    const struct hutong_settlement *settlement) {
    if (position == 0 || settlement->verdict == HUTONG_LATER)
        return HUTONG_INVALID;
    pthread_mutex_lock(&hutong->lock);
    bool same = !bus || memcmp(bus, hutong->inward.bus, sizeof hutong->inward.bus) == 0;
    int rc = same ? settle(hutong, position, settlement) : 0;
    pthread_mutex_unlock(&hutong->lock);
    return rc == 0 ? HUTONG_OK : HUTONG_NO_MEMORY;
}

enum hutong_code hutong_settle(
    struct hutong *hutong, uint64_t position, const struct hutong_settlement *settlement) {
    return hutong_settle_on(hutong, NULL, position, settlement);
}
