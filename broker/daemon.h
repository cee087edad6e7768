// The broker as a process: the loop between the socket, the core and the journal.
#pragma once

#include "broker/broker.h"
#include "broker/net/router.h"
#include "broker/operation.h"

struct daemon;

// How the journal is opened, by where broker.yaml has it.
struct broker_journals {
    // journal_file_open but in tests.
    int (*open_file)(const struct journal_options *options, const struct journal_owner *owner,
        struct journal **out, struct error *error);
    // On a cluster; NULL: this program can't.
    int (*open_shared)(const struct policy_settings *settings, const struct journal_owner *owner,
        struct journal **out, struct error *error);
};

struct daemon_options {
    const struct configuration *configuration; // borrowed until another one took over
    const struct broker_journals *journals;
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
// "letters FROM SYSTEM": dead letters of a system that wait, from a position on, at most DAEMON_LETTERS or
//   1 MiB of them: the position from which to go on (8 bytes; 0: that was all), the number of all that wait
//   (8), the position that will be given next (8) and the size of the last part (4); then of each its
//   position (8), time in nanoseconds (8), sequence (8), size (4) and body; at last why those behind can't be
//   read, if that is so. Empty: there is no such system. One byte: they are being read from the cluster, and
//   it is to be asked again. Positions are places where the journal is shared.
// "operate" and the address of a struct part: it is done as far as there is room. The answer is empty; it
//   comes when the record of it is on disk.
// "erase" and the address of a struct erasing: a record's body goes. The answer is empty; it comes when it is
//   done, behind the record of it.
#define DAEMON_RECORDS 64
#define DAEMON_LETTERS 256
#define DAEMON_LETTERS_HEAD 28 // bytes before the first letter

struct part {
    struct operation operation;
    // What is asked for, rising; at most OPERATION_ITEMS in all:
    const struct span *positions; // OPERATION_DEAD_…
    size_t position_count;
    const struct journal_record *records; // OPERATION_REPLAY
    size_t record_count;
    // The core's answer:
    bool taken;    // false: nothing was done, and `problem` says why
    bool later;    // nothing was done: it is to be asked again in a moment
    uint64_t lost; // journal_status.letters_lost when it began
    bool recorded; // what was done is on disk; false: it waits for room
    uint64_t next; // the item that is the first of the rest, for which there was no room; 0: there is none
    char problem[256]; // also where the journal could not be read to the end
};

struct erasing {
    uint64_t sequence;
    bool check; // only look whether it may go
    const char *who;
    const char *why;
    // The core's answer:
    bool done;
    bool gone; // it isn't there, or was erased before
    char problem[BROKER_PROBLEM_SIZE];
};

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
