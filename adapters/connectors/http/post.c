#include "adapters/connectors/http/event.h"
#include "adapters/connectors/http/http.h"

#include "core/base/clock.h"
#include "core/schema/json.h"

#include <errno.h>
#include <stdlib.h>

enum {
    ACCEPTED = 202,
    BAD_REQUEST = 400,
    NOT_FOUND = 404,
    METHOD_NOT_ALLOWED = 405,
    SERVER_ERROR = 500,
    UNAVAILABLE = 503,
};
#define RETRY_AFTER_S 5

static void destroy_type(struct post_type *type) {
    cel_program_destroy(&type->subject);
    cel_activation_destroy(&type->activation);
    cel_env_destroy(&type->env);
    scan_destroy(&type->scan);
    paths_destroy(&type->paths);
}

void post_clear(struct post *post) {
    document_path_destroy(&post->id);
    if (post->columns)
        paths_destroy_all(&post->paths, row_type_count(post->columns));
    row_destroy(&post->row);
    give_rules_destroy(&post->rules);
    row_type_destroy(&post->columns);
    for (size_t i = 0; i < post->type_count; i++)
        destroy_type(&post->types[i]);
    free(post->types);
}

// ---- Answers ----

static int put_json_text(struct buffer *out, const char *text) {
    int rc = buffer_append_byte(out, '"');
    for (const char *p = text; *p && rc == 0; p++) {
        uint8_t byte = (uint8_t)*p;
        rc = byte == '"' || byte == '\\' ? buffer_append_format(out, "\\%c", byte)
             : byte < 0x20               ? buffer_append_format(out, "\\u%04x", byte)
                                         : buffer_append_byte(out, byte);
    }
    return rc ? rc : buffer_append_byte(out, '"');
}

static void answer(struct server_reply *reply, unsigned status, const char *problem) {
    reply->status = status;
    reply->retry_after_s = status == UNAVAILABLE ? RETRY_AFTER_S : 0;
    buffer_clear(&reply->body);
    if (buffer_append_string(&reply->body, problem ? "{\"error\":" : "{\"status\":") != 0 ||
        put_json_text(&reply->body, problem ? problem : "accepted") != 0 ||
        buffer_append_byte(&reply->body, '}') != 0)
        buffer_clear(&reply->body); // the status says enough
}

// ---- Messages ----

static struct post_type *find_type(const struct post *post, const struct event *event, struct error *error) {
    if (!event->is_event && post->type_count == 1)
        return &post->types[0];
    for (size_t i = 0; i < post->type_count; i++)
        if (event->is_event && bytes_equal_string(buffer_bytes(&event->type), post->types[i].type->full_name))
            return &post->types[i];
    error_set(error, BAD_REQUEST,
        event->is_event ? "type: \"%.*s\" is not taken at this path"
                        : "this path takes several types: post a CloudEvent%.*s",
        event->is_event ? (int)event->type.size : 0, event->is_event ? (const char *)event->type.data : "");
    return NULL;
}

static int subject_of(struct post_type *type, const struct event *event, struct bytes wire, struct bytes *out,
    struct error *error) {
    struct cel_value value = {.kind = CEL_STRING, .bytes = buffer_bytes(&event->subject)};
    if (event->subject.size == 0 && type->subject) {
        int rc = scan_run(type->scan, wire, false, error);
        cel_activation_reset(type->activation);
        cel_activation_set_scan(type->activation, type->variable, type->scan);
        if (rc == 0)
            rc = cel_eval(type->subject, type->activation, &value, error);
        if (rc != 0)
            return rc < 0 ? rc : BAD_REQUEST;
    }
    if (value.bytes.size == 0 || value.bytes.size > 256)
        return error_set(
            error, BAD_REQUEST, "subject: expected 1 to 256 bytes, as ce-subject or in the data");
    *out = value.bytes;
    return 0;
}

// 0, an HTTP status, CONNECTOR_RETRY or CONNECTOR_BAD_ROW from the host (both below 100), negative.
static int give_message(struct post *post, const struct event *event, struct error *error) {
    struct connector *connector = post->connector;
    struct buffer wire = {0};
    struct bytes subject = {0};
    struct bytes position;
    struct post_type *type = find_type(post, event, error);
    int rc = type ? json_to_message(type->type, buffer_bytes(&event->data), &wire, error) : BAD_REQUEST;
    rc = rc == VIEW_REFUSED ? BAD_REQUEST : rc;
    if (rc == 0)
        rc = subject_of(type, event, buffer_bytes(&wire), &subject, error);
    if (rc == 0)
        rc = http_position(connector, &position, error);
    int64_t time_us = event->time_us ? event->time_us : clock_realtime_ns() / 1000;
    if (rc == 0)
        rc = connector->host->publish(
            connector->host->runtime, type->type, subject, time_us, buffer_bytes(&wire), position, error);
    buffer_destroy(&wire);
    return rc;
}

// ---- Rows ----

