// What the journal's tests share: a folder, and an owner whose state is a digest of all that it saw, so that
// a checkpoint of anything but exactly the records so far is noticed.
#pragma once

#include "core/base/buffer.h"
#include "core/journal/journal.h"

#include <stdio.h>

struct witness {
    uint64_t count;   // records
    uint64_t sum;     // over all of them, in order
    uint64_t next[8]; // next position of queues 0 to 7
    int checkpoints;
};

struct journal_owner witness_owner(struct witness *witness);
void witness_see(struct witness *witness, uint8_t kind, const struct journal_entry *entries,
    size_t entry_count, struct bytes body);
bool witness_equal(const struct witness *a, const struct witness *b);

struct testing {
    char folder[64]; // "/tmp/…/journal"
    struct journal_options options;
    struct witness witness;
    struct journal *journal; // NULL: closed
    struct journal_batch *batch;
    struct error error;
};

// cmocka fixtures; *state is a struct testing. With JOURNAL_BACKGROUND in the environment a thread writes.
int testing_setup(void **state);
int testing_teardown(void **state);
int testing_open(struct testing *t); // a fresh witness; what journal_file_open() returned
void testing_close(struct testing *t);
// Adds a record to the batch and to the witness: in queue `queue` at its next position, with a body of `size`
// bytes.
int testing_add(struct testing *t, uint32_t queue, size_t size);
int testing_append(struct testing *t); // what journal_append() returned, or journal_collect() behind it
int testing_append_new(struct testing *t, uint32_t queue, size_t size, size_t count); // add `count`, append

// Files of the folder as a whole.
uint8_t *testing_read(const struct testing *t, const char *name, size_t *size); // owned; NULL: not there
void testing_write(const struct testing *t, const char *name, const uint8_t *data, size_t size);
void testing_path(const struct testing *t, const char *name, char out[256]);
