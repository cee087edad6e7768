#include "broker/kafka/ends.h"

#include "core/journal/writer.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/syslog.h>

#define AGAIN_MS 100 // before the next question, when one failed

struct ends {
    const struct cluster *cluster;
    char *topic;
    int32_t partitions;
    rd_kafka_t *rk;
    struct writer *writer;
    // The thread's while it is busy, otherwise the owner's.
    int64_t *answer;
    bool answered;
};

rd_kafka_resp_err_t ends_of(
    rd_kafka_t *rk, const char *topic, int32_t partitions, int timeout_ms, int64_t *out) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int32_t i = 0; i < partitions; i++) // this time stands for the end
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t why = rd_kafka_offsets_for_times(rk, list, timeout_ms);
    for (int32_t i = 0; i < partitions && !why; i++) {
        const rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_find(list, topic, i);
        why = one ? one->err : RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
        if (one && !why && one->offset < 0)
            why = RD_KAFKA_RESP_ERR__NO_OFFSET;
        out[i] = one ? one->offset : 0;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return why;
}

// Who leads the partitions now: librdkafka 2.0 goes on asking the node that did, which says that it doesn't.
static void look_around(struct ends *ends) {
    const struct rd_kafka_metadata *all = NULL;
    if (rd_kafka_metadata(ends->rk, 1, NULL, &all, ENDS_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(all);
    poll(NULL, 0, AGAIN_MS);
}

static void work(void *context) {
    struct ends *ends = context;
    rd_kafka_resp_err_t why = ends_of(ends->rk, ends->topic, ends->partitions, ENDS_MS, ends->answer);
    ends->answered = !why;
    if (why)
        look_around(ends);
    if (why)
        cluster_tell(ends->cluster, LOG_NOTICE, "FOLLOW", "topic %s: asking for its end: %s", ends->topic,
            rd_kafka_err2str(why));
}

int ends_open(const struct cluster *cluster, const char *topic, int32_t partitions, struct ends **out,
    struct error *error) {
    static const struct cluster_setting musts[] = {
        {"isolation.level", "read_uncommitted"}, {"enable.auto.commit", "false"}, {NULL, NULL}};
    struct ends *ends = calloc(1, sizeof *ends);
    if (!ends)
        return error_no_memory(error);
    ends->cluster = cluster;
    ends->partitions = partitions;
    ends->topic = strdup(topic);
    ends->answer = calloc((size_t)partitions, sizeof *ends->answer);
    int rc = ends->topic && ends->answer
                 ? cluster_handle(cluster, RD_KAFKA_CONSUMER, NULL, musts, &ends->rk, error)
                 : error_no_memory(error);
    if (rc == 0 && (rc = writer_new(work, ends, &ends->writer)))
        error_set(error, rc, "starting a thread: %s", strerror(-rc));
    if (rc)
        ends_close(&ends);
    else
        *out = ends;
    return rc;
}

void ends_close(struct ends **self) {
    struct ends *ends = *self;
    *self = NULL;
    if (!ends)
        return;
    writer_destroy(&ends->writer);
    if (ends->rk)
        rd_kafka_destroy_flags(ends->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(ends->topic);
    free(ends->answer);
    free(ends);
}

bool ends_busy(const struct ends *ends) {
    return writer_busy(ends->writer);
}

void ends_start(struct ends *ends) {
    writer_start(ends->writer);
}

const int64_t *ends_answer(const struct ends *ends) {
    return ends->answered ? ends->answer : NULL;
}

int ends_fd(const struct ends *ends) {
    return writer_fd(ends->writer);
}

void ends_heard(struct ends *ends) {
    writer_heard(ends->writer);
}
