// Publisher and receiver over the SDK: as many unaccepted as the window allows, each message settled singly.
#include "bench/bench.h"

#include "core/base/clock.h"
#include "sdk/hutong.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

int bench_publish(const struct bench_options *options) {
    struct buffer payload = {0};
    struct hutong *hutong = connected(options, false);
    if (!hutong || payload_make(options->catalogue, options->division, options->size, &payload) != 0)
        return 1;
    int64_t started = now_us();
    int64_t end = started + (int64_t)((options->warm_s + options->count_s) * 1e6);
    struct hutong_publish_options how = {.callback = on_outcome};
    uint64_t sent = 0;
    while (now_us() < end) {
        char subject[32];
        snprintf(subject, sizeof subject, "3301061990%08" PRIu64, (sent * 7919) % options->subjects);
        struct hutong_message message = {.type = "gov.public_security.v1.ResidenceRegistered",
            .subject = subject,
            .time_us = due(options, started, sent),
            .payload = payload.data,
            .payload_size = payload.size};
        struct hutong_error error;
        enum hutong_code code = hutong_publish(hutong, &message, &how, NULL, &error);
        if (code == HUTONG_FULL) {
            hutong_dispatch(hutong, 10);
            continue;
        }
        if (code != HUTONG_OK) {
            fprintf(stderr, "hutong-bench: %s\n", error.text);
            return 1;
        }
        if (++sent % 256 == 0 || options->rate > 0)
            hutong_dispatch(hutong, 0);
    }
    struct hutong_error error;
    bool whole = hutong_flush(hutong, 30000, &error) == HUTONG_OK;
    hutong_dispatch(hutong, 0);
    struct hutong_status status;
    hutong_status(hutong, &status);
    printf("{\"sent\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"refused\": %" PRIu64
           ", \"whole\": %s, \"seconds\": %.3f}\n",
        sent, status.accepted, refused, whole ? "true" : "false", (double)(now_us() - started) / 1e6);
    hutong_close(&hutong, 1000);
    buffer_destroy(&payload);
    return whole && refused == 0 ? 0 : 1;
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
