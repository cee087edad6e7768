#include "adapters/connectors/file/inbox.h"

#include "adapters/connectors/file/position.h"
#include "adapters/connectors/file/rejects.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_COLUMN SIZE_MAX

struct inbox {
    struct inbox_options options;
    const struct connector_host *host;
    struct claims *claims;
    struct row row;
    size_t *order;      // by column: the field of a record that fills it, or NO_COLUMN
    size_t field_count; // of a record, as the headings say; 0: not known
    struct buffer position;
    // The file under way; `file` NULL: none.
    char *file;
    enum file_state state;
    struct file_reader *reader;
    struct rejects *rejects;
    struct place_in_file next;
    bool unsaved; // rows were passed over since the last stored position
};

void inbox_options_destroy(struct inbox_options *options) {
    free(options->name);
    free(options->folder);
    free(options->pattern);
    free(options->work);
    free(options->done);
    free(options->rejects);
    free(options->marker);
    free(options->widths);
    give_rules_destroy(&options->rules);
    row_type_destroy(&options->columns);
    *options = (struct inbox_options){0};
}

int inbox_new(struct inbox_options *options, const struct connector_host *host, struct inbox **out,
    struct error *error) {
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox) {
        inbox_options_destroy(options);
        return error_no_memory(error);
    }
    inbox->options = *options;
    inbox->host = host;
    *options = (struct inbox_options){0};
    const struct inbox_options *o = &inbox->options;
    struct claims_options claims = {.folder = o->folder,
        .pattern = o->pattern,
        .work = o->work,
        .done = o->done,
        .rejects = o->rejects,
        .marker = o->marker,
        .settle_ns = o->settle_ns,
        .by_time = o->by_time};
    inbox->claims = claims_new(&claims);
    inbox->order = calloc(row_type_count(o->columns), sizeof *inbox->order);
    if (!inbox->claims || !inbox->order || row_init(&inbox->row, o->columns) != 0) {
        inbox_destroy(&inbox);
        return error_no_memory(error);
    }
    *out = inbox;
    return 0;
}

static void close_file(struct inbox *inbox) {
    file_reader_destroy(&inbox->reader);
    rejects_destroy(&inbox->rejects);
    free(inbox->file);
    inbox->file = NULL;
}

void inbox_destroy(struct inbox **self) {
    struct inbox *inbox = *self;
    *self = NULL;
    if (!inbox)
        return;
    close_file(inbox);
    claims_destroy(&inbox->claims);
    row_destroy(&inbox->row);
    buffer_destroy(&inbox->position);
    free(inbox->order);
    inbox_options_destroy(&inbox->options);
    free(inbox);
}

const struct inbox_options *inbox_settings(const struct inbox *inbox) {
    return &inbox->options;
}

bool inbox_busy(const struct inbox *inbox) {
    return inbox->file != NULL;
}

// ---- Positions ----

static int make_position(struct inbox *inbox, struct error *error) {
    struct file_position position = {.state = inbox->state,
        .place = inbox->next,
        .rejects_size = rejects_size(inbox->rejects),
        .inbox = bytes_of_string(inbox->options.name),
        .file = bytes_of_string(inbox->file)};
    buffer_clear(&inbox->position);
    int rc = rejects_sync(inbox->rejects, error);
    if (rc == 0 && file_position_write(&position, &inbox->position) != 0)
        rc = error_no_memory(error);
    return rc;
}

static int store_position(struct inbox *inbox, struct error *error) {
    int rc = make_position(inbox, error);
    if (rc == 0)
        rc = inbox->host->store_position(inbox->host->runtime, buffer_bytes(&inbox->position), error);
    if (rc == 0)
        inbox->unsaved = false;
    return rc;
}

