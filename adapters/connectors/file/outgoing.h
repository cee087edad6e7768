// One kind of outgoing file: rows are gathered durably, and become a file that appears whole, once, under its
// own name. Its steps, each of which may be the last before a crash: rows committed (rowlog.h) | temporary
// file written, synced with its folder | intent with the name | renamed | marker | log emptied. After a crash
// the next open finishes what the intent says; the temporary file's absence then means that it was renamed,
// and maybe taken away since.
#pragma once

#include "adapters/connectors/file/file_reader.h"
#include "adapters/connectors/file/rowlog.h"

struct outgoing_options {
    const char *name;    // of this kind, a file name's part; borrowed, as all here
    const char *folder;  // where the files appear
    const char *file;    // name template: {name} {date} {time} {first} {last} {rows}
    const char *marker;  // suffix of an empty file made after each, such as ".ok"; NULL: none
    struct bytes header; // first bytes of each file, in its encoding
    size_t rows;         // of a file at most
    uint64_t wait_ns;    // a file appears this long after its first row at the latest
};

struct outgoing;

enum {
    OUTGOING_LATER = 1, // the folder can't be written to now: what is gathered stays safe
};

// Opens the log in `state_folder`, and finishes what a crash left. 0 and `*out` owned, negative.
int outgoing_open(const struct outgoing_options *options, const char *state_folder, uint64_t now_ns,
    struct outgoing **out, struct error *error);
void outgoing_destroy(struct outgoing **self);
struct rowlog *outgoing_log(struct outgoing *outgoing);
// Whether the positions of rows stay known when these have become a file (from the start: yes).
void outgoing_keep_positions(struct outgoing *outgoing, bool keep);

// Publishes a file when it is full or `now_ns` (monotonic) is late enough. 0 (nothing due, too),
// OUTGOING_LATER, negative.
int outgoing_publish_due(struct outgoing *outgoing, uint64_t now_ns, struct error *error);
// Nanoseconds until something is due; UINT64_MAX: nothing is gathered. The wait of new rows runs from the
// first look at them, here or in outgoing_publish_due().
uint64_t outgoing_due_in(struct outgoing *outgoing, uint64_t now_ns);
// No more rows fit until the file could be published.
bool outgoing_full(const struct outgoing *outgoing);

// Whether `name` is a usable template: known placeholders, no slash, and {first} or {last}, so that names
// don't repeat. NULL, or what is wrong with it.
const char *outgoing_check_template(const char *name);
