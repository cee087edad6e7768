// Messages to SQL statements, each in one transaction with its position in the inbox table, so that the
// effect happens once.
#pragma once

#include "adapters/connectors/odbc/db.h"
#include "adapters/connectors/odbc/sql.h"
#include "adapters/runtime/positions.h"
#include "adapters/runtime/rules.h"

struct sink_parameter { // of `with:`
    struct bytes name;
    struct cel_program *program; // owned
    struct text_form form;
    bool formed; // the form is said
    bool used;
    struct db_value value;
    struct buffer text;
};

struct sink_statement { // of `do:`
    const struct config_node *node;
    struct sql_text sql;
    size_t *sources;         // owned: the parameter of each `?`
    struct db_value *values; // owned: as bound
    int64_t expect_rows;     // -1: any
    int otherwise;           // CONNECTOR_REJECT or CONNECTOR_RETRY
    struct db_statement prepared;
};

struct sink_rule {
    struct sink_parameter *parameters; // owned
    size_t parameter_count;
    struct sink_statement *statements; // owned
    size_t statement_count;
};

struct sink {
    const struct connector_host *host;
    struct db *db;
    struct take_rules *rules;
    const struct config_node *node; // the connector's part
    char *table;                    // owned: the inbox
    bool create;
    unsigned timeout_s;
    struct db_statement remember;
    struct db_statement known;
    struct db_statement forget;
    size_t open; // deliveries in the transaction
    size_t since_forget;
    bool stalled;  // the database is busy: what follows in the round waits
    bool poisoned; // the transaction is lost: all of the round come again
    size_t singly; // deliveries to be committed one by one, after a poisoned round
    char bus[33];
    struct positions settled; // told since the last cleaning: lane 0 by its floor, another by a range
};

// Reads `inbox:` and `take:`. 0; 1 when there is no `take`; -EINVAL when reported.
int sink_configure(struct sink *sink, const struct config_node *node, const struct connector_host *host,
    struct db *db, struct report *report);
void sink_destroy(struct sink *sink);
void sink_disconnect(struct sink *sink);

// The inbox table and the statements are there. 0, CONNECTOR_RETRY, negative.
int sink_open(struct sink *sink, struct error *error);
int sink_deliver(struct sink *sink, const struct connector_delivery *delivery, struct error *error);
int sink_commit(struct sink *sink, struct error *error);

// ---- Between the parts ----
int sink_rule_load(struct take_rule *rule, int32_t zone, struct report *report); // 0, -EINVAL; sets rule->own
void sink_rule_destroy(struct sink_rule *rule);
// Evaluates the parameters. 0, CONNECTOR_REJECT, -ENOMEM.
int sink_rule_values(struct take_rule *rule, struct error *error);
