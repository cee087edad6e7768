#include "core/journal/journal.h"

#include "core/journal/backend.h"

int journal_append(struct journal *journal, struct journal_batch *batch, struct error *error) {
    return journal->operations->append(journal, batch, error);
}

int journal_collect(struct journal *journal, bool wait, struct error *error) {
    return journal->operations->collect ? journal->operations->collect(journal, wait, error) : 0;
}

bool journal_busy(const struct journal *journal) {
    return journal->operations->busy && journal->operations->busy(journal);
}

int journal_fd(const struct journal *journal) {
    return journal->operations->fd ? journal->operations->fd(journal) : -1;
}

bool journal_work_ahead(struct journal *journal, struct journal_batch *batch) {
    return journal->operations->work_ahead && journal->operations->work_ahead(journal, batch);
}

bool journal_shared(const struct journal *journal) {
    return journal->operations->serve != NULL;
}

int journal_serve(
    struct journal *journal, uint32_t queue, const char *name, bool serve, struct error *error) {
    return journal->operations->serve(journal, queue, name, serve, error);
}

int journal_stream(struct journal *journal, const char *system, const uint8_t stream[16], uint64_t *sequence,
    struct error *error) {
    return journal->operations->stream(journal, system, stream, sequence, error);
}

int journal_letters(struct journal *journal, uint32_t queue, struct error *error) {
    return journal->operations->letters(journal, queue, error);
}

uint64_t journal_durable(const struct journal *journal) {
    return journal->durable;
}

uint64_t journal_last(const struct journal *journal) {
    return journal->last;
}

const uint8_t *journal_id(const struct journal *journal) {
    return journal->id;
}

int journal_read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    return journal->operations->read_queue(journal, queue, from, max_count, max_bytes, visit, context, error);
}

void journal_bear(struct journal *journal, bool bear) {
    journal->bear = bear;
}

int journal_read_record(
    struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error) {
    return journal->operations->read_record(journal, sequence, visit, context, error);
}

int journal_erase(struct journal *journal, uint64_t sequence, struct error *error) {
    return journal->operations->erase(journal, sequence, error);
}

int journal_retire(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error) {
    return journal->operations->retire(journal, keep_until_ns, settled, retired, error);
}

void journal_status(const struct journal *journal, struct journal_status *out) {
    journal->operations->status(journal, out);
}

void journal_close(struct journal **self) {
    if (!*self)
        return;
    (*self)->operations->close(*self);
    *self = NULL;
}
