#include "test/sim/history.h"

#include <inttypes.h>
#include <stdlib.h>

void history_init(struct history *history, struct world *world) {
    *history = (struct history){.world = world};
}

void history_destroy(struct history *history) {
    free(history->messages);
    for (size_t i = 0; i < DESTINATIONS; i++)
        free(history->queues[i].positions);
    for (size_t i = 0; i < PUBLISHERS; i++)
        free(history->publishers[i].sequences);
    *history = (struct history){0};
}

static struct fact_position *position_of(struct history *history, size_t queue, uint64_t position) {
    struct fact_queue *facts = &history->queues[queue];
    facts->positions =
        world_grow(facts->positions, &facts->capacity, (size_t)position, sizeof *facts->positions);
    if (position >= facts->count)
        facts->count = (size_t)position + 1;
    return &facts->positions[position];
}

static unsigned subject_of(const struct history *history, size_t message) {
    const struct fact_message *facts = &history->messages[message];
    return (unsigned)(facts->publisher * SUBJECTS + facts->subject + 1);
}

// The delivery, after it was made sure that the position stands for this message and for no other.
static struct fact_position *named(
    struct history *history, size_t queue, uint64_t position, size_t message, const char *what) {
    if (message >= history->message_count || position == 0 || position > 1u << 24) {
        world_fail(history->world, "%s: queue %zu position %" PRIu64 " is no message that was published",
            what, queue, position);
        return NULL;
    }
    struct fact_position *facts = position_of(history, queue, position);
    if (facts->message && facts->message != message + 1) {
        world_fail(history->world, "%s: queue %zu position %" PRIu64 " is message %zu, and was message %zu",
            what, queue, position, message, facts->message - 1);
        return NULL;
    }
    facts->message = message + 1;
    facts->subject = subject_of(history, message);
    return facts;
}

size_t history_publish(struct history *history, const struct fact_message *message) {
    history->messages = world_grow(
        history->messages, &history->message_capacity, history->message_count, sizeof *history->messages);
    history->messages[history->message_count] = *message;
    world_count(history->world, COUNT_MESSAGES, 1);
    return history->message_count++;
}

void history_sent(struct history *history, size_t message, uint64_t sequence) {
    struct fact_message *facts = &history->messages[message];
    facts->sequence = sequence;
    if (sequence > history->publishers[facts->publisher].sent)
        history->publishers[facts->publisher].sent = sequence;
}

void history_may_go(struct history *history, size_t message, unsigned destinations) {
    struct fact_message *facts = &history->messages[message];
    facts->must_go = facts->may_go ? facts->must_go & destinations : destinations;
    facts->may_go |= destinations;
}

// ---- What leaves the broker ----

static void check_told(const struct history *history, size_t publisher, uint64_t sequence) {
    const struct fact_publisher *facts = &history->publishers[publisher];
    if (sequence > facts->durable)
        world_fail(history->world,
            "promise 1: publisher %zu is told that %" PRIu64 " is accepted, and the journal has only %" PRIu64
            " of it",
            publisher, sequence, facts->durable);
}

void history_accepted(struct history *history, size_t publisher, uint64_t sequence) {
    struct fact_publisher *facts = &history->publishers[publisher];
    if (sequence > facts->sent)
        world_fail(history->world,
            "publisher %zu: accepted up to %" PRIu64 ", of which it sent only %" PRIu64, publisher, sequence,
            facts->sent);
    check_told(history, publisher, sequence);
    if (sequence > facts->told)
        facts->told = sequence;
}

void history_welcomed(struct history *history, size_t publisher, uint64_t last_sequence) {
    struct fact_publisher *facts = &history->publishers[publisher];
    if (last_sequence < facts->told)
        world_fail(history->world,
            "promise 1: publisher %zu was told that %" PRIu64
            " is accepted, and now the broker has only %" PRIu64,
            publisher, facts->told, last_sequence);
    if (last_sequence > facts->sent)
        world_fail(history->world, "publisher %zu: the broker has %" PRIu64 ", and only %" PRIu64 " was sent",
            publisher, last_sequence, facts->sent);
    check_told(history, publisher, last_sequence);
    if (last_sequence > facts->told)
        facts->told = last_sequence; // its publisher may forget up to there
}

