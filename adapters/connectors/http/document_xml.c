#include "adapters/connectors/http/document_kind.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>

#define XPATH_OPERATIONS 10000000ul
#define XSI "http://www.w3.org/2001/XMLSchema-instance"

static const xmlChar *xml_text(const char *text) {
    return (const xmlChar *)text;
}

static void swallow(
    void *context, xmlErrorPtr problem) // NOLINT(readability-non-const-parameter): libxml2's type
{
    (void)context;
    (void)problem;
}

static void stay_quiet(void *context, const char *format, ...) {
    (void)context;
    (void)format;
}

static xmlXPathContext *new_context(xmlDoc *doc) {
    xmlXPathContext *context = xmlXPathNewContext(doc);
    if (!context)
        return NULL;
    context->opLimit = XPATH_OPERATIONS;
    context->error = swallow;
    return context;
}

static int register_namespaces(xmlXPathContext *context, const struct document_path *path) {
    xmlXPathRegisteredNsCleanup(context);
    for (size_t i = 0; i < path->namespace_count; i++)
        if (xmlXPathRegisterNs(
                context, xml_text(path->namespaces[i].prefix), xml_text(path->namespaces[i].uri)) != 0)
            return -ENOMEM;
    return 0;
}

// A prefix that stands for nothing is found only when the path is evaluated: so it is, on an empty document.
static int try_path(const struct document_path *path, const char *text, struct error *error) {
    xmlDoc *empty = xmlReadMemory("<x/>", 4, NULL, NULL, XML_PARSE_NONET);
    xmlXPathContext *context = empty ? new_context(empty) : NULL;
    int rc = context ? register_namespaces(context, path) : -ENOMEM;
    if (rc == 0) {
        context->node = xmlDocGetRootElement(empty);
        xmlGenericErrorFunc before = xmlGenericError; // where libxml2 would print an unknown function
        void *before_context = xmlGenericErrorContext;
        xmlSetGenericErrorFunc(NULL, stay_quiet);
        xmlXPathObject *value = xmlXPathCompiledEval(path->compiled, context);
        xmlSetGenericErrorFunc(before_context, before);
        if (!value)
            rc = error_set(error, DOCUMENT_BAD, "\"%s\": %s", text,
                context->lastError.code == XML_XPATH_UNDEF_PREFIX_ERROR
                    ? "a prefix that \"namespaces\" doesn't list"
                    : "an unknown function or variable");
        xmlXPathFreeObject(value);
    } else {
        error_no_memory(error);
    }
    if (context)
        xmlXPathFreeContext(context);
    if (empty)
        xmlFreeDoc(empty);
    return rc;
}

static int compile(struct document_path *path, const char *text, struct error *error) {
    xmlXPathContext *context = new_context(NULL);
    if (!context)
        return error_no_memory(error);
    path->compiled = xmlXPathCtxtCompile(context, xml_text(text));
    xmlXPathFreeContext(context);
    if (!path->compiled)
        return error_set(error, DOCUMENT_BAD, "\"%s\" is no XPath 1.0", text);
    return try_path(path, text, error);
}

static void release_path(struct document_path *path) {
    xmlXPathFreeCompExpr(path->compiled);
}

// A document type declaration is where entities, and with them files and bombs, come from: SOAP forbids it,
// and so do we.
static void refuse_type(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system) {
    (void)name;
    (void)external;
    (void)system;
    xmlParserCtxt *parser = context;
    parser->_private = parser;
    xmlStopParser(parser);
}

static bool declares_encoding(struct bytes bytes) {
    size_t head = bytes.size < 200 ? bytes.size : 200;
    const uint8_t *end = memmem(bytes.data, head, "?>", 2);
    return bytes.size > 5 && memcmp(bytes.data, "<?xml", 5) == 0 && end &&
           memmem(bytes.data, (size_t)(end - bytes.data), "encoding", 8);
}

