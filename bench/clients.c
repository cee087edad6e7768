// Publisher and receiver over the SDK: as many unaccepted as the window allows, each message settled singly.
#include "bench/bench.h"

#include "core/base/clock.h"
#include "sdk/hutong.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct hutong *connected(const struct bench_options *options, bool receive) {
    struct hutong_options open = {.endpoint = options->endpoint,
        .system = options->system,
        .key_file = options->key_file,
        .broker_key_file = options->broker_key_file,
        .receive = receive,
        .receive_messages = options->window,
        .receive_bytes = 256u << 20,
        .window_messages = options->window,
        .window_bytes = 256u << 20,
        .software = "hutong-bench"};
    struct hutong *hutong = NULL;
    struct hutong_error error = {0};
    if (hutong_open(&open, &hutong, &error) != HUTONG_OK ||
        hutong_wait_connected(hutong, 10000) != HUTONG_OK) {
        struct hutong_status status = {0};
        if (hutong)
            hutong_status(hutong, &status);
        fprintf(stderr, "hutong-bench: %s%s\n", error.text, status.text);
        hutong_close(&hutong, 0);
    }
    return hutong;
}

static int64_t now_us(void) {
    return clock_realtime_ns() / 1000;
}

static uint64_t refused;

static void on_outcome(void *context, const struct hutong_outcome *outcome) {
    (void)context;
    if (!outcome->accepted)
        refused++;
}

// Waits for the time at which the n-th message is due; the latency counts from there, whether it could go
// then or not.
static int64_t due(const struct bench_options *options, int64_t started, uint64_t n) {
    if (options->rate <= 0)
        return now_us();
    int64_t at = started + (int64_t)((double)n * 1e6 / options->rate);
    int64_t wait = at - now_us();
    if (wait > 50)
        nanosleep(&(struct timespec){.tv_nsec = wait * 1000 % 1000000000, .tv_sec = wait / 1000000}, NULL);
    return at;
}

_Atomic uint64_t *progress_map(const char *path) {
    if (!path)
        return NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool sized = fd >= 0 && ftruncate(fd, sizeof(uint64_t)) == 0;
    void *at = sized ? mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (at != MAP_FAILED)
        return at;
    perror(path);
    exit(1);
}

struct publisher {
    const struct bench_options *options;
    struct hutong *hutong;
    struct buffer payload;
    _Atomic uint64_t *consumed;
    int64_t started;
    uint64_t sent;
};

// As many as may be under way to the receiver are: the closed loop is closed there too.
static bool has_room(const struct publisher *publisher) {
    return !publisher->consumed || !publisher->options->unconsumed ||
           publisher->sent - atomic_load_explicit(publisher->consumed, memory_order_relaxed) <
               publisher->options->unconsumed;
}

static enum hutong_code publish_one(struct publisher *publisher, struct hutong_error *error) {
    static const struct hutong_publish_options how = {.callback = on_outcome};
    char subject[32];
    snprintf(subject, sizeof subject, "3301061990%08" PRIu64,
        (publisher->sent * 7919) % publisher->options->subjects);
    struct hutong_message message = {.type = "gov.public_security.v1.ResidenceRegistered",
        .subject = subject,
        .time_us = due(publisher->options, publisher->started, publisher->sent),
        .payload = publisher->payload.data,
        .payload_size = publisher->payload.size};
    return hutong_publish(publisher->hutong, &message, &how, NULL, error);
}

static int publish_until(struct publisher *publisher, int64_t end) {
    while (now_us() < end) {
        if (!has_room(publisher)) {
            if (hutong_dispatch(publisher->hutong, 0) == 0)
                nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
            continue;
        }
        struct hutong_error error;
        enum hutong_code code = publish_one(publisher, &error);
        if (code == HUTONG_FULL) {
            hutong_dispatch(publisher->hutong, 10);
        } else if (code != HUTONG_OK) {
            fprintf(stderr, "hutong-bench: %s\n", error.text);
            return 1;
        } else if (++publisher->sent % 256 == 0 || publisher->options->rate > 0) {
            hutong_dispatch(publisher->hutong, 0);
        }
    }
    return 0;
}

