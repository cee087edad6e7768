// Reads polls, pushes and posts from their YAML.
#include "adapters/connectors/http/http.h"

#include "adapters/runtime/settings.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// What lies behind an array's changing index, GCC's analyzer takes for lost.
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"

static const struct config_key poll_keys[] = {{"name", CONFIG_REQUIRED}, {"every", CONFIG_OPTIONAL},
    {"request", CONFIG_REQUIRED}, {"answer", CONFIG_OPTIONAL}, {"records", CONFIG_REQUIRED},
    {"more", CONFIG_OPTIONAL}, {"cursor", CONFIG_REQUIRED}, {"start", CONFIG_OPTIONAL},
    {"columns", CONFIG_REQUIRED}, {"give", CONFIG_REQUIRED}, {NULL, 0}};
static const struct config_key answer_keys[] = {{"kind", CONFIG_OPTIONAL}, {"code", CONFIG_OPTIONAL},
    {"text", CONFIG_OPTIONAL}, {"done", CONFIG_OPTIONAL}, {"duplicate", CONFIG_OPTIONAL},
    {"retry", CONFIG_OPTIONAL}, {"reject", CONFIG_OPTIONAL}, {"otherwise", CONFIG_OPTIONAL}, {NULL, 0}};
static const struct config_key listen_keys[] = {{"on", CONFIG_REQUIRED}, {"token_file", CONFIG_OPTIONAL},
    {"token_env", CONFIG_OPTIONAL}, {"body_limit", CONFIG_OPTIONAL}, {"connections", CONFIG_OPTIONAL},
    {"idle", CONFIG_OPTIONAL}, {"remember", CONFIG_OPTIONAL}, {"remember_ids", CONFIG_OPTIONAL},
    {"paths", CONFIG_REQUIRED}, {NULL, 0}};
static const struct config_key path_keys[] = {{"path", CONFIG_REQUIRED}, {"id", CONFIG_OPTIONAL},
    {"columns", CONFIG_OPTIONAL}, {"give", CONFIG_OPTIONAL}, {"messages", CONFIG_OPTIONAL}, {NULL, 0}};
static const struct config_key message_keys[] = {
    {"type", CONFIG_REQUIRED}, {"subject", CONFIG_OPTIONAL}, {NULL, 0}};
static const char *const verdict_names[] = {"done", "duplicate", "retry", "reject"};
static const char *const otherwise_names[] = {"done", "duplicate", "retry", "reject", NULL};

// ---- Polls ----

static bool read_name(
    const struct config_node *node, struct connector *connector, struct poll *poll, struct report *report) {
    const char *name = NULL;
    if (!config_read_string(node, "name", &name, report) || !name)
        return false;
    size_t length = strlen(name);
    if (length == 0 || length > 64 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != length) {
        config_error(config_get(node, "name"), report, "a name has letters, digits and \"_\", at most 64");
        return false;
    }
    for (size_t i = 0; i < connector->poll_count; i++)
        if (connector->polls[i] != poll && connector->polls[i]->name &&
            strcmp(connector->polls[i]->name, name) == 0) {
            config_error(config_get(node, "name"), report, "two polls have one name");
            return false;
        }
    poll->name = strdup(name);
    return poll->name != NULL;
}

static bool read_cursor(const struct config_node *node, struct poll *poll, struct report *report) {
    const char *name = NULL;
    const char *start = "";
    if (!config_read_string(node, "cursor", &name, report) || !name ||
        !config_read_string(node, "start", &start, report))
        return false;
    int column = row_type_find(poll->columns, bytes_of_string(name));
    if (column < 0) {
        config_error(config_get(node, "cursor"), report, "no column is called \"%s\"", name);
        return false;
    }
    poll->cursor_column = (size_t)column;
    if (strlen(start) > CURSOR_LIMIT) {
        config_error(config_get(node, "start"), report, "longer than %d bytes", CURSOR_LIMIT);
        return false;
    }
    return buffer_append_string(&poll->state.cursor, start) == 0;
}

static bool read_poll_rows(const struct config_node *node, struct poll *poll, struct report *report) {
    char name[80];
    const struct config_node *columns = config_get(node, "columns");
    const struct config_node *give = config_get(node, "give");
    if (!columns || !give || !poll->name)
        return false;
    snprintf(name, sizeof name, "row.%s", poll->name);
    poll->columns = row_type_load(columns, name, NULL, poll->connector->host, report);
    if (!poll->columns)
        return false;
    bool good = row_init(&poll->row, poll->columns) == 0;
    good = http_read_paths(poll->columns, poll->kind, poll->connector->service, &poll->paths, report) && good;
    good = read_cursor(node, poll, report) && good;
    poll->rules = give_rules_load(give, poll->columns, poll->connector->host, report);
    return good && poll->rules;
}

