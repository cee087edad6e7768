// The benchmark's processes: publishers and receivers over the SDK, and the raw relay that is the ceiling.
#pragma once

#include "bench/load.h"
#include "core/base/buffer.h"

struct bench_options {
    const char *endpoint;
    const char *systems; // "a/b,c/d": a connection each
    const char *keys;    // a folder with the systems' keys and the broker's; NULL: no CURVE
    const char *catalogue;
    const char *divisions; // of the messages, by turns: "330106,330108"
    uint32_t size;         // bytes of a payload
    uint32_t subjects;     // distinct ones
    uint32_t first;        // of them: two publishers send none of the same at a time
    struct load_options load;
    double warm_s;
    double count_s;
    bool lanes; // the journal is on Kafka: positions are of a partition, and have holes
};

// A ResidenceRegistered in `division` whose wire form has `size` bytes.
int payload_make(const char *catalogue, const char *division, uint32_t size, struct buffer *out);

// The path of a key: of a system (its secret) or of the broker. Borrows; valid until the next call.
const char *bench_key(const struct bench_options *options, const char *system, bool secret);

// Each prints one JSON object on standard output and returns an exit status.
int bench_publish(const struct bench_options *options);
int bench_receive(const struct bench_options *options);
int relay_run(const struct bench_options *options);
int relay_publish(const struct bench_options *options);
int relay_receive(const struct bench_options *options);
