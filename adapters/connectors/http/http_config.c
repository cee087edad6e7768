#include "adapters/connectors/http/http.h"

#include "adapters/runtime/settings.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>

static const struct config_key http_keys[] = {{"service", CONFIG_OPTIONAL}, {"poll", CONFIG_OPTIONAL},
    {"take", CONFIG_OPTIONAL}, {"listen", CONFIG_OPTIONAL}, {NULL, 0}};
static const struct config_key service_keys[] = {{"url", CONFIG_REQUIRED}, {"timeout", CONFIG_OPTIONAL},
    {"connect_timeout", CONFIG_OPTIONAL}, {"answer_limit", CONFIG_OPTIONAL}, {"ca", CONFIG_OPTIONAL},
    {"certificate", CONFIG_OPTIONAL}, {"key", CONFIG_OPTIONAL}, {"login_file", CONFIG_OPTIONAL},
    {"login_env", CONFIG_OPTIONAL}, {"token_file", CONFIG_OPTIONAL}, {"token_env", CONFIG_OPTIONAL},
    {"proxy", CONFIG_OPTIONAL}, {"insecure", CONFIG_OPTIONAL}, {"encoding", CONFIG_OPTIONAL},
    {"namespaces", CONFIG_OPTIONAL}, {NULL, 0}};
static const struct config_key request_keys[] = {{"method", CONFIG_OPTIONAL}, {"path", CONFIG_OPTIONAL},
    {"headers", CONFIG_OPTIONAL}, {"xml", CONFIG_OPTIONAL}, {"json", CONFIG_OPTIONAL}, {NULL, 0}};
static const char *const kind_names[] = {"json", "xml", NULL};
static const char *const method_names[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
// What rules under `take` have of their own; push_config.c reads it.
static const struct config_key take_keys[] = {
    {"request", CONFIG_REQUIRED}, {"answer", CONFIG_OPTIONAL}, {NULL, 0}};

// ---- Parts that polls, pushes and posts share ----

bool http_read_kind(
    const struct config_node *mapping, const char *key, enum document_kind *out, struct report *report) {
    size_t kind = *out;
    if (!config_read_choice(mapping, key, kind_names, &kind, report))
        return false;
    *out = (enum document_kind)kind;
    return true;
}

static struct document_path *make_path(const struct config_node *at, const char *text,
    enum document_kind kind, const struct service *service, struct report *report) {
    struct document_path *path = NULL;
    struct error error = {0};
    if (document_path_new(kind, text, service ? service->namespaces : NULL,
            service ? service->namespace_count : 0, &path, &error) != 0)
        config_error(at, report, "%s", error.text);
    return path;
}

struct document_path *http_read_path(const struct config_node *mapping, const char *key,
    enum document_kind kind, const struct service *service, struct report *report) {
    const char *text = NULL;
    if (!config_read_string(mapping, key, &text, report) || !text)
        return NULL;
    return make_path(config_get(mapping, key), text, kind, service, report);
}

bool http_read_paths(const struct row_type *columns, enum document_kind kind, const struct service *service,
    struct document_path ***out, struct report *report) {
    size_t count = row_type_count(columns);
    struct document_path **paths = calloc(count ? count : 1, sizeof *paths);
    bool good = paths != NULL;
    for (size_t i = 0; i < count && paths; i++) {
        const struct column *column = row_type_column(columns, i);
        struct buffer text = {0};
        bool plain = kind == DOCUMENT_JSON && column->from[0] != '/'; // a member's name is enough
        if (buffer_append_format(&text, "%s%s", plain ? "/" : "", column->from) == 0 && buffer_text(&text))
            paths[i] = make_path(column->at, (const char *)text.data, kind, service, report);
        buffer_destroy(&text);
        good = paths[i] && good;
    }
    *out = paths;
    return good;
}

static bool is_token(struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && !strchr("!#$%&'*+-.^_`|~", c))
            return false;
    }
    return name.size > 0;
}

