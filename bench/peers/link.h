// A non-blocking TCP connection with what waits to be written and what was read.
#pragma once

#include "core/base/buffer.h"

#include <stdbool.h>

struct link {
    int fd;
    bool adopted;
    struct buffer in;
    size_t taken; // of `in`
    struct buffer out;
    size_t written; // of `out`
};

void link_connect(struct link *link, int port); // 127.0.0.1; waits; ends the process when it fails
void link_adopt(struct link *link, int fd);     // a connection that a library made; borrows it
void link_close(struct link *link);             // an adopted connection stays its library's
void link_write(struct link *link, const void *data, size_t size);
void link_printf(struct link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Writes and reads what goes without waiting; where nothing can be read waits for at most `timeout_us`. Ends
// the process when the peer has closed.
void link_pump(struct link *links, size_t count, int64_t timeout_us);
struct bytes link_unread(const struct link *link); // valid until the next pump
void link_take(struct link *link, size_t size);
