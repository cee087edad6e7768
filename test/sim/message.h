// The messages that simulated publishers make, and what becomes of them by the routes of test/sim/conf.
#pragma once

#include "test/sim/history.h"

enum { ROUTE_SETS = 2 };

struct making {
    unsigned kind;   // ResidenceRegistered.Kind
    bool unmappable; // its relation is in no code map
    bool invalid;    // a type that nobody knows
};

// By the routes of a set, in words of history.h: where it goes, and where its mapping fails.
unsigned message_destinations(size_t set, const struct making *making);
unsigned message_unmapped(size_t set, const struct making *making);
// What its handling at a destination comes to, for ever the same; `times`: how often it fails or crashes
// first.
enum nature message_nature(uint64_t seed, size_t message, size_t queue, unsigned *times);

// Appends the envelope. Aborts without memory.
void message_pack(size_t message, const char *subject, const struct making *making, struct buffer *out);
// The message that an envelope's id names, or SIZE_MAX; `element` gets the place that a split gave it.
size_t message_of(struct bytes id);

extern const char *const destination_names[DESTINATIONS];
size_t destination_named(const char *system); // or SIZE_MAX
