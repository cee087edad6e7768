// An outbox: a table with a unique, never reused id that triggers (or the application) fill. Ids are drawn
// before they are committed, so a lower one may appear after a higher one. Therefore:
//   cleanup: true   every row that is there is due, whatever its id, but those given and not yet deleted.
//   Those ids are in the stored
//                   position. A batch: delete what is given; read; publish each with its id in the position;
//                   store; delete; commit.
//   cleanup: false  the set of given ids is kept, from a floor upward. Ids that are missing below a given one
//   are asked for again
//                   until they come or the grace period is over, and only then does the floor pass them.
#include "adapters/connectors/odbc/source.h"

#include "core/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define POSITION_KIND 'o'
#define POSITION_SIZE 4000 // the spool keeps 4 KiB

static int write_position(struct source *source, struct error *error) {
    buffer_clear(&source->position);
    if (buffer_append_byte(&source->position, POSITION_KIND) ||
        idset_write(&source->given, &source->position))
        return error_no_memory(error);
    return 0;
}

static int read_position(struct source *source, struct error *error) {
    struct bytes stored = source->host->position(source->host->runtime);
    idset_destroy(&source->given);
    if (stored.size == 0)
        return 0;
    struct bytes rest = bytes_of(stored.data + 1, stored.size - 1);
    if (stored.data[0] == POSITION_KIND && idset_read(&source->given, rest, clock_monotonic_ns()))
        return 0;
    return error_set(error, -EINVAL,
        "the stored position is not one of an outbox: another connector used this state folder");
}

static int prepare(
    struct source *source, struct db_statement *statement, const char *condition, struct error *error) {
    struct buffer sql = {0};
    int rc = source_select(source, condition, &sql) ? error_no_memory(error)
                                                    : source_prepare(source, statement, &sql, error);
    buffer_destroy(&sql);
    return rc;
}

static int prepare_remove(struct source *source, struct error *error) {
    struct buffer sql = {0};
    int rc =
        buffer_append_format(&sql, "DELETE FROM %s WHERE %s BETWEEN ? AND ?", source->table, source->keys[0])
            ? error_no_memory(error)
            : source_prepare(source, &source->remove, &sql, error);
    buffer_destroy(&sql);
    return rc;
}

static int prepare_gaps(struct source *source, struct error *error) {
    char condition[256];
    snprintf(condition, sizeof condition, "%s > ?", source->keys[0]);
    int rc = prepare(source, &source->fresh, condition, error);
    snprintf(condition, sizeof condition, "%s BETWEEN ? AND ?", source->keys[0]);
    return rc ? rc : prepare(source, &source->gap, condition, error);
}

int outbox_open(struct source *source, struct error *error) {
    int rc = read_position(source, error);
    if (!rc && !source->cleanup)
        return prepare_gaps(source, error);
    rc = rc ? rc : prepare(source, &source->fresh, NULL, error);
    return rc ? rc : prepare_remove(source, error);
}

// ---- Deleting what was given ----

static int delete_given(struct source *source, struct error *error) {
    for (size_t i = 0; i < source->given.count; i++) {
        struct db_value values[] = {{.kind = DB_INT, .i64 = source->given.runs[i].first},
            {.kind = DB_INT, .i64 = source->given.runs[i].last}};
        int rc = db_execute(&source->remove, values, 2, NULL, error);
        db_finish(&source->remove);
        if (rc)
            return rc;
    }
    return source->given.count ? db_commit(source->db, error) : 0;
}

static int clean(struct source *source, struct error *error) {
    int rc = delete_given(source, error);
    if (rc)
        return rc;
    idset_clear(&source->given);
    return 0;
}

// ---- Reading ----

static int read_id(struct source *source, struct db_statement *statement, int64_t *out, struct error *error) {
    bool present = false;
    char *end = NULL;
    struct buffer *text = &source->position; // free until the position is written
    int rc = db_text(statement, 0, 64, text, &present, error);
    if (rc)
        return source_code(rc, error);
    errno = 0;
    const char *digits = present ? buffer_text(text) : NULL;
    long long id = digits ? strtoll(digits, &end, 10) : -1;
    if (id < 0 || errno || (end && *end && strcmp(end, ".0") != 0))
        return error_set(
            error, -EINVAL, "%s.%s must hold whole numbers from 0", source->table, source->keys[0]);
    *out = id;
    return 0;
}

