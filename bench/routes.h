// What bench/run routes compares: filters in CEL, and the same ones written by hand in C.
#pragma once

#include "core/schema/view.h"

#define FILTERS 1000u // of ten sorts by turns
#define FILTER_SORTS 10u
#define MESSAGES 4u // the first is the one that is measured; the others make each sort of filter hold

// ---- routes_message.c ----

// A bench.v1.Registered, in JSON. `i` below MESSAGES.
const char *message_json(size_t i);
// Bytes of text that aren't ASCII, as characters.
size_t message_characters(const char *json);

// ---- routes_filters.c ----

// The i-th filter as CEL.
void filter_text(size_t i, struct buffer *out);

// What the filters read of a message.
struct by_hand {
    struct bytes registration_number;
    struct bytes division;
    struct bytes unit_code;
    struct bytes ethnicity;
    struct bytes former_name;
    struct bytes relation;
    int64_t kind;
    int64_t sex;
    int64_t version;
    int64_t seconds;
    int64_t nanos;
    double longitude;
};

// Reads the fields off the wire and passes over all others; false when the bytes are malformed. Texts are not
// checked.
bool by_hand_scan(struct bytes message, struct by_hand *out);
// Only what filter 0 reads.
bool by_hand_scan_first(struct bytes message, struct by_hand *out);
// How many of the first `count` filters (1, 10, 100 or 1,000) hold.
size_t by_hand_count(const struct by_hand *fields, size_t count);
bool by_hand_holds(const struct by_hand *fields, size_t i);