static bool read_headers(const struct config_node *node, const struct cel_env *env, int32_t zone,
    struct request *out, struct report *report) {
    if (!node)
        return true;
    if (node->kind != CONFIG_MAPPING || node->count > 30) {
        config_error(node, report, "expected a mapping of at most 30 headers");
        return false;
    }
    out->headers = calloc(node->count ? node->count : 1, sizeof *out->headers);
    bool good = out->headers != NULL;
    for (size_t i = 0; i < node->count && out->headers; i++) {
        struct header *header = &out->headers[out->header_count++];
        header->name = (const char *)node->keys[i]->text.data;
        header->value = template_load(node->values[i], TEMPLATE_HEADER, env, zone, report);
        if (!is_token(node->keys[i]->text)) {
            config_error(node->keys[i], report, "no header's name");
            good = false;
        }
        good = header->value && good;
    }
    return good;
}

static bool read_body(const struct config_node *node, const struct cel_env *env, int32_t zone,
    struct request *out, struct report *report) {
    const struct config_node *xml = config_get(node, "xml");
    const struct config_node *json = config_get(node, "json");
    if (xml && json) {
        config_error(json, report, "a request has one body: \"xml\" or \"json\"");
        return false;
    }
    if (!xml && !json)
        return true;
    out->kind = xml ? DOCUMENT_XML : DOCUMENT_JSON;
    out->body = template_load(xml ? xml : json, xml ? TEMPLATE_XML : TEMPLATE_JSON, env, zone, report);
    return out->body != NULL;
}

bool http_read_request(const struct config_node *node, const struct cel_env *env, int32_t zone,
    struct request *out, struct report *report) {
    if (!config_expect_mapping(node, "a request", request_keys, report))
        return false;
    const struct config_node *path = config_get(node, "path");
    bool good = read_body(node, env, zone, out, report);
    size_t method = out->body ? 1 : 0;
    good = config_read_choice(node, "method", method_names, &method, report) && good;
    out->method = method_names[method];
    good = read_headers(config_get(node, "headers"), env, zone, out, report) && good;
    if (path)
        out->path = template_load(path, TEMPLATE_URL, env, zone, report);
    return good && (!path || out->path);
}

// ---- The service ----

static bool read_namespaces(const struct config_node *node, struct service *service, struct report *report) {
    if (!node)
        return true;
    if (node->kind != CONFIG_MAPPING) {
        config_error(node, report, "expected a mapping of prefix to namespace");
        return false;
    }
    service->namespaces = calloc(node->count ? node->count : 1, sizeof *service->namespaces);
    for (size_t i = 0; i < node->count && service->namespaces; i++) {
        if (node->values[i]->kind != CONFIG_SCALAR) {
            config_error(node->values[i], report, "expected a namespace's name");
            return false;
        }
        service->namespaces[service->namespace_count++] =
            (struct document_namespace){.prefix = (const char *)node->keys[i]->text.data,
                .uri = (const char *)node->values[i]->text.data};
    }
    return service->namespaces != NULL;
}

static bool read_url(const struct config_node *node, struct service *service, struct report *report) {
    if (!settings_text(node, "url", &service->url, report) || !service->url)
        return false;
    if (strncmp(service->url, "http://", 7) == 0 || strncmp(service->url, "https://", 8) == 0)
        return true;
    config_error(config_get(node, "url"), report, "expected http://… or https://…");
    return false;
}

