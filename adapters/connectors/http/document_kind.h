// Between document.c and the two kinds.
#pragma once

#include "adapters/connectors/http/document.h"

struct document_path {
    enum document_kind kind;
    void *compiled;
    const struct document_namespace *namespaces;
    size_t namespace_count;
};

struct document {
    enum document_kind kind;
    void *root;    // json_t or xmlDoc
    void *context; // xmlXPathContext
};

struct document_class {
    int (*compile)(struct document_path *path, const char *text, struct error *error);
    void (*release_path)(struct document_path *path);
    int (*parse)(struct document *document, struct bytes bytes, const char *encoding, const char *fallback,
        struct error *error);
    void (*release)(struct document *document);
    int (*each)(struct document *document, const struct document_path *path,
        int (*visit)(void *context, struct document_item item), void *context, struct error *error);
    int (*text)(struct document *document, struct document_item item, const struct document_path *path,
        struct buffer *out, bool *present, struct error *error);
};

extern const struct document_class document_json;
extern const struct document_class document_xml;
