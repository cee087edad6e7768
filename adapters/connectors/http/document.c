#include "adapters/connectors/http/document_kind.h"

#include <errno.h>
#include <stdlib.h>

static const struct document_class *class_of(enum document_kind kind) {
    return kind == DOCUMENT_JSON ? &document_json : &document_xml;
}

int document_path_new(enum document_kind kind, const char *text, const struct document_namespace *namespaces,
    size_t namespace_count, struct document_path **out, struct error *error) {
    struct document_path *path = calloc(1, sizeof *path);
    if (!path)
        return error_no_memory(error);
    *path =
        (struct document_path){.kind = kind, .namespaces = namespaces, .namespace_count = namespace_count};
    int rc = class_of(kind)->compile(path, text, error);
    if (rc != 0)
        document_path_destroy(&path);
    else
        *out = path;
    return rc;
}

void document_path_destroy(struct document_path **self) {
    struct document_path *path = *self;
    *self = NULL;
    if (!path)
        return;
    if (path->compiled)
        class_of(path->kind)->release_path(path);
    free(path);
}

int document_parse(enum document_kind kind, struct bytes bytes, const char *encoding, const char *fallback,
    struct document **out, struct error *error) {
    struct document *document = calloc(1, sizeof *document);
    if (!document)
        return error_no_memory(error);
    document->kind = kind;
    int rc = class_of(kind)->parse(document, bytes, encoding, fallback, error);
    if (rc != 0)
        document_destroy(&document);
    else
        *out = document;
    return rc;
}

void document_destroy(struct document **self) {
    struct document *document = *self;
    *self = NULL;
    if (!document)
        return;
    class_of(document->kind)->release(document);
    free(document);
}

int document_each(struct document *document, const struct document_path *path,
    int (*visit)(void *context, struct document_item item), void *context, struct error *error) {
    return class_of(document->kind)->each(document, path, visit, context, error);
}

int document_text(struct document *document, struct document_item item, const struct document_path *path,
    struct buffer *out, bool *present, struct error *error) {
    return class_of(document->kind)->text(document, item, path, out, present, error);
}
