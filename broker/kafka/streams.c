// The last sequence of a publisher's stream, whichever broker took it in; and the keys of the compacted
// topics.
#include "broker/kafka/journal_internal.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>

#define QUESTION_KEPT_NS (60 * CLOCK_SECOND_NS) // whose asker has gone

struct stream_question {
    uint64_t token;
    uint64_t asked_ns;
    bool answered;
};

void streams_destroy(struct kafka_journal *journal) {
    size_t cursor = 0;
    void *question;
    while (journal->questions && map_next(journal->questions, &cursor, NULL, &question))
        free(question);
    map_destroy(&journal->questions);
}

// One at a time is enough: there are as many as adapters that come at once.
static void forget_old(struct kafka_journal *journal) {
    size_t cursor = 0;
    struct bytes key;
    void *item;
    uint64_t now = clock_monotonic_ns();
    while (map_next(journal->questions, &cursor, &key, &item)) {
        const struct stream_question *question = item;
        if (now - question->asked_ns < QUESTION_KEPT_NS)
            continue;
        map_remove(journal->questions, key);
        free(item);
        return;
    }
}

static int ask(struct kafka_journal *journal, struct bytes key, struct error *error) {
    struct stream_question *question = calloc(1, sizeof *question);
    forget_old(journal);
    if (!question || map_put(journal->questions, key, question) != 0) {
        free(question);
        return error_no_memory(error);
    }
    question->token = ++journal->last_token;
    question->asked_ns = clock_monotonic_ns();
    int rc = follow_ask(journal->streams, partition_of(key, journal->partitions), question->token);
    if (rc)
        free(map_remove(journal->questions, key));
    return rc < 0 ? rc : JOURNAL_BUSY;
}

static int read_state(struct bytes value, uint64_t *sequence) {
    *sequence = 0;
    if (!value.data)
        return 0;
    Hutong__Bus__V1__StreamState *state = hutong__bus__v1__stream_state__unpack(NULL, value.size, value.data);
    if (!state)
        return -EBADMSG;
    *sequence = state->sequence;
    hutong__bus__v1__stream_state__free_unpacked(state, NULL);
    return 0;
}

bool streams_counts(struct bytes before, struct bytes value) {
    uint64_t old;
    uint64_t new;
    // What can't be read is kept, and told to whoever asks.
    return read_state(before, &old) != 0 || read_state(value, &new) != 0 || new > old;
}

static int answer(struct kafka_journal *journal, struct bytes key, const char *system, uint64_t *sequence,
    struct error *error) {
    free(map_remove(journal->questions, key));
    int rc = read_state(follow_get(journal->streams, key), sequence);
    return rc ? error_set(error, rc, "what the cluster has of a stream of %s can't be read", system) : 0;
}

int streams_ask(struct kafka_journal *journal, const char *system, const uint8_t stream[16],
    uint64_t *sequence, struct error *error) {
    struct buffer key = {0};
    int rc = author_key(system, stream, &key);
    const struct stream_question *question = rc ? NULL : map_get(journal->questions, buffer_bytes(&key));
    if (rc == 0 && !question)
        rc = ask(journal, buffer_bytes(&key), error);
    else if (rc == 0)
        rc = question->answered ? answer(journal, buffer_bytes(&key), system, sequence, error) : JOURNAL_BUSY;
    buffer_destroy(&key);
    return rc;
}

void streams_answered(struct kafka_journal *journal, uint64_t token) {
    size_t cursor = 0;
    void *item;
    while (map_next(journal->questions, &cursor, NULL, &item)) {
        struct stream_question *question = item;
        question->answered |= question->token == token;
    }
}

int lane_key(const struct part *part, bool streams, struct buffer *out) {
    const char *name = part->destination->name;
    uint8_t partition[5];
    store_u32(partition, (uint32_t)part->partition);
    partition[4] = 's';
    int rc = buffer_append(out, name, strlen(name) + 1);
    return rc ? rc : buffer_append(out, partition, streams ? 5 : 4);
}

int32_t lane_home(const struct kafka_journal *journal, const struct part *part) {
    return partition_of(bytes_of_string(part->destination->name), journal->partitions);
}
