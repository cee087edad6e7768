// A whole life of a journal on the model disk, and what must be true whenever it is opened again. Shared by
// the tests that fail every call and allocation in turn and by those that cut the power.
#pragma once

#include "core/journal/journal.h"
#include "core/journal/model_disk.h"

#define LIFE_RECORDS 4096
#define LIFE_QUEUES 3

// All of a record follows from its sequence; so a look at it says whether it is the one.
struct life {
    struct journal_options options;
    struct model_disk *disk; // owned
    struct journal *journal; // NULL: closed
    struct journal_batch *batch;
    struct error error;
    uint64_t appended;            // given to journal_append() at least once
    uint64_t durable;             // acknowledged
    uint64_t first_kept;          // records before may have been retired
    uint64_t settled;             // records up to here may go
    uint8_t erased[LIFE_RECORDS]; // 1: may be, 2: is
    uint64_t next[LIFE_QUEUES];   // positions, as of `appended`
    uint64_t torn;
};

void life_new(struct life *life);
void life_destroy(struct life *life);
int life_open(struct life *life); // what journal_file_open() returned
void life_close(struct life *life);
int life_append(struct life *life, size_t count, size_t size);
int life_erase(struct life *life, uint64_t sequence);
int life_retire(struct life *life, uint64_t settled);
// All of it: appends, large ones, several segments, reads, erasures, retiring, spares used again, a restart.
// 0, or what failed.
int life_whole(struct life *life);
// Opens the disk (which it uses up) as after a crash: all that is durable is there, nothing else is, it
// verifies, takes more, and opens again. Fails the test with `what` where it isn't so.
void life_check(const struct life *life, struct model_disk *disk, const char *what, uint64_t number);
