// Intrusive doubly linked list. A node lies inside the thing that it links; the list owns nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

#define LIST_ITEM(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))
// `node` is declared by it. NOLINTNEXTLINE(bugprone-macro-parentheses)
#define LIST_EACH(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)

static inline void list_init(struct list *list) {
    list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list) {
    return list->next == list;
}

static inline void list_insert_before(struct list *at, struct list *node) {
    node->next = at;
    node->previous = at->previous;
    at->previous->next = node;
    at->previous = node;
}

static inline void list_append(struct list *list, struct list *node) {
    list_insert_before(list, node);
}

static inline void list_remove(struct list *node) {
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = node;
}
