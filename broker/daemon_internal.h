// Shared by daemon.c (the loop) and control.c (what other threads ask); for nobody else.
#pragma once

#include "broker/daemon.h"
#include "broker/net/router.h"
#include "core/base/map.h"

#define DAEMON_PAUSE_MS 500   // between tries when the disk is full
#define DAEMON_SHARED_MS 1000 // a shared journal wants to be asked so often, at least

struct daemon {
    const struct configuration *configuration;
    const struct policy *policy; // its
    struct broker *broker;
    struct journal *journal;
    struct journal_batch *batch;
    struct router *router;
    struct number_map guests; // joining.c: by connection
    struct map *keys;         // public keys that connections proved: texts, owned
    struct update update;
    struct buffer request;     // of another thread
    struct takeover *takeover; // in force, and to be answered when its record is on disk
    struct part *part;         // done, and to be answered when its record is on disk
    uint64_t answer_at;        // that record
    uint64_t carried;          // the last record that was written again for a segment to go
    uint64_t durable;          // up to here the core knows that it is
    struct erasing *erasing;   // to be done when the record of it is on disk
    uint64_t retire_at_ms;
    uint64_t append_at_ms;        // while paused: when to try again
    uint64_t company_until_ms;    // so long what was gathered waits for more; 0: it doesn't
    int64_t keep_until_ns;        // what is older may go, while `retiring`
    bool retiring;                // in portions, one a turn
    char damage[ERROR_TEXT_SIZE]; // that keeps the oldest segment from going; "": none
    uint64_t unreadable;          // deliveries that damage kept from being read
    uint64_t read_failures;       // of the disk, when a delivery was to be read
    char unread[ERROR_TEXT_SIZE]; // the last one's text
    uint64_t drain_until_ms;
    uint64_t denied_log_ms;
    bool draining;
    bool paused;
    bool refused; // what was gathered, for want of room
    bool done;
};

int daemon_step(struct daemon *daemon, struct event event);
struct event daemon_now(struct event event); // at this time

// loading.c: what the core wished for is read. 0 or negative, with the text.
int loading_run(struct daemon *daemon, struct error *error);

// commit.c. 0 or negative, with the text.
void commit_pause(struct daemon *daemon, const char *why);      // the journal refused what was gathered
void commit_check_room(struct daemon *daemon);                  // takes in, or only what settles
int commit_collect(struct daemon *daemon, struct error *error); // takes note of what became durable
// Appends what was gathered, when no batch is under way. What is gathered while one is goes with the next;
// settlements alone wait a little for company.
int commit_run(struct daemon *daemon, struct error *error);
int commit_all(struct daemon *daemon, struct error *error); // and waits; without room it stays gathered
// The same at the end, when a cluster may not answer: some seconds are enough, and nobody was told of the
// rest.
int commit_last(struct daemon *daemon, struct error *error);
uint64_t commit_deadline_ms(const struct daemon *daemon); // when it has waited long enough
// Whether as much was gathered as may be while a batch is under way.
bool commit_blocked(const struct daemon *daemon);
uint64_t commit_gathered(const struct daemon *daemon); // the number of the last record that was

// control.c. 0 or negative, as broker_step().
int control_answer(struct daemon *daemon);    // one request that waits
int control_committed(struct daemon *daemon); // what was gathered is on disk, or waits for room

// retiring.c: looks for segments past their time, now and then. 0 or negative, with the text.
int retiring_run(struct daemon *daemon, uint64_t now_ms, struct error *error);

// joining.c: with a shared journal, who waits to be known and which queues are read here. 0 or negative.
int joining_take(struct daemon *daemon, const struct incoming *incoming, bool *taken); // a hello
int joining_run(struct daemon *daemon, struct error *error);
int joining_serve(struct daemon *daemon, struct error *error);
void joining_forget(struct daemon *daemon, uint64_t connection);
void joining_destroy(struct daemon *daemon);

// perform.c: what the operator's thread asks. As above.
int perform_letters(struct daemon *daemon, const char *argument);
int perform_part(struct daemon *daemon, struct part *part);
int perform_committed(struct daemon *daemon);

// erasing.c. As above.
int erasing_start(struct daemon *daemon, struct erasing *erasing);
int erasing_committed(struct daemon *daemon);
