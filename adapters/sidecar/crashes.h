// Messages on which this process ends: a legacy driver that crashes on one row must not stop the queue for
// ever. What came before the process ended is tried alone afterwards, and noted while it is; a message that
// is found noted at the next start counts one more. The note is a small file in the state folder, written in
// place; it needs no sync, for it outlives the process, and after a power cut nothing is held against anyone.
#pragma once

#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define CRASHES_BUS_SIZE 16u
#define CRASHES_LIMIT 16u // messages remembered at a time; the one seen longest ago gives way

struct crash {
    uint8_t bus[CRASHES_BUS_SIZE];
    uint64_t position; // 0: free
    uint32_t count;
    bool trying;
};

struct crashes {
    int fd;       // -1: closed
    bool careful; // the process before this one ended without an end
    struct crash items[CRASHES_LIMIT];
};

// Reads the file, or makes it; what was being tried counts one more. 0 or negative.
int crashes_open(const char *state_folder, struct crashes *out, struct error *error);
void crashes_close(struct crashes *crashes, bool well); // `well`: the process ends as it should
// How often the process ended while it tried this one.
uint32_t crashes_count(const struct crashes *crashes, const uint8_t *bus, uint64_t position);
// Around a try. A note that can't be written is not there: the crash then goes uncounted.
void crashes_begin(struct crashes *crashes, const uint8_t *bus, uint64_t position);
void crashes_end(struct crashes *crashes);
void crashes_forget(struct crashes *crashes, const uint8_t *bus, uint64_t position); // it is settled
