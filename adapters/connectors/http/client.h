// Requests to one service by libcurl: blocking with deadlines, one connection kept open; no redirects, http
// and https only.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

struct client_options { // texts are borrowed
    uint64_t connect_ms;
    uint64_t timeout_ms;
    uint64_t answer_bytes;        // an answer longer than this is cut off and refused
    const char *ca_file;          // NULL: the system's
    const char *certificate_file; // NULL: no client certificate
    const char *key_file;
    const char *login; // "user:password"; NULL: none. Copied, as the token
    const char *token; // a bearer token; NULL: none
    const char *proxy; // NULL: none, whatever the environment says
    bool insecure;     // takes any server certificate: for tests
};

struct client;

// 0 and `*out` owned, negative.
int client_new(const struct client_options *options, struct client **out, struct error *error);
void client_destroy(struct client **self);

struct client_request {
    const char *method; // "GET", "POST", …
    const char *url;
    const char *const *headers; // "Name: value", …, NULL
    struct bytes body;          // data NULL: none
};

struct client_answer { // zero-initialised, reused
    unsigned status;
    struct buffer body;
    char charset[32]; // of Content-Type; "": none
};

enum {
    CLIENT_FAILED =
        1, // no whole answer: refused, timed out, broken off, too long; the request may have had its effect
};

// 0 with `*answer`, CLIENT_FAILED, -ENOMEM.
int client_send(struct client *client, const struct client_request *request, struct client_answer *answer,
    struct error *error);
void client_answer_destroy(struct client_answer *answer);
