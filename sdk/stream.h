// A small file beside the spool's segments: under which name (stream) the broker knows what is in the spool,
// and how far it may have been sent. It is written in place and never grows, so it can be written on a full
// disk. Used by spool.c.
#pragma once

#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define STREAM_SIZE 16u

struct stream {
    uint8_t id[STREAM_SIZE];
    uint64_t base; // sequence on the wire = sequence in the spool - base
    uint64_t sent; // nothing above was ever sent from this spool …
    bool bus_known;
    uint8_t bus[STREAM_SIZE]; // … and this is where it went last
};

enum {
    STREAM_NONE = 1, // there is no such file, or it can't be read: a spool of an older version
};

// 0, STREAM_NONE, negative.
int stream_load(const char *folder, struct stream *out, struct error *error);
// On disk when it returns. Makes the file when missing. 0 or negative.
int stream_store(const char *folder, const struct stream *stream, struct error *error);
