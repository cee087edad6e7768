// Deliveries on their way into the system. They stay unsettled here while the system is away: the broker's
// credit bounds how many there are, and no attempt is used up. A delivery goes back to the broker (RETRY)
// only when the system takes others but not this one.
#include "adapters/sidecar/sidecar.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 3 // of one delivery while others succeed

// ---- Putting down ----

static struct bytes put(struct held *held, size_t *used, const void *data, size_t size) {
    char *at = held->bytes + *used;
    if (size)
        memcpy(at, data, size);
    at[size] = '\0';
    *used += size + 1;
    return bytes_of(at, size);
}

static size_t attribute_texts(const struct hutong_delivery *from, size_t *bytes) {
    size_t count = 0;
    for (; from->attributes && from->attributes[count]; count++)
        *bytes += strlen(from->attributes[count]) + 1;
    *bytes += (count + 1) * sizeof(char *);
    return count;
}

// The list of pointers lies at the front, where it is aligned.
static void put_attributes(
    struct held *held, size_t count, const struct hutong_delivery *from, size_t *used) {
    const char **list = (const char **)(void *)held->bytes;
    *used = (count + 1) * sizeof *list;
    for (size_t i = 0; i < count; i++)
        list[i] = (const char *)put(held, used, from->attributes[i], strlen(from->attributes[i])).data;
    held->delivery.attributes = list;
}

