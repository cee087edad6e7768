// An operator's act on many items, asked of a running broker part by part: each part is done whole or not at
// all, so a command that was cut can be given again.
#pragma once

#include "cli/admin.h"

#define ACT_ITEMS 512 // of one part
#define ACT_KINDS 64  // of refusals that are told apart
#define ACT_FILTER_LIMIT 4096

struct act {
    const char *command;
    const char *admin;
    const char *path; // "/dead/replay"
    const char *list; // what the items are called there: "positions", "sequences"
    const char *system;
    const char *why;
    const char *filter; // what is asked for, in the command's words
    bool dry;           // only counted
    // The part that is gathered:
    uint64_t items[ACT_ITEMS];
    size_t count;
    // What came of all parts:
    uint64_t asked, done, deliveries, refused, gone;
    bool unrecorded; // the journal was full: the last part waits for room
    bool partial;    // some could not be looked at
    uint64_t undone; // the first item that was asked for and is not known to be done; 0: nothing was asked
    struct act_refusal {
        char reason[32];
        char text[256];
        uint64_t count;
        uint64_t first; // item
    } refusals[ACT_KINDS];
    size_t refusal_count;
};

// Whether the broker would take the filter's words. EXIT_DONE, or what was told.
int act_check(const struct act *act);
// Adds an item, higher than the one before; a full part is asked for. EXIT_DONE, or what was told.
int act_add(struct act *act, uint64_t item);
int act_flush(struct act *act); // the same for what is gathered
// "replayed 3 of 4 dead letters", and why the rest was not; or JSON. Returns the exit status.
int act_tell(const struct act *act, const char *verb, const char *what, bool json);
