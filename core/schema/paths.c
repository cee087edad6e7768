#include "core/schema/paths.h"

#include <errno.h>
#include <stdlib.h>

static struct paths_node *add_node(struct paths *paths, const struct schema_message *type) {
    struct paths_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->next = paths->nodes;
    paths->nodes = node;
    node->type = type;
    node->steps = calloc(type->field_count + 1, sizeof *node->steps); // one more: that of an unknown field
    node->used = calloc(type->field_count + 1, sizeof *node->used);
    if (!node->steps || !node->used)
        return NULL;
    for (size_t i = 0; i <= type->field_count; i++)
        node->steps[i].slot = -1;
    return node;
}

struct paths *paths_new(const struct schema_message *root) {
    struct paths *paths = calloc(1, sizeof *paths);
    if (!paths)
        return NULL;
    paths->root = add_node(paths, root);
    if (!paths->root)
        paths_destroy(&paths);
    return paths;
}

void paths_destroy(struct paths **self) {
    if (!*self)
        return;
    for (struct paths_node *node = (*self)->nodes; node;) {
        struct paths_node *next = node->next;
        free(node->steps);
        free(node->used);
        free(node);
        node = next;
    }
    free(*self);
    *self = NULL;
}

const struct schema_message *paths_root(const struct paths *paths) {
    return paths->root->type;
}

size_t paths_size(const struct paths *paths) {
    return paths->size;
}

// The step of a field, marked as one that is read.
static struct paths_step *use(struct paths_node *node, const struct schema_field *field) {
    struct paths_step *step = &node->steps[field->index];
    if (!step->used) {
        step->used = true;
        node->used[node->used_count++] = (uint16_t)field->index;
        for (size_t i = 0; field->oneof >= 0 && i < node->type->field_count; i++)
            if (node->type->fields[i].oneof == field->oneof && i != field->index) {
                node->steps[i].rivals = node->steps[i].active = true;
                node->steps[i].plain = false;
            }
    }
    step->active = true;
    return step;
}

static bool right_path(const struct paths *paths, const struct schema_field *const *fields, size_t count) {
    const struct schema_message *type = paths->root->type;
    for (size_t i = 0; i < count; i++) {
        if (!type || fields[i]->parent != type || (fields[i]->repeated && i + 1 < count))
            return false;
        type = fields[i]->message;
    }
    return count > 0 && count <= view_default_limits.depth;
}

int paths_add(struct paths *paths, const struct schema_field *const *fields, size_t count, size_t *slot) {
    if (!right_path(paths, fields, count) || paths->size >= INT32_MAX)
        return -EINVAL;
    struct paths_node *node = paths->root;
    for (size_t i = 0; i + 1 < count; i++) {
        struct paths_step *step = use(node, fields[i]);
        if (!step->child)
            step->child = add_node(paths, fields[i]->message);
        if (!step->child)
            return -ENOMEM;
        node = step->child;
    }
    struct paths_step *step = use(node, fields[count - 1]);
    if (step->slot < 0)
        step->slot = (int32_t)paths->size++;
    step->plain = !step->rivals && !fields[count - 1]->repeated && !fields[count - 1]->message;
    *slot = (size_t)step->slot;
    return 0;
}