static bool read_poll_request(const struct config_node *node, struct poll *poll, struct report *report) {
    const struct connector_host *host = poll->connector->host;
    const struct config_node *request = config_get(node, "request");
    poll->env = cel_env_new(host->catalogue, host->codes, NULL);
    if (!request || !poll->env ||
        cel_env_declare(poll->env, "cursor", CEL_STRING, &poll->cursor_variable) != 0)
        return false;
    bool good = http_read_request(request, poll->env, host->zone, &poll->request, report);
    poll->activation = cel_activation_new(poll->env);
    return good && poll->activation;
}

bool poll_read(const struct config_node *node, struct connector *connector, struct report *report) {
    struct poll *poll = calloc(1, sizeof *poll);
    if (!poll)
        return false;
    poll->connector = connector;
    connector->polls[connector->poll_count++] = poll;
    if (!config_expect_mapping(node, "a poll", poll_keys, report))
        return false;
    poll->every_ns = 10 * CLOCK_SECOND_NS;
    bool good = read_name(node, connector, poll, report);
    good = config_read_duration(
               node, "every", 100 * CLOCK_MILLISECOND_NS, 86400 * CLOCK_SECOND_NS, &poll->every_ns, report) &&
           good;
    good = read_poll_request(node, poll, report) && good;
    poll->kind = poll->request.body ? poll->request.kind : DOCUMENT_JSON;
    good = http_read_kind(node, "answer", &poll->kind, report) && good;
    poll->records = http_read_path(node, "records", poll->kind, connector->service, report);
    poll->more = http_read_path(node, "more", poll->kind, connector->service, report);
    good = poll->records && (poll->more || !config_get(node, "more")) && good;
    return read_poll_rows(node, poll, report) && good;
}

// ---- Pushes ----

static bool read_codes(const struct config_node *node, struct push *push, struct report *report) {
    bool good = true;
    for (int i = 0; i < PUSH_VERDICTS; i++) {
        const struct config_node *list = config_get(node, verdict_names[i]);
        if (!list)
            continue;
        good = config_expect_sequence(list, verdict_names[i], report) && good;
        for (size_t j = 0; list->kind == CONFIG_SEQUENCE && j < list->count; j++)
            if (list->values[j]->kind != CONFIG_SCALAR) {
                config_error(list->values[j], report, "expected a code");
                good = false;
            }
        push->codes[i] = list->kind == CONFIG_SEQUENCE ? list : NULL;
        if (!config_get(node, "code")) {
            config_error(list, report, "codes need \"code\", the path to where the answer says it");
            good = false;
        }
    }
    return good;
}

static bool read_answer(const struct config_node *node, struct push *push, struct report *report) {
    size_t otherwise = PUSH_RETRY;
    const struct service *service = push->connector->service;
    push->otherwise = PUSH_RETRY;
    push->kind = push->request.body ? push->request.kind : DOCUMENT_JSON;
    if (!node)
        return true;
    if (!config_expect_mapping(node, "an answer", answer_keys, report) ||
        !http_read_kind(node, "kind", &push->kind, report))
        return false;
    push->code = http_read_path(node, "code", push->kind, service, report);
    push->text = http_read_path(node, "text", push->kind, service, report);
    bool good = (push->code || !config_get(node, "code")) && (push->text || !config_get(node, "text"));
    good = config_read_choice(node, "otherwise", otherwise_names, &otherwise, report) && good;
    push->otherwise = (enum push_verdict)otherwise;
    return read_codes(node, push, report) && good;
}

bool push_read(struct take_rule *rule, struct connector *connector, struct report *report) {
    struct push *push = calloc(1, sizeof *push);
    if (!push)
        return false;
    push->rule = rule;
    push->connector = connector;
    rule->own = push;
    connector->pushes[connector->push_count++] = push;
    const struct config_node *request = config_get(rule->node, "request");
    bool good =
        request && http_read_request(request, rule->env, connector->host->zone, &push->request, report);
    if (good && strcmp(push->request.method, "GET") == 0) {
        config_error(request, report, "a message isn't sent by GET");
        good = false;
    }
    return read_answer(config_get(rule->node, "answer"), push, report) && good;
}

// ---- Posts ----

