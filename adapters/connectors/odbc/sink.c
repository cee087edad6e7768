#include "adapters/connectors/odbc/sink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FORGET_EVERY 500 // deliveries between two cleanings of the inbox

// ---- Loading ----

static bool read_inbox(struct sink *sink, const struct config_node *node, struct report *report) {
    static const struct config_key keys[] = {
        {"table", CONFIG_OPTIONAL}, {"create", CONFIG_OPTIONAL}, {NULL, CONFIG_OPTIONAL}};
    const struct config_node *inbox = config_get(node, "inbox");
    const char *table = "hutong_inbox";
    if (inbox && (!config_expect_mapping(inbox, "inbox", keys, report) ||
                     !config_read_string(inbox, "table", &table, report) ||
                     !config_read_bool(inbox, "create", &sink->create, report)))
        return false;
    sink->table = strdup(table);
    if (!sink->table)
        config_error(node, report, "out of memory");
    return sink->table != NULL;
}

int sink_configure(struct sink *sink, const struct config_node *node, const struct connector_host *host,
    struct db *db, struct report *report) {
    static const struct config_key keys[] = {
        {"with", CONFIG_OPTIONAL}, {"do", CONFIG_REQUIRED}, {NULL, CONFIG_OPTIONAL}};
    const struct config_node *take = config_get(node, "take"), *inbox = config_get(node, "inbox");
    sink->host = host;
    sink->db = db;
    sink->node = node;
    if (!take) {
        if (inbox)
            config_error(inbox, report, "an inbox: is of use only with take: rules");
        return inbox ? -EINVAL : 1;
    }
    sink->rules = take_rules_load(take, keys, host, report);
    bool fine = read_inbox(sink, node, report) && sink->rules;
    for (size_t i = 0; sink->rules && i < take_rules_count(sink->rules); i++)
        fine = sink_rule_load(take_rules_at(sink->rules, i), host->zone, report) == 0 && fine;
    return fine ? 0 : -EINVAL;
}

void sink_destroy(struct sink *sink) {
    for (size_t i = 0; sink->rules && i < take_rules_count(sink->rules); i++)
        sink_rule_destroy(take_rules_at(sink->rules, i)->own);
    take_rules_destroy(&sink->rules);
    free(sink->table);
    sink->table = NULL;
    positions_destroy(&sink->settled);
}

void sink_disconnect(struct sink *sink) {
    db_statement_close(&sink->remember);
    db_statement_close(&sink->known);
    db_statement_close(&sink->forget);
    for (size_t i = 0; sink->rules && i < take_rules_count(sink->rules); i++) {
        struct sink_rule *rule = take_rules_at(sink->rules, i)->own;
        for (size_t k = 0; k < rule->statement_count; k++)
            db_statement_close(&rule->statements[k].prepared);
    }
    if (sink->open > 0)
        sink->poisoned = true; // what the round had done went with the connection
}

// ---- Opening ----

static int prepare_inbox(struct sink *sink, struct error *error) {
    static const char *const forms[] = {"INSERT INTO %s (bus, position) VALUES (?, ?)",
        "SELECT position FROM %s WHERE bus = ? AND position = ?",
        "DELETE FROM %s WHERE bus = ? AND position >= ? AND position <= ?"};
    struct db_statement *statements[] = {&sink->remember, &sink->known, &sink->forget};
    for (size_t i = 0; i < 3; i++) {
        struct buffer text = {0};
        const char *before = strstr(forms[i], "%s");
        int rc = buffer_append(&text, forms[i], (size_t)(before - forms[i]));
        rc = rc ? rc : buffer_append_string(&text, sink->table);
        rc = rc ? rc : buffer_append_string(&text, before + 2);
        const char *sql = rc ? NULL : buffer_text(&text);
        rc = sql ? db_prepare(sink->db, statements[i], sql, sink->timeout_s, error) : error_no_memory(error);
        buffer_destroy(&text);
        if (rc)
            return rc;
    }
    return 0;
}

// The table as any database takes it; `position` is not the name of a type anywhere.
static int create_inbox(struct sink *sink, struct error *error) {
    char text[512];
    const char *number = sink->db->product == DB_ORACLE ? "NUMBER(19)" : "BIGINT";
    snprintf(text, sizeof text,
        "CREATE TABLE %s (bus CHAR(32) NOT NULL, position %s NOT NULL, PRIMARY KEY (bus, position))",
        sink->table, number);
    int rc = db_run(sink->db, text, error);
    return rc ? rc : db_commit(sink->db, error);
}

