// What goes to the broker: gathered blocks are stored in the spool (or held in the window), sent within
// credit, and let go once the broker has decided. All in the connection's thread.
#include "core/base/clock.h"
#include "sdk/internal.h"

#include <errno.h>
#include <stdio.h>

#define SPOOL_WINDOW (4u << 20) // bytes of spooled messages in memory; the others wait on disk
#define STORE_RETRY_NS (250 * CLOCK_MILLISECOND_NS)
#define TIDY_NS CLOCK_SECOND_NS

// ---- The window ----

static void window_append(struct window *window, struct block *block) {
    block->next = NULL;
    if (window->tail)
        window->tail->next = block;
    else
        window->head = block;
    window->tail = block;
    if (!window->sending)
        window->sending = block;
    window->next = block->first + block->count;
    window->bytes += block->body.size;
}

static struct block *window_pop(struct window *window) {
    struct block *block = window->head;
    window->head = block->next;
    if (!window->head)
        window->tail = NULL;
    if (window->sending == block)
        window->sending = block->next;
    window->bytes -= block->body.size;
    return block;
}

static void window_drop(struct window *window) {
    while (window->head)
        block_unref(window_pop(window));
}

// All blocks are to be sent again, but for what is decided.
static void window_rewind(struct window *window, uint64_t decided) {
    for (struct block *block = window->head; block; block = block->next) {
        block->sent_count = decided >= block->first ? (uint32_t)(decided - block->first + 1) : 0;
        block->sent_offset = block_span(block, 0, block->sent_count);
    }
    window->sending = window->head;
}

// ---- A session begins and ends ----

// Going on would give new messages the numbers of old ones: the broker would drop them as repeats.
bool outgoing_refuses(const struct hutong *hutong, uint64_t last_sequence) {
    return hutong->spool && (last_sequence > UINT64_MAX - spool_base(hutong->spool) ||
                                last_sequence + spool_base(hutong->spool) > spool_sent(hutong->spool));
}

// What the operator should know about the broker's account of this spool. Under the lock.
static void compare_accounts(struct hutong *hutong, uint64_t last, const uint8_t *bus) {
    hutong->notice[0] = '\0';
    if (hutong->decided == spool_base(hutong->spool))
        return; // nothing was accepted yet
    if (spool_knows_other_bus(hutong->spool, bus))
        snprintf(hutong->notice, sizeof hutong->notice,
            "this is another bus than before (or its journal was replaced): the %llu messages that the old "
            "one accepted are not sent again",
            (unsigned long long)(hutong->decided - spool_base(hutong->spool)));
    else if (last < hutong->decided)
        snprintf(hutong->notice, sizeof hutong->notice,
            "the broker accepted this spool's messages up to %llu and now knows of %llu: its journal was put "
            "back to an older state, or the spool was away for too long",
            (unsigned long long)(hutong->decided - spool_base(hutong->spool)),
            (unsigned long long)(last - spool_base(hutong->spool)));
}

int outgoing_begin(struct hutong *hutong, uint64_t last_sequence, const uint8_t *bus, struct error *error) {
    struct window *window = &hutong->window;
    last_sequence += hutong->spool ? spool_base(hutong->spool) : 0; // checked by outgoing_refuses()
    pthread_mutex_lock(&hutong->lock);
    if (hutong->spool)
        compare_accounts(hutong, last_sequence, bus);
    if (hutong->spool && last_sequence > hutong->decided) {
        hutong->accepted += last_sequence - hutong->decided;
        hutong->decided = last_sequence;
        spool_settle(hutong->spool, last_sequence);
        if (outcomes_ready(&hutong->outcomes, hutong->decided))
            sdk_ready(hutong);
        sdk_changed(hutong);
    }
    uint64_t decided = hutong->decided;
    pthread_mutex_unlock(&hutong->lock);
    window->sent_messages = window->sent_bytes = 0;
    window->sent = decided;
    window->base = hutong->spool ? spool_base(hutong->spool) : decided;
    if (hutong->spool)
        window->next = decided + 1;
    else
        window_rewind(window, decided);
    return hutong->spool ? spool_begin(hutong->spool, bus, error) : 0;
}

// Why the broker takes nothing more in; NULL: it does.
static void set_hold(struct hutong *hutong, const Hutong__Bus__V1__Hold *hold) {
    if (!hold && !hutong->hold[0])
        return; // only this thread writes it
    pthread_mutex_lock(&hutong->lock);
    snprintf(hutong->hold, sizeof hutong->hold, "%.250s", !hold ? "" : *hold->text ? hold->text : "held up");
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
}

void outgoing_end(struct hutong *hutong) {
    set_hold(hutong, NULL);
    hutong->window.credit_messages = hutong->window.credit_bytes = 0;
    if (hutong->spool)
        window_drop(&hutong->window); // it is on disk
    hutong->window.next = 0;
}

void outgoing_release(struct hutong *hutong) {
    window_drop(&hutong->window);
    while (hutong->gather.head) {
        struct block *next = hutong->gather.head->next;
        block_unref(hutong->gather.head);
        hutong->gather.head = next;
    }
    hutong->gather.tail = NULL;
    buffer_destroy(&hutong->gather.scratch);
}

