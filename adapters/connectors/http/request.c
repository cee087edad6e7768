#include "adapters/connectors/http/http.h"

#include <errno.h>
#include <stdlib.h>

#define HEADERS_LIMIT 32

void request_destroy(struct request *request) {
    template_destroy(&request->path);
    template_destroy(&request->body);
    for (size_t i = 0; i < request->header_count; i++)
        template_destroy(&request->headers[i].value);
    free(request->headers);
    *request = (struct request){0};
}

void paths_destroy_all(struct document_path ***paths, size_t count) {
    for (size_t i = 0; *paths && i < count; i++)
        document_path_destroy(&(*paths)[i]);
    free(*paths);
    *paths = NULL;
}

// All headers as texts in one buffer, each with its NUL; `list` ends with NULL.
static int make_headers(const struct request *request, template_eval *eval, void *context,
    const char *const *extra, struct buffer *text, const char **list, struct error *error) {
    size_t starts[HEADERS_LIMIT];
    size_t count = 0;
    for (; count < request->header_count; count++) {
        starts[count] = text->size;
        int rc = buffer_append_format(text, "%s: ", request->headers[count].name);
        if (rc == 0)
            rc = template_run(request->headers[count].value, eval, context, text, error);
        if (rc == 0)
            rc = buffer_append_byte(text, 0);
        if (rc != 0)
            return rc < 0 ? error_no_memory(error) : rc; // TEMPLATE_REFUSED
    }
    for (size_t i = 0; i < count; i++) // only now: the buffer has moved
        list[i] = (const char *)text->data + starts[i];
    for (; extra && *extra; extra++)
        list[count++] = *extra;
    list[count] = NULL;
    return 0;
}

static int make_url(const struct connector *connector, const struct request *request, template_eval *eval,
    void *context, struct buffer *url, struct error *error) {
    if (buffer_append_string(url, connector->service->url) != 0)
        return error_no_memory(error);
    return request->path ? template_run(request->path, eval, context, url, error) : 0;
}

int http_send(struct connector *connector, const struct request *request, template_eval *eval, void *context,
    const char *const *extra, struct error *error) {
    struct buffer url = {0};
    struct buffer body = {0};
    struct buffer headers = {0};
    const char *list[HEADERS_LIMIT + HTTP_EXTRA + 1];
    int rc = make_url(connector, request, eval, context, &url, error);
    if (rc == 0)
        rc = make_headers(request, eval, context, extra, &headers, list, error);
    if (rc == 0 && request->body)
        rc = template_run(request->body, eval, context, &body, error);
    if (rc > 0)
        rc = HTTP_REFUSED;
    if (rc == 0) {
        struct client_request send = {.method = request->method,
            .url = buffer_text(&url),
            .headers = list,
            .body = buffer_bytes(&body)};
        rc = send.url ? client_send(connector->client, &send, &connector->answer, error)
                      : error_no_memory(error);
        rc = rc == CLIENT_FAILED ? HTTP_FAILED : rc;
    }
    buffer_destroy(&url);
    buffer_destroy(&body);
    buffer_destroy(&headers);
    return rc;
}

int http_fill_row(struct document *document, struct document_item item, struct document_path *const *paths,
    struct row *row, struct error *error) {
    struct buffer text = {0};
    int rc = 0;
    row_clear(row);
    for (size_t i = 0; i < row_type_count(row->type) && rc == 0; i++) {
        bool present = false;
        buffer_clear(&text);
        rc = document_text(document, item, paths[i], &text, &present, error);
        if (rc == DOCUMENT_BAD) {
            error_prefix(error, "%s: ", row_type_column(row->type, i)->name);
            rc = CONNECTOR_BAD_ROW;
        }
        static const uint8_t empty[1];
        struct bytes value = present && !text.data ? bytes_of(empty, 0) : buffer_bytes(&text);
        if (rc == 0)
            rc = row_set_text(row, i, present ? value : (struct bytes){0}, error);
    }
    buffer_destroy(&text);
    return rc;
}
