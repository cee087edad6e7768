// The benchmark's processes: publisher and receiver over the SDK, and the raw relay that is the ceiling.
#pragma once

#include "core/base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct bench_options {
    const char *endpoint;
    const char *system;
    const char *key_file;
    const char *broker_key_file;
    const char *catalogue;
    const char *division; // of the messages
    uint32_t size;        // bytes of a payload
    uint32_t window;      // unaccepted at most
    uint32_t subjects;    // distinct ones
    const char *progress; // a file of 8 bytes that both sides map: how many were received
    uint32_t unconsumed;  // not yet received at most; 0: no bound
    double rate;          // messages/s; 0: as many as go
    double warm_s;
    double count_s;
};

// Latencies in microseconds: 64 buckets for each power of two, so within 1.6 %.
#define HISTOGRAM_BUCKETS (64 * 40)
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
};
void histogram_add(struct histogram *histogram, uint64_t us);
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

// A ResidenceRegistered in `division` whose wire form has `size` bytes.
int payload_make(const char *catalogue, const char *division, uint32_t size, struct buffer *out);

// The shared count of received messages; NULL without a file.
_Atomic uint64_t *progress_map(const char *path);

// Each prints one JSON object on standard output and returns an exit status.
int bench_publish(const struct bench_options *options);
int bench_receive(const struct bench_options *options);
int relay_run(const struct bench_options *options);
int relay_publish(const struct bench_options *options);
int relay_receive(const struct bench_options *options);
