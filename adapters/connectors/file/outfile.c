#include "adapters/connectors/file/outfile.h"

#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>

void outfile_destroy(struct outfile **self) {
    struct outfile *outfile = *self;
    *self = NULL;
    if (!outfile)
        return;
    outgoing_destroy(&outfile->outgoing);
    charset_destroy(&outfile->charset);
    for (size_t i = 0; i < outfile->column_count; i++)
        cel_program_destroy(&outfile->columns[i].value);
    free(outfile->columns);
    free(outfile->name);
    free(outfile->folder);
    free(outfile->file);
    free(outfile->marker);
    buffer_destroy(&outfile->head);
    buffer_destroy(&outfile->line);
    free(outfile);
}

// ---- Rows ----

static int pad(struct buffer *out, size_t count) {
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = buffer_append_byte(out, ' ');
    return rc;
}

static int put_fixed(
    const struct out_column *column, struct bytes value, struct buffer *out, struct error *error) {
    if (value.size > column->width)
        return error_set(error, CSV_BAD, "%zu bytes, the column has %zu", value.size, column->width);
    size_t blanks = column->width - value.size;
    int rc = column->right ? pad(out, blanks) : 0;
    if (rc == 0)
        rc = buffer_append_bytes(out, value);
    if (rc == 0 && !column->right)
        rc = pad(out, blanks);
    return rc ? error_no_memory(error) : 0;
}

// A field in UTF-8 to the line. CSV_BAD when it has no form there.
static int put_field(struct outfile *outfile, size_t i, struct bytes text, struct error *error) {
    struct buffer encoded = {0};
    struct buffer *line = &outfile->line;
    // RFC 4180 has line ends in quotes; the programs that read these files split at line ends first.
    bool broken = text.size && (memchr(text.data, '\n', text.size) || memchr(text.data, '\r', text.size));
    int rc = broken ? error_set(error, CSV_BAD, "holds a line end") : 0;
    if (rc == 0 && i && outfile->format.name != FORMAT_FIXED)
        rc =
            buffer_append_byte(line, (uint8_t)outfile->format.dialect.delimiter) ? error_no_memory(error) : 0;
    if (rc == 0) {
        rc = charset_encode(outfile->charset, text, &encoded, error);
        rc = rc == CHARSET_BAD ? CSV_BAD : rc;
    }
    if (rc == 0)
        rc = outfile->format.name == FORMAT_FIXED
                 ? put_fixed(&outfile->columns[i], buffer_bytes(&encoded), line, error)
                 : csv_put(&outfile->format.dialect, outfile->charset, buffer_bytes(&encoded), line, error);
    buffer_destroy(&encoded);
    if (rc == CSV_BAD)
        error_prefix(error, "%s: ", outfile->columns[i].heading);
    return rc;
}

static int end_line(struct outfile *outfile, struct error *error) {
    return buffer_append_string(&outfile->line, outfile->lf ? "\n" : "\r\n") ? error_no_memory(error) : 0;
}

int outfile_make_head(struct outfile *outfile, struct error *error) {
    int rc = 0;
    for (size_t i = 0; outfile->header && i < outfile->column_count && rc == 0; i++)
        rc = put_field(outfile, i, bytes_of_string(outfile->columns[i].heading), error);
    if (rc == 0 && outfile->header)
        rc = end_line(outfile, error);
    if (rc == 0 && buffer_append_bytes(&outfile->head, buffer_bytes(&outfile->line)) != 0)
        rc = error_no_memory(error);
    return rc;
}

// 0, CSV_BAD (the message has no form in this file), CONNECTOR_REJECT (an expression failed), -ENOMEM.
static int make_field(struct outfile *outfile, size_t i, struct buffer *text, struct error *error) {
    const struct out_column *column = &outfile->columns[i];
    struct cel_value value;
    int rc = take_rule_eval(outfile->rule, column->value, &value, error);
    if (rc == 0) {
        rc = text_write(&column->form, &value, text, error);
        if (rc == TEXT_BAD)
            rc = CONNECTOR_REJECT;
    }
    if (rc == CONNECTOR_REJECT)
        error_prefix(error, "%s: ", column->heading);
    return rc ? rc : put_field(outfile, i, buffer_bytes(text), error);
}

