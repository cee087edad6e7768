// A compiled set of routes. Loaded once, then immutable; only a matcher's scratch changes when messages are
// matched.
#pragma once

#include "broker/routing/routing.h"
#include "core/base/map.h"
#include "core/mapping/mapping.h"
#include "core/schema/arena.h"

#define ROUTES_DIGEST_SIZE 32

struct destination {
    const struct config_node *node;
    const struct policy_system *to;
    const struct policy_agreement *agreement;
    const struct schema_message *type; // that is delivered
    struct mapping *mapping;           // owned; NULL: the original goes out
};

struct route {
    const char *name;
    const struct config_node *node;
    struct topic *topic;
    const struct policy_system *from;
    struct cel_program *when;     // owned; NULL: always
    struct cel_program *order_by; // owned; NULL: the envelope's subject
    struct destination *destinations;
    size_t destination_count;
    uint32_t retries;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    int64_t expires_us;
    struct route *next; // of the same sender
};

// All routes of one type: their expressions read it through one trie, and one scan fills it.
struct topic {
    const struct schema_message *type;
    size_t index;              // in routes->topics, and in a matcher's scratch
    size_t variable;           // of "msg" in an activation
    struct paths *paths;       // owned
    struct cel_env *env;       // owned
    struct number_map senders; // by system index: the first struct route
};

struct routes {
    const struct policy *policy;
    struct config_folder files;
    struct arena arena; // routes, destinations, topics
    struct topic **topics;
    size_t topic_count;
    size_t topic_capacity;
    struct number_map by_type; // struct topic, by the type's address
    struct map *by_name;       // struct route
    struct route **all;
    size_t count;
    size_t capacity;
    size_t most_matches; // of one message
    uint8_t digest[ROUTES_DIGEST_SIZE];
    struct report *report; // only while loading
    int64_t now;           // seconds, when it was loaded
    bool no_memory;
};

static inline uint64_t type_key(const struct schema_message *type) {
    return (uint64_t)(uintptr_t)type;
}

void *routes_keep(struct routes *routes, void *value); // notes when there is no memory

// Each reports what is wrong.
void routes_load_file(struct routes *routes, const struct config_file *file);
void routes_load_destinations(struct routes *routes, struct route *route, const struct config_node *list);
void routes_check_loops(struct routes *routes);
const struct schema_message *routes_type(const struct routes *routes, const struct config_node *scalar);
const struct policy_system *routes_system(const struct routes *routes, const struct config_node *scalar);
