// A file of librdkafka's settings, as Kafka's own tools read them: "name=value" a line, "#" begins a comment.
#pragma once

#include "broker/kafka/cluster.h"

struct properties {                // zero-initialised it is empty
    struct cluster_setting *items; // owned, and their texts
    size_t count;
};

// 0; -EINVAL with "file:line: what is wrong"; negative.
int properties_read(const char *path, struct properties *out, struct error *error);
void properties_destroy(struct properties *properties); // wipes the values: some are secrets
