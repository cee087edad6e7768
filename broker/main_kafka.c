// The broker with a journal on a Kafka cluster: hutong-broker runs it where broker.yaml says so. A program of
// its own, since librdkafka costs every process that is linked with it memory.
#include "broker/main.h"

#include "broker/kafka/journal.h"
#include "broker/kafka/properties.h"
#include "broker/policy/policy.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#include <pthread.h>

// Once for the process: the journal borrows them until it is closed.
static struct properties properties;

// While a node is away each of librdkafka's handles says so again and again: a few a second are enough. From
// any of its threads.
static bool may_tell(unsigned *unsaid) {
    enum { A_SECOND = 5 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t second;
    static unsigned told, left_out;
    pthread_mutex_lock(&lock);
    uint64_t now = clock_monotonic_ns() / CLOCK_SECOND_NS;
    if (now != second) {
        second = now;
        told = 0;
    }
    bool may = told++ < A_SECOND;
    *unsaid = may ? left_out : 0;
    left_out = may ? 0 : left_out + 1;
    pthread_mutex_unlock(&lock);
    return may;
}

static void tell(void *context, int level, const char *facility, const char *text) {
    char quoted[600];
    unsigned unsaid = 0;
    (void)context;
    log_quote(text, quoted, sizeof quoted);
    if (level > 5)
        log_event(LOG_DEBUG, "kafka", "facility=%s text=%s", facility, quoted);
    else if (may_tell(&unsaid))
        log_event(LOG_WARNING, "kafka", "facility=%s text=%s unsaid=%u", facility, quoted, unsaid);
}

static int open_shared(const struct policy_settings *settings, const struct journal_owner *owner,
    struct journal **out, struct error *error) {
    const struct policy_cluster *cluster = &settings->cluster;
    int rc = cluster->settings_file ? properties_read(cluster->settings_file, &properties, error) : 0;
    struct journal_kafka_options options = {.cluster = {.brokers = cluster->brokers,
                                                .prefix = cluster->prefix,
                                                .name = cluster->name,
                                                .settings = properties.items,
                                                .setting_count = properties.count,
                                                .tell = tell},
        .partitions = (int)cluster->partitions,
        .replication = (int)cluster->replication,
        .retention_ms = (int64_t)(settings->retention_us / 1000),
        .batch_limit = settings->journal_batch_limit,
        .record_limit = settings->message_bytes + ((size_t)1 << 20)};
    return rc ? rc : journal_kafka_open(&options, owner, out, error);
}

int main(int argc, char **argv) {
    const struct broker_journals journals = {.open_file = journal_file_open, .open_shared = open_shared};
    int rc = broker_main(argc, argv, &journals);
    properties_destroy(&properties);
    return rc;
}
