#include "broker/kafka/shorten.h"

#include "broker/kafka/admin.h"
#include "core/journal/writer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syslog.h>

// What a structure owns, GCC's analyzer takes for lost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define SLICE_MS 100 // how long an end is waited for at once

struct stretch {
    char *topic; // owned
    int32_t partition;
    int64_t before; // nothing at it or behind it goes
    int64_t first;  // that is still there
    int64_t young;  // the first that isn't older
};

struct shortening {
    struct admin *admin;
    struct writer *writer;
    atomic_bool ending;
    // The thread's while it is busy, otherwise the owner's.
    struct stretch *stretches; // owned
    size_t count;
    size_t capacity;
    int64_t until_ms;
};

// ---- Asking ----

static void tell(const struct shortening *shortening, const char *topic, const char *why) {
    cluster_tell(shortening->admin->cluster, LOG_WARNING, "RETENTION", "topic %s: %s", topic, why);
}

// The offsets of a time (RD_KAFKA_OFFSET_BEGINNING stands for the first) in all partitions of a topic.
static rd_kafka_resp_err_t ask_offsets(
    const struct shortening *shortening, struct stretch *of, size_t count, int64_t time, bool first) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, of[i].topic, of[i].partition)->offset = time;
    rd_kafka_resp_err_t why = rd_kafka_offsets_for_times(shortening->admin->rk, list, SHORTEN_MS);
    for (size_t i = 0; i < count && !why; i++) {
        const rd_kafka_topic_partition_t *one =
            rd_kafka_topic_partition_list_find(list, of[i].topic, of[i].partition);
        why = one ? one->err : RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
        if (one && first)
            of[i].first = one->offset;
        else if (one)
            of[i].young = one->offset < 0 ? INT64_MAX : one->offset; // negative: there is none
    }
    rd_kafka_topic_partition_list_destroy(list);
    return why;
}

// 0, KAFKA_AGAIN (also: it ends), KAFKA_WRONG.
static int wait_deleted(const struct shortening *shortening, struct error *error) {
    int64_t first;
    int rc = KAFKA_BUSY;
    for (int waited = 0; rc == KAFKA_BUSY && waited < SHORTEN_MS && !shortening->ending; waited += SLICE_MS)
        rc = topics_deleted(shortening->admin, SLICE_MS, &first, error);
    return rc == KAFKA_BUSY ? KAFKA_AGAIN : rc;
}

static int cut(const struct shortening *shortening, const struct stretch *stretch, struct error *error) {
    int64_t before = stretch->young < stretch->before ? stretch->young : stretch->before;
    if (stretch->first < 0 || before <= stretch->first)
        return 0;
    int rc = topics_delete_before(shortening->admin, stretch->topic, stretch->partition, before, error);
    rc = rc == KAFKA_BUSY ? KAFKA_AGAIN : rc; // the one before has no answer yet
    rc = rc ? rc : wait_deleted(shortening, error);
    if (rc == 0)
        cluster_tell(shortening->admin->cluster, LOG_INFO, "RETENTION",
            "topic %s, partition %d: what was before offset %lld is gone", stretch->topic, stretch->partition,
            (long long)before);
    return rc;
}

// ---- A topic ----

static int cut_topic(
    const struct shortening *shortening, struct stretch *of, size_t count, struct error *error) {
    rd_kafka_resp_err_t why = ask_offsets(shortening, of, count, RD_KAFKA_OFFSET_BEGINNING, true);
    why = why ? why : ask_offsets(shortening, of, count, shortening->until_ms, false);
    if (why)
        return error_set(error, topics_code(why), "%s", rd_kafka_err2str(why));
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = cut(shortening, &of[i], error);
    return rc;
}

static int by_place(const void *a, const void *b) {
    const struct stretch *one = a;
    const struct stretch *other = b;
    int order = strcmp(one->topic, other->topic);
    return order ? order : one->partition < other->partition ? -1 : one->partition > other->partition;
}

// The first of a topic's stretches, and how many it has.
static struct stretch *find(const struct shortening *shortening, const char *topic, size_t *count) {
    size_t low = 0;
    size_t high = shortening->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(shortening->stretches[middle].topic, topic) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < shortening->count && strcmp(shortening->stretches[low + *count].topic, topic) == 0)
        ++*count;
    return &shortening->stretches[low];
}

// Only topics that are there are asked about: a question might make one.
static void work(void *context) {
    struct shortening *shortening = context;
    const struct rd_kafka_metadata *all;
    struct error error = {0};
    int64_t first;
    if (!shortening->count)
        return;
    (void)topics_deleted(shortening->admin, 0, &first, &error); // that the look before didn't wait for
    qsort(shortening->stretches, shortening->count, sizeof *shortening->stretches, by_place);
    if (rd_kafka_metadata(shortening->admin->rk, 1, NULL, &all, SHORTEN_MS))
        return;
    int rc = 0;
    for (int i = 0; i < all->topic_cnt && rc != KAFKA_AGAIN && !shortening->ending; i++) {
        size_t count;
        struct stretch *of = find(shortening, all->topics[i].topic, &count);
        rc = count ? cut_topic(shortening, of, count, &error) : 0;
        if (rc && !shortening->ending)
            tell(shortening, all->topics[i].topic, error.text);
    }
    rd_kafka_metadata_destroy(all);
}

// ---- The owner's side ----

int shortening_open(struct admin *admin, struct shortening **out, struct error *error) {
    struct shortening *shortening = calloc(1, sizeof *shortening);
    if (!shortening)
        return error_no_memory(error);
    shortening->admin = admin;
    int rc = writer_new(work, shortening, &shortening->writer);
    if (rc) {
        free(shortening);
        return error_set(error, rc, "starting a thread: %s", strerror(-rc));
    }
    *out = shortening;
    return 0;
}

void shortening_clear(struct shortening *shortening) {
    for (size_t i = 0; i < shortening->count; i++)
        free(shortening->stretches[i].topic);
    shortening->count = 0;
}

void shortening_close(struct shortening **self) {
    struct shortening *shortening = *self;
    *self = NULL;
    if (!shortening)
        return;
    shortening->ending = true;
    writer_destroy(&shortening->writer);
    shortening_clear(shortening);
    free(shortening->stretches);
    free(shortening);
}

bool shortening_busy(const struct shortening *shortening) {
    return writer_busy(shortening->writer);
}

static int make_room(struct shortening *shortening) {
    if (shortening->count < shortening->capacity)
        return 0;
    size_t capacity = shortening->capacity ? 2 * shortening->capacity : 64;
    struct stretch *stretches = reallocarray(shortening->stretches, capacity, sizeof *stretches);
    if (!stretches)
        return -ENOMEM;
    shortening->stretches = stretches;
    shortening->capacity = capacity;
    return 0;
}

int shortening_add(struct shortening *shortening, const char *topic, int32_t partition, int64_t before) {
    char *copy = strdup(topic);
    int rc = copy ? make_room(shortening) : -ENOMEM;
    if (rc) {
        free(copy);
        return rc;
    }
    shortening->stretches[shortening->count++] =
        (struct stretch){.topic = copy, .partition = partition, .before = before};
    return 0;
}

void shortening_start(struct shortening *shortening, int64_t until_ms) {
    shortening->until_ms = until_ms;
    writer_start(shortening->writer);
}
