// What a rule under `take` makes: rows of expressions, in the encoding and form of the receiving system,
// gathered into files.
#pragma once

#include "adapters/connectors/file/file_reader.h"
#include "adapters/connectors/file/outgoing.h"
#include "adapters/runtime/rules.h"

struct out_column {
    const char *heading; // borrowed
    struct cel_program *value;
    struct text_form form;
    size_t width; // FIXED: bytes
    bool right;   // FIXED: blanks before instead of behind
};

struct outfile {
    struct take_rule *rule;
    const struct connector_host *host;
    char *name; // owned, as all texts and arrays here
    char *folder;
    char *file;
    char *marker;
    size_t rows;
    uint64_t wait_ns;
    struct format format;
    bool header;
    bool lf; // line ends without CR
    struct out_column *columns;
    size_t column_count;
    struct charset *charset;
    struct buffer head; // the first line of each file
    struct buffer line;
    struct outgoing *outgoing;    // NULL: not open
    uint8_t bus[ROWLOG_BUS_SIZE]; // of the rows that are pending
    bool unmarked;                // the log knows positions that the sidecar may not know to be done
};

void outfile_destroy(struct outfile **self);

// Makes the first line. CSV_BAD with the heading that the encoding lacks, -ENOMEM.
int outfile_make_head(struct outfile *outfile, struct error *error);

// Opens the log of gathered rows; what a crash left is finished. 0, CONNECTOR_RETRY, negative.
int outfile_open(struct outfile *outfile, struct error *error);
// Adds the row of the delivery that was begun. 0, CONNECTOR_RETRY (no room: the folder is away),
// CONNECTOR_REJECT, negative.
int outfile_add(struct outfile *outfile, const struct connector_delivery *delivery, struct error *error);
// Makes what was added durable. 0, CONNECTOR_RETRY, -ENOMEM.
int outfile_commit(struct outfile *outfile, struct error *error);
// Nanoseconds until the rows that are committed become a file: their time runs from the first look behind
// their commit, which may be this. UINT64_MAX: there are none.
uint64_t outfile_due_in(const struct outfile *outfile);
// Publishes what is due; `*wait_ns` shrinks to the time until something will be. 0, CONNECTOR_RETRY,
// negative.
int outfile_run(struct outfile *outfile, uint64_t *wait_ns, struct error *error);