static bool read_message(const struct config_node *node, const struct connector_host *host,
    struct post_type *type, struct report *report) {
    const char *name = NULL;
    if (!config_expect_mapping(node, "a message", message_keys, report) ||
        !config_read_string(node, "type", &name, report) || !name)
        return false;
    type->type = catalogue_message(host->catalogue, bytes_of_string(name));
    if (!type->type) {
        const char *nearest = catalogue_nearest_message(host->catalogue, bytes_of_string(name));
        config_error(config_get(node, "type"), report, "unknown type \"%s\"%s%s%s", name,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        return false;
    }
    const struct config_node *subject = config_get(node, "subject");
    type->paths = paths_new(type->type);
    type->env = cel_env_new(host->catalogue, host->codes, NULL);
    if (!type->paths || !type->env ||
        cel_env_declare_message(type->env, "msg", type->paths, &type->variable) != 0)
        return false;
    type->subject = subject ? mapping_expression(subject, type->env, CEL_STRING, report) : NULL;
    type->scan = scan_new(type->paths);
    type->activation = cel_activation_new(type->env);
    return (!subject || type->subject) && type->scan && type->activation;
}

static bool read_messages(const struct config_node *node, struct post *post, struct report *report) {
    if (!config_expect_sequence(node, "messages", report))
        return false;
    post->types = calloc(node->count ? node->count : 1, sizeof *post->types);
    if (!post->types)
        return false;
    bool good = true;
    post->type_count = node->count;
    for (size_t i = 0; i < node->count; i++)
        good = read_message(node->values[i], post->connector->host, &post->types[i], report) && good;
    return good;
}

static bool read_post_rows(
    const struct config_node *node, struct post *post, size_t number, struct report *report) {
    char name[32];
    const struct connector_host *host = post->connector->host;
    const struct config_node *give = config_get(node, "give");
    if (!give) {
        config_error(node, report, "\"columns\" need \"give\"");
        return false;
    }
    snprintf(name, sizeof name, "row.post%zu", number);
    post->columns = row_type_load(config_get(node, "columns"), name, NULL, host, report);
    if (!post->columns)
        return false;
    bool good = row_init(&post->row, post->columns) == 0;
    good = http_read_paths(post->columns, DOCUMENT_JSON, NULL, &post->paths, report) && good;
    post->rules = give_rules_load(give, post->columns, host, report);
    return good && post->rules;
}

static bool read_post(
    const struct config_node *node, struct connector *connector, size_t number, struct report *report) {
    struct post *post = &connector->posts[number];
    post->connector = connector;
    post->path = "";
    if (!config_expect_mapping(node, "a path", path_keys, report))
        return false;
    bool good = config_read_string(node, "path", &post->path, report);
    if (good && post->path[0] != '/') {
        config_error(config_get(node, "path"), report, "a path starts with \"/\"");
        good = false;
    }
    post->id = http_read_path(node, "id", DOCUMENT_JSON, NULL, report);
    good = (post->id || !config_get(node, "id")) && good;
    const struct config_node *messages = config_get(node, "messages");
    if (!messages == !config_get(node, "columns")) {
        config_error(node, report, "a path takes rows (\"columns\" and \"give\") or \"messages\"");
        return false;
    }
    return (messages ? read_messages(messages, post, report) : read_post_rows(node, post, number, report)) &&
           good;
}

static bool read_listen(const struct config_node *node, struct connector *connector, struct report *report) {
    int64_t connections = 32;
    int64_t ids = 100000;
    uint64_t idle = 30 * CLOCK_SECOND_NS;
    uint64_t remember = 86400 * CLOCK_SECOND_NS;
    uint64_t hour = 3600 * CLOCK_SECOND_NS;
    connector->listen.body_bytes = (uint64_t)1 << 20;
    bool good = settings_text(node, "on", &connector->listen_at, report);
    const char *wrong = connector->listen_at ? server_check_address(connector->listen_at) : NULL;
    if (wrong)
        config_error(config_get(node, "on"), report, "\"%s\" %s", connector->listen_at, wrong);
    good = config_read_size(
               node, "body_limit", 1024, (uint64_t)8 << 20, &connector->listen.body_bytes, report) &&
           good;
    good = config_read_int(node, "connections", 1, 1000, &connections, report) && good;
    good = config_read_duration(node, "idle", CLOCK_SECOND_NS, hour, &idle, report) && good;
    good =
        config_read_duration(node, "remember", 60 * CLOCK_SECOND_NS, 720 * hour, &remember, report) && good;
    good = config_read_int(node, "remember_ids", 1, 1000000, &ids, report) && good;
    connector->listen.listen = connector->listen_at;
    connector->listen.connections = (unsigned)connections;
    connector->listen.idle_s = (unsigned)(idle / CLOCK_SECOND_NS);
    connector->remember_s = remember / CLOCK_SECOND_NS;
    connector->remember_ids = (size_t)ids;
    return good && !wrong && connector->listen_at;
}

bool post_read_all(const struct config_node *node, struct connector *connector, struct report *report) {
    if (!config_expect_mapping(node, "listen", listen_keys, report))
        return false;
    connector->listen_node = node;
    bool good = read_listen(node, connector, report);
    const struct config_node *paths = config_get(node, "paths");
    if (!paths || !config_expect_sequence(paths, "paths", report))
        return false;
    connector->posts = calloc(paths->count ? paths->count : 1, sizeof *connector->posts);
    if (!connector->posts)
        return false;
    connector->post_count = paths->count;
    for (size_t i = 0; i < paths->count; i++)
        good = read_post(paths->values[i], connector, i, report) && good;
    return good;
}