static int give_row(struct post *post, struct document *document, struct error *error) {
    struct bytes wire;
    struct bytes position;
    int rc = http_fill_row(document, (struct document_item){NULL}, post->paths, &post->row, error);
    if (rc == 0)
        rc = row_finish(&post->row, &wire, error);
    if (rc == 0)
        rc = http_position(post->connector, &position, error);
    if (rc == 0)
        rc = give_rules_publish(post->rules, wire, position, error);
    return rc == GIVE_NOTHING ? 0 : rc;
}

static int id_from_body(
    const struct post *post, struct document *document, struct event *event, struct error *error) {
    bool present = false;
    buffer_clear(&event->id);
    int rc = document_text(document, (struct document_item){NULL}, post->id, &event->id, &present, error);
    return rc == DOCUMENT_BAD ? BAD_REQUEST : rc;
}

// ---- Once in effect ----

// A CloudEvent is named by source and id together.
static int key_of(
    const struct post *post, const struct event *event, struct buffer *key, struct error *error) {
    if (event->id.size == 0)
        return error_set(error, BAD_REQUEST,
            post->id ? "the id is missing in the body"
                     : "the header Idempotency-Key (or a CloudEvent's id) is missing");
    int rc = buffer_append_format(key, "%s\n", post->path);
    if (rc == 0)
        rc = buffer_append_bytes(key, buffer_bytes(&event->source));
    if (rc == 0)
        rc = buffer_append_byte(key, '\n');
    if (rc == 0)
        rc = buffer_append_bytes(key, buffer_bytes(&event->id));
    if (rc != 0)
        return error_no_memory(error);
    return key->size <= SEEN_ID_LIMIT ? 0 : error_set(error, BAD_REQUEST, "the id is too long");
}

static int wait_for_disk(struct connector *connector, struct error *error) {
    struct bytes position;
    int rc = http_position(connector, &position, error);
    if (rc == 0)
        rc = connector->host->store_position(connector->host->runtime, position, error);
    connector->unsure = connector->unsure && rc != 0;
    return rc;
}

// The id first, then the message with the position that says so, then the position again to wait for the
// disk.
static int give_once(struct post *post, const struct event *event, struct document *document,
    struct bytes key, struct error *error) {
    struct connector *connector = post->connector;
    uint64_t before = connector->posted;
    int64_t now_s = clock_realtime_ns() / (int64_t)CLOCK_SECOND_NS;
    // Nothing is answered with "taken" before all that was taken is on disk: a repeat comes just then.
    int rc = connector->unsure ? wait_for_disk(connector, error) : 0;
    if (rc != 0 || seen_has(connector->seen, key, now_s))
        return rc;
    rc = seen_add(connector->seen, key, now_s, &connector->posted, error);
    if (rc != 0)
        return rc == -ENOSPC || rc == -EDQUOT ? CONNECTOR_RETRY : rc;
    rc = document ? give_row(post, document, error) : give_message(post, event, error);
    if (rc != 0) {
        connector->posted = before;
        struct error ignored = {0};
        int undone = seen_undo(connector->seen, &ignored);
        return undone ? error_set(error, undone, "%s", ignored.text) : rc;
    }
    connector->unsure = true;
    return wait_for_disk(connector, error);
}

static int take(
    struct post *post, const struct server_request *request, struct event *event, struct error *error) {
    struct document *document = NULL;
    struct buffer key = {0};
    int rc = event_read(request, event, error);
    if (rc == 0 && (post->columns || post->id))
        rc = document_parse(DOCUMENT_JSON, buffer_bytes(&event->data), NULL, NULL, &document, error);
    if (rc == DOCUMENT_BAD)
        rc = BAD_REQUEST;
    if (rc == 0 && post->id && !event->is_event)
        rc = id_from_body(post, document, event, error);
    if (rc == 0)
        rc = key_of(post, event, &key, error);
    if (rc == 0)
        rc = give_once(post, event, post->columns ? document : NULL, buffer_bytes(&key), error);
    document_destroy(&document);
    buffer_destroy(&key);
    return rc;
}

static struct post *find_post(const struct connector *connector, const char *path) {
    for (size_t i = 0; i < connector->post_count; i++)
        if (strcmp(connector->posts[i].path, path) == 0)
            return &connector->posts[i];
    return NULL;
}

void post_handle(void *context, const struct server_request *request, struct server_reply *reply) {
    struct connector *connector = context;
    struct event event = {0};
    struct error error = {0};
    struct post *post = find_post(connector, request->path);
    if (!post) {
        answer(reply, NOT_FOUND, "nothing is taken at this path");
        return;
    }
    if (strcmp(request->method, "POST") != 0) {
        reply->allow = "POST";
        answer(reply, METHOD_NOT_ALLOWED, "only POST");
        return;
    }
    int rc = take(post, request, &event, &error);
    if (rc == 0)
        answer(reply, ACCEPTED, NULL);
    else if (rc == CONNECTOR_RETRY)
        answer(reply, UNAVAILABLE, "no room in the spool: try again later");
    else if (rc == CONNECTOR_BAD_ROW)
        answer(reply, BAD_REQUEST, error.text);
    else if (rc < 0)
        answer(reply, SERVER_ERROR, "not taken: an error of the adapter");
    else
        answer(reply, (unsigned)rc, error.text);
    event_destroy(&event);
}
