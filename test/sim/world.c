#include "test/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const count_names[COUNT_END] = {
#define X(name, text) text,
    COUNTS(X)
#undef X
};

struct world *the_world;

// splitmix64: makes the generator's state from a seed.
static uint64_t split(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void world_init(struct world *world, uint64_t seed, bool trace) {
    *world = (struct world){.seed = seed, .trace = trace, .now = 1000 * S_NS, .hash = 0xCBF29CE484222325u};
    uint64_t state = seed;
    for (size_t i = 0; i < 4; i++)
        world->random[i] = split(&state);
    the_world = world;
}

void world_destroy(struct world *world) {
    free(world->slots);
    world->slots = NULL;
    world->slot_count = world->slot_capacity = 0;
    the_world = NULL;
}

void *world_grow(void *items, size_t *capacity, size_t at, size_t size) {
    if (at < *capacity)
        return items;
    size_t larger = *capacity ? *capacity : 64;
    while (larger <= at)
        larger *= 2;
    char *moved = realloc(items, larger * size);
    if (!moved)
        abort();
    memset(moved + *capacity * size, 0, (larger - *capacity) * size);
    *capacity = larger;
    return moved;
}

static uint64_t rotate(uint64_t value, unsigned by) {
    return value << by | value >> (64 - by);
}

// xoshiro256**
uint64_t world_random(struct world *world) {
    uint64_t *s = world->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t world_below(struct world *world, uint64_t limit) {
    return limit ? world_random(world) % limit : 0;
}

uint64_t world_between(struct world *world, uint64_t low, uint64_t high) {
    return low + world_below(world, high - low + 1);
}

bool world_chance(struct world *world, unsigned per_mille) {
    return world_below(world, 1000) < per_mille;
}

uint64_t world_skewed(struct world *world, uint64_t low, uint64_t high) {
    uint64_t span = high - low;
    return low + (span >> world_below(world, 12)) * world_below(world, 1001) / 1000;
}

// ---- The calendar: a binary heap ----

static bool earlier(const struct event_slot *a, const struct event_slot *b) {
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void swap(struct event_slot *a, struct event_slot *b) {
    struct event_slot kept = *a;
    *a = *b;
    *b = kept;
}

void world_at(struct world *world, uint64_t at, void (*run)(void *context, uint64_t argument), void *context,
    uint64_t argument) {
    world->slots = world_grow(world->slots, &world->slot_capacity, world->slot_count, sizeof *world->slots);
    size_t i = world->slot_count++;
    world->slots[i] = (struct event_slot){.at = at < world->now ? world->now : at,
        .order = world->next_order++,
        .run = run,
        .context = context,
        .argument = argument};
    for (; i > 0 && earlier(&world->slots[i], &world->slots[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&world->slots[i], &world->slots[(i - 1) / 2]);
}

static struct event_slot take_first(struct world *world) {
    struct event_slot first = world->slots[0];
    world->slots[0] = world->slots[--world->slot_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < world->slot_count; child++)
            if (earlier(&world->slots[child], &world->slots[least]))
                least = child;
        if (least == i)
            return first;
        swap(&world->slots[i], &world->slots[least]);
        i = least;
    }
}

bool world_next(struct world *world, uint64_t until) {
    if (world->slot_count == 0 || world->slots[0].at > until) {
        if (world->now < until)
            world->now = until;
        return false;
    }
    struct event_slot slot = take_first(world);
    world->now = slot.at;
    slot.run(slot.context, slot.argument);
    return true;
}

void world_pass(struct world *world, uint64_t ns) {
    uint64_t until = world->now + ns;
    while (world_next(world, until))
        ;
}

#define EPOCH_NS ((int64_t)1795780800 * 1000000000) // 2026-11-28

int64_t world_wall_ns(const struct world *world) {
    return EPOCH_NS + (int64_t)world->now + world->skew;
}

// ---- What happened ----

void world_count(struct world *world, enum count count, uint64_t more) {
    world->counts[count] += more;
}

static void mix(struct world *world, uint64_t value) {
    world->hash = rotate((world->hash ^ value) * 0x9E3779B97F4A7C15u, 29);
}

void world_note(struct world *world, const char *what, uint64_t a, uint64_t b, uint64_t c) {
    mix(world, world->now);
    for (const char *at = what; *at; at++)
        mix(world, (uint8_t)*at);
    mix(world, a);
    mix(world, b);
    mix(world, c);
    if (world->trace)
        printf("%11.6f %-22s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", (double)world->now / 1e9, what, a, b, c);
}

void world_fail(struct world *world, const char *format, ...) {
    if (world->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof world->failure, format, arguments);
    va_end(arguments);
    world->failed = true;
    world_note(world, "FAILED", 0, 0, 0);
    if (world->trace)
        printf("FAILED: %s\n", world->failure);
}
