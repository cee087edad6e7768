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
    if (author) // the core never gives an id again
        return -EBADMSG;
    author = calloc(1, sizeof *author);
    if (!author || number_map_put(&authors->by_id, id, author) != 0) {
        free(author);
        return -ENOMEM;
    }
    snprintf(author->system, sizeof author->system, "%s", system);
    memcpy(author->stream, stream.data,
        stream.size < sizeof author->stream ? stream.size : sizeof author->stream);
    return 0;
}

struct author *authors_get(const struct authors *authors, uint32_t id) {
    return number_map_get(&authors->by_id, id);
}

void authors_advance(struct authors *authors, uint32_t id, uint64_t sequence) {
    struct author *author = authors_get(authors, id);
    if (!author || author->sequence >= sequence)
        return;
    author->sequence = sequence;
    if (author->news)
        return;
    author->news = true;
    author->next_news = authors->news;
    authors->news = author;
}

const struct author *authors_news(const struct authors *authors) {
    return authors->news;
}

void authors_said(struct authors *authors) {
    struct author *author = authors->news;
    authors->news = author->next_news;
    author->next_news = NULL;
    author->news = false;
}

int author_key(const char *system, const uint8_t stream[16], struct buffer *out) {
    int rc = buffer_append(out, system, strlen(system) + 1);
    return rc ? rc : buffer_append(out, stream, 16);
}

struct bytes author_key_of(struct bytes key) {
    const uint8_t *end = memchr(key.data, 0, key.size);
    size_t size = end ? (size_t)(end - key.data) + 1 + 16 : key.size;
    return bytes_of(key.data, size < key.size ? size : key.size);
}