static int open_inbox(struct sink *sink, struct error *error) {
    int rc = prepare_inbox(sink, error);
    if (rc == DB_WRONG && sink->create) {
        db_rollback(sink->db);
        rc = create_inbox(sink, error);
        rc = rc ? rc : prepare_inbox(sink, error);
    }
    if (rc != DB_WRONG && rc != CONNECTOR_REJECT)
        return rc;
    error_prefix(error,
        "the inbox table %s(bus CHAR(32), position BIGINT) is needed; create it, or say inbox: {create: "
        "true}",
        sink->table);
    return error ? error->code = -EINVAL : -EINVAL;
}

static int open_statement(struct sink *sink, struct sink_statement *statement, struct error *error) {
    int rc = db_prepare(sink->db, &statement->prepared, statement->sql.text, sink->timeout_s, error);
    if (rc != DB_WRONG && rc != CONNECTOR_REJECT)
        return rc;
    error_prefix(error, "%s:%u:%u: error: ", config_path(statement->node->file), statement->node->mark.line,
        statement->node->mark.column);
    return error ? error->code = -EINVAL : -EINVAL;
}

int sink_open(struct sink *sink, struct error *error) {
    int rc = open_inbox(sink, error);
    for (size_t i = 0; i < take_rules_count(sink->rules) && rc == 0; i++) {
        struct sink_rule *rule = take_rules_at(sink->rules, i)->own;
        for (size_t k = 0; k < rule->statement_count && rc == 0; k++)
            rc = open_statement(sink, &rule->statements[k], error);
    }
    db_rollback(sink->db);
    return rc;
}

// ---- One delivery ----

enum savepoint {
    SAVEPOINT_SET,
    SAVEPOINT_BACK,
    SAVEPOINT_RELEASE,
};

static int savepoint(struct sink *sink, enum savepoint what, struct error *error) {
    static const char *const standard[] = {"SAVEPOINT hutong_delivery",
        "ROLLBACK TO SAVEPOINT hutong_delivery", "RELEASE SAVEPOINT hutong_delivery"};
    static const char *const microsoft[] = {
        "SAVE TRANSACTION hutong_delivery", "ROLLBACK TRANSACTION hutong_delivery", NULL};
    enum db_product product = sink->db->product;
    const char *text = product == DB_SQL_SERVER ? microsoft[what] : standard[what];
    if (product == DB_DB2 && what == SAVEPOINT_SET)
        text = "SAVEPOINT hutong_delivery ON ROLLBACK RETAIN CURSORS";
    if (!text || (product == DB_ORACLE && what == SAVEPOINT_RELEASE))
        return 0;
    return db_run(sink->db, text, error);
}

static void inbox_values(struct sink *sink, uint64_t position, struct db_value values[2]) {
    values[0] = (struct db_value){.kind = DB_TEXT, .text = bytes_of_string(sink->bus)};
    values[1] = (struct db_value){.kind = DB_INT, .i64 = (int64_t)position};
}

static int is_known(struct sink *sink, uint64_t position, bool *out, struct error *error) {
    struct db_value values[2];
    inbox_values(sink, position, values);
    int rc = db_execute(&sink->known, values, 2, NULL, error);
    rc = rc ? rc : db_fetch(&sink->known, out, error);
    db_finish(&sink->known);
    return rc;
}

static int remember(struct sink *sink, uint64_t position, struct error *error) {
    struct db_value values[2];
    inbox_values(sink, position, values);
    int rc = db_execute(&sink->remember, values, 2, NULL, error);
    db_finish(&sink->remember);
    return rc;
}

static int run_statement(struct sink_statement *statement, struct error *error) {
    int64_t rows = -1;
    int rc = db_execute(&statement->prepared, statement->values, statement->sql.count, &rows, error);
    db_finish(&statement->prepared);
    if (rc || statement->expect_rows < 0 || rows == statement->expect_rows)
        return rc;
    return error_set(error, statement->otherwise, "%s:%u: %" PRId64 " rows, %" PRId64 " expected",
        config_path(statement->node->file), statement->node->mark.line, rows, statement->expect_rows);
}

static int run_rule(struct sink *sink, struct take_rule *rule, struct error *error) {
    struct sink_rule *own = rule->own;
    int rc = 0;
    for (size_t i = 0; i < own->statement_count && rc == 0; i++)
        rc = run_statement(&own->statements[i], error);
    if (rc == CONNECTOR_RETRY || rc == DB_WRONG)
        sink->stalled = true;
    return rc;
}

enum {
    EFFECT_KNOWN = 30, // the effect is there already
};

// What failed may have failed because it is there.
static int is_repeat(struct sink *sink, uint64_t position) {
    struct error ignored;
    bool known = false;
    if (savepoint(sink, SAVEPOINT_BACK, &ignored) || is_known(sink, position, &known, &ignored))
        return CONNECTOR_RETRY;
    return known ? EFFECT_KNOWN : CONNECTOR_RETRY;
}

