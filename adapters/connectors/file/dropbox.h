// One drop folder as a source: claimed file after claimed file, row after row, through the rules into the
// bus. Its position says in which file it is and how far, so that it goes on exactly behind the last row that
// the bus has.
#pragma once

#include "adapters/connectors/file/claims.h"
#include "adapters/connectors/file/file_reader.h"
#include "adapters/runtime/rules.h"

struct dropbox_options {
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
void dropbox_options_destroy(struct dropbox_options *options);

struct dropbox;

// Takes what `options` owns (also when it fails). 0 and `*out` owned, -ENOMEM.
int dropbox_new(struct dropbox_options *options, const struct connector_host *host, struct dropbox **out,
    struct error *error);
void dropbox_destroy(struct dropbox **self);
const struct dropbox_options *dropbox_settings(const struct dropbox *dropbox);

// Readies the folders; goes on with the file of `position` when it is one of this folder (`*resumed`). 0,
// CONNECTOR_RETRY, negative.
int dropbox_open(struct dropbox *dropbox, struct bytes position, bool *resumed, struct error *error);
// Whether it is in the middle of a file.
bool dropbox_busy(const struct dropbox *dropbox);

// Reads up to `rows` rows. `*worked`: there was something to do; otherwise `*wait_ns` until a file may be
// ready (UINT64_MAX: nothing is there). 0, CONNECTOR_RETRY, negative.
int dropbox_run(struct dropbox *dropbox, size_t rows, bool *worked, uint64_t *wait_ns, struct error *error);
