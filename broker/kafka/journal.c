#include "broker/kafka/journal.h"

#include "broker/kafka/journal_internal.h"
#include "broker/kafka/making.h"
#include "core/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

// What a structure owns, GCC's analyzer takes for lost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define ADMIN_MS 30000       // a question to the cluster
#define TRANSACTION_MS 30000 // longer than a node needs to come back: whose transaction is ended must end too
#define GATHERED_MOST ((size_t)2000 << 20)

static struct kafka_journal *of(struct journal *journal) {
    return (struct kafka_journal *)(void *)journal;
}

// ---- One descriptor for all ----

int kafka_watch(struct kafka_journal *journal, int fd, struct error *error) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(journal->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0
               ? 0
               : error_set(error, -errno, "epoll: %s", strerror(errno));
}

void kafka_unwatch(struct kafka_journal *journal, int fd) {
    (void)epoll_ctl(journal->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int kafka_topic(const struct kafka_journal *journal, const struct destination *destination,
    char out[TOPIC_NAME_SIZE], struct error *error) {
    return topic_name(destination->letters ? TOPIC_DEAD : TOPIC_TO, journal->options.cluster.prefix,
        destination->name + (destination->letters ? 5 : 0), out, error);
}

// ---- Opening ----

int kafka_make_topics(
    struct kafka_journal *journal, const char *const *systems, size_t count, struct error *error) {
    struct making making = {.admin = journal->admin, .options = &journal->options};
    int rc = making_run(&making, systems, count, error);
    if (rc)
        return rc < 0 ? rc : -EIO;
    memcpy(journal->base.id, making.id, sizeof making.id);
    journal->partitions = making.partitions;
    return 0;
}

static int open_follow(
    struct kafka_journal *journal, enum topic_kind kind, struct follow **out, struct error *error) {
    char topic[TOPIC_NAME_SIZE];
    int rc = topic_name(kind, journal->options.cluster.prefix, NULL, topic, error);
    bool streams = kind == TOPIC_STREAMS;
    const struct follow_options options = {.topic = topic,
        .partitions = journal->partitions,
        .kept_as = streams ? author_key_of : NULL,
        .counts = streams ? streams_counts : NULL};
    rc = rc ? rc : follow_open(&journal->options.cluster, &options, out, error);
    return rc ? rc : kafka_watch(journal, follow_fd(*out), error);
}

static int number_topic(
    struct kafka_journal *journal, enum topic_kind kind, uint32_t *out, struct error *error) {
    char topic[TOPIC_NAME_SIZE];
    int rc = topic_name(kind, journal->options.cluster.prefix, NULL, topic, error);
    return rc ? rc : transactions_topic(journal->transactions, topic, out);
}

// The deliveries, and what else a batch has: it is written once, with the state of the lanes that it changed.
static size_t gathered_limit(size_t batch_limit) {
    size_t limit = JOURNAL_RECORD_WEIGHT + 8 * batch_limit;
    return limit < GATHERED_MOST ? limit : GATHERED_MOST;
}

static int open_transactions(struct kafka_journal *journal, struct error *error) {
    const struct transactions_options options = {.batch_limit = gathered_limit(journal->options.batch_limit),
        .transaction_ms = TRANSACTION_MS,
        .record_limit = journal->options.record_limit};
    int rc = transactions_open(&journal->options.cluster, &options, &journal->transactions, error);
    rc = rc ? rc : kafka_watch(journal, transactions_fd(journal->transactions), error);
    rc = rc ? rc : number_topic(journal, TOPIC_STATE, &journal->state_topic, error);
    rc = rc ? rc : number_topic(journal, TOPIC_STREAMS, &journal->streams_topic, error);
    rc = rc ? rc : number_topic(journal, TOPIC_RECORD, &journal->record_topic, error);
    journal->batch = rc ? NULL : transactions_batch(journal->transactions);
    return rc == 0 && !journal->batch ? error_no_memory(error) : rc;
}

// What a process of this name had under way ends before anything is read.
static int open_parts(struct kafka_journal *journal, struct error *error) {
    journal->questions = map_new();
    journal->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!journal->questions || journal->epoll_fd < 0)
        return error_no_memory(error);
    int rc = topics_open(&journal->options.cluster, ADMIN_MS, &journal->admin, error);
    rc = rc ? rc : kafka_make_topics(journal, NULL, 0, error);
    rc = rc ? rc : shortening_open(journal->admin, &journal->shortening, error);
    rc = rc ? rc : heights_open(journal->admin, &journal->heights, error);
    rc = rc ? rc : open_transactions(journal, error);
    rc = rc ? rc : open_follow(journal, TOPIC_STATE, &journal->state, error);
    return rc ? rc : open_follow(journal, TOPIC_STREAMS, &journal->streams, error);
}

// ---- The back end ----

static void close_journal(struct journal *base) {
    struct kafka_journal *journal = of(base);
    inward_leave_all(journal);
    for (size_t i = 0; i < journal->destination_count; i++)
        destination_destroy(&journal->destinations[i]);
    free(journal->destinations);
    transactions_close(&journal->transactions);
    gathered_destroy(&journal->batch);
    follow_close(&journal->state);
    follow_close(&journal->streams);
    shortening_close(&journal->shortening);
    heights_close(&journal->heights);
    topics_close(&journal->admin);
    streams_destroy(journal);
    authors_destroy(&journal->authors);
    activations_destroy(&journal->activations);
    if (journal->epoll_fd >= 0)
        close(journal->epoll_fd);
    free(journal);
}

static int append(struct journal *base, struct journal_batch *batch, struct error *error) {
    struct kafka_journal *journal = of(base);
    if (!journal->batch)
        return JOURNAL_BUSY;
    int rc = queues_add(journal, batch, error);
    rc = rc ? rc : outward_gather(journal, batch, error);
    if (rc)
        return rc < 0 ? rc : -ENOSPC;
    base->last += journal_batch_count(batch);
    journal->started = base->last;
    journal->counters.payload_bytes += journal_batch_size(batch);
    journal->counters.appended_bytes += gathered_size(journal->batch);
    journal_batch_clear(batch);
    rc = transactions_start(journal->transactions, &journal->batch, error);
    return rc > 0 ? -EIO : rc;
}

static int take_committed(struct kafka_journal *journal, struct gathered *batch, struct error *error) {
    int rc = inward_committed(journal, batch);
    journal->base.durable = journal->started;
    journal->counters.syncs++;
    gathered_clear(batch);
    journal->batch = batch;
    return rc ? rc : inward_let_go(journal, error);
}

// What only this process knows of its lanes, where no batch takes it along.
static int write_notes(struct kafka_journal *journal, struct error *error) {
    if (!journal->notes || !journal->batch)
        return 0;
    journal->notes = false;
    int rc = outward_gather_lanes(journal, error);
    if (rc || gathered_records(journal->batch) == 0)
        return rc < 0 ? rc : rc ? -ENOSPC : 0;
    rc = transactions_start(journal->transactions, &journal->batch, error);
    return rc > 0 ? -EIO : rc;
}

// Behind a committed batch what has come from the cluster, and notes, wait for the next look, but not twice
// in a row: the next batch is to be on its way first.
static int collect(struct journal *base, bool wait, struct error *error) {
    struct kafka_journal *journal = of(base);
    struct gathered *batch = NULL;
    int rc = transactions_collect(journal->transactions, wait, &batch, error);
    bool took = rc == 0 && batch;
    rc = took ? take_committed(journal, batch, error) : rc;
    journal->put_off = took && !journal->put_off;
    if (journal->put_off)
        return rc > 0 ? -EIO : rc;
    rc = rc ? rc : inward_run(journal, error);
    if (rc == 0 && !wait) // who waits appends next
        rc = write_notes(journal, error);
    return rc > 0 ? -EIO : rc;
}

static bool busy(const struct journal *base) {
    const struct kafka_journal *journal = (const struct kafka_journal *)(const void *)base;
    return journal->batch == NULL;
}

static int descriptor(const struct journal *base) {
    const struct kafka_journal *journal = (const struct kafka_journal *)(const void *)base;
    return journal->epoll_fd;
}

static int read_queue(struct journal *base, uint32_t queue, uint64_t from, size_t max_count, size_t max_bytes,
    journal_visit *visit, void *context, struct error *error) {
    const struct destination *destination = kafka_destination(of(base), queue);
    if (destination && destination->letters)
        return letters_read(of(base), destination, from, max_count, max_bytes, visit, context, error);
    if (!destination)
        return activations_read(&of(base)->activations, queue, from, max_count, max_bytes, visit, context);
    const struct arrival *arrival;
    for (; max_count && (arrival = destination_from(destination, from)); from = arrival->position + 1) {
        const struct journal_record record = {.kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE,
            .body = buffer_bytes(&arrival->value),
            .place = arrival_place(arrival)};
        int rc = visit(context, &record, arrival->position);
        if (rc || record.body.size >= max_bytes)
            return rc;
        max_bytes -= record.body.size;
        max_count--;
    }
    return 0;
}

static int retire(struct journal *base, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error) {
    (void)settled; // the state of lanes says it
    *retired = 0;  // it is told when it is done
    return retention_ask(of(base), keep_until_ns / (int64_t)CLOCK_MILLISECOND_NS, error);
}

static int read_record(
    struct journal *base, uint64_t sequence, journal_visit *visit, void *context, struct error *error) {
    (void)base;
    (void)sequence;
    (void)visit;
    (void)context;
    return error_set(error, JOURNAL_REFUSED,
        "a journal on a Kafka cluster has no records by number: what happened is in its topic PREFIX.record");
}

static int erase(struct journal *base, uint64_t sequence, struct error *error) {
    (void)base;
    (void)sequence;
    return error_set(
        error, JOURNAL_REFUSED, "a journal on a Kafka cluster can't erase the body of a single record");
}

static void status(const struct journal *base, struct journal_status *out) {
    const struct kafka_journal *journal = (const struct kafka_journal *)(const void *)base;
    *out = journal->counters;
    out->first = 1;
    out->last = base->last;
}

static int serve(struct journal *base, uint32_t queue, const char *name, bool served, struct error *error) {
    (void)name;
    int rc = inward_serve(of(base), queue, served, error);
    return rc > 0 ? -EIO : rc;
}

static int stream(struct journal *base, const char *system, const uint8_t name[16], uint64_t *sequence,
    struct error *error) {
    return streams_ask(of(base), system, name, sequence, error);
}

static int letters(struct journal *base, uint32_t queue, struct error *error) {
    return letters_fetch(of(base), queue, error);
}

static const struct journal_operations operations = {.append = append,
    .read_queue = read_queue,
    .retire = retire,
    .read_record = read_record,
    .erase = erase,
    .status = status,
    .close = close_journal,
    .collect = collect,
    .busy = busy,
    .fd = descriptor,
    .serve = serve,
    .stream = stream,
    .letters = letters};

int journal_kafka_open(const struct journal_kafka_options *options, const struct journal_owner *owner,
    struct journal **out, struct error *error) {
    struct kafka_journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return error_no_memory(error);
    journal->base.operations = &operations;
    journal->owner = *owner;
    journal->options = *options;
    journal->epoll_fd = -1;
    int rc = open_parts(journal, error);
    if (rc) {
        close_journal(&journal->base);
        return rc < 0 ? rc : -EIO;
    }
    *out = &journal->base;
    return 0;
}
