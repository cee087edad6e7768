#include "broker/kafka/names.h"

#include <librdkafka/rdkafka.h>

#include <errno.h>
#include <stdio.h>

static const char *const words[] = {
    [TOPIC_TO] = "to",
    [TOPIC_DEAD] = "dead",
    [TOPIC_STATE] = "state",
    [TOPIC_STREAMS] = "streams",
    [TOPIC_RECORD] = "record",
    [TOPIC_BUS] = "bus",
};

bool topic_kind_is_of_destination(enum topic_kind kind) {
    return kind == TOPIC_TO || kind == TOPIC_DEAD;
}

static bool is_legal(const char *text, size_t size, const char *also) {
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || (*also && c == *also);
        if (!plain)
            return false;
    }
    return size > 0;
}

// "agency/system"; otherwise two destinations could have one topic.
static bool is_destination(const char *text) {
    const char *slash = strchr(text, '/');
    return slash && is_legal(text, (size_t)(slash - text), "") && is_legal(slash + 1, strlen(slash + 1), "");
}

int topic_name(enum topic_kind kind, const char *prefix, const char *destination, char out[TOPIC_NAME_SIZE],
    struct error *error) {
    char name[2 * TOPIC_NAME_SIZE];
    bool has = topic_kind_is_of_destination(kind);
    if (!is_legal(prefix, strlen(prefix), "."))
        return error_set(error, -EINVAL,
            "\"%s\" can't begin the names of topics: expected letters, digits, \"-\", \"_\" and \".\"",
            prefix);
    if (has && !is_destination(destination))
        return error_set(error, -EINVAL,
            "\"%s\" has no topic: expected an agency and a system (\"agency/system\") of letters, digits, "
            "\"-\" and \"_\"",
            destination);
    int size =
        snprintf(name, sizeof name, "%s.%s%s%s", prefix, words[kind], has ? "." : "", has ? destination : "");
    if (size >= TOPIC_NAME_SIZE)
        return error_set(error, -EINVAL, "the topic's name would have %d bytes; Kafka allows %d: %.100s…",
            size, TOPIC_NAME_SIZE - 1, name);
    memcpy(out, name, (size_t)size + 1);
    char *slash = strchr(out, '/');
    if (slash)
        *slash = '.';
    return 0;
}

int32_t partition_of(struct bytes key, int32_t partitions) {
    return rd_kafka_msg_partitioner_murmur2(NULL, key.data, key.size, partitions, NULL, NULL);
}
