// Publishing, as application threads see it: a message is copied into the newest block under the lock; the
// connection's thread takes whole blocks.
#include "core/base/clock.h"
#include "core/base/varint.h"
#include "sdk/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SPOOL_GATHER_LIMIT (16u << 20) // bytes that wait for the disk
#define ENVELOPE_ROOM (32u << 10)      // for all of a message but its payload

static enum hutong_code check_position(struct hutong *hutong, size_t size, struct hutong_error *error) {
    if (size > SPOOL_POSITION_LIMIT)
        return sdk_fail(
            error, HUTONG_INVALID, false, "a position of %zu bytes; at most %u", size, SPOOL_POSITION_LIMIT);
    if (!hutong->spool)
        return sdk_fail(error, HUTONG_INVALID, false, "a position is stored in the spool, and there is none");
    return HUTONG_OK;
}

// ---- Gathering, under the lock ----

// Writes the id that a message without one gets: the stream in hex, "-", the sequence.
static struct bytes make_id(const struct hutong *hutong, uint64_t sequence, char *out) {
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + sequence % 10);
        sequence /= 10;
    } while (sequence);
    size_t size = sizeof hutong->id_prefix - 1;
    memcpy(out, hutong->id_prefix, size);
    while (n)
        out[size++] = digits[--n];
    return bytes_of(out, size);
}

static enum hutong_code check_open(const struct hutong *hutong, struct hutong_error *error) {
    if (hutong->closing)
        return sdk_fail(error, HUTONG_CLOSED, false, "the connection is being closed");
    if (hutong->broken)
        return sdk_fail(error, HUTONG_DISK, false, "%s", hutong->text);
    if (hutong->full)
        return sdk_fail(error, HUTONG_FULL, true, "%s", hutong->text);
    return HUTONG_OK;
}

static bool has_room(const struct hutong *hutong, size_t size) {
    uint64_t count = hutong->spool ? 0 : hutong->gather.next - 1 - hutong->decided;
    uint64_t bytes = hutong->window_bytes;
    uint64_t most = hutong->spool ? SPOOL_GATHER_LIMIT : hutong->options.window_bytes;
    return count < hutong->options.window_messages && (bytes == 0 || bytes + size <= most);
}

static bool may_get_room(const struct hutong *hutong) {
    return !hutong->closing && !hutong->broken && !hutong->full;
}

static void wait_for_room(struct hutong *hutong, size_t size, uint32_t timeout_ms) {
    if (timeout_ms == 0 || has_room(hutong, size))
        return;
    uint64_t deadline = sdk_deadline(timeout_ms);
    while (may_get_room(hutong) && !has_room(hutong, size) && sdk_wait(hutong, deadline))
        ;
}

static enum hutong_code check_room(const struct hutong *hutong, size_t size, struct hutong_error *error) {
    enum hutong_code code = check_open(hutong, error);
    if (code != HUTONG_OK)
        return code;
    if (size > hutong->message_limit)
        return sdk_fail(error, HUTONG_INVALID, false, "a message of %zu bytes; the broker takes at most %llu",
            size, (unsigned long long)hutong->message_limit);
    if (!has_room(hutong, size))
        return sdk_fail(error, HUTONG_FULL, true, "the window is full: %s",
            hutong->spool ? "the spool's disk is slower than the publisher"
                          : "the broker has yet to accept messages");
    return HUTONG_OK;
}

static bool block_full(const struct block *block, size_t more) {
    return block->count >= BLOCK_MESSAGES || (block->count > 0 && block->body.size + more > BLOCK_BYTES);
}

// The block that takes `more` bytes.
static struct block *gather_block(struct hutong *hutong, size_t more) {
    struct gather *gather = &hutong->gather;
    if (gather->tail && !block_full(gather->tail, more))
        return gather->tail;
    struct block *block = block_new(&hutong->pool);
    if (!block)
        return NULL;
    block->first = gather->next;
    block->ticket = ++gather->ticket;
    if (gather->tail)
        gather->tail->next = block;
    else
        gather->head = block;
    gather->tail = block;
    return block;
}

static int gather_attributes(struct buffer *scratch, const char *const *attributes) {
    int rc = 0;
    buffer_clear(scratch);
    for (const char *const *at = attributes; rc == 0 && at && at[0]; at += 2)
        rc = wire_attribute_append(scratch, bytes_of_string(at[0]), bytes_of_string(at[1]));
    return rc;
}