// ---- Taking what was gathered ----

static void note(struct hutong *hutong, bool full, const char *text) {
    snprintf(hutong->text, sizeof hutong->text, "%s%.200s", full ? "the spool is full: " : "", text);
}

// Puts blocks that could not be stored back in front; under the lock.
static void put_back(struct gather *gather, struct block *list) {
    struct block *last = list;
    while (last->next)
        last = last->next;
    last->next = gather->head;
    if (!gather->tail)
        gather->tail = last;
    gather->head = list;
}

static void store_failed(struct hutong *hutong, struct block *list, bool full, const char *text) {
    pthread_mutex_lock(&hutong->lock);
    put_back(&hutong->gather, list);
    note(hutong, full, text);
    hutong->want = WANT_NOTHING;
    if (full)
        hutong->full = hutong->stuck = true;
    else
        hutong->broken = true;
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
    hutong->retry_store_at = full ? clock_monotonic_ns() + STORE_RETRY_NS : UINT64_MAX;
}

// From the spool's write into the window, as long as that goes on without a gap; the rest is read back when
// it is its turn.
static void place_stored(struct hutong *hutong, struct block *block) {
    struct window *window = &hutong->window;
    if (hutong->phase == PHASE_SESSION && block->count && block->first == window->next &&
        window->bytes < SPOOL_WINDOW)
        window_append(window, block);
    else
        block_unref(block);
}

static struct block *stored(struct hutong *hutong, struct block *list, size_t count) {
    uint64_t ticket = 0;
    uint64_t bytes = 0;
    for (; count && list; count--) {
        struct block *next = list->next;
        ticket = list->ticket;
        bytes += list->body.size;
        place_stored(hutong, list);
        list = next;
    }
    struct bytes position = spool_position(hutong->spool);
    pthread_mutex_lock(&hutong->lock);
    hutong->window_bytes -= bytes;
    hutong->gather.durable_ticket = ticket;
    hutong->full = false;
    if (hutong->stuck)
        hutong->text[0] = '\0';
    hutong->stuck = false;
    buffer_clear(&hutong->position);
    buffer_append_bytes(&hutong->position, position); // reserved when it was opened
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
    return list;
}

static void store_in_spool(struct hutong *hutong, struct block *list) {
    struct error error;
    hutong->retry_store_at = 0;
    while (list) {
        size_t count;
        int rc = spool_store(hutong->spool, list, hutong->phase == PHASE_SESSION, &count, &error);
        if (rc != 0) {
            store_failed(hutong, list, rc == SPOOL_FULL, error.text);
            return;
        }
        list = stored(hutong, list, count);
    }
}

// All of it; or without the newest block, which goes on gathering while something is in flight.
static struct block *detach(struct gather *gather, bool all) {
    struct block *list = gather->head;
    if (!list || (!all && list == gather->tail))
        return NULL;
    struct block *last = list;
    while (last->next && (all || last->next != gather->tail))
        last = last->next;
    gather->head = last->next;
    if (!gather->head)
        gather->tail = NULL;
    last->next = NULL;
    return list;
}

static void take_for_window(struct hutong *hutong) {
    bool all = hutong->window.head == NULL;
    pthread_mutex_lock(&hutong->lock);
    struct block *list = hutong->phase == PHASE_SESSION ? detach(&hutong->gather, all) : NULL;
    if (hutong->phase != PHASE_SESSION)
        hutong->want = WANT_NOTHING;
    else
        hutong->want = all && !list ? WANT_ANY : WANT_FULL_BLOCK;
    pthread_mutex_unlock(&hutong->lock);
    while (list) {
        struct block *next = list->next;
        window_append(&hutong->window, list);
        list = next;
    }
}

void outgoing_store(struct hutong *hutong) {
    if (!hutong->spool) {
        take_for_window(hutong);
        return;
    }
    if (hutong->retry_store_at > clock_monotonic_ns())
        return;
    pthread_mutex_lock(&hutong->lock);
    struct block *list = detach(&hutong->gather, true);
    hutong->want = WANT_ANY;
    if (!list)
        hutong->full = false;
    pthread_mutex_unlock(&hutong->lock);
    if (list)
        store_in_spool(hutong, list);
}

// ---- Sending ----

static void release_slice(void *data, void *block) {
    (void)data;
    block_unref(block);
}

static bool send_slice(struct hutong *hutong, struct block *block, uint32_t count, size_t size) {
    struct window *window = &hutong->window;
    zmq_msg_t body;
    if (zmq_msg_init_data(
            &body, block->body.data + block->sent_offset, size, release_slice, block_ref(block)) != 0) {
        block_unref(block);
        connection_fail(hutong, "out of memory");
        return false;
    }
    Hutong__Bus__V1__Publish publish = HUTONG__BUS__V1__PUBLISH__INIT;
    publish.first_sequence = block->first + block->sent_count - window->base;
    publish.count = count;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_PUBLISH;
    frame.publish = &publish;
    if (!connection_send(hutong, &frame, &body))
        return false;
    block->sent_count += count;
    block->sent_offset += size;
    window->sent += count;
    window->sent_messages += count;
    window->sent_bytes += size;
    return true;
}

