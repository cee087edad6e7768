// `hutong journal export`: what a broker's journal on files leaves goes to a Kafka cluster. A program of its
// own, since librdkafka costs every process that is linked with it memory.
#include "broker/kafka/export.h"
#include "broker/kafka/properties.h"
#include "broker/leaving.h"
#include "core/base/log.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "hutong journal export"

static const char usage[] =
    "Usage: hutong journal export --config FILE FOLDER\n"
    "Takes a broker's journal on files over to a Kafka cluster, where a broker then goes on.\n"
    "\n"
    "FOLDER is the journal of a broker that was stopped. FILE is broker.yaml as the new broker will have "
    "it:\n"
    "journal.backend: kafka. What publishers sent last, every delivery and dead letter that waits, and what\n"
    "failed how often goes to the cluster; no broker starts there before all of it has. It may be killed at\n"
    "any moment and is then to be run again. From its first record on no broker starts on FOLDER.\n"
    "\n"
    "  -c, --config FILE  broker.yaml\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0 done, also before; 1 failed, run it again; 2 wrong usage, configuration, folder or bus.\n"
    "See also: docs/bus-on-kafka.md\n";

enum { DONE = 0, FAILED = 1, WRONG = 2 };

struct totals { // of a system
    const char *system;
    uint64_t deliveries, failed, letters, erased;
    uint64_t known_to; // the last position that the broker can have had in memory, and so can have sent
};

struct transfer {
    const char *config;
    const char *folder;
    struct configuration *configuration;
    struct broker *broker;
    struct journal *journal;
    struct properties properties;
    struct kafka_export *export;
    struct totals *totals; // owned
    size_t total_count;
    uint64_t streams;
    uint64_t written; // by this run
    bool left;        // the folder says that it goes there
    bool wrong;       // what was asked for, not how it went
    struct error error;
};

// What librdkafka takes for errors, such as a node that is away; some of them, since it says so again and
// again. From any of its threads.
static void tell(void *context, int level, const char *facility, const char *text) {
    enum { ENOUGH = 5 };
    static atomic_uint told;
    (void)context, (void)facility;
    if (level <= 4 && atomic_fetch_add(&told, 1) < ENOUGH)
        fprintf(stderr, NAME ": %s\n", text);
}

static int say(int code, const char *text) {
    fprintf(stderr, NAME ": %s\n", text);
    return code;
}

// ---- What there is ----

static struct totals *totals_of(struct transfer *transfer, const char *system) {
    for (size_t i = transfer->total_count; i > 0; i--)
        if (strcmp(transfer->totals[i - 1].system, system) == 0)
            return &transfer->totals[i - 1];
    struct totals *grown =
        reallocarray(transfer->totals, transfer->total_count + 1, sizeof *transfer->totals);
    if (!grown)
        return NULL;
    transfer->totals = grown;
    grown[transfer->total_count] = (struct totals){.system = system};
    return &grown[transfer->total_count++];
}

static int count_stream(void *context, const char *system, const uint8_t stream[16], uint64_t sequence,
    int64_t time_us, struct error *error) {
    struct transfer *transfer = context;
    (void)system, (void)stream, (void)sequence, (void)time_us, (void)error;
    transfer->streams++;
    return 0;
}

static int count_delivery(void *context, const struct leaving_item *item, struct error *error) {
    struct transfer *transfer = context;
    const struct policy_settings *settings = policy_settings(transfer->configuration->policy);
    struct totals *totals = totals_of(transfer, item->system);
    if (!totals)
        return error_no_memory(error);
    // It reads a queue in order, and so many that are not settled.
    if (totals->deliveries < settings->queue_window + settings->queue_held)
        totals->known_to = item->position;
    totals->deliveries++;
    totals->failed += item->failed != NULL;
    return 0;
}

static int count_letter(void *context, const struct leaving_item *item, struct error *error) {
    struct totals *totals = totals_of(context, item->system);
    if (!totals)
        return error_no_memory(error);
    totals->letters += item->record->body.data != NULL;
    totals->erased += item->record->body.data == NULL;
    return 0;
}

// Also whether all of it can be read, before anything is done.
static int count_all(struct transfer *transfer) {
    const struct leaving_sink sink = {
        .context = transfer, .stream = count_stream, .delivery = count_delivery, .letter = count_letter};
    return leaving_walk(transfer->broker, transfer->journal, 0, 0, &sink, &transfer->error);
}

