// Hash maps to pointers: by bytes (keys copied) and by 64-bit number. Open addressing; the map owns its keys,
// never the values. Hashes are seeded at random once a process, so that keys chosen by a peer can't be made
// to collide.
#pragma once

#include "core/base/bytes.h"

struct map;

uint64_t hash_bytes(struct bytes bytes);                     // seeded; the same within one process only
uint64_t hash_bytes_with(struct bytes bytes, uint64_t seed); // the same for ever, for a given seed

struct map *map_new(void); // returns owned, or NULL
void map_destroy(struct map **self);
size_t map_size(const struct map *map);
void *map_get(const struct map *map, struct bytes key);      // NULL when absent
int map_put(struct map *map, struct bytes key, void *value); // adds or replaces; value not NULL; 0 or -ENOMEM
void *map_remove(struct map *map, struct bytes key);         // returns what was there, or NULL

// Walks in no particular order: `*cursor` starts at 0; false at the end. The map must not change meanwhile.
bool map_next(const struct map *map, size_t *cursor, struct bytes *key, void **value);

// Number to pointer. Zero-initialised it is empty.
struct number_map {
    struct number_slot {
        uint64_t key;
        void *value; // NULL: empty
    } *slots;
    size_t size;
    size_t capacity;
};

void number_map_destroy(struct number_map *map);
void *number_map_get(const struct number_map *map, uint64_t key);
int number_map_put(struct number_map *map, uint64_t key, void *value);
// As number_map_put(), and says what was there before, or NULL.
int number_map_exchange(struct number_map *map, uint64_t key, void *value, void **before);
void *number_map_remove(struct number_map *map, uint64_t key);
// The key is asked for soon: what it takes is brought near meanwhile.
void number_map_expect(const struct number_map *map, uint64_t key);
bool number_map_next(const struct number_map *map, size_t *cursor, uint64_t *key, void **value);