static void wake_for(struct hutong *hutong, const struct block *block) {
    bool wanted =
        hutong->want == WANT_ANY || (hutong->want == WANT_FULL_BLOCK && block != hutong->gather.head);
    if (!wanted)
        return;
    hutong->want = WANT_NOTHING;
    sdk_wake(hutong);
}

// Where a message lies in its block, so that it can be taken back.
struct place {
    struct block *block;
    size_t offset;
};

static int write_envelope(struct block *block, const struct wire_envelope *envelope, size_t size) {
    int rc = buffer_reserve(&block->body, VARINT_SIZE + size);
    if (rc != 0)
        return rc;
    block->body.size += varint_put(block->body.data + block->body.size, size);
    return wire_envelope_append(envelope, &block->body);
}

static int set_position(struct hutong *hutong, struct block *block, struct bytes position) {
    int rc = buffer_reserve(&block->position, SPOOL_POSITION_LIMIT);
    if (rc != 0)
        return rc;
    block->position_serial = ++hutong->gather.position_serial;
    buffer_clear(&block->position);
    block->has_position = true;
    return buffer_append_bytes(&block->position, position);
}

static int gather_add(struct hutong *hutong, const struct wire_envelope *envelope, size_t size,
    const struct hutong_publish_options *options, struct place *place) {
    struct block *block = gather_block(hutong, VARINT_SIZE + size);
    if (!block)
        return -1;
    *place = (struct place){.block = block, .offset = block->body.size};
    if (options->callback && outcomes_reserve(&hutong->outcomes) != 0)
        return -1;
    if (options->position && buffer_reserve(&block->position, SPOOL_POSITION_LIMIT) != 0)
        return -1;
    if (write_envelope(block, envelope, size) != 0)
        return -1;
    if (options->position)
        set_position(
            hutong, block, bytes_of(options->position, options->position_size)); // reserved: can't fail
    if (options->callback)
        outcomes_push(&hutong->outcomes,
            &(struct outcome){
                .sequence = hutong->gather.next, .callback = options->callback, .context = options->context});
    block->count++;
    hutong->window_bytes += block->body.size - place->offset;
    return 0;
}

static enum hutong_code take(struct hutong *hutong, const struct hutong_message *message,
    const struct hutong_publish_options *options, struct place *place, uint64_t *sequence,
    struct hutong_error *error) {
    char id[sizeof hutong->id_prefix + 20];
    if (gather_attributes(&hutong->gather.scratch, message->attributes) != 0)
        return sdk_fail(error, HUTONG_NO_MEMORY, true, "out of memory");
    struct wire_envelope envelope = {
        .id = message->id ? bytes_of_string(message->id) : make_id(hutong, hutong->gather.next, id),
        .source = bytes_of_string(hutong->options.system), // receivers get it as it is
        .type = bytes_of_string(message->type),
        .subject = bytes_of_string(message->subject),
        .time_us = message->time_us ? message->time_us : clock_realtime_ns() / 1000,
        .expires_us = message->expires_us,
        .attributes = buffer_bytes(&hutong->gather.scratch),
        .payload = bytes_of(message->payload, message->payload_size),
    };
    size_t size = wire_envelope_size(&envelope);
    enum hutong_code code = check_room(hutong, size, error);
    if (code != HUTONG_OK)
        return code;
    if (gather_add(hutong, &envelope, size, options, place) != 0)
        return sdk_fail(error, HUTONG_NO_MEMORY, true, "out of memory");
    *sequence = hutong->gather.next++;
    wake_for(hutong, place->block);
    return HUTONG_OK;
}

// ---- Waiting for the disk ----

// What was there before the message, for when it is taken back.
struct before {
    const struct block *block;
    bool has_position;
    size_t size;
    uint8_t position[SPOOL_POSITION_LIMIT];
};

static void remember(const struct hutong *hutong, struct before *before) {
    const struct block *tail = hutong->gather.tail;
    before->block = tail;
    before->has_position = tail && tail->has_position;
    before->size = before->has_position ? tail->position.size : 0;
    if (before->size)
        memcpy(before->position, tail->position.data, before->size);
}

