// A compiled set of routes. Loaded once, then immutable; only a matcher's scratch changes when messages are
// matched.
#pragma once

#include "broker/routing/routing.h"
#include "core/base/map.h"
#include "core/mapping/mapping.h"
#include "core/schema/arena.h"

#define ROUTES_DIGEST_SIZE 32
#define ROUTE_TYPES_LIMIT 100    // of one route
#define ROUTE_SYSTEMS_LIMIT 1000 // of one route

struct destination {
    const struct config_node *node;
    const struct policy_system *to;
    // By the index of the sender in the route: each may need another one. NULL only while loading.
    const struct policy_agreement **agreements;
    const struct schema_message *type; // that is delivered
    struct mapping *mapping;           // owned; NULL: the original goes out
};

// A route of the files, compiled for one type; one with several types becomes several of these.
struct route {
    const char *name;
    const struct config_node *node;
    struct topic *topic;
    const struct policy_system **from; // who publishes this type by this route
    size_t from_count;
    struct cel_program *when;  // owned; NULL: always
    struct cel_program *split; // owned; NULL: the message goes as a whole
    struct cel_env *elements;  // owned, with split: the topic's with `item` and `index`
    size_t item;               // their indexes
    size_t index;
    struct cel_program *order_by; // owned; NULL: the envelope's subject
    struct destination *destinations;
    size_t destination_count;
    struct policy_deliver deliver;
};

// A route under one of its senders.
struct listing {
    const struct route *route;
    size_t sender; // index in route->from
    struct listing *next;
};

// The routes of one type from one system, in the order in which they were read.
struct sender {
    const struct policy_system *system;
    const struct topic *topic;
    size_t index; // in routes->senders
    struct listing *first;
    struct listing *last;
};

// All routes of one type: their expressions read it through one trie, and one scan fills it.
struct topic {
    const struct schema_message *type;
    size_t index;              // in routes->topics, and in a matcher's scratch
    size_t variable;           // of "msg" in an activation
    size_t variables;          // that an activation needs
    struct paths *paths;       // owned
    struct cel_env *env;       // owned
    struct number_map senders; // struct sender, by the system's index
};

struct routes {
    const struct policy *policy;
    struct config_folder files;
    struct arena arena; // routes, destinations, topics, senders
    struct topic **topics;
    size_t topic_count;
    size_t topic_capacity;
    struct sender **senders;
    size_t sender_count;
    size_t sender_capacity;
    struct number_map by_type; // struct topic, by the type's address
    struct map *by_name;       // config_node of a route
    struct route **all;
    size_t count; // of compiled ones
    size_t capacity;
    size_t file_count; // of those in the files
    uint8_t digest[ROUTES_DIGEST_SIZE];
    struct report *report; // only while loading
    int64_t now;           // seconds, when it was loaded
    bool no_memory;
};

static inline uint64_t type_key(const struct schema_message *type) {
    return (uint64_t)(uintptr_t)type;
}

void *routes_keep(struct routes *routes, void *value);  // notes when there is no memory
void *routes_alloc(struct routes *routes, size_t size); // in the arena, zeroed
// Room for one more in an array of pointers. 0, -ENOMEM.
int routes_grow(void *array, size_t count, size_t *capacity);

// What `on` and `from` of a route name.
struct source {
    const struct config_node *from;
    const struct schema_message *types[ROUTE_TYPES_LIMIT];
    size_t type_count;
    const struct policy_system *systems[ROUTE_SYSTEMS_LIMIT];
    size_t system_count;
};

// Each reports what is wrong.
void routes_load_file(struct routes *routes, const struct config_file *file);
// What could be read of it, also where something is wrong.
void routes_load_source(struct routes *routes, const struct config_node *route, struct source *out);
void routes_load_destinations(struct routes *routes, struct route *route, const struct config_node *list);
// What can be said of destinations when the message isn't known.
void routes_check_destinations(struct routes *routes, const struct config_node *list);
void routes_check_loops(struct routes *routes);
const struct schema_message *routes_type(const struct routes *routes, const struct config_node *scalar);
const struct policy_system *routes_system(const struct routes *routes, const struct config_node *scalar);

// topics.c. The topic of a type, made when there is none; NULL without memory (noted).
struct topic *routes_topic(struct routes *routes, const struct schema_message *type);
// The sender, or NULL.
struct sender *routes_sender(const struct topic *topic, const struct policy_system *system);
// Puts the route behind the others of each of its senders.
void routes_list(struct routes *routes, const struct route *route);
