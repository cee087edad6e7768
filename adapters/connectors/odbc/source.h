// Rows of a SELECT to messages: what the outbox and the rising column share.
#pragma once

#include "adapters/connectors/odbc/db.h"
#include "adapters/connectors/odbc/idset.h"
#include "adapters/runtime/refused.h"
#include "adapters/runtime/rules.h"

#define SOURCE_KEYS 4 // columns that order the rows, at most

struct source {
    const struct connector_host *host;
    struct db *db;
    const struct config_node *node; // outbox: or rising:
    const char *table;
    const char *where; // NULL: none
    const char *keys[SOURCE_KEYS];
    size_t key_count;
    int64_t rows;          // a batch
    unsigned timeout_s;    // of a statement
    struct row_type *type; // owned, as what follows
    struct row row;
    struct give_rules *give;
    struct buffer *raw;           // the row's columns as they came
    struct refused_value *values; // the same for the refused file
    struct refused_file *refused;
    struct buffer position;
    // Of an outbox:
    bool outbox;
    bool cleanup;
    uint64_t grace_ns;
    struct idset given;
    struct db_statement fresh;
    struct db_statement gap;
    struct db_statement remove;
    // Of a rising column:
    struct buffer last[SOURCE_KEYS];    // values of the keys in the row given last
    struct buffer current[SOURCE_KEYS]; // and in the one being given
    bool started;                       // there was one
    struct db_value key_types[SOURCE_KEYS];
    struct db_statement first;
    struct db_statement next;
};

// Reads `outbox:` or `rising:` and `give:` of the connector's part. 0; 1 when there is neither; -EINVAL when
// reported.
int source_configure(struct source *source, const struct config_node *node, const struct connector_host *host,
    struct db *db, struct report *report);
void source_destroy(struct source *source);
void source_disconnect(struct source *source); // before db_close()

// Reads the stored position, prepares the statements. 0, CONNECTOR_RETRY, negative.
int source_open(struct source *source, struct error *error);
// One batch. `*more`: it was full. 0, CONNECTOR_RETRY, negative.
int source_poll(struct source *source, bool *more, struct error *error);

// ---- Between the parts ----

// "SELECT keys, columns FROM table WHERE condition ORDER BY keys", limited to a batch in the product's words;
// `condition` NULL: none. Appends. 0, -ENOMEM.
int source_select(const struct source *source, const char *condition, struct buffer *out);
int source_prepare(
    struct source *source, struct db_statement *statement, const struct buffer *sql, struct error *error);
// A row of `statement`, whose columns start behind the keys: publishes it with source->position behind it. 0
// (published), GIVE_NOTHING, CONNECTOR_BAD_ROW (written down and counted under `place`), CONNECTOR_RETRY,
// negative.
int source_give(
    struct source *source, struct db_statement *statement, const char *place, struct error *error);
// The codes of a statement that was fine when it was prepared, for the runtime: what is wrong now may be put
// right.
int source_code(int rc, struct error *error);

int outbox_open(struct source *source, struct error *error);
int outbox_poll(struct source *source, bool *more, struct error *error);
int rising_open(struct source *source, struct error *error);
int rising_poll(struct source *source, bool *more, struct error *error);
