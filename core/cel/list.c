#include "core/cel/collections.h"

#include <errno.h>

void list_make(
    struct cel_activation *activation, struct cel_value *values, size_t size, struct cel_value *out) {
    struct {
        struct cel_list list;
        struct list_items items;
    } *made = activation_alloc(activation, sizeof *made, out);
    if (!made)
        return;
    made->items = (struct list_items){.values = values};
    made->list = (struct cel_list){.size = size, .items = &made->items};
    out->kind = CEL_LIST;
    out->list = &made->list;
}

static bool read_items(struct cel_activation *activation, struct list_items *items, size_t room,
    size_t *count, struct cel_value *out) {
    struct cel_value *values = activation_array(activation, room, sizeof *values, out);
    struct view_cursor cursor = {0};
    struct view_value element;
    if (!values || !activation_charge(activation, room, out))
        return false;
    *count = 0;
    while (*count < room && scan_next(items->scan, items->field, items->view, &cursor, &element)) {
        field_value(activation, items->field, &element, &values[*count]);
        ++*count;
    }
    for (size_t i = *count; i < room; i++) // never with a scan that counted right
        values[i] = (struct cel_value){.kind = CEL_NULL};
    items->values = values;
    return true;
}

void list_from_scan(struct cel_activation *activation, const struct scan *scan,
    const struct schema_field *field, const struct view_value *view, struct cel_value *out) {
    size_t size = view->occurrences;
    list_make(activation, NULL, size, out);
    if (out->kind != CEL_LIST)
        return;
    struct list_items *items = out->list->items;
    items->scan = scan;
    items->field = field;
    items->view = view;
    // Numbers that a closed enum doesn't know are no elements: only reading tells how many there are.
    if (size > 0 && field->kind == SCHEMA_ENUM && field->enumeration->closed) {
        struct list_items *read = items;
        size_t count;
        if (read_items(activation, read, size, &count, out))
            list_make(activation, read->values, count, out);
    }
}

const struct cel_value *list_values(
    struct cel_activation *activation, const struct cel_list *list, struct cel_value *out) {
    struct list_items *items = list->items;
    size_t count = 0;
    if (list->size == 0)
        return NULL;
    if (!items->values && !read_items(activation, items, list->size, &count, out))
        return NULL;
    return items->values;
}

size_t cel_list_size(const struct cel_list *list) {
    return list->size;
}

int cel_list_get(
    const struct cel_list *list, struct cel_activation *activation, size_t i, struct cel_value *out) {
    struct cel_value error;
    if (i >= list->size)
        return -ERANGE;
    const struct cel_value *values = list_values(activation, list, &error);
    if (!values && activation->failure)
        return -ENOMEM;
    *out = values ? values[i] : error;
    return 0;
}

int cel_list_make(
    struct cel_activation *activation, const struct cel_value *values, size_t count, struct cel_value *out) {
    struct cel_value made;
    struct cel_value *copy = activation_array(activation, count + 1, sizeof *copy, &made);
    if (!copy)
        return -ENOMEM;
    if (count)
        memcpy(copy, values, count * sizeof *copy);
    list_make(activation, copy, count, &made);
    if (made.kind != CEL_LIST)
        return -ENOMEM;
    *out = made;
    return 0;
}