static int print_published(struct publisher *publisher) {
    struct hutong_error error;
    bool whole = hutong_flush(publisher->hutong, 30000, &error) == HUTONG_OK;
    hutong_dispatch(publisher->hutong, 0);
    struct hutong_status status;
    hutong_status(publisher->hutong, &status);
    printf("{\"sent\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"refused\": %" PRIu64
           ", \"whole\": %s, \"seconds\": %.3f}\n",
        publisher->sent, status.accepted, refused, whole ? "true" : "false",
        (double)(now_us() - publisher->started) / 1e6);
    return whole && refused == 0 ? 0 : 1;
}

int bench_publish(const struct bench_options *options) {
    struct publisher publisher = {
        .options = options, .hutong = connected(options, false), .consumed = progress_map(options->progress)};
    if (!publisher.hutong ||
        payload_make(options->catalogue, options->division, options->size, &publisher.payload) != 0)
        return 1;
    publisher.started = now_us();
    int rc =
        publish_until(&publisher, publisher.started + (int64_t)((options->warm_s + options->count_s) * 1e6));
    rc = rc ? rc : print_published(&publisher);
    hutong_close(&publisher.hutong, 1000);
    buffer_destroy(&publisher.payload);
    return rc;
}

struct receiver {
    struct histogram histogram;
    int64_t first_us;
    int64_t count_from_us;
    int64_t count_until_us;
    uint64_t counted;
    uint64_t total;
    uint64_t last_position;
    uint64_t disordered;
    _Atomic uint64_t *progress;
    const struct bench_options *options;
};

static void on_delivery(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct receiver *receiver = context;
    (void)settlement;
    int64_t now = now_us();
    if (receiver->total++ == 0) {
        receiver->first_us = now;
        receiver->count_from_us = now + (int64_t)(receiver->options->warm_s * 1e6);
        receiver->count_until_us = receiver->count_from_us + (int64_t)(receiver->options->count_s * 1e6);
    }
    if (receiver->progress)
        atomic_store_explicit(receiver->progress, receiver->total, memory_order_relaxed);
    if (delivery->position <= receiver->last_position)
        receiver->disordered++;
    receiver->last_position = delivery->position;
    if (now < receiver->count_from_us || now >= receiver->count_until_us)
        return;
    receiver->counted++;
    histogram_add(&receiver->histogram, now > delivery->time_us ? (uint64_t)(now - delivery->time_us) : 0);
}

static atomic_bool stopped;

static void on_signal(int number) {
    (void)number;
    atomic_store(&stopped, true);
}

int bench_receive(const struct bench_options *options) {
    static struct receiver receiver;
    receiver.options = options;
    receiver.progress = progress_map(options->progress);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    struct hutong *hutong = connected(options, true);
    if (!hutong || hutong_handle(hutong, NULL, on_delivery, &receiver, NULL) != HUTONG_OK)
        return 1;
    fputs("ready\n", stderr);
    while (!atomic_load(&stopped))
        hutong_dispatch(hutong, 100);
    while (hutong_dispatch(hutong, 200) > 0) {
    }
    hutong_close(&hutong, 2000);
    printf("{\"received\": %" PRIu64 ", \"counted\": %" PRIu64 ", \"out_of_position\": %" PRIu64
           ", \"p50_us\": %" PRIu64 ", \"p99_us\": %" PRIu64 ", \"p999_us\": %" PRIu64 "}\n",
        receiver.total, receiver.counted, receiver.disordered, histogram_percentile(&receiver.histogram, 50),
        histogram_percentile(&receiver.histogram, 99), histogram_percentile(&receiver.histogram, 99.9));
    return 0;
}
