#include "adapters/connectors/http/http.h"

#include "adapters/runtime/settings.h"
#include "core/base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <libxml/parser.h>
#include <stdlib.h>

static void service_destroy(struct service **self) {
    struct service *service = *self;
    *self = NULL;
    if (!service)
        return;
    free(service->url);
    free(service->ca_file);
    free(service->certificate_file);
    free(service->key_file);
    free(service->proxy);
    free(service->encoding);
    free(service->namespaces);
    free(service);
}

void http_destroy(struct connector **self) {
    struct connector *connector = *self;
    *self = NULL;
    if (!connector)
        return;
    server_destroy(&connector->server);
    seen_destroy(&connector->seen);
    for (size_t i = 0; i < connector->poll_count; i++)
        poll_destroy(&connector->polls[i]);
    for (size_t i = 0; i < connector->push_count; i++)
        push_destroy(&connector->pushes[i]);
    for (size_t i = 0; i < connector->post_count; i++)
        post_clear(&connector->posts[i]);
    take_rules_destroy(&connector->take);
    free(connector->polls);
    free(connector->pushes);
    free(connector->posts);
    free(connector->done);
    free(connector->listen_at);
    client_answer_destroy(&connector->answer);
    client_destroy(&connector->client);
    service_destroy(&connector->service);
    buffer_destroy(&connector->position);
    free(connector);
}

// A secret that is there, as a text borrowed from `out`; NULL: none.
static const char *secret_text(struct buffer *out) {
    return out->size ? buffer_text(out) : NULL;
}

static void forget(struct buffer *secret) {
    if (secret->data)
        explicit_bzero(secret->data, secret->capacity);
    buffer_destroy(secret);
}

static int open_client(struct connector *connector, struct error *error) {
    struct service *service = connector->service;
    struct buffer login = {0};
    struct buffer token = {0};
    const char *base = connector->host->base_folder;
    client_destroy(&connector->client);
    int rc = settings_secret(service->node, "login", base, &login, error);
    if (rc == 0)
        rc = settings_secret(service->node, "token", base, &token, error);
    if (rc == 0) {
        struct client_options options = service->options;
        options.login = secret_text(&login);
        options.token = secret_text(&token);
        rc = client_new(&options, &connector->client, error);
    }
    forget(&login);
    forget(&token);
    return rc;
}

static int open_seen(struct connector *connector, struct error *error) {
    struct buffer path = {0};
    int64_t now_s = clock_realtime_ns() / (int64_t)CLOCK_SECOND_NS;
    seen_destroy(&connector->seen);
    int rc = buffer_append_format(&path, "%s/posted.ids", connector->host->state_folder);
    rc = rc == 0 && buffer_text(&path)
             ? seen_open((const char *)path.data, connector->posted, connector->remember_s,
                   connector->remember_ids, now_s, &connector->seen, error)
             : error_no_memory(error);
    buffer_destroy(&path);
    return rc;
}

static int open_server(struct connector *connector, struct error *error) {
    struct buffer token = {0};
    server_destroy(&connector->server);
    int rc = open_seen(connector, error);
    if (rc == 0)
        rc = settings_secret(connector->listen_node, "token", connector->host->base_folder, &token, error);
    if (rc == 0 && token.size && token.size < 16)
        rc = error_set(error, -EINVAL, "the endpoint's token has less than 16 characters");
    connector->listen.token = secret_text(&token);
    if (rc == 0)
        rc = server_open(&connector->listen, post_handle, connector, &connector->server, error);
    connector->listen.token = NULL;
    forget(&token);
    return rc;
}

static int open_all(struct connector *connector, struct error *error) {
    http_position_read(connector, connector->host->position(connector->host->runtime));
    int rc = connector->service ? open_client(connector, error) : 0;
    if (rc == 0 && connector->post_count)
        rc = open_server(connector, error);
    return rc;
}

// One poll a round: requests block, and the endpoint is to be served in between.
static int run_polls(struct connector *connector, bool *more, uint32_t *wait_ms, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < connector->poll_count; i++) {
        struct poll *poll = connector->polls[i];
        int one = poll_run(poll, more, error);
        if (one < 0)
            return one;
        // With an endpoint, a failure is told once and then waits for the next turn: the endpoint is to be
        // served meanwhile.
        rc = one && !(connector->server && poll->failing) ? one : rc;
        poll->failing = one != 0;
        uint64_t now = clock_monotonic_ns();
        uint64_t wait = poll->next_ns > now ? (poll->next_ns - now) / CLOCK_MILLISECOND_NS + 1 : 0;
        *wait_ms = wait < *wait_ms ? (uint32_t)wait : *wait_ms;
    }
    return rc;
}

static int poll_all(
    struct connector *connector, bool *more, uint32_t *wait_ms, int *fd, struct error *error) {
    bool again = false;
    uint32_t wait = 60000;
    int rc = run_polls(connector, &again, &wait, error);
    if (connector->server) {
        uint32_t serve = server_run(connector->server);
        wait = serve < wait ? serve : wait;
    }
    if (rc != 0)
        return rc;
    *more = again;
    *wait_ms = wait;
    *fd = connector->server ? server_fd(connector->server) : -1;
    return 0;
}

static int deliver(
    struct connector *connector, const struct connector_delivery *delivery, struct error *error) {
    struct take_rule *rule = NULL;
    if (!connector->take)
        return error_set(error, CONNECTOR_REJECT, "this system takes no messages");
    int rc = take_rules_begin(connector->take, delivery, &rule, error);
    return rc || !rule ? rc : push_deliver(rule->own, delivery, error);
}

static int commit(struct connector *connector, struct error *error) {
    const struct connector_host *host = connector->host;
    connector->away = false;
    if (connector->done_count == 0)
        return 0;
    if (host->mark_done(host->runtime, connector->done, connector->done_count, error) != 0)
        return CONNECTOR_RETRY; // the list is kept: these aren't sent again
    connector->done_count = 0;
    return 0;
}

const struct connector_class http_connector = {
    .name = "http",
    .configure = http_configure,
    .open = open_all,
    .poll = poll_all,
    .deliver = deliver,
    .commit = commit,
    .destroy = http_destroy,
};
