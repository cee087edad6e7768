#include "core/base/map.h"
#include "core/config/internal.h"

#include <errno.h>

static void refuse_duplicate(
    const struct config_node *key, const struct config_node *first, struct report *report) {
    config_error(key, report, "duplicate key \"%.*s\"; the first is at line %u, column %u",
        BYTES_ARGS(key->text), first->mark.line, first->mark.column);
}

// What was refused as a key has no text.
static bool is_comparable(const struct config_node *key) {
    return key->text.size > 0;
}

static int check_many(const struct config_node *node, struct report *report) {
    struct map *seen = map_new();
    int rc = seen ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < node->count; i++) {
        struct config_node *key = node->keys[i];
        if (!is_comparable(key))
            continue;
        const struct config_node *first = map_get(seen, key->text);
        if (first)
            refuse_duplicate(key, first, report);
        else
            rc = map_put(seen, key->text, key);
    }
    map_destroy(&seen);
    return rc;
}

int check_duplicates(const struct config_node *node, struct report *report) {
    if (node->count > 16)
        return check_many(node, report);
    for (size_t i = 1; i < node->count; i++)
        for (size_t j = 0; j < i; j++)
            if (is_comparable(node->keys[i]) && bytes_equal(node->keys[i]->text, node->keys[j]->text)) {
                refuse_duplicate(node->keys[i], node->keys[j], report);
                break;
            }
    return 0;
}
