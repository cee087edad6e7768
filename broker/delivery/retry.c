// What fails: tried again later, or dead; and what is kept of it until it is settled.
#include "broker/delivery/queue_internal.h"
#include "core/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// What a failure in the queue's map owns, GCC's analyzer takes for lost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define SECOND_MS 1000
#define BACKOFF_MOST_MS (10u * 60 * 1000) // without a rule

// ---- What is kept ----

static void failure_free(struct failure *failure) {
    if (failure)
        free(failure->text);
    free(failure);
}

void failures_destroy(struct queue *queue) {
    size_t cursor = 0;
    void *failure;
    while (number_map_next(&queue->failures, &cursor, NULL, &failure))
        failure_free(failure);
    number_map_destroy(&queue->failures);
}

void failure_forget(struct queue *queue, uint64_t position) {
    failure_free(number_map_remove(&queue->failures, position));
}

void failure_forget_span(struct queue *queue, uint64_t first, uint64_t last) {
    if (last - first < queue->failures.size) {
        for (uint64_t position = first; position <= last; position++)
            failure_forget(queue, position);
        return;
    }
    size_t cursor = 0;
    uint64_t position;
    while (number_map_next(&queue->failures, &cursor, &position, NULL))
        if (position >= first && position <= last) {
            failure_forget(queue, position);
            cursor = 0; // what stood behind it may have moved before it
        }
}

// A copy of the words, cut to `limit` bytes. NULL without any, or without memory: it goes without words.
static char *copy_words(const char *text, size_t limit) {
    if (!text || !*text)
        return NULL;
    char words[WIRE_TEXT_LIMIT + 1];
    utf8_copy(words, limit < WIRE_TEXT_LIMIT ? limit + 1 : sizeof words, text);
    return strdup(words);
}

static void set_words(struct failure *failure, const char *text, size_t limit) {
    char *words = copy_words(text, limit);
    free(failure->text);
    failure->text = words;
}

// What is kept of this position, made when there is nothing yet. NULL without memory.
static struct failure *keep(struct queue *queue, uint64_t position) {
    struct failure *failure = number_map_get(&queue->failures, position);
    if (failure)
        return failure;
    failure = calloc(1, sizeof *failure);
    if (failure && number_map_put(&queue->failures, position, failure) != 0) {
        free(failure);
        return NULL;
    }
    if (failure)
        failure->position = position;
    return failure;
}

int queue_recover_failure(struct queue *queue, const struct failure *failure) {
    struct failure *kept = keep(queue, failure->position);
    if (!kept)
        return -ENOMEM;
    char *text = kept->text;
    *kept = *failure;
    kept->text = text;
    set_words(kept, failure->text, failure->reason ? WIRE_TEXT_LIMIT : QUEUE_WORDS_LIMIT);
    return 0;
}

// The clock may have jumped since: it waits at least until now, and at most as long as it had to from the
// start. When it was due, it may have been sent already.
void failure_resume(struct queue *queue, struct delivery *delivery, struct queue_time now, uint64_t *due_ms) {
    struct failure *failure = number_map_get(&queue->failures, delivery->position);
    if (!failure)
        return;
    delivery->failure = failure;
    int64_t left_us = failure->due_us - now.us;
    delivery->attempt = failure->attempt + (left_us <= 0 && !failure->reason);
    if (left_us <= 0)
        return;
    uint64_t left_ms = ((uint64_t)left_us + 999) / 1000;
    *due_ms = now.ms + (left_ms < failure->delay_ms ? left_ms : failure->delay_ms);
}

// ---- Failing ----

// min * 2^(failures-1) up to max, less up to a quarter, so that many failures at once don't come back at
// once.
static uint32_t backoff_ms(struct queue *queue, const struct delivery_rule *rule, uint32_t failures) {
    uint64_t delay = rule->backoff_min_ms ? rule->backoff_min_ms : SECOND_MS;
    uint64_t most = rule->backoff_max_ms ? rule->backoff_max_ms : BACKOFF_MOST_MS;
    for (uint32_t i = 1; i < failures && delay < most; i++)
        delay *= 2;
    if (delay > most)
        delay = most;
    queue->jitter = queue->jitter * 1664525u + 1013904223u;
    return (uint32_t)(delay - delay * (queue->jitter >> 16) / (4u << 16));
}

static uint32_t delay_of(
    struct queue *queue, const struct delivery *delivery, const struct queue_verdict *verdict) {
    uint32_t delay = verdict->retry_after_ms
                         ? verdict->retry_after_ms
                         : backoff_ms(queue, &delivery->rule, delivery->failure->failures);
    return delay < QUEUE_RETRY_LIMIT_MS ? delay : QUEUE_RETRY_LIMIT_MS;
}

static wire_reason reason_to_die(const struct delivery *delivery, bool reject) {
    if (reject)
        return HUTONG__BUS__V1__REASON__REASON_REJECTED;
    return delivery->failure->failures > delivery->rule.retries ? HUTONG__BUS__V1__REASON__REASON_RETRIES : 0;
}

int queue_fail(struct queue *queue, const struct receiver *receiver, const struct queue_verdict *verdict,
    struct queue_time now, const struct failure **out) {
    *out = NULL;
    struct delivery *delivery = delivery_at(queue, verdict->place);
    if (!delivery || delivery->state != DELIVERY_SENT || delivery->receiver != receiver)
        return 0;
    struct failure *failure = keep(queue, delivery->position);
    if (!failure)
        return -ENOMEM;
    delivery->failure = failure;
    failure->attempt = delivery->attempt;
    failure->failures++;
    failure->reason = reason_to_die(delivery, verdict->reject);
    set_words(failure, verdict->text, failure->reason ? WIRE_TEXT_LIMIT : QUEUE_WORDS_LIMIT);
    failure->delay_ms = failure->reason ? 0 : delay_of(queue, delivery, verdict);
    failure->due_us = now.us + (int64_t)failure->delay_ms * 1000;
    *out = failure;
    queue_wake(queue);
    if (failure->reason) {
        delivery_die(queue, delivery, failure->reason, NULL);
        return 0;
    }
    queue->counters.retried++;
    delivery->record = queue->settling; // not again before it is on the disk that it failed
    return delivery_wait(queue, delivery, now.ms + failure->delay_ms);
}

int failure_note(struct queue *queue, struct delivery *delivery, wire_reason reason, const char *text) {
    char words[WIRE_TEXT_LIMIT + 1];
    struct failure *failure = keep(queue, delivery->position);
    if (!failure)
        return -ENOMEM;
    const char *before = failure->text ? failure->text : "";
    snprintf(words, sizeof words, "%s%s%s", text, *before ? "; it had failed: " : "", before);
    delivery->failure = failure;
    failure->attempt = delivery->attempt;
    failure->reason = reason;
    set_words(failure, words, WIRE_TEXT_LIMIT);
    return 0;
}

void delivery_dead_text(const struct delivery *delivery, char *out, size_t size) {
    const char *why = delivery->why ? delivery->why : "";
    const char *words = delivery->failure && delivery->failure->text ? delivery->failure->text : "";
    char text[WIRE_TEXT_LIMIT + 256];
    snprintf(text, sizeof text, "%s%s%s", why, *why && *words ? "; it had failed: " : "", words);
    utf8_copy(out, size, text);
}
