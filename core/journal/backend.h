// What a back end of the journal gives. For core/journal and for back ends that tests make.
#pragma once

#include "core/journal/journal.h"

struct journal_operations {
    int (*append)(struct journal *journal, struct journal_batch *batch, struct error *error);
    int (*read_queue)(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
        size_t max_bytes, journal_visit *visit, void *context, struct error *error);
    int (*retire)(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
        size_t *retired, struct error *error);
    int (*read_record)(
        struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error);
    int (*erase)(struct journal *journal, uint64_t sequence, struct error *error);
    void (*status)(const struct journal *journal, struct journal_status *out);
    void (*close)(struct journal *journal); // frees it
    // NULL where append does all of it.
    int (*collect)(struct journal *journal, bool wait, struct error *error);
    bool (*busy)(const struct journal *journal);
    int (*fd)(const struct journal *journal);
    bool (*work_ahead)(struct journal *journal, struct journal_batch *batch);
    // NULL where it isn't shared.
    int (*serve)(struct journal *journal, uint32_t queue, const char *name, bool serve, struct error *error);
    int (*stream)(struct journal *journal, const char *system, const uint8_t stream[16], uint64_t *sequence,
        struct error *error);
    int (*letters)(struct journal *journal, uint32_t queue, struct error *error);
};

struct journal { // the first member of a back end's own struct
    const struct journal_operations *operations;
    uint64_t last;
    uint64_t durable;
    uint8_t id[16];
    bool bear; // what the disk fails to read counts as damaged
};