// The effect together with its position.
static int run_effect(struct sink *sink, const struct connector_delivery *delivery, struct take_rule *rule,
    struct error *error) {
    bool known = false;
    int rc = savepoint(sink, SAVEPOINT_SET, error);
    if (!rc && delivery->attempt > 1) // a repeat is likely: asking costs less than failing
        rc = is_known(sink, delivery->position, &known, error);
    if (rc || known)
        return known ? EFFECT_KNOWN : rc;
    rc = remember(sink, delivery->position, error);
    if (rc == CONNECTOR_REJECT)
        return is_repeat(sink, delivery->position);
    rc = rc ? rc : run_rule(sink, rule, error);
    return rc ? rc : savepoint(sink, SAVEPOINT_RELEASE, error);
}

// One failed: the others of the round stand if the database goes back to the savepoint. Otherwise (a
// deadlock's victim, a lost connection, a driver that rolls back by itself) they come again, one by one.
static int back_out(struct sink *sink, int rc) {
    struct error ignored;
    int code = rc == DB_WRONG ? CONNECTOR_RETRY : rc;
    if (!sink->db->lost && savepoint(sink, SAVEPOINT_BACK, &ignored) == 0)
        return code;
    db_rollback(sink->db);
    if (sink->open == 0) // it was alone: what was said about it holds
        return code;
    sink->poisoned = sink->stalled = true;
    sink->singly = sink->open + 1;
    return code < 0 ? code : CONNECTOR_RETRY;
}

static void note_bus(struct sink *sink, const struct connector_delivery *delivery) {
    for (size_t i = 0; i < 16; i++)
        snprintf(sink->bus + 2 * i, 3, "%02x", delivery->bus[i]);
    positions_of(&sink->settled, delivery->bus);
    ranges_raise(&sink->settled.ranges, delivery->settled);
}

static int commit_now(struct sink *sink, struct error *error) {
    int rc = db_commit(sink->db, error);
    if (rc)
        db_rollback(sink->db);
    sink->singly -= sink->singly > 0;
    return rc == DB_WRONG ? CONNECTOR_RETRY : rc;
}

int sink_deliver(struct sink *sink, const struct connector_delivery *delivery, struct error *error) {
    struct take_rule *rule = NULL;
    int rc = take_rules_begin(sink->rules, delivery, &rule, error);
    if (rc || !rule)
        return rc;
    if (sink->poisoned || sink->stalled)
        return error_set(error, CONNECTOR_RETRY, "waits for what came before it");
    rc = sink_rule_values(rule, error);
    if (rc)
        return rc;
    note_bus(sink, delivery);
    rc = run_effect(sink, delivery, rule, error);
    if (rc == EFFECT_KNOWN)
        return 0;
    if (rc)
        return back_out(sink, rc);
    if (sink->singly > 0)
        return commit_now(sink, error); // what the database says at commit is about this one
    sink->open++;
    return 0;
}

// ---- The round's end ----

static int forget_range(struct sink *sink, uint64_t first, uint64_t last, struct error *error) {
    struct db_value values[3];
    inbox_values(sink, first, values);
    values[2] = (struct db_value){.kind = DB_INT, .i64 = (int64_t)last};
    int rc = db_execute(&sink->forget, values, 3, NULL, error);
    db_finish(&sink->forget);
    return rc;
}

// What is settled of each lane that something came from since the last time.
static int forget(struct sink *sink, struct error *error) {
    struct ranges *settled = &sink->settled.ranges;
    sink->since_forget += sink->open;
    if (sink->since_forget < FORGET_EVERY)
        return 0;
    sink->since_forget = 0;
    int rc = settled->floor ? forget_range(sink, 1, settled->floor, error) : 0;
    for (size_t i = 0; i < settled->count && rc == 0; i++)
        rc = forget_range(sink, settled->items[i].first, settled->items[i].last, error);
    if (rc == 0)
        ranges_clear(settled);
    return rc;
}

int sink_commit(struct sink *sink, struct error *error) {
    bool poisoned = sink->poisoned;
    size_t open = sink->open;
    int rc = 0;
    sink->poisoned = sink->stalled = false;
    if (poisoned) {
        sink->open = 0;
        return error_set(error, CONNECTOR_RETRY, "the transaction was rolled back by the database");
    }
    if (open > 0) {
        rc = forget(sink, error);
        rc = rc ? rc : db_commit(sink->db, error);
    }
    if (rc || open == 0)
        db_rollback(sink->db); // also ends what only looked
    sink->open = 0;
    if (rc)
        sink->singly = open;
    return rc > 0 ? CONNECTOR_RETRY : rc;
}
