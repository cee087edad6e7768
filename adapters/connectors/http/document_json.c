#include "adapters/connectors/http/document_kind.h"

#include <errno.h>
#include <iconv.h>
#include <jansson.h>
#include <stdlib.h>

static int compile(struct document_path *path, const char *text, struct error *error) {
    if (*text && *text != '/')
        return error_set(error, DOCUMENT_BAD,
            "a JSON pointer is empty or starts with \"/\" (RFC 6901), such as \"/data/rows\"");
    for (const char *p = strchr(text, '~'); p; p = strchr(p + 1, '~'))
        if (p[1] != '0' && p[1] != '1')
            return error_set(error, DOCUMENT_BAD, "in a JSON pointer \"~\" is written \"~0\"");
    path->compiled = strdup(text);
    return path->compiled ? 0 : error_no_memory(error);
}

static void release_path(struct document_path *path) {
    free(path->compiled);
}

static int to_utf8(const char *encoding, struct bytes bytes, struct buffer *out, struct error *error) {
    iconv_t converter = iconv_open("UTF-8", encoding);
    int rc = buffer_reserve(out, bytes.size * 3 + 4);
    char *copy = rc == 0 ? malloc(bytes.size + 1) : NULL;
    if (copy) {
        memcpy(copy, bytes.data, bytes.size);
        char *in = copy;
        size_t in_left = bytes.size;
        char *to = (char *)out->data;
        size_t out_left = bytes.size * 3 + 4;
        if (iconv(converter, &in, &in_left, &to, &out_left) == (size_t)-1)
            rc = errno == EBADF // from iconv_open()
                     ? error_set(error, DOCUMENT_BAD, "the answer's encoding %s is not known", encoding)
                     : error_set(
                           error, DOCUMENT_BAD, "byte %zu is not %s", bytes.size - in_left + 1, encoding);
        out->size = (size_t)((uint8_t *)to - out->data);
        free(copy);
    } else {
        rc = error_no_memory(error);
    }
    iconv_close(converter);
    return rc;
}

static bool is_utf8(const char *encoding) {
    return !encoding || strcasecmp(encoding, "utf-8") == 0 || strcasecmp(encoding, "utf8") == 0;
}

static int parse(struct document *document, struct bytes bytes, const char *encoding, const char *fallback,
    struct error *error) {
    struct buffer text = {0};
    const char *from = encoding ? encoding : fallback;
    if (!is_utf8(from)) {
        int rc = to_utf8(from, bytes, &text, error);
        if (rc != 0) {
            buffer_destroy(&text);
            return rc;
        }
        bytes = buffer_bytes(&text);
    }
    json_error_t problem;
    document->root =
        json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    buffer_destroy(&text);
    if (document->root)
        return 0;
    if (json_error_code(&problem) == json_error_out_of_memory)
        return error_no_memory(error);
    return error_set(
        error, DOCUMENT_BAD, "no JSON: line %d, column %d: %s", problem.line, problem.column, problem.text);
}

static void release(struct document *document) {
    json_decref(document->root);
}

// One step of a pointer: the token up to the next slash, its escapes undone.
static json_t *child(json_t *node, const char *token, size_t length) {
    char key[256];
    size_t n = 0;
    for (size_t i = 0; i < length && n < sizeof key - 1; i++) {
        bool escaped = token[i] == '~' && i + 1 < length;
        key[n++] = escaped ? (token[++i] == '1' ? '/' : '~') : token[i];
    }
    key[n] = '\0';
    if (!json_is_array(node))
        return json_object_get(node, key);
    char *end = NULL;
    unsigned long index = strtoul(key, &end, 10);
    return n && !*end ? json_array_get(node, index) : NULL;
}

static json_t *resolve(json_t *node, const struct document_path *path) {
    for (const char *p = path->compiled; node && *p;) {
        size_t length = strcspn(p + 1, "/");
        node = child(node, p + 1, length);
        p += 1 + length;
    }
    return node;
}

static int each(struct document *document, const struct document_path *path,
    int (*visit)(void *context, struct document_item item), void *context, struct error *error) {
    json_t *found = resolve(document->root, path);
    if (!found || json_is_null(found))
        return 0;
    if (json_is_object(found))
        return visit(context, (struct document_item){.node = found});
    if (!json_is_array(found))
        return error_set(error, DOCUMENT_BAD, "\"%s\" is no array of records", (const char *)path->compiled);
    int rc = 0;
    for (size_t i = 0; i < json_array_size(found) && rc == 0; i++)
        rc = visit(context, (struct document_item){.node = json_array_get(found, i)});
    return rc;
}

static int append_scalar(const json_t *value, struct buffer *out) {
    switch (json_typeof(value)) {
    case JSON_STRING:
        return buffer_append(out, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return buffer_append_format(out, "%lld", (long long)json_integer_value(value));
    case JSON_REAL:
        return buffer_append_format(out, "%.17g", json_real_value(value));
    default:
        return buffer_append_string(out, json_is_true(value) ? "true" : "false");
    }
}

static int text(struct document *document, struct document_item item, const struct document_path *path,
    struct buffer *out, bool *present, struct error *error) {
    const json_t *value = resolve(item.node ? item.node : document->root, path);
    *present = value && !json_is_null(value);
    if (!*present)
        return 0;
    if (json_is_object(value) || json_is_array(value))
        return error_set(error, DOCUMENT_BAD, "\"%s\" is no single value", (const char *)path->compiled);
    return append_scalar(value, out) ? error_no_memory(error) : 0;
}

const struct document_class document_json = {
    .compile = compile,
    .release_path = release_path,
    .parse = parse,
    .release = release,
    .each = each,
    .text = text,
};
