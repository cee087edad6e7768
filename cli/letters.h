// Dead letters of a running broker, page by page, as its admin interface tells them (docs/operations.md).
#pragma once

#include "cli/admin.h"
#include "cli/filter.h"
#include "core/wire/wire.h"

struct letter {
    uint64_t position;
    uint64_t sequence; // of its record
    int64_t time_us;   // when it died
    uint64_t attempts;
    int64_t item; // of a message that is split, from 0; -1: the whole
    const char *route;
    const char *reason;
    const char *text;
    struct bytes source;
    struct wire_envelope envelope;
    bool readable; // the envelope
};

// Calls `take` for each letter of the system that waits, of those that were there when it began, until it
// returns other than EXIT_DONE; a letter is valid inside the call. Calls `page_end` (or NULL) behind each
// page of them. EXIT_DONE, or what was told.
struct letters {
    const char *command;
    const char *admin;
    const char *system;
    int (*take)(void *context, const struct letter *letter);
    int (*page_end)(void *context);
    void *context;
    bool *gaps; // or NULL; set where positions rise with gaps: the bus is on Kafka
};
int letters_each(const struct letters *letters, uint64_t from);

// The systems that have dead letters, or had. Owned array of strings, or NULL: it was told.
json_t *letters_systems(const char *command, const char *admin);

bool letter_taken(struct cli_filter *filter, const struct letter *letter);
