#include "core/schema/paths.h"

#include <errno.h>
#include <stdlib.h>

static struct paths_node *node_new(const struct schema_message *type) {
    struct paths_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->type = type;
    node->steps = calloc(type->field_count + 1, sizeof *node->steps); // one more: that of an unknown field
    node->used = calloc(type->field_count + 1, sizeof *node->used);
    if (!node->steps || !node->used) {
        free(node->steps);
        free(node->used);
        free(node);
        return NULL;
    }
    for (size_t i = 0; i <= type->field_count; i++)
        node->steps[i].slot = -1;
    return node;
}

// Paths are as deep as the expressions that someone wrote, which have a limit.
static void node_destroy(struct paths_node *node) {
    if (!node)
        return;
    for (size_t i = 0; i < node->used_count; i++)
        node_destroy(node->steps[node->used[i]].child);
    free(node->steps);
    free(node->used);
    free(node);
}

struct paths *paths_new(const struct schema_message *root) {
    struct paths *paths = calloc(1, sizeof *paths);
    if (!paths)
        return NULL;
    paths->root = node_new(root);
    if (!paths->root) {
        free(paths);
        return NULL;
    }
    return paths;
}

void paths_destroy(struct paths **self) {
    if (!*self)
        return;
    node_destroy((*self)->root);
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
    if (step->slot < 0 && !step->child) {
        node->used[node->used_count++] = (uint16_t)field->index;
        for (size_t i = 0; field->oneof >= 0 && i < node->type->field_count; i++)
            if (node->type->fields[i].oneof == field->oneof && i != field->index)
                node->steps[i].rivals = node->steps[i].active = true;
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
        struct paths_node *child = node->steps[fields[i]->index].child;
        if (!child) {
            child = node_new(fields[i]->message);
            if (!child)
                return -ENOMEM;
            use(node, fields[i])->child = child;
        }
        node = child;
    }
    struct paths_step *step = use(node, fields[count - 1]);
    if (step->slot < 0)
        step->slot = (int32_t)paths->size++;
    *slot = (size_t)step->slot;
    return 0;
}
