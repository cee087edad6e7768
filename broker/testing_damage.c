#include "broker/testing_damage.h"

static struct damage *of(struct journal *journal) {
    return (struct damage *)journal;
}

static int append(struct journal *journal, struct journal_batch *batch, struct error *error) {
    struct damage *damage = of(journal);
    int rc = journal_append(damage->real, batch, error);
    journal->last = journal_last(damage->real);
    journal->durable = journal_durable(damage->real);
    return rc;
}

struct passing {
    struct damage *damage;
    uint32_t queue;
    journal_visit *visit;
    void *context;
    struct error *error;
};

static int fail(struct passing *passing) {
    passing->damage->failures--;
    return error_set(
        passing->error, passing->damage->base.bear ? JOURNAL_DAMAGED : JOURNAL_UNREAD, "the disk fails");
}

static int pass(void *context, const struct journal_record *record, uint64_t position) {
    struct passing *passing = context;
    const struct damage *damage = passing->damage;
    struct journal_record read = *record;
    bool meant = (position && passing->queue == damage->queue && position == damage->position) ||
                 record->sequence == damage->sequence;
    if (meant && damage->failures)
        return fail(passing);
    if (meant && damage->body.data)
        read.body = damage->body;
    return passing->visit(passing->context, &read, position);
}

static int read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    struct passing passing = {
        .damage = of(journal), .queue = queue, .visit = visit, .context = context, .error = error};
    return journal_read_queue(of(journal)->real, queue, from, max_count, max_bytes, pass, &passing, error);
}

static int read_record(
    struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error) {
    struct passing passing = {.damage = of(journal), .visit = visit, .context = context, .error = error};
    return journal_read_record(of(journal)->real, sequence, pass, &passing, error);
}

static int retire(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error) {
    return journal_retire(of(journal)->real, keep_until_ns, settled, retired, error);
}

static void status(const struct journal *journal, struct journal_status *out) {
    journal_status(((const struct damage *)journal)->real, out);
}

static void close_real(struct journal *journal) {
    journal_close(&of(journal)->real);
}

static const struct journal_operations operations = {
    .append = append,
    .read_queue = read_queue,
    .read_record = read_record,
    .retire = retire,
    .status = status,
    .close = close_real,
};

struct journal *damage_wrap(struct damage *damage, struct journal *real) {
    *damage = (struct damage){.base = {.operations = &operations}, .real = real};
    damage->base.last = journal_last(real);
    damage->base.durable = journal_durable(real);
    memcpy(damage->base.id, journal_id(real), sizeof damage->base.id);
    return &damage->base;
}
