#include "bench/peers/link.h"

#include "bench/peers/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (256u << 10)
#define READ_MOST (4u << 20) // between two looks at what came
#define LINKS_MAX 16

void link_adopt(struct link *link, int fd) {
    *link = (struct link){.fd = fd, .adopted = true};
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        peer_fail("fcntl: %s", strerror(errno));
}

void link_connect(struct link *link, int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        peer_fail("port %d: %s", port, strerror(errno));
    link_adopt(link, fd);
    link->adopted = false;
}

void link_close(struct link *link) {
    if (!link->adopted)
        close(link->fd);
    buffer_destroy(&link->in);
    buffer_destroy(&link->out);
}

void link_write(struct link *link, const void *data, size_t size) {
    if (buffer_append(&link->out, data, size) != 0)
        peer_fail("no memory");
}

void link_printf(struct link *link, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof text)
        peer_fail("a command is too long");
    link_write(link, text, (size_t)size);
}

static bool would_wait(const char *what) {
    if (errno != EAGAIN && errno != EINTR)
        peer_fail("%s: %s", what, strerror(errno));
    return true;
}

static void write_out(struct link *link) {
    while (link->written < link->out.size) {
        ssize_t n =
            send(link->fd, link->out.data + link->written, link->out.size - link->written, MSG_NOSIGNAL);
        if (n < 0 && would_wait("send"))
            return;
        link->written += (size_t)n;
    }
    link->written = 0;
    buffer_clear(&link->out);
}

static bool read_in(struct link *link) {
    size_t before = link->in.size;
    if (link->taken) {
        memmove(link->in.data, link->in.data + link->taken, link->in.size - link->taken);
        link->in.size -= link->taken;
        before = link->in.size;
        link->taken = 0;
    }
    while (link->in.size - before < READ_MOST) {
        if (buffer_reserve(&link->in, READ_SIZE) != 0)
            peer_fail("no memory");
        ssize_t n = recv(link->fd, link->in.data + link->in.size, READ_SIZE, 0);
        if (n == 0)
            peer_fail("the peer has closed the connection");
        if (n < 0 && would_wait("recv"))
            break;
        link->in.size += (size_t)n;
    }
    return link->in.size > before;
}

static void wait_for(struct link *links, size_t count, int64_t timeout_us) {
    timeout_us = timeout_us > 0 ? timeout_us : 0; // what is due already
    struct pollfd polls[LINKS_MAX];
    for (size_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = links[i].fd,
            .events = (short)(POLLIN | (links[i].written < links[i].out.size ? POLLOUT : 0))};
    struct timespec timeout = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
    if (ppoll(polls, count, &timeout, NULL) < 0 && errno != EINTR)
        peer_fail("poll: %s", strerror(errno));
}

static bool exchange(struct link *links, size_t count) {
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        write_out(&links[i]);
        any |= read_in(&links[i]);
    }
    return any;
}

void link_pump(struct link *links, size_t count, int64_t timeout_us) {
    if (exchange(links, count) || timeout_us <= 0)
        return;
    wait_for(links, count, timeout_us);
    exchange(links, count);
}

struct bytes link_unread(const struct link *link) {
    return bytes_of(link->in.data + link->taken, link->in.size - link->taken);
}

void link_take(struct link *link, size_t size) {
    link->taken += size;
}