static int refuse(struct inbox *inbox, const struct record *record, const char *reason, struct error *error) {
    char place[400];
    snprintf(place, sizeof place, "%s/%s:%llu", inbox->options.name, claims_dropped_name(inbox->file),
        (unsigned long long)record->at.line);
    inbox->host->refused(inbox->host->runtime, place, reason);
    inbox->unsaved = true;
    return rejects_add(
        inbox->rejects, file_reader_charset(inbox->reader), record->at.line, reason, record->raw, error);
}

// ---- Columns ----

static size_t find_field(const struct record *header, const char *name) {
    for (size_t i = 0; i < header->count; i++)
        if (bytes_equal_string(header->values[i], name))
            return i;
    return NO_COLUMN;
}

// Finds each column's field by its heading. CONNECTOR_BAD_ROW with the first heading that is missing.
static int order_by_header(struct inbox *inbox, const struct record *header, struct error *error) {
    inbox->field_count = header->count;
    for (size_t i = 0; i < row_type_count(inbox->options.columns); i++) {
        const struct column *column = row_type_column(inbox->options.columns, i);
        inbox->order[i] = find_field(header, column->from);
        if (inbox->order[i] == NO_COLUMN)
            return error_set(error, CONNECTOR_BAD_ROW, "the headings have no \"%s\"", column->from);
    }
    return 0;
}

static void order_as_listed(struct inbox *inbox) {
    inbox->field_count = row_type_count(inbox->options.columns);
    for (size_t i = 0; i < inbox->field_count; i++)
        inbox->order[i] = i;
}

// ---- The file under way ----

static int open_files(struct inbox *inbox, uint64_t rejects, struct error *error) {
    char *path = claims_path(inbox->claims, inbox->file, "");
    char *rejects_path = claims_path(inbox->claims, inbox->file, ".rejects");
    struct place_in_file start = {.line = 1};
    int rc = path && rejects_path ? 0 : error_no_memory(error);
    if (rc == 0)
        rc = file_reader_open(&inbox->options.format, path, start, &inbox->reader, error);
    if (rc == 0)
        rc = rejects_open(rejects_path, rejects, &inbox->rejects, error);
    free(path);
    free(rejects_path);
    return rc;
}

// Reads the headings. A file without the right ones is no use: it is refused as a whole.
static int read_header(struct inbox *inbox, struct error *error) {
    struct record record = {0};
    order_as_listed(inbox);
    if (!inbox->options.header)
        return 0;
    int rc = file_reader_next(inbox->reader, &record, error);
    if (rc == READER_END) {
        inbox->state = FILE_DONE;
        return 0;
    }
    if (rc == 0)
        rc = order_by_header(inbox, &record, error);
    if (rc > 0) {
        struct error reason = *error;
        inbox->state = FILE_REFUSED;
        return refuse(inbox, &record, reason.text, error);
    }
    inbox->next = record.next;
    return rc;
}

// Begins with a claimed file, or goes on in it. Takes `file`.
static int begin(struct inbox *inbox, char *file, const struct file_position *from, struct error *error) {
    inbox->file = file;
    inbox->state = FILE_READING;
    inbox->next = (struct place_in_file){.line = 1};
    int rc = open_files(inbox, from ? from->rejects_size : 0, error);
    if (rc == 0)
        rc = read_header(inbox, error);
    if (rc == 0 && from && inbox->state == FILE_READING && from->place.offset > inbox->next.offset) {
        inbox->next = from->place;
        file_reader_seek(inbox->reader, from->place);
    }
    if (rc != 0)
        close_file(inbox);
    return rc;
}

// Everything of the file is through: says so durably, then puts it away.
static int finish(struct inbox *inbox, struct error *error) {
    int rc = store_position(inbox, error);
    if (rc == 0)
        rc = claims_finish(inbox->claims, inbox->file, inbox->state == FILE_REFUSED, error);
    if (rc == 0)
        close_file(inbox);
    return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
}

