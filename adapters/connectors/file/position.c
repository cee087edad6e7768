#include "adapters/connectors/file/position.h"

#include <errno.h>

// u8 'F', u8 version, u8 state, u8 size of the dropbox's name, u64 offset, u64 line, u64 size of rejects,
// names.
#define MAGIC 'F'
#define VERSION 1
#define HEAD 28u

int file_position_write(const struct file_position *position, struct buffer *out) {
    if (position->dropbox.size > UINT8_MAX)
        return -EINVAL;
    uint8_t *head = buffer_extend(out, HEAD);
    if (!head)
        return -ENOMEM;
    head[0] = MAGIC;
    head[1] = VERSION;
    head[2] = (uint8_t)position->state;
    head[3] = (uint8_t)position->dropbox.size;
    store_u64(head + 4, position->place.offset);
    store_u64(head + 12, position->place.line);
    store_u64(head + 20, position->rejects_size);
    int rc = buffer_append_bytes(out, position->dropbox);
    return rc ? rc : buffer_append_bytes(out, position->file);
}

bool file_position_read(struct bytes bytes, struct file_position *out) {
    const uint8_t *head = bytes.data;
    if (bytes.size < HEAD || head[0] != MAGIC || head[1] != VERSION || head[2] > FILE_REFUSED ||
        bytes.size < HEAD + head[3])
        return false;
    *out = (struct file_position){.state = (enum file_state)head[2],
        .place = {.offset = load_u64(head + 4), .line = load_u64(head + 12)},
        .rejects_size = load_u64(head + 20),
        .dropbox = bytes_of(head + HEAD, head[3]),
        .file = bytes_of(head + HEAD + head[3], bytes.size - HEAD - head[3])};
    return true;
}
