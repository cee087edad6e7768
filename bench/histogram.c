#include "bench/histogram.h"

static unsigned bucket_of(uint64_t us) {
    if (us < 64)
        return (unsigned)us;
    unsigned power = 63u - (unsigned)__builtin_clzll(us); // at least 6
    unsigned bucket = (power - 5) * 64 + (unsigned)((us >> (power - 6)) & 63);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t middle_of(unsigned bucket) {
    if (bucket < 64)
        return bucket;
    unsigned power = bucket / 64 + 5;
    return (64ull + bucket % 64) << (power - 6);
}

void histogram_add(struct histogram *histogram, uint64_t us) {
    histogram->counts[bucket_of(us)]++;
    histogram->total++;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent) {
    uint64_t wanted = (uint64_t)((double)histogram->total * percent / 100);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted)
            return middle_of(i);
    }
    return 0;
}
