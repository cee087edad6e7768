#include "broker/kafka/author.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void authors_destroy(struct authors *authors) {
    size_t cursor = 0;
    void *author;
    while (number_map_next(&authors->by_id, &cursor, NULL, &author))
        free(author);
    number_map_destroy(&authors->by_id);
}

int authors_add(struct authors *authors, uint32_t id, const char *system, struct bytes stream) {
    struct author *author = number_map_get(&authors->by_id, id);
    if (!author) {
        author = calloc(1, sizeof *author);
        if (!author || number_map_put(&authors->by_id, id, author) != 0) {
            free(author);
            return -ENOMEM;
        }
    }
    *author = (struct author){0}; // the core gives an id again, once it forgot who had it
    snprintf(author->system, sizeof author->system, "%s", system);
    memcpy(author->stream, stream.data,
        stream.size < sizeof author->stream ? stream.size : sizeof author->stream);
    return 0;
}

struct author *authors_get(const struct authors *authors, uint32_t id) {
    return number_map_get(&authors->by_id, id);
}

int author_key(const char *system, const uint8_t stream[16], struct buffer *out) {
    int rc = buffer_append(out, system, strlen(system) + 1);
    return rc ? rc : buffer_append(out, stream, 16);
}
