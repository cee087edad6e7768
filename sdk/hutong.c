// Opening, closing, looking at a connection; and how its threads wake each other.
#include "sdk/hutong.h"
#include "core/base/clock.h"
#include "core/journal/journal.h"
#include "sdk/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_LIMIT (8ull << 20) // until the broker says otherwise

const char *hutong_version(void) {
    return HUTONG_VERSION;
}

// ---- Waking and waiting ----

static void signal_fd(int fd) {
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n; // full means that it is signalled already
}

void sdk_wake(struct hutong *hutong) {
    signal_fd(hutong->wake_fd);
}

void sdk_ready(struct hutong *hutong) {
    if (!hutong->ready)
        signal_fd(hutong->ready_fd);
    hutong->ready = true;
}

void sdk_changed(struct hutong *hutong) {
    if (hutong->waiting)
        pthread_cond_broadcast(&hutong->changed);
}

uint64_t sdk_deadline(uint32_t timeout_ms) {
    return clock_monotonic_ns() + timeout_ms * CLOCK_MILLISECOND_NS;
}

bool sdk_wait(struct hutong *hutong, uint64_t deadline) {
    struct timespec until = {
        .tv_sec = (time_t)(deadline / CLOCK_SECOND_NS), .tv_nsec = (long)(deadline % CLOCK_SECOND_NS)};
    hutong->waiting++;
    int rc = deadline == UINT64_MAX ? pthread_cond_wait(&hutong->changed, &hutong->lock)
                                    : pthread_cond_timedwait(&hutong->changed, &hutong->lock, &until);
    hutong->waiting--;
    return rc == 0;
}

// ---- Opening ----

static int init_locks(struct hutong *hutong) {
    pthread_condattr_t attributes;
    pthread_mutex_init(&hutong->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&hutong->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    block_pool_init(&hutong->pool);
    return 0;
}

// An empty connection that destroy() takes at any point.
static struct hutong *allocate(void) {
    struct hutong *hutong = calloc(1, sizeof *hutong);
    if (!hutong)
        return NULL;
    init_locks(hutong);
    hutong->wake_fd = hutong->ready_fd = -1;
    hutong->inward.tail = &hutong->inward.head;
    hutong->message_limit = MESSAGE_LIMIT;
    hutong->tidy_at = hutong->trim_at = UINT64_MAX;
    hutong->phase = PHASE_WAITING;
    return hutong;
}

static void free_handlers(struct map *handlers) {
    size_t cursor = 0;
    struct bytes key;
    void *handler;
    while (handlers && map_next(handlers, &cursor, &key, &handler))
        free(handler);
}

static void close_fd(int fd) {
    if (fd >= 0)
        close(fd);
}

static void destroy(struct hutong *hutong) {
    outgoing_release(hutong);
    incoming_destroy(hutong);
    if (hutong->zmq)
        zmq_ctx_term(hutong->zmq); // after this no I/O thread holds a block
    outcomes_destroy(&hutong->outcomes);
    spool_close(&hutong->spool);
    free_handlers(hutong->handlers);
    map_destroy(&hutong->handlers);
    round_destroy(&hutong->round);
    buffer_destroy(&hutong->frame);
    buffer_destroy(&hutong->position);
    block_pool_destroy(&hutong->pool);
    close_fd(hutong->wake_fd);
    close_fd(hutong->ready_fd);
    options_wipe(&hutong->options);
    pthread_cond_destroy(&hutong->changed);
    pthread_mutex_destroy(&hutong->lock);
    free(hutong);
}

static enum hutong_code no_memory(struct hutong_error *error) {
    return sdk_fail(error, HUTONG_NO_MEMORY, true, "out of memory");
}

static enum hutong_code open_spool(struct hutong *hutong, struct hutong_error *error) {
    struct error why = {0};
    int rc = spool_open(hutong->options.spool_folder, hutong->options.spool_limit, &hutong->spool, &why);
    if (rc == -ENOMEM)
        return no_memory(error);
    if (rc != 0)
        return sdk_fail(error, HUTONG_DISK, rc == JOURNAL_LOCKED || rc == JOURNAL_FULL,
            "spool %.100s: %.380s", hutong->options.spool_folder, why.text);
    if (buffer_reserve(&hutong->position, SPOOL_POSITION_LIMIT) != 0)
        return no_memory(error);
    buffer_append_bytes(&hutong->position, spool_position(hutong->spool));
    memcpy(hutong->stream, spool_stream(hutong->spool), sizeof hutong->stream);
    hutong->gather.next = spool_last(hutong->spool) + 1;
    hutong->decided = spool_settled(hutong->spool);
    return HUTONG_OK;
}

static enum hutong_code open_stream(struct hutong *hutong, struct hutong_error *error) {
    enum hutong_code code = HUTONG_OK;
    hutong->gather.next = 1;
    if (hutong->options.spool_folder[0])
        code = open_spool(hutong, error);
    else if (random_fill(&hutong->random, hutong->stream, sizeof hutong->stream) != 0)
        code = sdk_fail(error, HUTONG_NO_MEMORY, true, "no random numbers from the system");
    for (size_t i = 0; i < sizeof hutong->stream; i++)
        snprintf(hutong->id_prefix + 2 * i, 3, "%02x", hutong->stream[i]);
    hutong->id_prefix[2 * sizeof hutong->stream] = '-';
    hutong->first = hutong->gather.next;
    return code;
}

static enum hutong_code open_parts(struct hutong *hutong, struct hutong_error *error) {
    hutong->handlers = map_new();
    hutong->round = round_new(hutong);
    hutong->zmq = zmq_ctx_new();
    hutong->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hutong->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!hutong->handlers || !hutong->round || !hutong->zmq || hutong->wake_fd < 0 || hutong->ready_fd < 0)
        return no_memory(error);
    enum hutong_code code = open_stream(hutong, error);
    if (code != HUTONG_OK)
        return code;
    if (pthread_create(&hutong->thread, NULL, connection_run, hutong) != 0)
        return sdk_fail(error, HUTONG_NO_MEMORY, true, "a thread can't be started");
    return HUTONG_OK;
}