// Nothing of its subject may stand unsettled before it in the queue.
static void check_turn(struct history *history, size_t queue, uint64_t position, unsigned subject) {
    const struct fact_queue *facts = &history->queues[queue];
    for (uint64_t before = position; before-- > 1;) {
        const struct fact_position *other = &facts->positions[before];
        if (other->subject != subject)
            continue;
        if (!other->effects && !other->rejected && !other->dead && other->fails <= facts->retries)
            world_fail(history->world,
                "promise 4: queue %zu position %" PRIu64 " was sent while %" PRIu64
                " of its subject is unsettled",
                queue, position, before);
        return; // what stands before that one had to end before it
    }
}

void history_settled_told(struct history *history, size_t queue, uint64_t settled) {
    struct fact_queue *facts = &history->queues[queue];
    if (settled < facts->settled_told)
        return; // a restart may know less
    for (uint64_t position = facts->settled_told + 1; position <= settled; position++)
        if (!position_of(history, queue, position)->settled)
            world_fail(history->world,
                "queue %zu: told that all up to %" PRIu64 " is settled, and %" PRIu64 " is not", queue,
                settled, position);
    facts->settled_told = settled;
}

#define MILLISECONDS_OFF 2000 // us: the broker's clocks are cut to whole ones

// What is durable of its last failure binds also a broker that started since.
static void check_retry(struct history *history, size_t queue, uint64_t position, uint32_t attempt) {
    struct world *world = history->world;
    const struct fact_position *at = &history->queues[queue].positions[position];
    int64_t early_us = at->failure.due_us - world_wall_ns(world) / 1000;
    if (at->failure.failures == 0)
        return;
    if (at->failure.last)
        world_fail(world, "queue %zu: position %" PRIu64 " comes again, after it failed for the last time",
            queue, position);
    if (attempt <= at->failure.attempt)
        world_fail(world, "queue %zu: position %" PRIu64 " is called attempt %u, and attempt %u had failed",
            queue, position, attempt, at->failure.attempt);
    // By a clock that jumped it may be due at any time.
    if (early_us > MILLISECONDS_OFF && at->jumps == world->counts[COUNT_CLOCK_JUMPS])
        world_fail(world, "queue %zu: position %" PRIu64 " comes again %" PRId64 " us before it is due",
            queue, position, early_us);
}

void history_delivered(
    struct history *history, size_t queue, uint64_t position, size_t message, uint32_t attempt) {
    struct fact_queue *facts = &history->queues[queue];
    struct fact_position *at = named(history, queue, position, message, "delivered");
    if (!at)
        return;
    if (!history->messages[message].recorded)
        world_fail(history->world, "promise 1: message %zu was delivered before it was durable", message);
    if (position <= facts->settled_told)
        world_fail(history->world,
            "queue %zu: position %" PRIu64 " comes, after all up to %" PRIu64 " was settled", queue, position,
            facts->settled_told);
    if (attempt == 0 || (attempt == 1 && at->sent))
        world_fail(history->world,
            "queue %zu: position %" PRIu64 " came before, and this is called attempt %u", queue, position,
            attempt);
    check_turn(history, queue, position, at->subject);
    check_retry(history, queue, position, attempt);
    at->jumps = history->world->counts[COUNT_CLOCK_JUMPS];
    at->failure.due_us = 0; // it was due, by the clock as it was
    world_count(history->world, at->sent ? COUNT_REDELIVERIES : COUNT_DELIVERIES, 1);
    at->sent++;
}

void history_told(struct history *history, size_t message, bool refused) {
    struct fact_message *facts = &history->messages[message];
    if (refused && !facts->invalid)
        world_fail(history->world, "message %zu is right, and was refused", message);
    if (refused && facts->recorded)
        world_fail(history->world, "message %zu was refused, and is in the journal as accepted", message);
    if (!refused && !facts->invalid && !facts->recorded)
        world_fail(
            history->world, "promise 1: message %zu is called accepted, and the journal has it not", message);
    world_count(history->world, refused ? COUNT_REFUSED : COUNT_ACCEPTED, 1);
    facts->told = true;
    facts->refused = refused;
}

// ---- What receivers do ----