// The newest block, when it has become empty.
static void drop_tail(struct gather *gather, struct block *tail) {
    struct block *previous = NULL;
    for (struct block *at = gather->head; at != tail; at = at->next)
        previous = at;
    if (previous)
        previous->next = NULL;
    else
        gather->head = NULL;
    gather->tail = previous;
    gather->ticket--;
    block_unref(tail);
}

// Only the newest message can be taken back; the others' threads do so in turn.
static bool take_back(
    struct hutong *hutong, const struct place *place, uint64_t sequence, const struct before *before) {
    struct gather *gather = &hutong->gather;
    if (sequence + 1 != gather->next || gather->tail != place->block)
        return false;
    size_t size = place->block->body.size - place->offset;
    place->block->body.size = place->offset;
    place->block->count--;
    place->block->has_position = before->has_position && before->block == place->block;
    if (place->block->has_position)
        set_position(hutong, place->block, bytes_of(before->position, before->size));
    else if (place->block->count == 0)
        drop_tail(gather, place->block);
    hutong->window_bytes -= size;
    gather->next--;
    outcomes_drop_last(&hutong->outcomes, sequence);
    sdk_changed(hutong);
    return true;
}

static enum hutong_code wait_for_disk(struct hutong *hutong, const struct place *place, uint64_t ticket,
    uint64_t sequence, const struct before *before, struct hutong_error *error) {
    while (hutong->gather.durable_ticket < ticket) {
        if (hutong->broken || hutong->closing)
            return check_open(hutong, error);
        if (hutong->full && take_back(hutong, place, sequence, before))
            return check_open(hutong, error);
        sdk_wait(hutong, UINT64_MAX);
    }
    return HUTONG_OK;
}

// ---- The interface ----

static const struct hutong_publish_options no_options = {0};

static enum hutong_code publish_locked(struct hutong *hutong, const struct hutong_message *message,
    const struct hutong_publish_options *options, uint64_t *sequence, struct hutong_error *error) {
    struct place place = {0};
    wait_for_room(hutong, message->payload_size + ENVELOPE_ROOM, options->room_ms);
    if (!options->wait || !hutong->spool)
        return take(hutong, message, options, &place, sequence, error);
    struct before before;
    remember(hutong, &before);
    enum hutong_code code = take(hutong, message, options, &place, sequence, error);
    if (code != HUTONG_OK || !place.block)
        return code;
    return wait_for_disk(hutong, &place, place.block->ticket, *sequence, &before, error);
}

enum hutong_code hutong_publish(struct hutong *hutong, const struct hutong_message *message,
    const struct hutong_publish_options *options, uint64_t *sequence, struct hutong_error *error) {
    options = options ? options : &no_options;
    enum hutong_code code = message_check(message, error);
    if (code == HUTONG_OK && options->position)
        code = check_position(hutong, options->position_size, error);
    if (code != HUTONG_OK)
        return code;
    uint64_t taken = 0;
    pthread_mutex_lock(&hutong->lock);
    code = publish_locked(hutong, message, options, &taken, error);
    pthread_mutex_unlock(&hutong->lock);
    if (code == HUTONG_OK && sequence)
        *sequence = taken;
    return code;
}

static enum hutong_code wait_for_broker(
    struct hutong *hutong, struct waiter *waiter, uint64_t deadline, struct hutong_error *error) {
    while (hutong->decided < waiter->sequence) {
        if (hutong->broken || hutong->closing)
            return check_open(hutong, error);
        if (!sdk_wait(hutong, deadline) && hutong->decided < waiter->sequence)
            return sdk_fail(error, HUTONG_TIMEOUT, true,
                "the broker has not decided in time (%s); the message stays %s",
                hutong->text[0] ? hutong->text : "it is slow",
                hutong->spool ? "in the spool" : "in the window");
    }
    return waiter->refused ? sdk_fail(error, HUTONG_REFUSED, false, "%s", waiter->text) : HUTONG_OK;
}