enum hutong_code hutong_open(
    const struct hutong_options *options, struct hutong **out, struct hutong_error *error) {
    struct hutong *hutong = allocate();
    if (!hutong)
        return no_memory(error);
    enum hutong_code code = options_read(options, &hutong->options, error);
    if (code == HUTONG_OK)
        code = open_parts(hutong, error);
    if (code != HUTONG_OK) {
        destroy(hutong);
        return code;
    }
    *out = hutong;
    return HUTONG_OK;
}

enum hutong_code hutong_new_stream(const char *spool_folder, uint64_t *left, struct hutong_error *error) {
    struct spool *spool = NULL;
    struct error why = {0};
    int rc = spool_open(spool_folder, 0, &spool, &why);
    if (rc == 0)
        rc = spool_rename(spool, &why);
    if (rc == 0 && left)
        *left = spool_last(spool) - spool_settled(spool);
    spool_close(&spool);
    if (rc == -ENOMEM)
        return no_memory(error);
    return rc == 0 ? HUTONG_OK : sdk_fail(error, HUTONG_DISK, rc == JOURNAL_LOCKED, "%.500s", why.text);
}

// ---- Closing ----

static bool left_behind(const struct hutong *hutong) {
    if (hutong->spool)
        return hutong->gather.durable_ticket < hutong->gather.ticket;
    return hutong->decided + 1 < hutong->gather.next;
}

// Waits until nothing is left, and for those who wait in here to be gone.
static bool drain(struct hutong *hutong, uint64_t deadline) {
    pthread_mutex_lock(&hutong->lock);
    while (left_behind(hutong) && !hutong->broken)
        if (!sdk_wait(hutong, deadline))
            break;
    bool left = left_behind(hutong);
    hutong->closing = true;
    hutong->ending = true;
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
    sdk_wake(hutong);
    return !left;
}

enum hutong_code hutong_close(struct hutong **self, uint32_t timeout_ms) {
    struct hutong *hutong = *self;
    if (!hutong)
        return HUTONG_OK;
    bool drained = drain(hutong, sdk_deadline(timeout_ms));
    pthread_join(hutong->thread, NULL);
    destroy(hutong);
    *self = NULL;
    return drained ? HUTONG_OK : HUTONG_TIMEOUT;
}

// ---- Looking ----

void hutong_status(struct hutong *hutong, struct hutong_status *out) {
    pthread_mutex_lock(&hutong->lock);
    *out = (struct hutong_status){
        .state = hutong->stuck || hutong->broken ? HUTONG_DISK_FULL : hutong->state,
        .published = hutong->gather.next - hutong->first,
        .accepted = hutong->accepted,
        .refused = hutong->refused,
        .spooled = hutong->gather.next - 1 - hutong->decided,
        .received = hutong->received,
        .settled = hutong->settled,
        .reconnects = hutong->reconnects,
    };
    memcpy(out->text, hutong->text, sizeof out->text);
    memcpy(out->notice, hutong->notice, sizeof out->notice);
    memcpy(out->hold, hutong->hold, sizeof out->hold);
    pthread_mutex_unlock(&hutong->lock);
}

enum hutong_code hutong_wait_connected(struct hutong *hutong, uint32_t timeout_ms) {
    uint64_t deadline = sdk_deadline(timeout_ms);
    pthread_mutex_lock(&hutong->lock);
    while (hutong->state == HUTONG_CONNECTING && sdk_wait(hutong, deadline))
        ;
    enum hutong_state state = hutong->state;
    pthread_mutex_unlock(&hutong->lock);
    if (state == HUTONG_CONNECTED)
        return HUTONG_OK;
    return state == HUTONG_DENIED ? HUTONG_REFUSED : HUTONG_UNREACHABLE;
}

int hutong_fd(struct hutong *hutong) {
    return hutong->ready_fd;
}

void hutong_run(struct hutong *hutong) {
    while (!atomic_load(&hutong->stop))
        hutong_dispatch(hutong, 60000);
}

// Also from a signal handler: an atomic and a write are all that is allowed there.
void hutong_stop(struct hutong *hutong) {
    atomic_store(&hutong->stop, true);
    signal_fd(hutong->ready_fd);
}
