#include "core/base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

struct map_slot {
    uint8_t *key; // owned; NULL with value NULL: empty
    size_t key_size;
    uint64_t hash;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t size;
    size_t capacity; // a power of two
};

static uint64_t hash_seed;

// Runs before main, so that threads only ever read the seed.
__attribute__((constructor)) static void hash_seed_init(void) {
    if (getrandom(&hash_seed, sizeof hash_seed, GRND_NONBLOCK) != (ssize_t)sizeof hash_seed)
        hash_seed = (uint64_t)time(NULL) * 0x9E3779B97F4A7C15u;
}

static uint64_t mix(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_bytes(struct bytes bytes) {
    return hash_bytes_with(bytes, hash_seed);
}

uint64_t hash_bytes_with(struct bytes bytes, uint64_t seed) {
    uint64_t hash = seed ^ mix(bytes.size + 0x9E3779B97F4A7C15u, 0xE7037ED1A0B428DBu);
    size_t i = 0;
    for (; i + 8 <= bytes.size; i += 8)
        hash = mix(hash ^ load_u64(bytes.data + i), 0xA0761D6478BD642Fu ^ seed);
    uint64_t tail = 0;
    if (i < bytes.size)
        memcpy(&tail, bytes.data + i, bytes.size - i); // at most 7 bytes
    return mix(hash ^ tail, 0x8EBC6AF09C88C6E3u);
}

struct map *map_new(void) {
    return calloc(1, sizeof(struct map));
}

void map_destroy(struct map **self) {
    struct map *map = *self;
    if (!map)
        return;
    for (size_t i = 0; i < map->capacity; i++)
        free(map->slots[i].key);
    free(map->slots);
    free(map);
    *self = NULL;
}

size_t map_size(const struct map *map) {
    return map->size;
}

// The slot of the key, or the empty one where it would go.
static struct map_slot *find(const struct map *map, uint64_t hash, struct bytes key) {
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_slot *slot = &map->slots[i];
        if (!slot->value || (slot->hash == hash && bytes_equal(bytes_of(slot->key, slot->key_size), key)))
            return slot;
    }
}

static int grow(struct map *map) {
    struct map larger = {.capacity = map->capacity ? map->capacity * 2 : 16, .size = map->size};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        struct map_slot *old = &map->slots[i];
        if (old->value)
            *find(&larger, old->hash, bytes_of(old->key, old->key_size)) = *old;
    }
    free(map->slots);
    *map = larger;
    return 0;
}

void *map_get(const struct map *map, struct bytes key) {
    return map->size ? find(map, hash_bytes(key), key)->value : NULL;
}

int map_put(struct map *map, struct bytes key, void *value) {
    if ((map->size + 1) * 4 > map->capacity * 3 && grow(map) != 0)
        return -ENOMEM;
    uint64_t hash = hash_bytes(key);
    struct map_slot *slot = find(map, hash, key);
    if (!slot->value) {
        uint8_t *copy = malloc(key.size + 1);
        if (!copy)
            return -ENOMEM;
        if (key.size)
            memcpy(copy, key.data, key.size);
        copy[key.size] = 0;
        *slot = (struct map_slot){.key = copy, .key_size = key.size, .hash = hash};
        map->size++;
    }
    slot->value = value;
    return 0;
}

void *map_remove(struct map *map, struct bytes key) {
    if (!map->size)
        return NULL;
    struct map_slot *slot = find(map, hash_bytes(key), key);
    void *value = slot->value;
    if (!value)
        return NULL;
    free(slot->key);
    map->size--;
    // Backward shift: entries that probed past the hole move up, so that no tombstones are needed.
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct map_slot){0};
    return value;
}

bool map_next(const struct map *map, size_t *cursor, struct bytes *key, void **value) {
    while (*cursor < map->capacity) {
        struct map_slot *slot = &map->slots[(*cursor)++];
        if (!slot->value)
            continue;
        if (key)
            *key = bytes_of(slot->key, slot->key_size);
        if (value)
            *value = slot->value;
        return true;
    }
    return false;
}

static uint64_t hash_number(uint64_t key) {
    return mix(key ^ hash_seed, 0x9E3779B97F4A7C15u);
}

static struct number_slot *number_find(const struct number_map *map, uint64_t key) {
    size_t mask = map->capacity - 1;
    for (size_t i = hash_number(key) & mask;; i = (i + 1) & mask)
        if (!map->slots[i].value || map->slots[i].key == key)
            return &map->slots[i];
}

static int number_grow(struct number_map *map) {
    struct number_map larger = {.capacity = map->capacity ? map->capacity * 2 : 16, .size = map->size};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value)
            *number_find(&larger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = larger;
    return 0;
}

void number_map_destroy(struct number_map *map) {
    free(map->slots);
    *map = (struct number_map){0};
}

void *number_map_get(const struct number_map *map, uint64_t key) {
    return map->size ? number_find(map, key)->value : NULL;
}

int number_map_exchange(struct number_map *map, uint64_t key, void *value, void **before) {
    if ((map->size + 1) * 4 > map->capacity * 3 && number_grow(map) != 0)
        return -ENOMEM;
    struct number_slot *slot = number_find(map, key);
    *before = slot->value;
    if (!slot->value)
        map->size++;
    *slot = (struct number_slot){.key = key, .value = value};
    return 0;
}

int number_map_put(struct number_map *map, uint64_t key, void *value) {
    void *before;
    return number_map_exchange(map, key, value, &before);
}

void *number_map_remove(struct number_map *map, uint64_t key) {
    if (!map->size)
        return NULL;
    struct number_slot *slot = number_find(map, key);
    void *value = slot->value;
    if (!value)
        return NULL;
    map->size--;
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        size_t home = hash_number(map->slots[i].key) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct number_slot){0};
    return value;
}

void number_map_expect(const struct number_map *map, uint64_t key) {
    if (map->capacity)
        __builtin_prefetch(&map->slots[hash_number(key) & (map->capacity - 1)], 1);
}

bool number_map_next(const struct number_map *map, size_t *cursor, uint64_t *key, void **value) {
    while (*cursor < map->capacity) {
        const struct number_slot *slot = &map->slots[(*cursor)++];
        if (!slot->value)
            continue;
        if (key)
            *key = slot->key;
        if (value)
            *value = slot->value;
        return true;
    }
    return false;
}