// A position that no longer fits into the spool: reading on waits until gaps close or their grace is over.
static bool position_full(const struct source *source) {
    return source->position.size > POSITION_SIZE - 2 * 10;
}

static int give_row(struct source *source, struct db_statement *statement, int64_t id, struct error *error) {
    char place[192];
    if (idset_add(&source->given, id, clock_monotonic_ns()))
        return error_no_memory(error);
    int rc = write_position(source, error);
    snprintf(place, sizeof place, "%s %" PRId64, source->table, id);
    rc = rc ? rc : source_give(source, statement, place, error);
    if (rc == 0 || rc == GIVE_NOTHING || rc == CONNECTOR_BAD_ROW)
        return 0;
    idset_remove_last(&source->given, id);
    return rc;
}

// Gives the rows of a result; `*rows` counts all, `*given` those that are new.
static int give_rows(struct source *source, struct db_statement *statement, int64_t *rows, int64_t *given,
    struct error *error) {
    for (;;) {
        bool more = false;
        int64_t id = 0;
        int rc = db_fetch(statement, &more, error);
        if (rc || !more)
            return rc;
        (*rows)++;
        rc = read_id(source, statement, &id, error);
        if (rc)
            return rc;
        if (idset_has(&source->given, id))
            continue;
        rc = give_row(source, statement, id, error);
        if (rc)
            return rc;
        (*given)++;
        if (position_full(source))
            return 0;
    }
}

static int read_rows(struct source *source, struct db_statement *statement, struct db_value *values,
    size_t count, int64_t *rows, int64_t *given, struct error *error) {
    int rc = db_execute(statement, values, count, NULL, error);
    rc = rc ? rc : give_rows(source, statement, rows, given, error);
    db_finish(statement);
    return rc;
}

static int read_gaps(struct source *source, int64_t *given, struct error *error) {
    for (size_t i = 0; i < source->given.count; i++) {
        int64_t before = i ? source->given.runs[i - 1].last : source->given.floor, rows = 0, found = 0;
        struct db_value values[] = {
            {.kind = DB_INT, .i64 = before + 1}, {.kind = DB_INT, .i64 = source->given.runs[i].first - 1}};
        if (values[0].i64 > values[1].i64)
            continue;
        int rc = read_rows(source, &source->gap, values, 2, &rows, &found, error);
        *given += found;
        if (rc)
            return rc;
        if (found)
            i = (size_t)-1; // the runs have changed: from the start again, until nothing new is found
    }
    return 0;
}

static int read_batch(struct source *source, int64_t *rows, int64_t *given, struct error *error) {
    struct db_value after = {.kind = DB_INT, .i64 = idset_highest(&source->given)};
    if (source->cleanup)
        return read_rows(source, &source->fresh, NULL, 0, rows, given, error);
    int rc = read_gaps(source, given, error);
    if (rc)
        return rc;
    idset_raise(&source->given, clock_monotonic_ns(), source->grace_ns);
    rc = write_position(source, error);
    if (rc || position_full(source))
        return rc;
    after.i64 = idset_highest(&source->given);
    return read_rows(source, &source->fresh, &after, 1, rows, given, error);
}

// What was given is safe with the spool before anything is deleted.
static int store(struct source *source, struct error *error) {
    int rc = refused_file_sync(source->refused, error);
    rc = rc ? rc : write_position(source, error);
    if (rc)
        return rc;
    return source->host->store_position(source->host->runtime, buffer_bytes(&source->position), error);
}

int outbox_poll(struct source *source, bool *more, struct error *error) {
    int64_t rows = 0, given = 0;
    struct error stored = {0};
    int rc = source->cleanup ? clean(source, error) : 0; // left by a crash, or a delete that failed
    if (rc)
        return rc;
    rc = read_batch(source, &rows, &given, error);
    bool full = position_full(source);
    if (given > 0) {
        db_rollback(source->db); // no transaction stays open while the disk works
        int kept = store(source, &stored);
        if (kept)
            return error_set(error, kept, "%s", stored.text);
        if (source->cleanup && !source->db->lost)
            kept = clean(source, &stored);
        if (kept && !rc)
            return error_set(error, kept, "%s", stored.text);
    }
    *more = rc == 0 && (rows >= source->rows || (source->cleanup && full));
    return rc;
}
