// The routes by type and sender, as messages look for them.
#include "broker/routing/internal.h"

#include <errno.h>
#include <stdlib.h>

int routes_grow(void *array, size_t count, size_t *capacity) {
    void **old;
    if (count < *capacity)
        return 0;
    size_t larger = *capacity ? *capacity * 2 : 16;
    memcpy(&old, array, sizeof old);
    void **grown = realloc(old, larger * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memcpy(array, &grown, sizeof grown);
    *capacity = larger;
    return 0;
}

// The package of a type: its name up to the last dot. The names inside the type itself resolve anyway.
static int make_env(struct routes *routes, struct topic *topic) {
    char package[512];
    const char *dot = strrchr(topic->type->full_name, '.');
    size_t size = dot ? (size_t)(dot - topic->type->full_name) : 0;
    if (size >= sizeof package)
        size = 0;
    memcpy(package, topic->type->full_name, size);
    package[size] = '\0';
    topic->paths = paths_new(topic->type);
    topic->env =
        cel_env_new(policy_catalogue(routes->policy), policy_codes(routes->policy), size ? package : NULL);
    if (!topic->paths || !topic->env)
        return -ENOMEM;
    if (policy_hash_key(routes->policy))
        cel_env_set_hash_key(topic->env, policy_hash_key(routes->policy));
    int rc = cel_env_declare_message(topic->env, "msg", topic->paths, &topic->variable);
    topic->variables = cel_env_count(topic->env);
    return rc;
}

static int add_topic(struct routes *routes, struct topic *topic) {
    int rc = routes_grow(&routes->topics, routes->topic_count, &routes->topic_capacity);
    if (rc)
        return rc;
    topic->index = routes->topic_count;
    routes->topics[routes->topic_count++] = topic; // from here on it is freed with the routes
    rc = make_env(routes, topic);
    return rc ? rc : number_map_put(&routes->by_type, type_key(topic->type), topic);
}

struct topic *routes_topic(struct routes *routes, const struct schema_message *type) {
    struct topic *topic = number_map_get(&routes->by_type, type_key(type));
    if (topic)
        return topic;
    topic = routes_alloc(routes, sizeof *topic);
    if (!topic)
        return NULL;
    topic->type = type;
    if (add_topic(routes, topic) == 0)
        return topic;
    routes->no_memory = true;
    return NULL;
}

struct sender *routes_sender(const struct topic *topic, const struct policy_system *system) {
    return number_map_get(&topic->senders, system->index);
}

static struct sender *add_sender(
    struct routes *routes, struct topic *topic, const struct policy_system *system) {
    struct sender *sender = routes_alloc(routes, sizeof *sender);
    if (!sender || routes_grow(&routes->senders, routes->sender_count, &routes->sender_capacity) != 0 ||
        number_map_put(&topic->senders, system->index, sender) != 0) {
        routes->no_memory = true;
        return NULL;
    }
    *sender = (struct sender){.system = system, .topic = topic, .index = routes->sender_count};
    routes->senders[routes->sender_count++] = sender;
    return sender;
}

void routes_list(struct routes *routes, const struct route *route) {
    for (size_t i = 0; i < route->from_count; i++) {
        struct sender *sender = routes_sender(route->topic, route->from[i]);
        if (!sender)
            sender = add_sender(routes, route->topic, route->from[i]);
        struct listing *listing = sender ? routes_alloc(routes, sizeof *listing) : NULL;
        if (!listing)
            return;
        *listing = (struct listing){.route = route, .sender = i};
        if (sender->last)
            sender->last->next = listing;
        else
            sender->first = listing;
        sender->last = listing;
    }
}
