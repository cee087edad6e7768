#include "broker/kafka/heights.h"

#include "broker/kafka/admin.h"
#include "broker/kafka/ends.h"
#include "core/journal/writer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct height {
    char *topic; // owned
    int32_t partitions;
    uint32_t token;
    int64_t *ends; // owned; by partition
    bool answered;
};

struct heights {
    struct admin *admin;
    struct writer *writer;
    atomic_bool ending;
    // The thread's while it is busy, otherwise the owner's.
    struct height *items; // owned
    size_t count;
    size_t capacity;
};

// ---- In the thread ----

// A cluster that doesn't answer is asked again with the next question.
static void work(void *context) {
    struct heights *heights = context;
    int code = 0;
    for (size_t i = 0; i < heights->count && code != KAFKA_AGAIN && !heights->ending; i++) {
        struct height *height = &heights->items[i];
        rd_kafka_resp_err_t why =
            ends_of(heights->admin->rk, height->topic, height->partitions, HEIGHTS_MS, height->ends);
        height->answered = !why;
        code = why ? topics_code(why) : 0;
    }
}

// ---- The owner's side ----

int heights_open(struct admin *admin, struct heights **out, struct error *error) {
    struct heights *heights = calloc(1, sizeof *heights);
    if (!heights)
        return error_no_memory(error);
    heights->admin = admin;
    int rc = writer_new(work, heights, &heights->writer);
    if (rc) {
        free(heights);
        return error_set(error, rc, "starting a thread: %s", strerror(-rc));
    }
    *out = heights;
    return 0;
}

void heights_clear(struct heights *heights) {
    for (size_t i = 0; i < heights->count; i++) {
        free(heights->items[i].topic);
        free(heights->items[i].ends);
    }
    heights->count = 0;
}

void heights_close(struct heights **self) {
    struct heights *heights = *self;
    *self = NULL;
    if (!heights)
        return;
    heights->ending = true;
    writer_destroy(&heights->writer);
    heights_clear(heights);
    free(heights->items);
    free(heights);
}

bool heights_busy(const struct heights *heights) {
    return writer_busy(heights->writer);
}

static int make_room(struct heights *heights) {
    if (heights->count < heights->capacity)
        return 0;
    size_t capacity = heights->capacity ? 2 * heights->capacity : 16;
    struct height *items = reallocarray(heights->items, capacity, sizeof *items);
    if (!items)
        return -ENOMEM;
    heights->items = items;
    heights->capacity = capacity;
    return 0;
}

int heights_add(struct heights *heights, const char *topic, int32_t partitions, uint32_t token) {
    struct height height = {.topic = strdup(topic), .partitions = partitions, .token = token};
    height.ends = calloc((size_t)partitions, sizeof *height.ends);
    if (!height.topic || !height.ends || make_room(heights) != 0) {
        free(height.topic);
        free(height.ends);
        return -ENOMEM;
    }
    heights->items[heights->count++] = height;
    return 0;
}

void heights_start(struct heights *heights) {
    for (size_t i = 0; i < heights->count; i++)
        heights->items[i].answered = false;
    writer_start(heights->writer);
}

bool heights_answer(const struct heights *heights, size_t index, uint32_t *token, const int64_t **ends) {
    if (index >= heights->count)
        return false;
    *token = heights->items[index].token;
    *ends = heights->items[index].answered ? heights->items[index].ends : NULL;
    return true;
}
