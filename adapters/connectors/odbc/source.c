#include "adapters/connectors/odbc/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_LIMIT ((size_t)1 << 20) // bytes of one value

void source_disconnect(struct source *source) {
    db_statement_close(&source->fresh);
    db_statement_close(&source->gap);
    db_statement_close(&source->remove);
    db_statement_close(&source->first);
    db_statement_close(&source->next);
}

void source_destroy(struct source *source) {
    for (size_t i = 0; source->raw && i < row_type_count(source->type); i++)
        buffer_destroy(&source->raw[i]);
    free(source->raw);
    free(source->values);
    row_destroy(&source->row);
    give_rules_destroy(&source->give);
    row_type_destroy(&source->type);
    refused_file_destroy(&source->refused);
    buffer_destroy(&source->position);
    idset_destroy(&source->given);
    for (size_t i = 0; i < SOURCE_KEYS; i++) {
        buffer_destroy(&source->last[i]);
        buffer_destroy(&source->current[i]);
    }
}

// ---- SQL ----

static int append_names(const struct source *source, struct buffer *out) {
    int rc = 0;
    for (size_t i = 0; i < source->key_count && rc == 0; i++)
        rc = buffer_append_format(out, "%s%s", i ? ", " : "", source->keys[i]);
    for (size_t i = 0; i < row_type_count(source->type) && rc == 0; i++)
        rc = buffer_append_format(out, ", %s", row_type_column(source->type, i)->from);
    return rc;
}

static int append_conditions(const struct source *source, const char *condition, struct buffer *out) {
    int rc = 0;
    if (source->where)
        rc = buffer_append_format(out, " WHERE (%s)", source->where);
    if (condition && !rc)
        rc = buffer_append_format(out, "%s(%s)", source->where ? " AND " : " WHERE ", condition);
    return rc;
}

int source_select(const struct source *source, const char *condition, struct buffer *out) {
    enum db_product product = source->db->product;
    bool fetch_first = product == DB_ORACLE || product == DB_DB2;
    int rc = buffer_append_string(out, "SELECT ");
    if (!rc && product == DB_SQL_SERVER)
        rc = buffer_append_format(out, "TOP %lld ", (long long)source->rows);
    rc = rc ? rc : append_names(source, out);
    rc = rc ? rc : buffer_append_format(out, " FROM %s", source->table);
    rc = rc ? rc : append_conditions(source, condition, out);
    for (size_t i = 0; i < source->key_count && rc == 0; i++)
        rc = buffer_append_format(out, "%s%s", i ? ", " : " ORDER BY ", source->keys[i]);
    if (rc || product == DB_SQL_SERVER)
        return rc;
    return buffer_append_format(
        out, fetch_first ? " FETCH FIRST %lld ROWS ONLY" : " LIMIT %lld", (long long)source->rows);
}

int source_prepare(
    struct source *source, struct db_statement *statement, const struct buffer *sql, struct error *error) {
    struct buffer text = {0};
    if (buffer_append_bytes(&text, buffer_bytes(sql)) || !buffer_text(&text)) {
        buffer_destroy(&text);
        return error_no_memory(error);
    }
    int rc = db_prepare(source->db, statement, (const char *)text.data, source->timeout_s, error);
    buffer_destroy(&text);
    if (rc != DB_WRONG && rc != CONNECTOR_REJECT)
        return rc;
    error_prefix(error, "%s:%u:%u: error: ", config_path(source->node->file), source->node->mark.line,
        source->node->mark.column);
    return error ? error->code = -EINVAL : -EINVAL;
}

int source_code(int rc, struct error *error) {
    if (rc != DB_WRONG && rc != CONNECTOR_REJECT)
        return rc;
    return error ? error->code = CONNECTOR_RETRY : CONNECTOR_RETRY;
}

// ---- Rows ----

static int read_values(struct source *source, struct db_statement *statement, struct error *error) {
    for (size_t i = 0; i < row_type_count(source->type); i++) {
        bool present = false;
        source->values[i].text = (struct bytes){0};
        int rc = db_text(statement, source->key_count + i, VALUE_LIMIT, &source->raw[i], &present, error);
        if (rc == CONNECTOR_REJECT) {
            error_prefix(error, "%s: ", row_type_column(source->type, i)->name);
            return error ? error->code = CONNECTOR_BAD_ROW : CONNECTOR_BAD_ROW;
        }
        if (rc)
            return source_code(rc, error);
        if (present)
            source->values[i].text = source->raw[i].size ? buffer_bytes(&source->raw[i]) : bytes_of("", 0);
    }
    return 0;
}

static int publish_row(struct source *source, struct error *error) {
    struct bytes wire;
    row_clear(&source->row);
    for (size_t i = 0; i < row_type_count(source->type); i++) {
        int rc = row_set_text(&source->row, i, source->values[i].text, error);
        if (rc)
            return rc;
    }
    int rc = row_finish(&source->row, &wire, error);
    return rc ? rc : give_rules_publish(source->give, wire, buffer_bytes(&source->position), error);
}

int source_give(
    struct source *source, struct db_statement *statement, const char *place, struct error *error) {
    struct error reason = {0};
    int rc = read_values(source, statement, &reason);
    if (!rc)
        rc = publish_row(source, &reason);
    if (rc == CONNECTOR_BAD_ROW) {
        int written = refused_file_add(
            source->refused, place, reason.text, source->values, row_type_count(source->type), error);
        if (written)
            return written;
        source->host->refused(source->host->runtime, place, reason.text);
        return rc;
    }
    return rc && rc != GIVE_NOTHING ? error_set(error, rc, "%s", reason.text) : rc;
}

// ---- Either kind ----

int source_open(struct source *source, struct error *error) {
    return source->outbox ? outbox_open(source, error) : rising_open(source, error);
}

int source_poll(struct source *source, bool *more, struct error *error) {
    int rc = source->outbox ? outbox_poll(source, more, error) : rising_poll(source, more, error);
    db_rollback(source->db); // ends the reading transaction, so that the next sees what is new
    return source_code(rc, error);
}