static int refuse_document(const xmlParserCtxt *parser, struct error *error) {
    if (parser->_private)
        return error_set(error, DOCUMENT_BAD, "a document type declaration (DTD) is not allowed");
    const xmlError *problem = &parser->lastError;
    if (problem->code == XML_ERR_NO_MEMORY)
        return error_no_memory(error);
    size_t length = problem->message ? strcspn(problem->message, "\n") : 0;
    return error_set(error, DOCUMENT_BAD, "no XML: line %d: %.*s", problem->line, (int)length,
        problem->message ? problem->message : "");
}

static int parse(struct document *document, struct bytes bytes, const char *encoding, const char *fallback,
    struct error *error) {
    static const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser || bytes.size > INT32_MAX)
        return xmlFreeParserCtxt(parser), error_no_memory(error);
    parser->sax->internalSubset = refuse_type;
    const char *from = encoding ? encoding : declares_encoding(bytes) ? NULL : fallback;
    document->root =
        xmlCtxtReadMemory(parser, (const char *)bytes.data, (int)bytes.size, NULL, from, options);
    int rc = document->root && !parser->_private ? 0 : refuse_document(parser, error);
    xmlFreeParserCtxt(parser);
    if (rc != 0)
        return rc;
    document->context = new_context(document->root);
    return document->context ? 0 : error_no_memory(error);
}

static void release(struct document *document) {
    if (document->context)
        xmlXPathFreeContext(document->context);
    if (document->root)
        xmlFreeDoc(document->root);
}

static int evaluate(struct document *document, xmlNode *node, const struct document_path *path,
    xmlXPathObject **out, struct error *error) {
    xmlXPathContext *context = document->context;
    if (register_namespaces(context, path) != 0)
        return error_no_memory(error);
    context->node = node ? node : xmlDocGetRootElement(document->root);
    context->opCount = 0;
    *out = xmlXPathCompiledEval(path->compiled, context);
    return *out ? 0 : error_set(error, DOCUMENT_BAD, "a path can't be evaluated on this document");
}

static int each(struct document *document, const struct document_path *path,
    int (*visit)(void *context, struct document_item item), void *context, struct error *error) {
    xmlXPathObject *found = NULL;
    int rc = evaluate(document, NULL, path, &found, error);
    if (found && found->type != XPATH_NODESET)
        rc = error_set(error, DOCUMENT_BAD, "the path of the records gives no nodes");
    int count = rc == 0 && found && found->nodesetval ? found->nodesetval->nodeNr : 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = visit(context, (struct document_item){.node = found->nodesetval->nodeTab[i]});
    xmlXPathFreeObject(found);
    return rc;
}

static bool is_nil(xmlNode *node) {
    if (node->type != XML_ELEMENT_NODE)
        return false;
    xmlChar *nil = xmlGetNsProp(node, xml_text("nil"), xml_text(XSI));
    bool is = nil && (xmlStrEqual(nil, xml_text("true")) || xmlStrEqual(nil, xml_text("1")));
    xmlFree(nil);
    return is;
}

static int text(struct document *document, struct document_item item, const struct document_path *path,
    struct buffer *out, bool *present, struct error *error) {
    xmlXPathObject *found = NULL;
    int rc = evaluate(document, item.node, path, &found, error);
    if (rc != 0 || !found)
        return rc;
    bool nodes = found->type == XPATH_NODESET;
    bool empty = nodes && (!found->nodesetval || found->nodesetval->nodeNr == 0);
    *present = !empty && !(nodes && is_nil(found->nodesetval->nodeTab[0]));
    if (*present) {
        xmlChar *value = xmlXPathCastToString(found);
        rc = !value || buffer_append_string(out, (const char *)value) != 0 ? error_no_memory(error) : 0;
        xmlFree(value);
    }
    xmlXPathFreeObject(found);
    return rc;
}

const struct document_class document_xml = {
    .compile = compile,
    .release_path = release_path,
    .parse = parse,
    .release = release,
    .each = each,
    .text = text,
};
