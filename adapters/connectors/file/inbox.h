// One drop folder as a source: claimed file after claimed file, row after row, through the rules into the
// bus. Its position says in which file it is and how far, so that it goes on exactly behind the last row that
// the bus has.
#pragma once

#include "adapters/connectors/file/claims.h"
#include "adapters/connectors/file/file_reader.h"
#include "adapters/runtime/rules.h"

struct inbox_options {
    char *name; // in positions and messages; owned, as all texts here
    char *folder;
    char *pattern;
    char *work;
    char *done;
    char *rejects;
    char *marker;
    uint64_t settle_ns;
    bool by_time;
    bool header; // the first record names the columns
    struct format format;
    size_t *widths; // owned; FIXED
    struct row_type *columns;
    struct give_rules *rules;
};
void inbox_options_destroy(struct inbox_options *options);

struct inbox;

// Takes what `options` owns (also when it fails). 0 and `*out` owned, -ENOMEM.
int inbox_new(struct inbox_options *options, const struct connector_host *host, struct inbox **out,
    struct error *error);
void inbox_destroy(struct inbox **self);
const struct inbox_options *inbox_settings(const struct inbox *inbox);

// Readies the folders; goes on with the file of `position` when it is one of this inbox (`*resumed`). 0,
// CONNECTOR_RETRY, negative.
int inbox_open(struct inbox *inbox, struct bytes position, bool *resumed, struct error *error);
// Whether it is in the middle of a file.
bool inbox_busy(const struct inbox *inbox);

// Reads up to `rows` rows. `*worked`: there was something to do; otherwise `*wait_ns` until a file may be
// ready (UINT64_MAX: nothing is there). 0, CONNECTOR_RETRY, negative.
int inbox_run(struct inbox *inbox, size_t rows, bool *worked, uint64_t *wait_ns, struct error *error);