void history_effect(struct history *history, size_t queue, uint64_t position, size_t message) {
    struct fact_queue *facts = &history->queues[queue];
    struct fact_position *at = named(history, queue, position, message, "effect");
    if (!at)
        return;
    world_count(history->world, COUNT_EFFECTS, 1);
    if (++at->effects > 1)
        world_fail(
            history->world, "promise 3: queue %zu position %" PRIu64 ": a second effect", queue, position);
    uint64_t *last = &facts->last_effect[at->subject];
    if (position < *last && !at->dead)
        world_fail(history->world,
            "promise 4: queue %zu position %" PRIu64 " had its effect after %" PRIu64 " of the same subject",
            queue, position, *last);
    if (position > *last)
        *last = position;
}

void history_failed(struct history *history, size_t queue, uint64_t position, bool reject) {
    struct fact_position *at = position_of(history, queue, position);
    world_count(history->world, reject ? COUNT_REJECTS : COUNT_RETRIES, 1);
    at->rejected |= reject;
    at->fails += !reject;
}

void history_stale(struct history *history, size_t queue, uint64_t position) {
    position_of(history, queue, position)->stale = true;
}

// ---- What the journal has ----

static void decided(struct fact_publisher *publisher, uint64_t sequence) {
    if (sequence > publisher->durable)
        publisher->durable = sequence;
}

void history_refusal(struct history *history, size_t message) {
    const struct fact_message *facts = &history->messages[message];
    decided(&history->publishers[facts->publisher], facts->sequence);
    if (!facts->invalid)
        world_fail(history->world, "message %zu is right, and its refusal is recorded", message);
}

void history_recorded(struct history *history, size_t message) {
    struct fact_message *facts = &history->messages[message];
    struct fact_publisher *publisher = &history->publishers[facts->publisher];
    decided(publisher, facts->sequence);
    if (facts->recorded)
        world_fail(history->world, "promise 3: message %zu is in the journal twice", message);
    facts->recorded = true;
    if (facts->invalid)
        world_fail(history->world, "message %zu is wrong, and was accepted", message);
    if (facts->sequence == 0)
        return;
    if (publisher->count && publisher->sequences[publisher->count - 1] >= facts->sequence)
        world_fail(history->world, "publisher %zu: sequence %" PRIu64 " is recorded behind %" PRIu64,
            facts->publisher, facts->sequence, publisher->sequences[publisher->count - 1]);
    publisher->sequences = world_grow(
        publisher->sequences, &publisher->capacity, publisher->count, sizeof *publisher->sequences);
    publisher->sequences[publisher->count++] = facts->sequence;
}

void history_entered(struct history *history, size_t message, size_t queue, uint64_t position) {
    struct fact_message *facts = &history->messages[message];
    if (!named(history, queue, position, message, "recorded"))
        return;
    if (!(facts->may_go & 1u << queue))
        world_fail(
            history->world, "message %zu goes to destination %zu, which no route names", message, queue);
    if (facts->went & 1u << queue)
        world_fail(history->world, "promise 3: message %zu goes to destination %zu twice", message, queue);
    facts->went |= 1u << queue;
}

void history_settled(struct history *history, size_t queue, uint64_t position) {
    struct fact_position *at = position_of(history, queue, position);
    if (!at->message)
        world_fail(
            history->world, "queue %zu: position %" PRIu64 " is settled, and never was", queue, position);
    else if (at->settled)
        world_fail(history->world, "queue %zu: position %" PRIu64 " is settled twice", queue, position);
    else if (!at->effects && !at->dead)
        world_fail(history->world,
            "promise 2: queue %zu position %" PRIu64 " is settled, had no effect and is no dead letter",
            queue, position);
    at->settled = true;
}

void history_failure(
    struct history *history, size_t queue, uint64_t position, const struct fact_failure *failure) {
    struct fact_failure *known = &position_of(history, queue, position)->failure;
    if (failure->failures != known->failures + 1)
        world_fail(history->world,
            "queue %zu position %" PRIu64 ": a failure is recorded as number %u, and the one before was %u",
            queue, position, failure->failures, known->failures);
    if (failure->attempt <= known->attempt)
        world_fail(history->world, "queue %zu position %" PRIu64 ": attempt %u failed after attempt %u had",
            queue, position, failure->attempt, known->attempt);
    *known = *failure;
}

