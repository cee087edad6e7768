#include "adapters/connectors/file/frame.h"

#include "core/crypto/crc32c.h"

#include <errno.h>
#include <unistd.h>

int frame_put(struct buffer *out, enum frame_kind kind, uint64_t position, struct bytes bytes) {
    uint8_t *at = buffer_extend(out, FRAME_HEAD + FRAME_BODY + bytes.size);
    if (!at)
        return -ENOMEM;
    store_u32(at, (uint32_t)(FRAME_BODY + bytes.size));
    at[FRAME_HEAD] = (uint8_t)kind;
    store_u64(at + FRAME_HEAD + 1, position);
    if (bytes.size)
        memcpy(at + FRAME_HEAD + FRAME_BODY, bytes.data, bytes.size);
    store_u32(at + 4, crc32c(0, at + FRAME_HEAD, FRAME_BODY + bytes.size));
    return 0;
}

static int read_whole(int fd, uint64_t offset, uint8_t *to, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, to + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

int frame_write(int fd, uint64_t offset, struct bytes bytes) {
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(fd, bytes.data + done, bytes.size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

int frame_read(int fd, uint64_t offset, uint64_t end, struct buffer *frame) {
    uint8_t head[FRAME_HEAD];
    if (end - offset < FRAME_HEAD)
        return -ENODATA;
    int rc = read_whole(fd, offset, head, sizeof head);
    if (rc != 0)
        return rc;
    uint32_t size = load_u32(head);
    if (size < FRAME_BODY || size > FRAME_BODY + ROW_LIMIT || size > end - offset - FRAME_HEAD)
        return -ENODATA;
    buffer_clear(frame);
    uint8_t *body = buffer_extend(frame, size);
    if (!body)
        return -ENOMEM;
    rc = read_whole(fd, offset + FRAME_HEAD, body, size);
    if (rc != 0)
        return rc;
    return crc32c(0, frame->data, frame->size) == load_u32(head + 4) ? 0 : -ENODATA;
}