int inbox_open(struct inbox *inbox, struct bytes position, bool *resumed, struct error *error) {
    struct file_position from;
    close_file(inbox);
    int rc = claims_open(inbox->claims, error);
    if (rc != 0)
        return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
    *resumed = file_position_read(position, &from) && bytes_equal_string(from.inbox, inbox->options.name);
    if (!*resumed)
        return 0;
    char *file = strndup((const char *)from.file.data, from.file.size);
    if (!file)
        return error_no_memory(error);
    if (from.state != FILE_READING) {
        rc = claims_finish(inbox->claims, file, from.state == FILE_REFUSED, error);
        free(file);
        return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
    }
    if (!claims_exists(inbox->claims, file)) {
        inbox->host->refused(
            inbox->host->runtime, file, "was taken out of the work folder in the middle of reading");
        free(file);
        return 0;
    }
    return begin(inbox, file, &from, error);
}

// ---- Rows ----

static int fill_row(struct inbox *inbox, const struct record *record, struct error *error) {
    row_clear(&inbox->row);
    if (record->count != inbox->field_count)
        return error_set(
            error, CONNECTOR_BAD_ROW, "%zu fields, expected %zu", record->count, inbox->field_count);
    int rc = 0;
    for (size_t i = 0; i < row_type_count(inbox->options.columns) && rc == 0; i++)
        rc = row_set_text(&inbox->row, i, record->values[inbox->order[i]], error);
    return rc;
}

// Gives one row to the bus. The position behind it goes along, so what is refused before it is on disk
// before.
static int give(struct inbox *inbox, const struct record *record, struct error *error) {
    struct bytes wire;
    struct place_in_file before = inbox->next;
    int rc = fill_row(inbox, record, error);
    if (rc == 0)
        rc = row_finish(&inbox->row, &wire, error);
    if (rc != 0)
        return rc;
    inbox->next = record->next;
    rc = make_position(inbox, error);
    if (rc == 0)
        rc = give_rules_publish(inbox->options.rules, wire, buffer_bytes(&inbox->position), error);
    if (rc != 0 && rc != GIVE_NOTHING)
        inbox->next = before;
    else
        inbox->unsaved = rc == GIVE_NOTHING;
    return rc == GIVE_NOTHING ? 0 : rc;
}

// One record. READER_END when there is none more.
static int next_row(struct inbox *inbox, struct error *error) {
    struct record record;
    file_reader_seek(inbox->reader, inbox->next);
    int rc = file_reader_next(inbox->reader, &record, error);
    if (rc == READER_END)
        return rc;
    rc = rc == READER_BAD ? CONNECTOR_BAD_ROW : rc == 0 ? give(inbox, &record, error) : rc;
    if (rc != CONNECTOR_BAD_ROW)
        return rc;
    struct error reason = *error;
    rc = refuse(inbox, &record, reason.text, error);
    if (rc == 0)
        inbox->next = record.next;
    return rc;
}

static int run_file(struct inbox *inbox, size_t rows, struct error *error) {
    for (size_t i = 0; i < rows && inbox->state == FILE_READING; i++) {
        int rc = next_row(inbox, error);
        if (rc == READER_END)
            inbox->state = FILE_DONE;
        else if (rc != 0)
            return rc;
    }
    if (inbox->state != FILE_READING)
        return finish(inbox, error);
    return inbox->unsaved ? store_position(inbox, error) : 0;
}

int inbox_run(struct inbox *inbox, size_t rows, bool *worked, uint64_t *wait_ns, struct error *error) {
    *worked = inbox->file != NULL;
    *wait_ns = UINT64_MAX;
    if (!inbox->file) {
        char *file = NULL;
        int rc = claims_next(inbox->claims, clock_monotonic_ns(), &file, wait_ns, error);
        if (rc == CLAIMS_NONE)
            return 0;
        if (rc == 0)
            rc = begin(inbox, file, NULL, error);
        if (rc != 0)
            return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
        *worked = true;
    }
    return run_file(inbox, rows, error);
}
