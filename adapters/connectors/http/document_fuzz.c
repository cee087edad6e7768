// Answers of any bytes, as JSON (first byte even) or XML, through the paths that polls and pushes use.
#include "adapters/connectors/http/document.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct document_namespace namespaces[] = {{"t", "urn:t"}};
static struct document_path *paths[2][3];
static struct document *document;

static void load(void) {
    static const char *const texts[2][3] = {{"/rows", "/a", "/b/0"}, {"//t:row | //row", "t:a", "b/@c"}};
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < 3; i++)
            if (document_path_new(
                    (enum document_kind)kind, texts[kind][i], namespaces, 1, &paths[kind][i], NULL) != 0)
                abort();
}

static int visit(void *context, struct document_item item) {
    const int *kind = context;
    struct buffer out = {0};
    bool present = false;
    for (int i = 1; i < 3; i++)
        document_text(document, item, paths[*kind][i], &out, &present, NULL);
    buffer_destroy(&out);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error error = {0};
    if (size < 1)
        return 0;
    if (!paths[0][0])
        load();
    int kind = data[0] & 1;
    const char *charset = data[0] & 2 ? "GBK" : NULL;
    if (document_parse(
            (enum document_kind)kind, bytes_of(data + 1, size - 1), NULL, charset, &document, &error) != 0)
        return 0;
    document_each(document, paths[kind][0], visit, &kind, &error);
    document_destroy(&document);
    return 0;
}
