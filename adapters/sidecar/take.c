// Deliveries on their way into the system. They stay unsettled here while the system is away: the broker's
// credit bounds how many there are, and no attempt is used up. A delivery goes back to the broker (RETRY)
// only when the system takes others but not this one.
#include "adapters/sidecar/sidecar.h"
#include "core/base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES 3         // of one delivery while others succeed
#define GIVEN_BACK_MS 0 // as the route says

// ---- Putting down ----

static struct bytes put(struct held *held, size_t *used, const void *data, size_t size) {
    char *at = held->bytes + *used;
    if (size)
        memcpy(at, data, size);
    at[size] = '\0';
    *used += size + 1;
    return bytes_of(at, size);
}

static struct held *copy(const struct sidecar *sidecar, const struct hutong_delivery *from) {
    const char *subject = from->subject ? from->subject : "";
    const char *source = from->source ? from->source : "";
    size_t used = 0;
    size_t size = strlen(from->id) + strlen(source) + strlen(subject) + strlen(from->type) +
                  from->payload_size + INBOX_BUS_SIZE + 6;
    struct held *held = calloc(1, sizeof *held + size);
    if (!held)
        return NULL;
    held->delivery = (struct connector_delivery){.position = from->position,
        .settled = from->settled,
        .attempt = from->attempt,
        .time_us = from->time_us,
        .bus = put(held, &used, from->bus, INBOX_BUS_SIZE).data,
        .id = put(held, &used, from->id, strlen(from->id)),
        .source = put(held, &used, source, strlen(source)),
        .subject = put(held, &used, subject, strlen(subject)),
        .payload = put(held, &used, from->payload, from->payload_size)};
    held->type = (const char *)put(held, &used, from->type, strlen(from->type)).data;
    held->delivery.type = catalogue_message(sidecar->catalogue, bytes_of_string(held->type));
    return held;
}

// A session that was lost gives its unsettled deliveries again.
static struct held *find(const struct sidecar *sidecar, const struct hutong_delivery *delivery) {
    LIST_EACH(node, &sidecar->held) {
        struct held *held = LIST_ITEM(node, struct held, node);
        if (held->delivery.position == delivery->position &&
            memcmp(held->delivery.bus, delivery->bus, INBOX_BUS_SIZE) == 0)
            return held;
    }
    return NULL;
}

void take_hold(void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct sidecar *sidecar = context;
    struct held *again = delivery->attempt > 1 || sidecar->taking.delay_ns ? find(sidecar, delivery) : NULL;
    struct held *held = again ? again : copy(sidecar, delivery);
    if (!held) {
        *settlement = (struct hutong_settlement){.verdict = HUTONG_RETRY, .text = "out of memory"};
        return;
    }
    settlement->verdict = HUTONG_LATER;
    if (again) {
        held->delivery.attempt = delivery->attempt;
        return;
    }
    list_append(&sidecar->held, &held->node);
    sidecar->held_count++;
}

static void let_go(struct sidecar *sidecar, struct held *held) {
    list_remove(&held->node);
    sidecar->held_count--;
    free(held);
}

void take_forget(struct sidecar *sidecar) {
    while (!list_empty(&sidecar->held))
        let_go(sidecar, LIST_ITEM(sidecar->held.next, struct held, node));
}

// ---- Trying ----

static void settle(
    struct sidecar *sidecar, struct held *held, enum hutong_verdict verdict, const char *text) {
    struct hutong_settlement settlement = {.verdict = verdict, .retry_after_ms = GIVEN_BACK_MS};
    snprintf(settlement.text, sizeof settlement.text, "%s", text);
    hutong_settle(sidecar->hutong, held->delivery.position, &settlement);
    let_go(sidecar, held);
}

static void reject(struct sidecar *sidecar, struct held *held, const char *text) {
    char quoted[ERROR_TEXT_SIZE];
    sidecar->counts.rejected++;
    log_event(LOG_WARNING, "sink.reject", "position=%llu type=%s reason=%s",
        (unsigned long long)held->delivery.position, held->type, log_quote(text, quoted, sizeof quoted));
    settle(sidecar, held, HUTONG_REJECT, text);
}

// Tries one. Its verdict holds only once the round is committed; a rejection stands by itself.
static int try_one(struct sidecar *sidecar, struct held *held, struct error *error) {
    const struct connector_class *class = sidecar->config->class;
    struct connector_delivery delivery = held->delivery;
    if (!delivery.type)
        return error_set(error, CONNECTOR_REJECT, "the catalogue of this adapter has no type %s", held->type);
    delivery.attempt += held->tries;
    held->tries++;
    memcpy(sidecar->bus, delivery.bus, INBOX_BUS_SIZE);
    if (sidecar->inbox)
        inbox_prune(sidecar->inbox, delivery.bus, delivery.settled);
    return class->deliver(sidecar->connector, &delivery, error);
}

// Tries all that are held. Returns how many the connector took; those it rejected are settled.
static size_t try_all(struct sidecar *sidecar, struct error *trouble) {
    size_t taken = 0;
    for (struct list *node = sidecar->held.next, *next; node != &sidecar->held; node = next) {
        struct held *held = LIST_ITEM(node, struct held, node);
        struct error error = {0};
        next = node->next;
        held->verdict = try_one(sidecar, held, &error);
        if (held->verdict == CONNECTOR_REJECT)
            reject(sidecar, held, error.text);
        else if (held->verdict)
            *trouble = error;
        else
            taken++;
    }
    return taken;
}

static void settle_taken(struct sidecar *sidecar, bool committed, const struct error *trouble) {
    for (struct list *node = sidecar->held.next, *next; node != &sidecar->held; node = next) {
        struct held *held = LIST_ITEM(node, struct held, node);
        next = node->next;
        if (committed && held->verdict == 0) {
            sidecar->counts.done++;
            settle(sidecar, held, HUTONG_DONE, "");
        } else if (committed && held->tries >= TRIES) { // the system takes others, but not this one
            sidecar->counts.retried++;
            settle(sidecar, held, HUTONG_RETRY, trouble->text);
        }
    }
}

void take_round(struct sidecar *sidecar, uint64_t now_ns) {
    struct error trouble = {0};
    const struct connector_class *class = sidecar->config->class;
    if (list_empty(&sidecar->held) || sidecar->taking.due_ns > now_ns)
        return;
    size_t taken = try_all(sidecar, &trouble);
    struct error failed = {0};
    int rc = class->commit ? class->commit(sidecar->connector, &failed) : 0;
    if (rc)
        trouble = failed;
    settle_taken(sidecar, rc == 0 && taken > 0, &trouble);
    if (list_empty(&sidecar->held)) {
        back_off_reset(&sidecar->taking);
        return;
    }
    sidecar->counts.tries += sidecar->held_count;
    if (rc == 0 && taken > 0)
        back_off_reset(&sidecar->taking);
    back_off_grow(&sidecar->taking, clock_monotonic_ns());
    sidecar_trouble(sidecar, LOG_WARNING, "sink.retry", &trouble);
}
