// What the clients of all peers have in common: a producer and a consumer process with the bus's own
// discipline (bench/load.h), over non-blocking sockets. A peer's program has one `peer_driver`.
#pragma once

#include "bench/load.h"
#include "core/base/bytes.h"

struct peer_options {
    const char *folder; // of the server's socket, where it has one
    int port;
    const char *mode; // the peer's own word for what its server or queue does
    uint32_t size;    // of a message
    uint32_t queues;  // each message goes to all of them
    struct load_options load;
    double warm_s;
    double count_s;
};

struct peer {
    const char *name;
    void (*prepare)(const struct peer_options *options); // makes the queues
    void *(*open)(const struct peer_options *options, bool receive);
    // Producer: takes a copy; it goes out with the next pump.
    void (*send)(void *self, struct bytes message);
    // Writes what is to be written and reads what is there, waiting for at most `timeout_us`. Producer:
    // returns how many messages were acknowledged. Consumer: calls peer_received() and acknowledges; returns
    // how many came.
    uint64_t (*pump)(void *self, int64_t timeout_us);
    void (*close)(void *self); // takes
};

extern const struct peer peer_driver;

// A message came out of a queue.
void peer_received(size_t queue, struct bytes message);
// Says what is wrong and ends the process.
__attribute__((noreturn, format(printf, 1, 2))) void peer_fail(const char *format, ...);
void *peer_calloc(size_t size);