// How many of the block's unsent envelopes may go now.
static uint32_t fits(const struct hutong *hutong, const struct block *block, size_t *size) {
    const struct window *window = &hutong->window;
    if (window->sent_messages >= window->credit_messages || window->sent_bytes >= window->credit_bytes)
        return 0;
    uint32_t count = block->count - block->sent_count;
    uint64_t left = window->credit_messages - window->sent_messages;
    if (count > left)
        count = (uint32_t)left;
    if (count > hutong->batch_messages)
        count = hutong->batch_messages;
    *size = block->body.size - block->sent_offset;
    if (count == block->count - block->sent_count && *size <= hutong->batch_bytes)
        return count;
    return block_fit(block, block->sent_offset, count, hutong->batch_bytes, size);
}

// The next block from disk, when memory has room for it. NULL: none.
static struct block *read_back(struct hutong *hutong) {
    struct window *window = &hutong->window;
    if (!hutong->spool || window->bytes >= SPOOL_WINDOW || window->next > spool_last(hutong->spool))
        return NULL;
    struct error error = {0};
    struct block *block = block_new(&hutong->pool);
    if (!block)
        return connection_fail(hutong, "out of memory"), NULL;
    if (spool_read(hutong->spool, window->next, block, &error) != 0) {
        block_unref(block);
        return connection_fail(hutong, error.text), NULL;
    }
    window_append(window, block);
    return block;
}

bool outgoing_idle(struct hutong *hutong) {
    pthread_mutex_lock(&hutong->lock);
    bool idle = !hutong->gather.head && !hutong->window.head;
    pthread_mutex_unlock(&hutong->lock);
    return idle;
}

void outgoing_send(struct hutong *hutong) {
    struct window *window = &hutong->window;
    while (hutong->phase == PHASE_SESSION) {
        struct block *block = window->sending ? window->sending : read_back(hutong);
        size_t size;
        uint32_t count = block ? fits(hutong, block, &size) : 0;
        if (count == 0 || !send_slice(hutong, block, count, size))
            return;
        if (block->sent_count == block->count)
            window->sending = block->next;
    }
}

// ---- The broker has decided ----

// 1 when it is about a message that is decided now, otherwise 0.
static unsigned refuse(struct hutong *hutong, const Hutong__Bus__V1__Refusal *refusal, uint64_t last) {
    uint64_t sequence = refusal->sequence + hutong->window.base;
    if (sequence <= hutong->decided || sequence > last)
        return 0;
    char text[512];
    snprintf(text, sizeof text, "%s: %.400s", wire_reason_name(refusal->reason), refusal->text);
    outcomes_refuse(&hutong->outcomes, sequence, strdup(text));
    for (struct waiter *waiter = hutong->waiters; waiter; waiter = waiter->next)
        if (waiter->sequence == sequence) {
            waiter->refused = true;
            snprintf(waiter->text, sizeof waiter->text, "%.250s", text);
        }
    return 1;
}

static void decide(struct hutong *hutong, uint64_t sequence, const Hutong__Bus__V1__Accepted *accepted) {
    struct window *window = &hutong->window;
    uint64_t bytes = 0;
    while (window->head && window->head->first + window->head->count - 1 <= sequence) {
        struct block *block = window_pop(window);
        bytes += block->body.size;
        block_unref(block);
    }
    pthread_mutex_lock(&hutong->lock);
    if (!hutong->spool)
        hutong->window_bytes -= bytes;
    uint64_t refused = 0;
    for (size_t i = 0; i < accepted->n_refusals; i++)
        refused += refuse(hutong, accepted->refusals[i], sequence);
    hutong->refused += refused;
    hutong->accepted += sequence - hutong->decided - refused;
    hutong->decided = sequence;
    if (outcomes_ready(&hutong->outcomes, sequence))
        sdk_ready(hutong);
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
    if (hutong->spool) {
        spool_settle(hutong->spool, sequence);
        if (hutong->tidy_at == UINT64_MAX)
            hutong->tidy_at = clock_monotonic_ns() + TIDY_NS;
        if (hutong->retry_store_at)
            hutong->tidy_at = 0; // the spool is full: make room at once
    }
}

void outgoing_accepted(struct hutong *hutong, const Hutong__Bus__V1__Accepted *accepted) {
    struct window *window = &hutong->window;
    uint64_t sequence = accepted->sequence + window->base;
    if (sequence > window->sent || accepted->sequence > UINT64_MAX - window->base) {
        connection_fail(hutong, "the broker accepted what was not sent");
        return;
    }
    if (sequence > hutong->decided) // only this thread writes it
        decide(hutong, sequence, accepted);
    set_hold(hutong, accepted->hold);
    if (accepted->credit) {
        window->credit_messages = accepted->credit->messages;
        window->credit_bytes = accepted->credit->bytes;
    }
}
