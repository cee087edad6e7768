#include "broker/delivery/known.h"

#include "broker/delivery/queue.h"

#include <errno.h>
#include <stdlib.h>

#define SMALLEST 16u

static struct delivery **slot_of(const struct known *known, uint64_t position) {
    return &known->slots[position & (known->capacity - 1)];
}

void known_destroy(struct known *known) {
    free(known->slots);
    number_map_destroy(&known->aside);
    *known = (struct known){0};
}

struct delivery *known_get(const struct known *known, uint64_t position) {
    if (known->size == 0)
        return NULL;
    struct delivery *delivery = *slot_of(known, position);
    if (delivery && delivery->position == position)
        return delivery;
    return known->aside.size ? number_map_get(&known->aside, position) : NULL;
}

void known_expect(const struct known *known, uint64_t position) {
    if (known->size)
        __builtin_prefetch(*slot_of(known, position), 1);
}

// Those of different slots have different ones in a larger ring too. What is aside stays there until it goes.
static int grow(struct known *known) {
    struct known larger = {.capacity = known->capacity ? known->capacity * 2 : SMALLEST};
    larger.slots = calloc(larger.capacity, sizeof(struct delivery *));
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < known->capacity; i++)
        if (known->slots[i])
            *slot_of(&larger, known->slots[i]->position) = known->slots[i];
    free(known->slots);
    known->slots = larger.slots;
    known->capacity = larger.capacity;
    return 0;
}

int known_put(struct known *known, struct delivery *delivery) {
    if ((known->size + 1) * 2 > known->capacity && grow(known) != 0)
        return -ENOMEM;
    struct delivery **slot = slot_of(known, delivery->position);
    if (!*slot)
        *slot = delivery;
    else if (number_map_put(&known->aside, delivery->position, delivery) != 0)
        return -ENOMEM;
    known->size++;
    return 0;
}

void known_remove(struct known *known, const struct delivery *delivery) {
    struct delivery **slot = slot_of(known, delivery->position);
    if (*slot == delivery)
        *slot = NULL;
    else
        number_map_remove(&known->aside, delivery->position);
    known->size--;
}

struct delivery *known_next(const struct known *known, size_t *cursor) {
    while (*cursor < known->capacity) {
        struct delivery *delivery = known->slots[(*cursor)++];
        if (delivery)
            return delivery;
    }
    size_t beyond = *cursor - known->capacity;
    void *value = NULL;
    bool more = number_map_next(&known->aside, &beyond, NULL, &value);
    *cursor = known->capacity + beyond;
    return more ? value : NULL;
}