static bool read_limits(
    const struct config_node *node, struct client_options *options, struct report *report) {
    uint64_t timeout = 10 * CLOCK_SECOND_NS;
    uint64_t connect = 3 * CLOCK_SECOND_NS;
    uint64_t minute = 60 * CLOCK_SECOND_NS;
    options->answer_bytes = (uint64_t)8 << 20;
    bool good = config_read_duration(node, "timeout", CLOCK_MILLISECOND_NS, 10 * minute, &timeout, report);
    good =
        config_read_duration(node, "connect_timeout", CLOCK_MILLISECOND_NS, minute, &connect, report) && good;
    good = config_read_size(node, "answer_limit", 1024, (uint64_t)64 << 20, &options->answer_bytes, report) &&
           good;
    good = config_read_bool(node, "insecure", &options->insecure, report) && good;
    options->timeout_ms = timeout / CLOCK_MILLISECOND_NS;
    options->connect_ms = connect / CLOCK_MILLISECOND_NS;
    return good;
}

bool http_read_service(const struct config_node *node, struct connector *connector, struct report *report) {
    const char *base = connector->host->base_folder;
    struct service *service = calloc(1, sizeof *service);
    connector->service = service;
    if (!service || !config_expect_mapping(node, "service", service_keys, report))
        return false;
    service->node = node;
    bool good = read_url(node, service, report);
    good = read_limits(node, &service->options, report) && good;
    good = settings_path(node, "ca", base, &service->ca_file, report) && good;
    good = settings_path(node, "certificate", base, &service->certificate_file, report) && good;
    good = settings_path(node, "key", base, &service->key_file, report) && good;
    good = settings_text(node, "proxy", &service->proxy, report) && good;
    good = settings_text(node, "encoding", &service->encoding, report) && good;
    good = read_namespaces(config_get(node, "namespaces"), service, report) && good;
    service->options.ca_file = service->ca_file;
    service->options.certificate_file = service->certificate_file;
    service->options.key_file = service->key_file;
    service->options.proxy = service->proxy;
    return good;
}

// ---- All ----

static bool read_polls(const struct config_node *node, struct connector *connector, struct report *report) {
    if (!config_expect_sequence(node, "poll", report))
        return false;
    connector->polls = calloc(node->count ? node->count : 1, sizeof *connector->polls);
    bool good = connector->polls != NULL;
    for (size_t i = 0; i < node->count && connector->polls; i++)
        good = poll_read(node->values[i], connector, report) && good;
    return good;
}

static bool read_take(const struct config_node *node, struct connector *connector, struct report *report) {
    connector->take = take_rules_load(node, take_keys, connector->host, report);
    if (!connector->take)
        return false;
    size_t count = take_rules_count(connector->take);
    connector->pushes = calloc(count ? count : 1, sizeof *connector->pushes);
    bool good = connector->pushes != NULL;
    for (size_t i = 0; i < count && connector->pushes; i++)
        good = push_read(take_rules_at(connector->take, i), connector, report) && good;
    return good;
}

static bool read_all(const struct config_node *node, struct connector *connector, struct report *report) {
    const struct config_node *service = config_get(node, "service");
    const struct config_node *polls = config_get(node, "poll");
    const struct config_node *take = config_get(node, "take");
    const struct config_node *listen = config_get(node, "listen");
    if (!polls && !take && !listen) {
        config_error(node, report, "needs \"poll\", \"take\" or \"listen\"");
        return false;
    }
    if ((polls || take) && !service) {
        config_error(node, report, "\"poll\" and \"take\" need \"service\"");
        return false;
    }
    bool good = !service || http_read_service(service, connector, report);
    good = (!polls || read_polls(polls, connector, report)) && good;
    good = (!take || read_take(take, connector, report)) && good;
    return (!listen || post_read_all(listen, connector, report)) && good;
}

struct connector *http_configure(
    const struct config_node *node, const struct connector_host *host, struct report *report) {
    if (!config_expect_mapping(node, "http", http_keys, report))
        return NULL;
    struct connector *connector = calloc(1, sizeof *connector);
    if (!connector) {
        config_error(node, report, "out of memory");
        return NULL;
    }
    connector->host = host;
    bool good = read_all(node, connector, report);
    if (!good && report_errors(report) == 0)
        config_error(node, report, "out of memory");
    if (!good)
        http_destroy(&connector);
    return connector;
}
