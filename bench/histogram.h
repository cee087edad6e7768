// Latencies in microseconds: 64 buckets for each power of two, so within 1.6 %.
#pragma once

#include <stdint.h>

#define HISTOGRAM_BUCKETS (64 * 40)
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
};
void histogram_add(struct histogram *histogram, uint64_t us);
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