static struct held *copy(const struct sidecar *sidecar, const struct hutong_delivery *from) {
    const char *subject = from->subject ? from->subject : "";
    const char *source = from->source ? from->source : "";
    size_t used = 0;
    size_t size = strlen(from->id) + strlen(source) + strlen(subject) + strlen(from->type) +
                  from->payload_size + INBOX_BUS_SIZE + 6;
    size_t attributes = attribute_texts(from, &size);
    struct held *held = calloc(1, sizeof *held + size);
    if (!held)
        return NULL;
    put_attributes(held, attributes, from, &used);
    held->delivery = (struct connector_delivery){.attributes = held->delivery.attributes,
        .position = from->position,
        .settled = from->settled,
        .attempt = from->attempt,
        .replay = from->replay,
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
    for (size_t i = 0; i < sidecar->held_count; i++) {
        struct held *held = sidecar->held[i];
        if (held->delivery.position == delivery->position &&
            memcmp(held->delivery.bus, delivery->bus, INBOX_BUS_SIZE) == 0)
            return held;
    }
    return NULL;
}

static int hold(struct sidecar *sidecar, const struct hutong_delivery *delivery) {
    if (sidecar->held_count == sidecar->held_capacity) {
        size_t capacity = sidecar->held_capacity ? sidecar->held_capacity * 2 : 16;
        struct held **larger = reallocarray(sidecar->held, capacity, sizeof *larger);
        if (!larger)
            return -ENOMEM;
        sidecar->held = larger;
        sidecar->held_capacity = capacity;
    }
    struct held *held = copy(sidecar, delivery);
    if (!held)
        return -ENOMEM;
    sidecar->held[sidecar->held_count++] = held;
    return 0;
}

static void renew(struct held *held, const struct hutong_delivery *again) {
    held->delivery.attempt = again->attempt;
    if (again->settled > held->delivery.settled) // of the same lane: the position is the same
        held->delivery.settled = again->settled;
}

void take_hold(void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct sidecar *sidecar = context;
    // What another bus delivered is not this one's to settle, though the positions may be the same.
    if (sidecar->held_count && memcmp(sidecar->held[0]->delivery.bus, delivery->bus, INBOX_BUS_SIZE) != 0)
        take_forget(sidecar);
    struct held *again = delivery->attempt > 1 || sidecar->taking.delay_ns ? find(sidecar, delivery) : NULL;
    settlement->verdict = HUTONG_LATER;
    if (again)
        renew(again, delivery);
    else if (hold(sidecar, delivery))
        *settlement = (struct hutong_settlement){.verdict = HUTONG_RETRY, .text = "out of memory"};
}

void take_forget(struct sidecar *sidecar) {
    for (size_t i = 0; i < sidecar->held_count; i++)
        free(sidecar->held[i]);
    free(sidecar->held);
    sidecar->held = NULL;
    sidecar->held_count = sidecar->held_capacity = 0;
}

// ---- Trying ----

static void settle(
    struct sidecar *sidecar, const struct held *held, enum hutong_verdict verdict, const char *text) {
    struct hutong_settlement settlement = {.verdict = verdict}; // RETRY: as the route says
    snprintf(settlement.text, sizeof settlement.text, "%s", text);
    hutong_settle_on(sidecar->hutong, held->delivery.bus, held->delivery.position, &settlement);
}

static void reject(struct sidecar *sidecar, const struct held *held, const char *text) {
    char quoted[ERROR_TEXT_SIZE];
    sidecar->counts.rejected++;
    log_event(LOG_WARNING, "sink.reject", "position=%llu type=%s reason=%s",
        (unsigned long long)held->delivery.position, held->type, log_quote(text, quoted, sizeof quoted));
    settle(sidecar, held, HUTONG_REJECT, text);
}

// Tries one. A rejection stands by itself; all else holds only once the round is committed.
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

// What the process before this one may have ended on is tried alone, noted while it is. That is among what it
// held, as many as it may receive, and comes first: a broker that was started anew says of all that waits
// that it may have been sent before.
static bool is_suspect(const struct sidecar *sidecar, const struct held *held) {
    return sidecar->crashes.careful && held->delivery.attempt > 1 && held->tries == 0;
}

static bool is_poison(const struct sidecar *sidecar, const struct held *held) {
    return crashes_count(&sidecar->crashes, held->delivery.bus, held->delivery.position) >=
           (uint64_t)sidecar->config->crash_attempts;
}

static int refuse_poison(const struct sidecar *sidecar, const struct held *held, struct error *error) {
    return error_set(error, CONNECTOR_REJECT,
        "the adapter ended %u times while it handled this message: it is given up (crash_attempts)",
        crashes_count(&sidecar->crashes, held->delivery.bus, held->delivery.position));
}

// Tries those that are due. Returns how many the connector took.
static size_t try_due(struct sidecar *sidecar, struct error *trouble) {
    size_t taken = 0;
    for (size_t i = 0; i < sidecar->held_count; i++) {
        struct held *held = sidecar->held[i];
        struct error error = {0};
        if (!held->due)
            continue;
        held->verdict =
            is_poison(sidecar, held) ? refuse_poison(sidecar, held, &error) : try_one(sidecar, held, &error);
        if (held->verdict == CONNECTOR_REJECT)
            reject(sidecar, held, error.text);
        else if (held->verdict)
            *trouble = error;
        else
            taken++;
    }
    return taken;
}

// Whether the delivery is settled now. `alive`: the round was committed, and the system took something.
static bool settle_one(
    struct sidecar *sidecar, const struct held *held, bool alive, const struct error *trouble) {
    if (held->verdict == CONNECTOR_REJECT)
        return true;
    if (alive && held->verdict == 0) {
        sidecar->counts.done++;
        settle(sidecar, held, HUTONG_DONE, "");
        return true;
    }
    if (!alive || held->tries < TRIES)
        return false;
    sidecar->counts.retried++; // the system takes others, but not this one
    settle(sidecar, held, HUTONG_RETRY, trouble->text);
    return true;
}

static void settle_due(struct sidecar *sidecar, bool alive, const struct error *trouble) {
    size_t kept = 0;
    for (size_t i = 0; i < sidecar->held_count; i++) {
        struct held *held = sidecar->held[i];
        if (held->due && settle_one(sidecar, held, alive, trouble)) {
            crashes_forget(&sidecar->crashes, held->delivery.bus, held->delivery.position);
            free(held);
        } else {
            held->due = false;
            sidecar->held[kept++] = held;
        }
    }
    sidecar->held_count = kept;
}

// Tries, commits and settles what is due. `alive`: the system took something just before; returns it anew.
static bool run_due(struct sidecar *sidecar, bool alive, struct error *trouble) {
    struct error failed = {0};
    const struct connector_class *class = sidecar->config->class;
    size_t taken = try_due(sidecar, trouble);
    int rc = class->commit ? class->commit(sidecar->connector, &failed) : 0;
    if (rc)
        *trouble = failed;
    alive = rc == 0 && (alive || taken > 0);
    settle_due(sidecar, alive, trouble);
    return alive;
}

// In a full inbox there is room only beside what it has; so the one behind which all is remembered can be
// done.
static bool has_room(const struct sidecar *sidecar, const struct held *held) {
    return !sidecar->inbox || inbox_has_room(sidecar->inbox, held->delivery.bus, held->delivery.position);
}

static struct held *next_suspect(const struct sidecar *sidecar) {
    for (size_t i = 0; i < sidecar->held_count; i++)
        if (is_suspect(sidecar, sidecar->held[i]) && has_room(sidecar, sidecar->held[i]))
            return sidecar->held[i];
    return NULL;
}

// One after the other, each with a commit of its own, until one is not taken. Returns whether any was.
static bool try_suspects(struct sidecar *sidecar, struct error *trouble) {
    bool alive = false;
    size_t before = SIZE_MAX;
    struct held *held;
    while (sidecar->held_count < before && (held = next_suspect(sidecar)) != NULL) {
        before = sidecar->held_count;
        if (++sidecar->suspects >= (uint64_t)sidecar->config->receive)
            sidecar->crashes.careful = false;
        held->due = true;
        crashes_begin(&sidecar->crashes, held->delivery.bus, held->delivery.position);
        alive = run_due(sidecar, false, trouble) || alive;
        crashes_end(&sidecar->crashes);
    }
    return alive;
}

// No room to remember more effects: most of what is held waits, unsettled, until the broker says that the
// oldest are settled.
static bool is_inbox_full(struct sidecar *sidecar, struct error *trouble) {
    if (!sidecar->inbox || inbox_ranges(sidecar->inbox) < INBOX_RANGES_LIMIT)
        return false;
    for (size_t i = 0; i < sidecar->held_count; i++) // what each knows is of its lane
        inbox_prune(sidecar->inbox, sidecar->held[i]->delivery.bus, sidecar->held[i]->delivery.settled);
    if (inbox_ranges(sidecar->inbox) < INBOX_RANGES_LIMIT)
        return false;
    error_set(trouble, CONNECTOR_RETRY,
        "the inbox is full: behind position %llu of the queue, up to which all is settled, are too many to "
        "remember",
        (unsigned long long)sidecar->held[sidecar->held_count - 1]->delivery.settled);
    return true;
}

void take_round(struct sidecar *sidecar, uint64_t now_ns) {
    struct error trouble = {0};
    struct error full_text = {0};
    if (sidecar->held_count == 0 || sidecar->taking.due_ns > now_ns)
        return;
    bool full = is_inbox_full(sidecar, &full_text);
    bool alive = sidecar->crashes.careful && try_suspects(sidecar, &trouble);
    for (size_t i = 0; i < sidecar->held_count; i++)
        sidecar->held[i]->due =
            !is_suspect(sidecar, sidecar->held[i]) && (!full || has_room(sidecar, sidecar->held[i]));
    alive = run_due(sidecar, alive, &trouble);
    if (alive || sidecar->held_count == 0)
        back_off_reset(&sidecar->taking);
    if (sidecar->held_count == 0) {
        sidecar->trouble[0] = '\0';
        return;
    }
    sidecar->counts.tries += sidecar->held_count;
    back_off_grow(&sidecar->taking, clock_monotonic_ns());
    sidecar_trouble(
        sidecar, LOG_WARNING, full ? "sink.inbox_full" : "sink.retry", full ? &full_text : &trouble);
}