static void forget_waiter(struct hutong *hutong, const struct waiter *waiter) {
    struct waiter **at = &hutong->waiters;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

enum hutong_code hutong_publish_wait(struct hutong *hutong, const struct hutong_message *message,
    uint32_t timeout_ms, struct hutong_error *error) {
    enum hutong_code code = message_check(message, error);
    if (code != HUTONG_OK)
        return code;
    struct place place = {0};
    struct waiter waiter = {0};
    uint64_t deadline = sdk_deadline(timeout_ms);
    pthread_mutex_lock(&hutong->lock);
    code = take(hutong, message, &no_options, &place, &waiter.sequence, error);
    if (code == HUTONG_OK) {
        waiter.next = hutong->waiters;
        hutong->waiters = &waiter;
        code = wait_for_broker(hutong, &waiter, deadline, error);
        forget_waiter(hutong, &waiter);
    }
    pthread_mutex_unlock(&hutong->lock);
    return code;
}

static bool flushed(const struct hutong *hutong, uint64_t ticket, uint64_t sequence) {
    uint64_t newest = hutong->gather.ticket; // blocks may have been taken back
    return hutong->spool ? hutong->gather.durable_ticket >= (ticket < newest ? ticket : newest)
                         : hutong->decided >= sequence;
}

enum hutong_code hutong_flush(struct hutong *hutong, uint32_t timeout_ms, struct hutong_error *error) {
    uint64_t deadline = sdk_deadline(timeout_ms);
    enum hutong_code code = HUTONG_OK;
    pthread_mutex_lock(&hutong->lock);
    uint64_t ticket = hutong->gather.ticket;
    uint64_t sequence = hutong->gather.next - 1;
    while (!flushed(hutong, ticket, sequence) && code == HUTONG_OK) {
        if (hutong->broken)
            code = check_open(hutong, error);
        else if (!sdk_wait(hutong, deadline) && !flushed(hutong, ticket, sequence))
            code = hutong->full ? check_open(hutong, error)
                                : sdk_fail(error, HUTONG_TIMEOUT, true, "not %s in time",
                                      hutong->spool ? "on disk" : "decided by the broker");
    }
    pthread_mutex_unlock(&hutong->lock);
    return code;
}

size_t hutong_position(struct hutong *hutong, void *out, size_t size) {
    pthread_mutex_lock(&hutong->lock);
    size_t have = hutong->position.size;
    if (have && size)
        memcpy(out, hutong->position.data, have < size ? have : size);
    pthread_mutex_unlock(&hutong->lock);
    return have;
}

static bool is_gathered(const struct gather *gather, const struct block *block) {
    const struct block *at = gather->head;
    while (at && at != block)
        at = at->next;
    return at != NULL;
}

// What was reported as not stored must not be stored later. False: it is being written just now. A position
// that came behind it has taken its place already.
static bool take_position_back(
    struct hutong *hutong, struct block *block, uint64_t serial, const struct before *before) {
    struct gather *gather = &hutong->gather;
    if (!is_gathered(gather, block))
        return false;
    if (block->position_serial == serial) {
        block->has_position = before->has_position && before->block == block;
        buffer_clear(&block->position);
        if (block->has_position) // reserved
            buffer_append(&block->position, before->position, before->size);
    }
    if (block == gather->tail && block->count == 0 && !block->has_position)
        drop_tail(gather, block);
    return true;
}

// Under the lock.
static enum hutong_code store_position(
    struct hutong *hutong, struct bytes position, struct hutong_error *error) {
    struct before before;
    enum hutong_code code = check_open(hutong, error);
    if (code != HUTONG_OK)
        return code;
    remember(hutong, &before);
    struct block *block = gather_block(hutong, 0);
    if (!block || set_position(hutong, block, position) != 0) {
        if (block && block->count == 0 && !block->has_position)
            drop_tail(&hutong->gather, block);
        return sdk_fail(error, HUTONG_NO_MEMORY, true, "out of memory");
    }
    uint64_t ticket = block->ticket;
    uint64_t serial = block->position_serial;
    wake_for(hutong, block);
    while (hutong->gather.durable_ticket < ticket) {
        if (hutong->broken || hutong->closing)
            return check_open(hutong, error);
        if (hutong->full && take_position_back(hutong, block, serial, &before))
            return check_open(hutong, error);
        sdk_wait(hutong, UINT64_MAX);
    }
    return HUTONG_OK;
}

enum hutong_code hutong_store_position(
    struct hutong *hutong, const void *position, size_t size, struct hutong_error *error) {
    enum hutong_code code = check_position(hutong, size, error);
    if (code != HUTONG_OK)
        return code;
    pthread_mutex_lock(&hutong->lock);
    code = store_position(hutong, bytes_of(position, size), error);
    pthread_mutex_unlock(&hutong->lock);
    return code;
}
