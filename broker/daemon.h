// The broker as a process: the loop between the socket, the core and the journal.
#pragma once

#include "broker/broker.h"
#include "broker/net/router.h"

struct daemon;

struct daemon_options {
    const struct configuration *configuration; // borrowed until another one took over
    // How the journal is opened; journal_file_open but in tests.
    int (*open_journal)(const struct journal_options *options, const struct journal_owner *owner,
        struct journal **out, struct error *error);
};

// Recovers and listens. 0 or a negative errno with the text. Returns owned.
int daemon_new(const struct daemon_options *options, struct daemon **out, struct error *error);
void daemon_destroy(struct daemon **self);
struct router *daemon_router(struct daemon *daemon);

// Runs until `stop_fd` is readable, then drains within the deadline. 0, or a negative errno with the text.
int daemon_run(struct daemon *daemon, int stop_fd, struct error *error);

// ---- What other threads may ask the core's mailbox: a word, and what belongs to it. ----
// "status": the status as JSON.
// "records FROM": records of activations from a position on, at most 64 or 4 MiB of them: the next position
//   that will be given (8 bytes), then of each record its position (8), size (4) and body. Little-endian.
// "activate" and the address of a struct takeover: a configuration takes over. The answer is empty; it comes
//   when the record is on disk.
#define DAEMON_RECORDS 64
struct takeover {
    struct activation activation;
    // The core's answer:
    bool taken;                      // it is in force
    bool recorded;                   // and its record is on disk; false: it waits for room
    const struct configuration *old; // nobody points to it any more
    uint64_t number;
    uint64_t swap_us;  // how long the core stood still for it
    char problem[128]; // why it was not taken
};
