#include "adapters/connectors/http/event.h"

#include "adapters/runtime/moment.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#define BAD_REQUEST 400
#define UNSUPPORTED_TYPE 415

void event_destroy(struct event *event) {
    buffer_destroy(&event->id);
    buffer_destroy(&event->source);
    buffer_destroy(&event->type);
    buffer_destroy(&event->subject);
    buffer_destroy(&event->data);
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

// A header's value: characters outside ASCII are percent-encoded there (HTTP binding, 3.1.3.2).
static int read_header(const struct server_request *request, const char *name, struct buffer *out) {
    const char *text = server_header(request, name);
    int rc = 0;
    for (const char *p = text ? text : ""; *p && rc == 0; p++) {
        bool escape = *p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0;
        rc = buffer_append_byte(out, (uint8_t)(escape ? hex(p[1]) * 16 + hex(p[2]) : *p));
        p += escape ? 2 : 0;
    }
    return rc;
}

static int read_time(struct bytes text, struct event *event, struct error *error) {
    struct moment moment;
    if (text.size == 0)
        return 0;
    if (!moment_read(text, 0, &moment) || !moment.has_time)
        return error_set(error, BAD_REQUEST, "time: expected RFC 3339, such as 2026-11-24T09:30:00+08:00");
    event->time_us = moment_seconds(&moment) * 1000000 + moment.nanos / 1000;
    return 0;
}

static int check_event(const struct event *event, const char *version, struct error *error) {
    if (!version || strcmp(version, "1.0") != 0)
        return error_set(error, BAD_REQUEST, "specversion: expected 1.0");
    if (event->id.size == 0)
        return error_set(error, BAD_REQUEST, "id: a CloudEvent needs one");
    if (event->source.size == 0)
        return error_set(error, BAD_REQUEST, "source: a CloudEvent needs one");
    return event->type.size ? 0 : error_set(error, BAD_REQUEST, "type: a CloudEvent needs one");
}

static int read_binary(const struct server_request *request, struct event *out, struct error *error) {
    struct buffer time = {0};
    out->is_event = true;
    int rc = read_header(request, "ce-id", &out->id);
    if (rc == 0)
        rc = read_header(request, "ce-source", &out->source);
    if (rc == 0)
        rc = read_header(request, "ce-type", &out->type);
    if (rc == 0)
        rc = read_header(request, "ce-subject", &out->subject);
    if (rc == 0)
        rc = read_header(request, "ce-time", &time);
    if (rc == 0)
        rc = buffer_append_bytes(&out->data, request->body);
    if (rc == 0)
        rc = read_time(buffer_bytes(&time), out, error);
    buffer_destroy(&time);
    return rc ? rc : check_event(out, server_header(request, "ce-specversion"), error);
}

// A text attribute of a structured event; absent is fine.
static int read_attribute(const json_t *root, const char *name, struct buffer *out, struct error *error) {
    const json_t *value = json_object_get(root, name);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return error_set(error, BAD_REQUEST, "%s: expected a string", name);
    return buffer_append(out, json_string_value(value), json_string_length(value));
}

static int read_data(const json_t *root, struct event *out, struct error *error) {
    const json_t *data = json_object_get(root, "data");
    if (!json_is_object(data))
        return error_set(error, BAD_REQUEST, "data: expected a JSON object%s",
            json_object_get(root, "data_base64") ? "; data_base64 is not taken" : "");
    char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(17));
    int rc = text ? buffer_append_string(&out->data, text) : -ENOMEM;
    free(text);
    return rc;
}

static int read_attributes(const json_t *root, struct event *out, struct error *error) {
    struct buffer time = {0};
    int rc = read_attribute(root, "id", &out->id, error);
    if (rc == 0)
        rc = read_attribute(root, "source", &out->source, error);
    if (rc == 0)
        rc = read_attribute(root, "type", &out->type, error);
    if (rc == 0)
        rc = read_attribute(root, "subject", &out->subject, error);
    if (rc == 0)
        rc = read_attribute(root, "time", &time, error);
    if (rc == 0)
        rc = read_time(buffer_bytes(&time), out, error);
    buffer_destroy(&time);
    return rc;
}

static int read_structured(const struct server_request *request, struct event *out, struct error *error) {
    json_error_t problem;
    json_t *root =
        json_loadb((const char *)request->body.data, request->body.size, JSON_REJECT_DUPLICATES, &problem);
    if (!root)
        return error_set(error, BAD_REQUEST, "no JSON: line %d, column %d: %s", problem.line, problem.column,
            problem.text);
    out->is_event = true;
    int rc = read_attributes(root, out, error);
    if (rc == 0)
        rc = check_event(out, json_string_value(json_object_get(root, "specversion")), error);
    if (rc == 0)
        rc = read_data(root, out, error);
    json_decref(root);
    return rc;
}

static bool is_type(const char *header, const char *type) {
    size_t size = strlen(type);
    return header && strncasecmp(header, type, size) == 0 && (!header[size] || strchr("; \t", header[size]));
}

int event_read(const struct server_request *request, struct event *out, struct error *error) {
    const char *type = server_header(request, "Content-Type");
    int rc = 0;
    if (is_type(type, "application/cloudevents+json"))
        rc = read_structured(request, out, error);
    else if (!is_type(type, "application/json"))
        rc = error_set(error, UNSUPPORTED_TYPE, "expected application/json or application/cloudevents+json");
    else if (server_header(request, "ce-specversion"))
        rc = read_binary(request, out, error);
    else {
        rc = read_header(request, "Idempotency-Key", &out->id);
        if (rc == 0)
            rc = buffer_append_bytes(&out->data, request->body);
    }
    return rc < 0 ? error_no_memory(error) : rc;
}
