// Queues that the core made: what they are on the cluster, and their topics.
#include "broker/kafka/journal_internal.h"

#include "hutong/bus/v1/journal.pb-c.h"

#include <errno.h>
#include <stdlib.h>

// What a structure owns, GCC's analyzer takes for lost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct naming {
    struct kafka_journal *journal;
    const char **systems; // owned, and each
    size_t count;
    struct error *error;
};

static int grow(struct kafka_journal *journal, uint32_t id) {
    if (id <= journal->destination_count)
        return 0;
    struct destination **grown = reallocarray(journal->destinations, id, sizeof(struct destination *));
    if (!grown)
        return -ENOMEM;
    for (size_t i = journal->destination_count; i < id; i++)
        grown[i] = NULL;
    journal->destinations = grown;
    journal->destination_count = id;
    return 0;
}

static int add_destination(struct naming *naming, uint32_t id, const char *name) {
    struct kafka_journal *journal = naming->journal;
    bool dead = strncmp(name, "dead:", 5) == 0;
    char topic[TOPIC_NAME_SIZE];
    uint32_t number;
    int rc = topic_name(dead ? TOPIC_DEAD : TOPIC_TO, journal->options.cluster.prefix, dead ? name + 5 : name,
        topic, naming->error);
    rc = rc ? rc : transactions_topic(journal->transactions, topic, &number);
    rc = rc ? rc : grow(journal, id);
    if (rc)
        return rc;
    journal->destinations[id - 1] = destination_new(id, name, number);
    return journal->destinations[id - 1] ? 0 : -ENOMEM;
}

static int note_system(struct naming *naming, const char *name) {
    const char **systems = reallocarray(naming->systems, naming->count + 1, sizeof *systems);
    char *copy = strdup(name);
    if (systems)
        naming->systems = systems;
    if (!systems || !copy) {
        free(copy);
        return -ENOMEM;
    }
    systems[naming->count++] = copy;
    return 0;
}

static int name_queue(void *context, const struct journal_record *record) {
    struct naming *naming = context;
    if (record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_QUEUE)
        return 0;
    Hutong__Bus__V1__QueueRecord *queue =
        hutong__bus__v1__queue_record__unpack(NULL, record->body.size, record->body.data);
    bool internal =
        queue && (strncmp(queue->name, "config:", 7) == 0 || strncmp(queue->name, "carried:", 8) == 0);
    int rc = queue ? 0 : -EBADMSG;
    if (queue && !internal)
        rc = add_destination(naming, queue->queue, queue->name);
    if (rc == 0 && !internal && !strchr(queue->name, ':'))
        rc = note_system(naming, queue->name);
    hutong__bus__v1__queue_record__free_unpacked(queue, NULL);
    return rc;
}

int queues_add(struct kafka_journal *journal, const struct journal_batch *batch, struct error *error) {
    struct naming naming = {.journal = journal, .error = error};
    int rc = journal_batch_each(batch, journal->entries, name_queue, &naming);
    if (rc == 0 && naming.count)
        rc = kafka_make_topics(journal, naming.systems, naming.count, error);
    for (size_t i = 0; i < naming.count; i++)
        free((char *)(uintptr_t)naming.systems[i]);
    free(naming.systems);
    return rc;
}
