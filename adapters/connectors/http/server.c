#include "adapters/connectors/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN_AT_LEAST_MS 1000u
#define DISCARD_FACTOR 4 // of a body over the limit, this many times the limit is read to be able to say so

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

struct server {
    struct server_options options;
    server_handler *handler;
    void *context;
    struct MHD_Daemon *daemon;
    char *token; // owned; NULL: none
    int fd;      // the epoll's
    unsigned port;
};

// A request that is being read.
struct reading {
    struct buffer body;
    uint64_t seen;
    unsigned status; // decided before the body: 401, 413
};

static bool is_loopback(const union address *address) {
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

static const char *read_port(const char *text, in_port_t *out) {
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || port > 65535)
        return "has no port behind the last colon";
    *out = htons((uint16_t)port);
    return NULL;
}

static const char *read_address(const char *listen, union address *out, socklen_t *size) {
    char host[64];
    *out = (union address){.any = {.sa_family = AF_UNSPEC}};
    if (strncmp(listen, "unix:", 5) == 0) {
        if (strlen(listen + 5) >= sizeof out->path.sun_path || listen[5] != '/')
            return "is no absolute path of at most 107 bytes behind \"unix:\"";
        out->path.sun_family = AF_UNIX;
        memcpy(out->path.sun_path, listen + 5, strlen(listen + 5) + 1);
        *size = sizeof out->path;
        return NULL;
    }
    const char *colon = strrchr(listen, ':');
    size_t length = colon ? (size_t)(colon - listen) : 0;
    if (!colon || length == 0 || length >= sizeof host)
        return "is neither address:port nor unix:/path";
    bool v6 = listen[0] == '[' && listen[length - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(v6 ? length - 2 : length), v6 ? listen + 1 : listen);
    int family = v6 ? AF_INET6 : AF_INET;
    out->any.sa_family = (sa_family_t)family;
    *size = v6 ? sizeof out->v6 : sizeof out->v4;
    void *to = v6 ? (void *)&out->v6.sin6_addr : (void *)&out->v4.sin_addr;
    if (inet_pton(family, host, to) != 1)
        return "has no numeric address before the port";
    if (!is_loopback(out))
        return "is not loopback; the endpoint is for this machine only (127.0.0.1, [::1] or unix:/path)";
    return read_port(colon + 1, v6 ? &out->v6.sin6_port : &out->v4.sin_port);
}

const char *server_check_address(const char *listen) {
    union address address;
    socklen_t size = 0;
    return read_address(listen, &address, &size);
}

static int open_socket(const char *listen_on, unsigned *port, struct error *error) {
    union address address;
    socklen_t size = 0;
    const char *wrong = read_address(listen_on, &address, &size);
    if (wrong)
        return error_set(error, -EINVAL, "%s %s", listen_on, wrong);
    bool local = address.any.sa_family == AF_UNIX;
    if (local)
        unlink(address.path.sun_path); // of a process that was killed
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd >= 0 && !local)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, &address.any, size) != 0 || listen(fd, 64) != 0) {
        int failed = errno;
        if (fd >= 0)
            close(fd);
        return error_set(error, -failed, "listening on %s: %s", listen_on, strerror(failed));
    }
    if (local)
        chmod(address.path.sun_path, 0660);
    size = sizeof address;
    if (!local && getsockname(fd, &address.any, &size) == 0)
        *port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return fd;
}

