// A rising column: rows whose key (one or more columns, compared from the left) is above that of the row
// given last. The last of them makes it unique. A row that is committed late under a lower key is never seen:
// `where:` keeps such times away.
#include "adapters/connectors/odbc/source.h"

#include "core/base/varint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define POSITION_KIND 'r'
#define KEY_LIMIT 900 // bytes of one key: the spool keeps 4 KiB

static int write_position(struct source *source, struct error *error) {
    uint8_t size[VARINT_SIZE];
    buffer_clear(&source->position);
    int rc = buffer_append_byte(&source->position, POSITION_KIND);
    for (size_t i = 0; i < source->key_count && rc == 0; i++) {
        rc = buffer_append(&source->position, size, varint_put(size, source->current[i].size));
        rc = rc ? rc : buffer_append_bytes(&source->position, buffer_bytes(&source->current[i]));
    }
    return rc ? error_no_memory(error) : 0;
}

static int bad_position(struct error *error) {
    return error_set(error, -EINVAL,
        "the stored position is not one of these columns: another connector used this state folder");
}

static int read_position(struct source *source, struct error *error) {
    struct bytes rest = source->host->position(source->host->runtime);
    source->started = rest.size > 0;
    if (rest.size == 0)
        return 0;
    if (rest.data[0] != POSITION_KIND)
        return bad_position(error);
    rest = bytes_of(rest.data + 1, rest.size - 1);
    for (size_t i = 0; i < source->key_count; i++) {
        uint64_t size;
        if (!varint_get(&rest, &size) || size > rest.size)
            return bad_position(error);
        buffer_clear(&source->last[i]);
        if (buffer_append(&source->last[i], rest.data, (size_t)size))
            return error_no_memory(error);
        rest = bytes_of(rest.data + size, rest.size - (size_t)size);
    }
    return rest.size == 0 ? 0 : bad_position(error);
}

// (a > ?) OR (a = ? AND b > ?) OR …: row values aren't compared the same everywhere.
static int condition(const struct source *source, struct buffer *out) {
    int rc = 0;
    for (size_t i = 0; i < source->key_count && rc == 0; i++) {
        rc = buffer_append_string(out, i ? " OR (" : "(");
        for (size_t k = 0; k < i && rc == 0; k++)
            rc = buffer_append_format(out, "%s = ? AND ", source->keys[k]);
        rc = rc ? rc : buffer_append_format(out, "%s > ?)", source->keys[i]);
    }
    return rc || !buffer_text(out) ? -ENOMEM : 0;
}

static int prepare(
    struct source *source, struct db_statement *statement, const char *where, struct error *error) {
    struct buffer sql = {0};
    int rc = source_select(source, where, &sql) ? error_no_memory(error)
                                                : source_prepare(source, statement, &sql, error);
    buffer_destroy(&sql);
    return rc;
}

int rising_open(struct source *source, struct error *error) {
    struct buffer where = {0};
    int rc = read_position(source, error);
    rc = rc ? rc : prepare(source, &source->first, NULL, error);
    if (!rc)
        for (size_t i = 0; i < source->key_count; i++)
            db_describe(&source->first, i, &source->key_types[i]);
    if (!rc)
        rc = condition(source, &where) ? error_no_memory(error)
                                       : prepare(source, &source->next, (const char *)where.data, error);
    buffer_destroy(&where);
    return rc;
}

static int read_keys(struct source *source, struct db_statement *statement, struct error *error) {
    for (size_t i = 0; i < source->key_count; i++) {
        bool present = false;
        int rc = db_text(statement, i, KEY_LIMIT, &source->current[i], &present, error);
        if (rc)
            return source_code(rc, error);
        if (!present)
            return error_set(error, -EINVAL,
                "%s.%s must not be NULL; leave such rows out by where:", source->table, source->keys[i]);
    }
    return write_position(source, error);
}

static void step_on(struct source *source) {
    for (size_t i = 0; i < source->key_count; i++) {
        struct buffer last = source->last[i];
        source->last[i] = source->current[i];
        source->current[i] = last;
    }
    source->started = true;
}

static int execute(struct source *source, struct db_statement **statement, struct error *error) {
    struct db_value values[SOURCE_KEYS * (SOURCE_KEYS + 1) / 2];
    size_t n = 0;
    *statement = source->started ? &source->next : &source->first;
    for (size_t i = 0; source->started && i < source->key_count; i++)
        for (size_t k = 0; k <= i; k++) {
            values[n] = source->key_types[k];
            values[n].kind = DB_TEXT;
            values[n++].text = buffer_bytes(&source->last[k]);
        }
    return db_execute(*statement, values, n, NULL, error);
}

// `*kept`: the last row's position went with its message.
static int give_rows(
    struct source *source, struct db_statement *statement, int64_t *rows, bool *kept, struct error *error) {
    char place[192];
    for (;;) {
        bool more = false;
        int rc = db_fetch(statement, &more, error);
        if (rc || !more)
            return rc;
        rc = read_keys(source, statement, error);
        if (rc)
            return rc;
        const char *key = buffer_text(&source->current[source->key_count - 1]);
        snprintf(place, sizeof place, "%s %s", source->table, key ? key : "");
        rc = source_give(source, statement, place, error);
        if (rc && rc != GIVE_NOTHING && rc != CONNECTOR_BAD_ROW)
            return rc;
        *kept = rc == 0;
        step_on(source);
        (*rows)++;
    }
}

// Rows without a message moved on too: so does the position.
static int store(struct source *source, struct error *error) {
    for (size_t i = 0; i < source->key_count; i++) {
        buffer_clear(&source->current[i]);
        if (buffer_append_bytes(&source->current[i], buffer_bytes(&source->last[i])))
            return error_no_memory(error);
    }
    int rc = refused_file_sync(source->refused, error);
    rc = rc ? rc : write_position(source, error);
    return rc ? rc
              : source->host->store_position(source->host->runtime, buffer_bytes(&source->position), error);
}

int rising_poll(struct source *source, bool *more, struct error *error) {
    struct db_statement *statement;
    struct error stored = {0};
    int64_t rows = 0;
    bool kept = true;
    int rc = execute(source, &statement, error);
    rc = rc ? rc : give_rows(source, statement, &rows, &kept, error);
    db_finish(statement);
    if (!kept) {
        int failed = store(source, &stored);
        if (failed)
            return error_set(error, failed, "%s", stored.text);
    }
    *more = rc == 0 && rows >= source->rows;
    return rc;
}
