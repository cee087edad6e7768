#include "adapters/connectors/http/http.h"

#include <errno.h>

// u8 'H', u8 version, u64 posted, then of each poll: u8 size of the name, u16 size of the cursor, u16 twins,
// name, cursor, u64 each.
#define MAGIC 'H'
#define VERSION 1
#define HEAD 10u
#define POLL_HEAD 5u

static int put_poll(const struct poll *poll, struct buffer *out) {
    size_t name = strlen(poll->name);
    size_t cursor = poll->state.cursor.size;
    uint8_t *at = buffer_extend(out, POLL_HEAD + name + cursor + poll->state.twin_count * 8);
    if (!at)
        return -ENOMEM;
    at[0] = (uint8_t)name;
    store_u16(at + 1, (uint16_t)cursor);
    store_u16(at + 3, (uint16_t)poll->state.twin_count);
    at += POLL_HEAD;
    memcpy(at, poll->name, name);
    if (cursor)
        memcpy(at + name, poll->state.cursor.data, cursor);
    at += name + cursor;
    for (size_t i = 0; i < poll->state.twin_count; i++)
        store_u64(at + 8 * i, poll->state.twins[i]);
    return 0;
}

int http_position(struct connector *connector, struct bytes *out, struct error *error) {
    struct buffer *position = &connector->position;
    buffer_clear(position);
    uint8_t *head = buffer_extend(position, HEAD);
    int rc = head ? 0 : -ENOMEM;
    if (head) {
        head[0] = MAGIC;
        head[1] = VERSION;
        store_u64(head + 2, connector->posted);
    }
    for (size_t i = 0; i < connector->poll_count && rc == 0; i++)
        rc = put_poll(connector->polls[i], position);
    if (rc != 0)
        return error_no_memory(error);
    if (position->size > POSITION_LIMIT)
        return error_set(
            error, -EMSGSIZE, "the cursors of all polls together take more than %d bytes", POSITION_LIMIT);
    *out = buffer_bytes(position);
    return 0;
}

static void take_poll(
    struct connector *connector, struct bytes name, struct bytes cursor, const uint8_t *twins, size_t count) {
    for (size_t i = 0; i < connector->poll_count; i++) {
        struct poll_state *state = &connector->polls[i]->state;
        if (!bytes_equal_string(name, connector->polls[i]->name))
            continue;
        buffer_clear(&state->cursor);
        if (buffer_append_bytes(&state->cursor, cursor) != 0)
            return; // the poll then starts at its beginning, which repeats and loses nothing
        state->twin_count = count < TWINS_LIMIT ? count : TWINS_LIMIT;
        for (size_t j = 0; j < state->twin_count; j++)
            state->twins[j] = load_u64(twins + 8 * j);
    }
}

void http_position_read(struct connector *connector, struct bytes position) {
    const uint8_t *p = position.data;
    if (position.size < HEAD || p[0] != MAGIC || p[1] != VERSION)
        return;
    connector->posted = load_u64(p + 2);
    for (size_t at = HEAD; position.size - at >= POLL_HEAD;) {
        size_t name = p[at];
        size_t cursor = load_u16(p + at + 1);
        size_t twins = load_u16(p + at + 3);
        at += POLL_HEAD;
        if (position.size - at < name + cursor + 8 * twins)
            return;
        take_poll(connector, bytes_of(p + at, name), bytes_of(p + at + name, cursor), p + at + name + cursor,
            twins);
        at += name + cursor + 8 * twins;
    }
}