static int make_line(struct outfile *outfile, struct error *error) {
    struct buffer text = {0};
    int rc = 0;
    buffer_clear(&outfile->line);
    for (size_t i = 0; i < outfile->column_count && rc == 0; i++) {
        buffer_clear(&text);
        rc = make_field(outfile, i, &text, error);
    }
    buffer_destroy(&text);
    if (rc == 0)
        rc = end_line(outfile, error);
    return rc == CSV_BAD ? CONNECTOR_REJECT : rc;
}

// ---- Durable ----

// After a crash between the log's commit and the sidecar's, rows are there that the sidecar doesn't know:
// they come again. The sidecar keeps positions of the bus that it is connected to, which shows with the first
// delivery; until then the log keeps them.
static int mark_all(struct outfile *outfile, const uint8_t *bus, struct error *error) {
    struct rowlog *log = outgoing_log(outfile->outgoing);
    uint64_t *positions = NULL;
    size_t count = 0;
    const uint8_t *of = rowlog_bus(log);
    int rc = 0;
    if (of && memcmp(of, bus, ROWLOG_BUS_SIZE) == 0)
        rc = rowlog_positions(log, &positions, &count, error);
    if (rc == 0 && count)
        rc = outfile->host->mark_done(outfile->host->runtime, positions, count, error);
    free(positions);
    if (rc != 0)
        return CONNECTOR_RETRY;
    outfile->unmarked = false;
    outgoing_keep_positions(outfile->outgoing, false);
    return 0;
}

int outfile_open(struct outfile *outfile, struct error *error) {
    const struct outgoing_options options = {.name = outfile->name,
        .folder = outfile->folder,
        .file = outfile->file,
        .marker = outfile->marker,
        .header = buffer_bytes(&outfile->head),
        .rows = outfile->rows,
        .wait_ns = outfile->wait_ns};
    outgoing_destroy(&outfile->outgoing);
    outfile->unmarked = true;
    int rc =
        outgoing_open(&options, outfile->host->state_folder, clock_monotonic_ns(), &outfile->outgoing, error);
    return rc;
}

int outfile_commit(struct outfile *outfile, struct error *error) {
    struct rowlog *log = outgoing_log(outfile->outgoing);
    size_t count = rowlog_pending(log);
    if (count == 0)
        return 0;
    if (rowlog_commit(log, outfile->bus, error) != 0) {
        rowlog_rollback(log);
        return CONNECTOR_RETRY;
    }
    const uint64_t *positions = rowlog_pending_positions(log); // they stay until the next is added
    if (outfile->host->mark_done(outfile->host->runtime, positions, count, error) == 0)
        return 0;
    outfile->unmarked = true;
    outgoing_keep_positions(outfile->outgoing, true);
    return CONNECTOR_RETRY;
}

static int publish_due(struct outfile *outfile, struct error *error) {
    int rc = outgoing_publish_due(outfile->outgoing, clock_monotonic_ns(), error);
    return rc == OUTGOING_LATER ? CONNECTOR_RETRY : rc;
}

// Room for one more row: what is there becomes a file first when it must.
static int make_room(struct outfile *outfile, struct error *error) {
    if (!outgoing_full(outfile->outgoing))
        return 0;
    int rc = outfile_commit(outfile, error);
    return rc ? rc : publish_due(outfile, error);
}

int outfile_add(struct outfile *outfile, const struct connector_delivery *delivery, struct error *error) {
    int rc = outfile->unmarked ? mark_all(outfile, delivery->bus, error) : 0;
    if (rc == 0 && outfile->host->is_done(outfile->host->runtime, delivery->position))
        return 0;
    if (rc == 0)
        rc = make_line(outfile, error);
    if (rc == 0)
        rc = make_room(outfile, error);
    if (rc != 0)
        return rc;
    memcpy(outfile->bus, delivery->bus, ROWLOG_BUS_SIZE);
    rc = rowlog_add(outgoing_log(outfile->outgoing), delivery->position, buffer_bytes(&outfile->line));
    if (rc == -EMSGSIZE)
        return error_set(error, CONNECTOR_REJECT, "a row of %zu bytes", outfile->line.size);
    return rc == -ENOMEM ? error_no_memory(error) : rc;
}

uint64_t outfile_due_in(const struct outfile *outfile) {
    return outgoing_due_in(outfile->outgoing, clock_monotonic_ns());
}

int outfile_run(struct outfile *outfile, uint64_t *wait_ns, struct error *error) {
    int rc = publish_due(outfile, error);
    uint64_t due = outfile_due_in(outfile);
    if (due < *wait_ns)
        *wait_ns = due;
    return rc;
}