static void count_dead(struct world *world, uint32_t reason) {
    enum count counts[] = {
        COUNT_DEAD_REJECTED, COUNT_DEAD_RETRIES, COUNT_DEAD_UNMAPPED, COUNT_END, COUNT_DEAD_FULL};
    if (reason == HUTONG__BUS__V1__REASON__REASON_EXPIRED)
        world_count(world, COUNT_DEAD_EXPIRED, 1);
    else if (reason >= 40 && reason <= 44 && counts[reason - 40] != COUNT_END)
        world_count(world, counts[reason - 40], 1);
}

static const char *wrong_death(const struct history *history, const struct fact_queue *queue,
    const struct fact_position *at, uint32_t reason) {
    switch (reason) {
    case HUTONG__BUS__V1__REASON__REASON_REJECTED:
        return at->rejected ? NULL : "rejected, which no receiver did";
    case HUTONG__BUS__V1__REASON__REASON_RETRIES:
        return at->fails > queue->retries ? NULL
                                          : "out of retries, and failed less often than its route allows";
    case HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL:
        return history->may_overflow ? NULL : "over a limit that its queue is far from";
    case HUTONG__BUS__V1__REASON__REASON_EXPIRED:
        return queue->may_expire ? NULL : "expired long before its time";
    default:
        return "without a reason that can be";
    }
}

void history_dead(struct history *history, size_t message, size_t queue, uint64_t position, uint32_t reason) {
    struct fact_message *facts = &history->messages[message];
    count_dead(history->world, reason);
    if (position == 0) {
        if (reason != HUTONG__BUS__V1__REASON__REASON_UNMAPPED || !(facts->unmapped & 1u << queue))
            world_fail(history->world, "message %zu died on its way to destination %zu, reason %u", message,
                queue, reason);
        facts->dead_at_once |= 1u << queue;
        return;
    }
    struct fact_position *at = named(history, queue, position, message, "dead letter");
    if (!at)
        return;
    const char *wrong = wrong_death(history, &history->queues[queue], at, reason);
    if (wrong)
        world_fail(history->world, "queue %zu position %" PRIu64 " is dead: %s (reason %u)", queue, position,
            wrong, reason);
    if (at->dead)
        world_fail(history->world, "queue %zu position %" PRIu64 " died twice", queue, position);
    at->dead = true;
    at->dead_reason = reason;
}

// ---- The end ----

static void check_message(struct history *history, size_t index) {
    const struct fact_message *facts = &history->messages[index];
    const struct fact_publisher *publisher = &history->publishers[facts->publisher];
    bool accepted =
        (facts->told && !facts->refused) || (facts->sequence && facts->sequence <= publisher->told);
    if (facts->invalid)
        return;
    if (accepted && !facts->recorded)
        world_fail(history->world, "promise 2: message %zu was accepted, and is lost", index);
    if (!facts->recorded)
        return;
    unsigned reached = facts->went | facts->dead_at_once;
    if ((facts->must_go & ~reached) != 0 || (facts->went & facts->dead_at_once) != 0)
        world_fail(history->world,
            "promise 2: message %zu goes to destinations 0x%x, dies on the way to 0x%x, and should reach "
            "0x%x",
            index, facts->went, facts->dead_at_once, facts->must_go);
}

static void check_position(struct history *history, size_t queue, uint64_t position) {
    const struct fact_position *at = &history->queues[queue].positions[position];
    if (!at->message) {
        world_fail(history->world, "queue %zu: position %" PRIu64 " was given to nothing", queue, position);
        return;
    }
    if (!at->effects && !at->dead)
        world_fail(history->world,
            "promise 2: queue %zu position %" PRIu64 " (message %zu) had no effect and is no dead letter",
            queue, position, at->message - 1);
    bool told = at->dead_reason == HUTONG__BUS__V1__REASON__REASON_REJECTED ||
                at->dead_reason == HUTONG__BUS__V1__REASON__REASON_RETRIES;
    if (at->effects && at->dead && told && !at->stale)
        world_fail(history->world,
            "queue %zu position %" PRIu64 " had its effect, and is a dead letter of reason %u", queue,
            position, at->dead_reason);
}

void history_finish(struct history *history) {
    for (size_t i = 0; i < history->message_count; i++)
        check_message(history, i);
    for (size_t queue = 0; queue < DESTINATIONS; queue++)
        for (uint64_t position = 1; position < history->queues[queue].count; position++)
            check_position(history, queue, position);
}
