#include "broker/kafka/destination.h"

#include <errno.h>
#include <stdlib.h>

#define GAPS 64 // that are left as they are

struct destination *destination_new(uint32_t id, const char *name, uint32_t topic) {
    struct destination *destination = calloc(1, sizeof *destination);
    if (!destination)
        return NULL;
    destination->id = id;
    destination->topic = topic;
    destination->next_position = 1;
    destination->name = strdup(name);
    destination->letters = strncmp(name, "dead:", 5) == 0;
    list_init(&destination->parts);
    if (!destination->name)
        destination_destroy(&destination);
    return destination;
}

void destination_destroy(struct destination **self) {
    struct destination *destination = *self;
    if (!destination)
        return;
    while (!list_empty(&destination->parts))
        destination_drop_part(LIST_ITEM(destination->parts.next, struct part, link));
    for (size_t i = 0; i < destination->count; i++)
        buffer_destroy(&destination->arrivals[destination->head + i].value);
    free(destination->arrivals);
    number_map_destroy(&destination->at_places);
    free(destination->name);
    free(destination);
    *self = NULL;
}

struct part *destination_part(const struct destination *destination, int32_t partition) {
    LIST_EACH(node, &destination->parts) {
        struct part *part = LIST_ITEM(node, struct part, link);
        if (part->partition == partition)
            return part;
    }
    return NULL;
}

struct part *destination_add_part(struct destination *destination, int32_t partition) {
    struct part *part = calloc(1, sizeof *part);
    if (!part)
        return NULL;
    part->destination = destination;
    part->partition = partition;
    list_append(&destination->parts, &part->link);
    return part;
}

void destination_drop_part(struct part *part) {
    list_remove(&part->link);
    lane_destroy(&part->lane);
    free(part);
}

// ---- Arrivals: a line that grows at its end; what goes leaves a gap, and gaps are closed by and by ----

uint64_t destination_next(const struct destination *destination) {
    return destination->next_position;
}

static int make_room(struct destination *destination) {
    if (destination->head + destination->count < destination->capacity)
        return 0;
    if (destination->head > destination->capacity / 2) {
        memmove(destination->arrivals, destination->arrivals + destination->head,
            destination->count * sizeof *destination->arrivals);
        destination->head = 0;
        return 0;
    }
    size_t capacity = destination->capacity ? 2 * destination->capacity : 64;
    struct arrival *arrivals = reallocarray(destination->arrivals, capacity, sizeof *arrivals);
    if (!arrivals)
        return -ENOMEM;
    destination->arrivals = arrivals;
    destination->capacity = capacity;
    return 0;
}

static bool is_found_by_place(const struct arrival *arrival) {
    return arrival->part->destination->letters || arrival->former;
}

static int note_place(struct destination *destination, const struct arrival *arrival) {
    void *position = (void *)(uintptr_t)destination_next(destination); // a number, no pointer
    return is_found_by_place(arrival)
               ? number_map_put(&destination->at_places, arrival_place(arrival), position)
               : 0;
}

int destination_arrive(struct destination *destination, const struct arrival *from, struct bytes value) {
    struct arrival arrival = *from;
    arrival.position = destination->next_position;
    int rc = make_room(destination);
    rc = rc ? rc : buffer_append_bytes(&arrival.value, value);
    rc = rc ? rc : note_place(destination, &arrival);
    if (rc) {
        buffer_destroy(&arrival.value);
        return rc;
    }
    destination->arrivals[destination->head + destination->count++] = arrival;
    destination->next_position++;
    destination->bytes += value.size;
    return 0;
}

struct arrival *destination_from(const struct destination *destination, uint64_t position) {
    struct arrival *line = destination->arrivals + destination->head;
    size_t low = 0;
    size_t high = destination->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (line[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < destination->count && !line[low].part)
        low++;
    return low < destination->count ? &line[low] : NULL;
}

struct arrival *destination_at(const struct destination *destination, uint64_t position) {
    struct arrival *arrival = destination_from(destination, position);
    return arrival && arrival->position == position ? arrival : NULL;
}

struct arrival *destination_at_place(const struct destination *destination, uint64_t place) {
    uintptr_t position = (uintptr_t)number_map_get(&destination->at_places, place);
    return position ? destination_at(destination, position) : NULL;
}

// One that is tried again for days holds back none of the memory of what came after it.
static void close_gaps(struct destination *destination) {
    struct arrival *line = destination->arrivals + destination->head;
    size_t kept = 0;
    for (size_t i = 0; i < destination->count; i++)
        if (line[i].part)
            line[kept++] = line[i];
    destination->count = kept;
    destination->forgotten = 0;
}

void destination_forget(struct destination *destination, struct arrival *arrival) {
    if (is_found_by_place(arrival))
        number_map_remove(&destination->at_places, arrival_place(arrival));
    destination->bytes -= arrival->value.size;
    buffer_destroy(&arrival->value);
    arrival->part = NULL;
    destination->forgotten++;
    while (destination->count && !destination->arrivals[destination->head].part) {
        destination->head++;
        destination->count--;
        destination->forgotten--;
    }
    if (destination->forgotten > GAPS && destination->forgotten > destination->count / 2)
        close_gaps(destination);
}
