// What was delivered and is past its time goes from the destinations' topics. What no owner will read any
// more stands in PREFIX.state, which every broker follows, so each can do it for all lanes, also for those
// that nobody takes from now. That several do does no harm.
#include "broker/kafka/journal_internal.h"

#include <errno.h>

#define KEY_PARTITION 5 // 0 and the partition, behind the system

// What is past of a lane, by its state and, unless it is one of dead letters, by its streams.
static int find_past(
    const struct kafka_journal *journal, struct bytes key, struct bytes state, bool letters, uint64_t *past) {
    struct buffer other = {0};
    int rc = buffer_append_bytes(&other, key);
    rc = rc ? rc : buffer_append_byte(&other, 's');
    struct bytes streams = rc ? bytes_of(NULL, 0) : follow_get(journal->state, buffer_bytes(&other));
    *past = rc ? 0 : lane_past(state, letters ? NULL : &streams);
    buffer_destroy(&other);
    return rc;
}

static int add_lane(struct kafka_journal *journal, struct bytes key, struct bytes state) {
    char topic[TOPIC_NAME_SIZE];
    struct error ignored;
    uint64_t past;
    const char *name = (const char *)key.data; // ends with the 0
    bool letters = strncmp(name, "dead:", 5) == 0;
    int rc = find_past(journal, key, state, letters, &past);
    if (rc || !past ||
        topic_name(letters ? TOPIC_DEAD : TOPIC_TO, journal->options.cluster.prefix, name + (letters ? 5 : 0),
            topic, &ignored))
        return rc;
    int32_t partition = (int32_t)load_u32(key.data + key.size - 4);
    return shortening_add(journal->shortening, topic, partition, (int64_t)past);
}

// Whether it is the key of a lane itself, as lane_key() makes it.
static bool is_lane(struct bytes key) {
    const uint8_t *end = memchr(key.data, 0, key.size);
    return end && (size_t)(end - key.data) + KEY_PARTITION == key.size;
}

static int add_lanes(struct kafka_journal *journal) {
    size_t cursor = 0;
    struct bytes key;
    struct bytes value;
    int rc = 0;
    shortening_clear(journal->shortening);
    while (rc == 0 && follow_next(journal->state, &cursor, &key, &value))
        rc = is_lane(key) ? add_lane(journal, key, value) : 0;
    return rc;
}

void retention_note(struct kafka_journal *journal, const struct destination *destination) {
    if (destination->letters)
        return; // they have no streams
    LIST_EACH(node, &destination->parts) {
        struct part *part = LIST_ITEM(node, struct part, link);
        if (part->question || part->noted >= part->lane.settled)
            continue;
        part->streams_ms = 0;
        part->news = journal->notes = true;
    }
}

int retention_ask(struct kafka_journal *journal, int64_t until_ms, struct error *error) {
    for (size_t i = 0; i < journal->destination_count; i++)
        if (journal->destinations[i] && journal->destinations[i]->group)
            retention_note(journal, journal->destinations[i]);
    if (journal->look)
        return 0;
    journal->look_until_ms = until_ms;
    uint64_t token = ++journal->last_token;
    int rc = follow_ask(journal->state, FOLLOW_ALL, token);
    if (rc < 0)
        return error_no_memory(error);
    journal->look = rc ? 0 : token; // without room for a question there is another time
    return 0;
}

int retention_answered(struct kafka_journal *journal, uint64_t token, struct error *error) {
    if (!journal->look || token != journal->look)
        return 0;
    journal->look = 0;
    if (shortening_busy(journal->shortening))
        return 0; // the look before: there is another time
    if (add_lanes(journal) != 0)
        return error_no_memory(error);
    shortening_start(journal->shortening, journal->look_until_ms);
    return 0;
}