// ---- To the cluster ----

static int write_stream(void *context, const char *system, const uint8_t stream[16], uint64_t sequence,
    int64_t time_us, struct error *error) {
    struct transfer *transfer = context;
    return export_stream(transfer->export, system, stream, sequence, time_us, error);
}

static int write_delivery(void *context, const struct leaving_item *item, struct error *error) {
    struct transfer *transfer = context;
    const struct totals *totals = totals_of(transfer, item->system);
    if (!totals)
        return error_no_memory(error);
    const struct export_delivery delivery = {.system = item->system,
        .at = {.queue = item->queue, .position = item->position},
        .maybe_done = item->position <= totals->known_to || item->failed,
        .body = item->record->body,
        .failed = item->failed};
    transfer->written++;
    return export_delivery(transfer->export, &delivery, error);
}

static int write_letter(void *context, const struct leaving_item *item, struct error *error) {
    struct transfer *transfer = context;
    const struct export_letter letter = {.system = item->system,
        .at = {.queue = item->queue, .position = item->position},
        .body = item->record->body};
    if (!item->record->body.data)
        return 0; // erased: nothing is left of it
    transfer->written++;
    return export_letter(transfer->export, &letter, error);
}

static int make_systems(struct transfer *transfer) {
    const char **systems = calloc(transfer->total_count + 1, sizeof *systems);
    if (!systems)
        return error_no_memory(&transfer->error);
    for (size_t i = 0; i < transfer->total_count; i++)
        systems[i] = transfer->totals[i].system;
    int rc = export_systems(transfer->export, systems, transfer->total_count, &transfer->error);
    transfer->wrong = rc == KAFKA_WRONG;
    free(systems);
    return rc;
}

static int write_all(struct transfer *transfer) {
    const struct leaving_sink sink = {
        .context = transfer, .stream = write_stream, .delivery = write_delivery, .letter = write_letter};
    const struct export_mark done = export_done(transfer->export);
    int rc = make_systems(transfer);
    if (rc == 0 && !export_written(transfer->export))
        rc = leaving_walk(
            transfer->broker, transfer->journal, done.queue, done.position, &sink, &transfer->error);
    return rc ? rc : export_finish(transfer->export, &transfer->error);
}

// ---- The folder goes out of use ----

static void where_it_goes(const struct transfer *transfer, char *out, size_t size) {
    snprintf(out, size,
        "it was exported to a Kafka cluster (journal.kafka.prefix: %.250s), where the bus goes on",
        policy_settings(transfer->configuration->policy)->cluster.prefix);
}

// It went nowhere yet, or where it is to go.
static int check_folder(struct transfer *transfer) {
    char where[400];
    struct error marked = {0};
    where_it_goes(transfer, where, sizeof where);
    int rc = journal_folder_left(transfer->folder, &marked);
    transfer->left = rc == JOURNAL_LEFT && strcmp(marked.text, where) == 0;
    transfer->wrong = rc == JOURNAL_LEFT && !transfer->left;
    return rc && !transfer->left
               ? error_set(&transfer->error, rc, "%.200s: %.250s", transfer->folder, marked.text)
               : 0;
}

// Before a record of it is on the cluster: from then on no broker may change what is here.
static int leave_folder(struct transfer *transfer) {
    char where[400];
    where_it_goes(transfer, where, sizeof where);
    return transfer->left ? 0 : journal_folder_leave(transfer->folder, where, &transfer->error);
}

// ---- All of it ----

static int open_export(struct transfer *transfer) {
    const struct policy_settings *settings = policy_settings(transfer->configuration->policy);
    const struct policy_cluster *cluster = &settings->cluster;
    struct export_source source = {.last = journal_last(transfer->journal), .left = transfer->left};
    memcpy(source.bus, journal_id(transfer->journal), sizeof source.bus);
    const struct journal_kafka_options options = {.cluster = {.brokers = cluster->brokers,
                                                      .prefix = cluster->prefix,
                                                      .name = cluster->name,
                                                      .settings = transfer->properties.items,
                                                      .setting_count = transfer->properties.count,
                                                      .tell = tell},
        .partitions = (int)cluster->partitions,
        .replication = (int)cluster->replication,
        .retention_ms = (int64_t)(settings->retention_us / 1000),
        .batch_limit = settings->journal_batch_limit,
        .record_limit = settings->message_bytes + ((size_t)1 << 20)};
    int rc = export_open(&options, &source, &transfer->export, &transfer->error);
    transfer->wrong = rc == KAFKA_WRONG;
    return rc == KAFKA_AGAIN ? error_prefix(&transfer->error, "%.200s: ", cluster->brokers) : rc;
}

