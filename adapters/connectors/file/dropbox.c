#include "adapters/connectors/file/dropbox.h"

#include "adapters/connectors/file/position.h"
#include "adapters/connectors/file/rejects.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_COLUMN SIZE_MAX

struct dropbox {
    struct dropbox_options options;
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

void dropbox_options_destroy(struct dropbox_options *options) {
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
    *options = (struct dropbox_options){0};
}

int dropbox_new(struct dropbox_options *options, const struct connector_host *host, struct dropbox **out,
    struct error *error) {
    struct dropbox *dropbox = calloc(1, sizeof *dropbox);
    if (!dropbox) {
        dropbox_options_destroy(options);
        return error_no_memory(error);
    }
    dropbox->options = *options;
    dropbox->host = host;
    *options = (struct dropbox_options){0};
    const struct dropbox_options *o = &dropbox->options;
    struct claims_options claims = {.folder = o->folder,
        .pattern = o->pattern,
        .work = o->work,
        .done = o->done,
        .rejects = o->rejects,
        .marker = o->marker,
        .settle_ns = o->settle_ns,
        .by_time = o->by_time};
    dropbox->claims = claims_new(&claims);
    dropbox->order = calloc(row_type_count(o->columns), sizeof *dropbox->order);
    if (!dropbox->claims || !dropbox->order || row_init(&dropbox->row, o->columns) != 0) {
        dropbox_destroy(&dropbox);
        return error_no_memory(error);
    }
    *out = dropbox;
    return 0;
}

static void close_file(struct dropbox *dropbox) {
    file_reader_destroy(&dropbox->reader);
    rejects_destroy(&dropbox->rejects);
    free(dropbox->file);
    dropbox->file = NULL;
}

void dropbox_destroy(struct dropbox **self) {
    struct dropbox *dropbox = *self;
    *self = NULL;
    if (!dropbox)
        return;
    close_file(dropbox);
    claims_destroy(&dropbox->claims);
    row_destroy(&dropbox->row);
    buffer_destroy(&dropbox->position);
    free(dropbox->order);
    dropbox_options_destroy(&dropbox->options);
    free(dropbox);
}

const struct dropbox_options *dropbox_settings(const struct dropbox *dropbox) {
    return &dropbox->options;
}

bool dropbox_busy(const struct dropbox *dropbox) {
    return dropbox->file != NULL;
}

// ---- Positions ----

static int make_position(struct dropbox *dropbox, struct error *error) {
    struct file_position position = {.state = dropbox->state,
        .place = dropbox->next,
        .rejects_size = rejects_size(dropbox->rejects),
        .dropbox = bytes_of_string(dropbox->options.name),
        .file = bytes_of_string(dropbox->file)};
    buffer_clear(&dropbox->position);
    int rc = rejects_sync(dropbox->rejects, error);
    if (rc == 0 && file_position_write(&position, &dropbox->position) != 0)
        rc = error_no_memory(error);
    return rc;
}

static int store_position(struct dropbox *dropbox, struct error *error) {
    int rc = make_position(dropbox, error);
    if (rc == 0)
        rc = dropbox->host->store_position(dropbox->host->runtime, buffer_bytes(&dropbox->position), error);
    if (rc == 0)
        dropbox->unsaved = false;
    return rc;
}

static int refuse(
    struct dropbox *dropbox, const struct record *record, const char *reason, struct error *error) {
    char place[400];
    snprintf(place, sizeof place, "%s/%s:%llu", dropbox->options.name, claims_dropped_name(dropbox->file),
        (unsigned long long)record->at.line);
    dropbox->host->refused(dropbox->host->runtime, place, reason);
    dropbox->unsaved = true;
    return rejects_add(
        dropbox->rejects, file_reader_charset(dropbox->reader), record->at.line, reason, record->raw, error);
}

// ---- Columns ----

static size_t find_field(const struct record *header, const char *name) {
    for (size_t i = 0; i < header->count; i++)
        if (bytes_equal_string(header->values[i], name))
            return i;
    return NO_COLUMN;
}

// Finds each column's field by its heading. CONNECTOR_BAD_ROW with the first heading that is missing.
static int order_by_header(struct dropbox *dropbox, const struct record *header, struct error *error) {
    dropbox->field_count = header->count;
    for (size_t i = 0; i < row_type_count(dropbox->options.columns); i++) {
        const struct column *column = row_type_column(dropbox->options.columns, i);
        dropbox->order[i] = find_field(header, column->from);
        if (dropbox->order[i] == NO_COLUMN)
            return error_set(error, CONNECTOR_BAD_ROW, "the headings have no \"%s\"", column->from);
    }
    return 0;
}

static void order_as_listed(struct dropbox *dropbox) {
    dropbox->field_count = row_type_count(dropbox->options.columns);
    for (size_t i = 0; i < dropbox->field_count; i++)
        dropbox->order[i] = i;
}

// ---- The file under way ----

static int open_files(struct dropbox *dropbox, uint64_t rejects, struct error *error) {
    char *path = claims_path(dropbox->claims, dropbox->file, "");
    char *rejects_path = claims_path(dropbox->claims, dropbox->file, ".rejects");
    struct place_in_file start = {.line = 1};
    int rc = path && rejects_path ? 0 : error_no_memory(error);
    if (rc == 0)
        rc = file_reader_open(&dropbox->options.format, path, start, &dropbox->reader, error);
    if (rc == 0)
        rc = rejects_open(rejects_path, rejects, &dropbox->rejects, error);
    free(path);
    free(rejects_path);
    return rc;
}

// Reads the headings. A file without the right ones is no use: it is refused as a whole.
static int read_header(struct dropbox *dropbox, struct error *error) {
    struct record record = {0};
    order_as_listed(dropbox);
    if (!dropbox->options.header)
        return 0;
    int rc = file_reader_next(dropbox->reader, &record, error);
    if (rc == READER_END) {
        dropbox->state = FILE_DONE;
        return 0;
    }
    if (rc == 0)
        rc = order_by_header(dropbox, &record, error);
    if (rc > 0) {
        struct error reason = *error;
        dropbox->state = FILE_REFUSED;
        return refuse(dropbox, &record, reason.text, error);
    }
    dropbox->next = record.next;
    return rc;
}

// Begins with a claimed file, or goes on in it. Takes `file`.
static int begin(struct dropbox *dropbox, char *file, const struct file_position *from, struct error *error) {
    dropbox->file = file;
    dropbox->state = FILE_READING;
    dropbox->next = (struct place_in_file){.line = 1};
    int rc = open_files(dropbox, from ? from->rejects_size : 0, error);
    if (rc == 0)
        rc = read_header(dropbox, error);
    if (rc == 0 && from && dropbox->state == FILE_READING && from->place.offset > dropbox->next.offset) {
        dropbox->next = from->place;
        file_reader_seek(dropbox->reader, from->place);
    }
    if (rc != 0)
        close_file(dropbox);
    return rc;
}

// Everything of the file is through: says so durably, then puts it away.
static int finish(struct dropbox *dropbox, struct error *error) {
    int rc = store_position(dropbox, error);
    if (rc == 0)
        rc = claims_finish(dropbox->claims, dropbox->file, dropbox->state == FILE_REFUSED, error);
    if (rc == 0)
        close_file(dropbox);
    return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
}

int dropbox_open(struct dropbox *dropbox, struct bytes position, bool *resumed, struct error *error) {
    struct file_position from;
    close_file(dropbox);
    int rc = claims_open(dropbox->claims, error);
    if (rc != 0)
        return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
    *resumed = file_position_read(position, &from) && bytes_equal_string(from.dropbox, dropbox->options.name);
    if (!*resumed)
        return 0;
    char *file = strndup((const char *)from.file.data, from.file.size);
    if (!file)
        return error_no_memory(error);
    if (from.state != FILE_READING) {
        rc = claims_finish(dropbox->claims, file, from.state == FILE_REFUSED, error);
        free(file);
        return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
    }
    if (!claims_exists(dropbox->claims, file)) {
        dropbox->host->refused(
            dropbox->host->runtime, file, "was taken out of the work folder in the middle of reading");
        free(file);
        return 0;
    }
    return begin(dropbox, file, &from, error);
}

// ---- Rows ----

static int fill_row(struct dropbox *dropbox, const struct record *record, struct error *error) {
    row_clear(&dropbox->row);
    if (record->count != dropbox->field_count)
        return error_set(
            error, CONNECTOR_BAD_ROW, "%zu fields, expected %zu", record->count, dropbox->field_count);
    int rc = 0;
    for (size_t i = 0; i < row_type_count(dropbox->options.columns) && rc == 0; i++)
        rc = row_set_text(&dropbox->row, i, record->values[dropbox->order[i]], error);
    return rc;
}

// Gives one row to the bus. The position behind it goes along, so what is refused before it is on disk
// before.
static int give(struct dropbox *dropbox, const struct record *record, struct error *error) {
    struct bytes wire;
    struct place_in_file before = dropbox->next;
    int rc = fill_row(dropbox, record, error);
    if (rc == 0)
        rc = row_finish(&dropbox->row, &wire, error);
    if (rc != 0)
        return rc;
    dropbox->next = record->next;
    rc = make_position(dropbox, error);
    if (rc == 0)
        rc = give_rules_publish(dropbox->options.rules, wire, buffer_bytes(&dropbox->position), error);
    if (rc != 0 && rc != GIVE_NOTHING)
        dropbox->next = before;
    else
        dropbox->unsaved = rc == GIVE_NOTHING;
    return rc == GIVE_NOTHING ? 0 : rc;
}

// One record. READER_END when there is none more.
static int next_row(struct dropbox *dropbox, struct error *error) {
    struct record record;
    file_reader_seek(dropbox->reader, dropbox->next);
    int rc = file_reader_next(dropbox->reader, &record, error);
    if (rc == READER_END)
        return rc;
    rc = rc == READER_BAD ? CONNECTOR_BAD_ROW : rc == 0 ? give(dropbox, &record, error) : rc;
    if (rc != CONNECTOR_BAD_ROW)
        return rc;
    struct error reason = *error;
    rc = refuse(dropbox, &record, reason.text, error);
    if (rc == 0)
        dropbox->next = record.next;
    return rc;
}

static int run_file(struct dropbox *dropbox, size_t rows, struct error *error) {
    for (size_t i = 0; i < rows && dropbox->state == FILE_READING; i++) {
        int rc = next_row(dropbox, error);
        if (rc == READER_END)
            dropbox->state = FILE_DONE;
        else if (rc != 0)
            return rc;
    }
    if (dropbox->state != FILE_READING)
        return finish(dropbox, error);
    return dropbox->unsaved ? store_position(dropbox, error) : 0;
}

int dropbox_run(struct dropbox *dropbox, size_t rows, bool *worked, uint64_t *wait_ns, struct error *error) {
    *worked = dropbox->file != NULL;
    *wait_ns = UINT64_MAX;
    if (!dropbox->file) {
        char *file = NULL;
        int rc = claims_next(dropbox->claims, clock_monotonic_ns(), &file, wait_ns, error);
        if (rc == CLAIMS_NONE)
            return 0;
        if (rc == 0)
            rc = begin(dropbox, file, NULL, error);
        if (rc != 0)
            return rc == CLAIMS_LATER ? CONNECTOR_RETRY : rc;
        *worked = true;
    }
    return run_file(dropbox, rows, error);
}