// Takes as long for a wrong token as for a right one.
static bool has_token(const struct server *server, struct MHD_Connection *connection) {
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    if (!server->token)
        return true;
    if (!given || strncasecmp(given, "Bearer ", 7) != 0 || strlen(given + 7) != strlen(server->token))
        return false;
    unsigned different = 0;
    for (size_t i = 0; server->token[i]; i++)
        different |= (unsigned)(given[7 + i] ^ server->token[i]);
    return different == 0;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct server_reply *reply) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.size, reply->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    char seconds[16];
    if (reply->body.size)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json; charset=utf-8");
    snprintf(seconds, sizeof seconds, "%u", reply->retry_after_s);
    if (reply->retry_after_s)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    if (reply->allow)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    if (reply->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(
    const struct server *server, struct MHD_Connection *connection, const struct reading *reading) {
    struct server_reply reply = {.status = reading->status};
    if (reading->status == MHD_HTTP_CONTENT_TOO_LARGE)
        buffer_append_format(&reply.body, "{\"error\":\"the body may have %llu bytes\"}",
            (unsigned long long)server->options.body_bytes);
    else
        buffer_append_string(&reply.body, "{\"error\":\"a bearer token is needed\"}");
    enum MHD_Result result = send_reply(connection, &reply);
    buffer_destroy(&reply.body);
    return result;
}

// The first call of a request: its head is there.
static enum MHD_Result begin(struct server *server, struct MHD_Connection *connection, void **state) {
    struct reading *reading = calloc(1, sizeof *reading);
    if (!reading)
        return MHD_NO;
    *state = reading;
    reading->body.limit = server->options.body_bytes;
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    if (!has_token(server, connection))
        reading->status = MHD_HTTP_UNAUTHORIZED;
    else if (length && strtoull(length, NULL, 10) > server->options.body_bytes)
        reading->status = MHD_HTTP_CONTENT_TOO_LARGE;
    return reading->status ? refuse(server, connection, reading) : MHD_YES;
}

static enum MHD_Result take_upload(
    const struct server *server, struct reading *reading, const char *data, size_t *size) {
    reading->seen += *size;
    if (reading->seen > server->options.body_bytes * DISCARD_FACTOR)
        return MHD_NO;
    if (!reading->status) {
        int rc = buffer_append(&reading->body, data, *size);
        if (rc == -ENOMEM)
            return MHD_NO;
        reading->status = rc ? MHD_HTTP_CONTENT_TOO_LARGE : 0;
    }
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload_data, size_t *upload_size, void **state) {
    (void)version;
    struct server *server = context;
    struct reading *reading = *state;
    if (!reading)
        return begin(server, connection, state);
    if (*upload_size)
        return take_upload(server, reading, upload_data, upload_size);
    if (reading->status)
        return refuse(server, connection, reading);
    struct server_request request = {
        .method = method, .path = url, .body = buffer_bytes(&reading->body), .connection = connection};
    struct server_reply reply = {0};
    server->handler(server->context, &request, &reply);
    enum MHD_Result result = send_reply(connection, &reply);
    buffer_destroy(&reply.body);
    return result;
}

static void on_completed(
    void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
    (void)context;
    (void)connection;
    (void)code;
    struct reading *reading = *state;
    if (reading)
        buffer_destroy(&reading->body);
    free(reading);
    *state = NULL;
}

static int start(struct server *server, struct error *error) {
    int fd = open_socket(server->options.listen, &server->port, error);
    if (fd < 0)
        return fd;
    server->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_access, server, MHD_OPTION_LISTEN_SOCKET, fd,
            MHD_OPTION_CONNECTION_LIMIT, server->options.connections, MHD_OPTION_CONNECTION_TIMEOUT,
            server->options.idle_s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        return error_set(error, -EIO, "starting the endpoint on %s failed", server->options.listen);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->fd = info ? info->epoll_fd : -1;
    return server->fd >= 0
               ? 0
               : error_set(error, -EIO, "the endpoint on %s has no epoll", server->options.listen);
}

int server_open(const struct server_options *options, server_handler *handler, void *context,
    struct server **out, struct error *error) {
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return error_no_memory(error);
    *server = (struct server){.options = *options, .handler = handler, .context = context, .fd = -1};
    server->token = options->token ? strdup(options->token) : NULL;
    int rc = options->token && !server->token ? error_no_memory(error) : 0;
    if (rc == 0)
        rc = start(server, error);
    if (rc != 0)
        server_destroy(&server);
    else
        *out = server;
    return rc;
}

void server_destroy(struct server **self) {
    struct server *server = *self;
    *self = NULL;
    if (!server)
        return;
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    if (server->token)
        explicit_bzero(server->token, strlen(server->token));
    free(server->token);
    free(server);
}

int server_fd(const struct server *server) {
    return server->fd;
}

unsigned server_port(const struct server *server) {
    return server->port;
}

uint32_t server_run(struct server *server) {
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES || timeout > RUN_AT_LEAST_MS)
        return RUN_AT_LEAST_MS;
    return (uint32_t)timeout;
}

const char *server_header(const struct server_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}
