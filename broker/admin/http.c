#include "broker/admin/admin.h"

#include "broker/admin/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum MHD_Result admin_answer(
    struct MHD_Connection *connection, unsigned status, const char *type, struct bytes body) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.size, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    enum MHD_Result rc = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return rc;
}

enum MHD_Result admin_answer_text(struct MHD_Connection *connection, unsigned status, const char *text) {
    return admin_answer(connection, status, "text/plain; charset=utf-8", bytes_of_string(text));
}

static enum MHD_Result answer_status(
    struct admin *admin, struct MHD_Connection *connection, const char *url) {
    struct buffer status = {0};
    struct buffer metrics = {0};
    enum MHD_Result rc;
    if (admin->options.ask(admin->options.context, "status", &status) != 0)
        rc = admin_answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the core does not answer\n");
    else if (strcmp(url, "/health") == 0)
        rc = admin_answer_text(connection, MHD_HTTP_OK, "ok\n");
    else if (strcmp(url, "/status") == 0)
        rc = admin_answer(connection, MHD_HTTP_OK, "application/json", buffer_bytes(&status));
    else if (admin_metrics(buffer_bytes(&status), &metrics) == 0)
        rc = admin_answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4", buffer_bytes(&metrics));
    else
        rc = admin_answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no metrics\n");
    buffer_destroy(&status);
    buffer_destroy(&metrics);
    return rc;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload, size_t *upload_size, void **state) {
    (void)version;
    bool get = strcmp(method, "GET") == 0;
    if (get && (strcmp(url, "/status") == 0 || strcmp(url, "/metrics") == 0 || strcmp(url, "/health") == 0))
        return answer_status(context, connection, url);
    return admin_command(context, connection, url, method, upload, upload_size, state);
}

static void on_end(
    void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how) {
    (void)context;
    (void)connection;
    (void)how;
    admin_command_end(state);
}

// A socket file that nobody listens on is left over from a process that was killed.
static int remove_stale(const char *path, const struct sockaddr_un *address, struct error *error) {
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return error_set(error, -EEXIST, "admin: %s is there and no socket", path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) == 0;
    if (probe >= 0)
        close(probe);
    if (alive)
        return error_set(error, -EADDRINUSE, "admin: another process listens on %s", path);
    return unlink(path) == 0 ? 0
                             : error_set(error, -errno, "admin: can't remove %s: %s", path, strerror(errno));
}

static int listen_unix(struct admin *admin, const char *path, struct error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return error_set(error, -ENAMETOOLONG, "admin: a socket's path has at most %zu bytes: %s",
            sizeof address.sun_path - 1, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int rc = remove_stale(path, &address, error);
    if (rc)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    umask(old);
    if (!bound || listen(fd, 16) != 0) {
        rc = error_set(error, -errno, "admin: can't listen on %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return rc;
    }
    memcpy(admin->socket_path, path, strlen(path) + 1);
    return fd;
}

// "127.0.0.1:PORT" to an address; false for anything else.
static bool parse_loopback(const char *text, struct sockaddr_in *out) {
    const char *colon = strrchr(text, ':');
    char host[64];
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    char *end;
    errno = 0;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (errno || *end || end == colon + 1 || port > 65535 || inet_pton(AF_INET, host, &out->sin_addr) != 1)
        return false;
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)port);
    return (ntohl(out->sin_addr.s_addr) >> 24) == 127;
}

static int listen_loopback(const struct sockaddr_in *address, const char *text, struct error *error) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 || listen(fd, 16) != 0) {
        int rc = error_set(error, -errno, "admin: can't listen on %s: %s", text, strerror(errno));
        if (fd >= 0)
            close(fd);
        return rc;
    }
    return fd;
}

int admin_start(const struct admin_options *options, struct admin **out, struct error *error) {
    struct admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return error_no_memory(error);
    admin->options = *options;
    struct sockaddr_in loopback = {0};
    int fd = parse_loopback(options->address, &loopback) ? listen_loopback(&loopback, options->address, error)
                                                         : listen_unix(admin, options->address, error);
    if (fd < 0) {
        admin_stop(&admin);
        return fd;
    }
    admin->http = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL,
        NULL, on_request, admin, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)512 * 1024, MHD_OPTION_CONNECTION_LIMIT, 16u,
        MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384,
        MHD_OPTION_END);
    if (!admin->http) {
        close(fd);
        admin_stop(&admin);
        return error_set(error, -EIO, "admin: the HTTP server does not start");
    }
    *out = admin;
    return 0;
}

void admin_stop(struct admin **self) {
    struct admin *admin = *self;
    if (!admin)
        return;
    if (admin->http)
        MHD_stop_daemon(admin->http);
    if (admin->socket_path[0])
        unlink(admin->socket_path);
    free(admin);
    *self = NULL;
}
