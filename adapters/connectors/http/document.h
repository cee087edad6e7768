// What a service answered, JSON or XML, and paths into it: JSON pointers (RFC 6901) or XPath 1.0. Foreign
// bytes: no DTD, no entity of its own, no network, libxml2's own caps on depth and text (256 levels, 10 MB a
// text node), duplicate JSON keys refused.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

enum document_kind {
    DOCUMENT_JSON,
    DOCUMENT_XML,
};

enum {
    DOCUMENT_BAD =
        1, // not well-formed, or a path that meets something else than it wants; the text says what and where
};

// XML: what the prefixes in paths stand for.
struct document_namespace {
    const char *prefix;
    const char *uri;
};

// A path, compiled at load time. `namespaces` is borrowed and must outlive it.
struct document_path;
int document_path_new(enum document_kind kind, const char *text, const struct document_namespace *namespaces,
    size_t namespace_count, struct document_path **out, struct error *error);
void document_path_destroy(struct document_path **self);

struct document;

// `encoding`: of the bytes, such as "GBK"; NULL: as an XML declaration says, otherwise `fallback` (from
// Content-Type, may be NULL), otherwise UTF-8. 0 and `*out` owned, DOCUMENT_BAD, -ENOMEM.
int document_parse(enum document_kind kind, struct bytes bytes, const char *encoding, const char *fallback,
    struct document **out, struct error *error);
void document_destroy(struct document **self);

// A place in the document; {NULL} is its root.
struct document_item {
    void *node;
};

// Calls `visit` for each record at the path: the elements of a JSON array (a single object is one record; an
// absent value or null none), the nodes of an XPath. `visit` returns 0 to go on; what else it returns is
// returned.
int document_each(struct document *document, const struct document_path *path,
    int (*visit)(void *context, struct document_item item), void *context, struct error *error);

// The text at the path below `item`: a string, number, boolean; an XPath string, number, boolean or the first
// node's text. Appends it to `out`; `*present` is false for what isn't there (XML: no node, or xsi:nil) and
// JSON null. DOCUMENT_BAD for an object or array.
int document_text(struct document *document, struct document_item item, const struct document_path *path,
    struct buffer *out, bool *present, struct error *error);