static void print_totals(const struct transfer *transfer, bool before) {
    printf("%s%" PRIu64 " streams\n", before ? "exported before: " : "exported: ", transfer->streams);
    for (size_t i = 0; i < transfer->total_count; i++) {
        const struct totals *totals = &transfer->totals[i];
        printf("%s: %" PRIu64 " deliveries, of which %" PRIu64 " had failed; %" PRIu64 " dead letters",
            totals->system, totals->deliveries, totals->failed, totals->letters);
        if (totals->erased)
            printf(", and %" PRIu64 " that were erased stay behind", totals->erased);
        putchar('\n');
    }
    if (!before)
        printf("written by this run: %" PRIu64 "\n", transfer->written);
}

static int transfer_run(struct transfer *transfer) {
    int rc = count_all(transfer);
    rc = rc ? rc : check_folder(transfer);
    rc = rc ? rc : open_export(transfer);
    rc = rc ? rc : leave_folder(transfer);
    if (rc)
        return rc;
    bool before = export_complete(transfer->export);
    rc = before ? 0 : write_all(transfer);
    if (rc == 0)
        print_totals(transfer, before);
    return rc;
}

// Nothing is made where there is no journal.
static int open_journal(struct transfer *transfer) {
    uint8_t id[16];
    struct journal_options options = {.folder = transfer->folder, .ownerless = true, .left = true};
    const struct journal_owner owner = broker_journal_owner(transfer->broker);
    int rc = journal_folder_id(transfer->folder, id, &transfer->error);
    transfer->wrong = rc == -ENOENT || rc == -ENOTDIR;
    if (rc)
        return rc;
    rc = journal_file_open(&options, &owner, &transfer->journal, &transfer->error);
    transfer->wrong = rc == JOURNAL_LOCKED;
    return rc;
}

// The exit status.
static int run(struct transfer *transfer) {
    const struct policy_cluster *cluster = &policy_settings(transfer->configuration->policy)->cluster;
    if (!cluster->used)
        return say(WRONG, "--config is broker.yaml of the new broker, with journal.backend: kafka");
    if (cluster->settings_file &&
        properties_read(cluster->settings_file, &transfer->properties, &transfer->error))
        return say(WRONG, transfer->error.text);
    transfer->broker = broker_new(transfer->configuration);
    if (!transfer->broker)
        return say(FAILED, "out of memory");
    int rc = open_journal(transfer);
    rc = rc ? rc : transfer_run(transfer);
    if (rc)
        return say(transfer->wrong ? WRONG : FAILED, transfer->error.text);
    return fflush(stdout) ? say(FAILED, strerror(errno)) : DONE;
}

static void close_all(struct transfer *transfer) {
    export_close(&transfer->export);
    journal_close(&transfer->journal);
    broker_destroy(&transfer->broker);
    configuration_destroy(&transfer->configuration);
    properties_destroy(&transfer->properties);
    free(transfer->totals);
}

static int load(struct transfer *transfer) {
    struct buffer text = {0};
    struct report *report = report_new(0);
    transfer->configuration = report ? configuration_load(transfer->config, NULL, report) : NULL;
    if (report && report_print(report, &text) == 0 && text.size)
        fwrite(text.data, 1, text.size, stderr);
    buffer_destroy(&text);
    report_destroy(&report);
    return transfer->configuration ? DONE : say(WRONG, "the configuration has errors; nothing was done");
}

// -1: go on; otherwise the exit status.
static int parse(int argc, char **argv, struct transfer *out) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(usage, stdout) < 0;
        if (option != 'c')
            return say(WRONG, "see hutong journal export --help");
        out->config = optarg;
    }
    if (!out->config || optind + 1 != argc)
        return say(WRONG, "it takes --config FILE and FOLDER; see --help");
    out->folder = argv[optind];
    return -1;
}

int main(int argc, char **argv) {
    struct transfer transfer = {0};
    int code = parse(argc, argv, &transfer);
    if (code >= 0)
        return code;
    log_set_level(LOG_ERROR);
    code = load(&transfer);
    code = code ? code : run(&transfer);
    close_all(&transfer);
    return code;
}
