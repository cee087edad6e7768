// The local endpoint: HTTP/1.1 by libmicrohttpd on loopback or a UNIX socket, run from the caller's own loop
// (no thread).
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

struct server_options {   // texts are borrowed
    const char *listen;   // "127.0.0.1:8480", "[::1]:8480" (port 0: any), "unix:/run/hutong/post.sock"
    const char *token;    // requests need "Authorization: Bearer <it>"; NULL: none. Copied
    uint64_t body_bytes;  // of a request at most
    unsigned connections; // at once
    unsigned idle_s;      // a connection without a byte for this long is closed
};

// Valid inside the handler only.
struct server_request {
    const char *method;
    const char *path;
    struct bytes body;
    void *connection; // for server_header()
};

struct server_reply { // zero-initialised before the handler
    unsigned status;
    struct buffer body;     // JSON; empty: none
    unsigned retry_after_s; // 0: no such header
    const char *allow;      // for 405; NULL: none
};

// Decides one whole request. An error text that the client can use goes into the body.
typedef void server_handler(void *context, const struct server_request *request, struct server_reply *reply);

struct server;

const char *server_check_address(const char *listen); // NULL, or what is wrong with it
int server_open(const struct server_options *options, server_handler *handler, void *context,
    struct server **out,
    struct error *error); // 0 and `*out` owned, negative
void server_destroy(struct server **self);
int server_fd(const struct server *server);        // readable when server_run() has something to do
unsigned server_port(const struct server *server); // 0 for a UNIX socket
// Handles what is there, never waits. Returns the milliseconds until it must run again (at most 1,000).
uint32_t server_run(struct server *server);

// A header's value, or NULL; the name in any case.
const char *server_header(const struct server_request *request, const char *name);
