#include "broker/routing/internal.h"
#include "core/base/clock.h"
#include "core/crypto/digest.h"

#include <errno.h>
#include <stdlib.h>

static void topic_destroy(struct topic *topic) {
    number_map_destroy(&topic->senders);
    cel_env_destroy(&topic->env);
    paths_destroy(&topic->paths);
}

static void route_destroy(struct route *route) {
    for (size_t i = 0; i < route->destination_count; i++)
        mapping_destroy(&route->destinations[i].mapping);
    cel_program_destroy(&route->when);
    cel_program_destroy(&route->split);
    cel_program_destroy(&route->order_by);
    cel_env_destroy(&route->elements);
}

void routes_destroy(struct routes **self) {
    struct routes *routes = *self;
    if (!routes)
        return;
    for (size_t i = 0; i < routes->count; i++)
        route_destroy(routes->all[i]);
    for (size_t i = 0; i < routes->topic_count; i++)
        topic_destroy(routes->topics[i]);
    free(routes->all);
    free(routes->topics);
    free(routes->senders);
    number_map_destroy(&routes->by_type);
    map_destroy(&routes->by_name);
    config_folder_destroy(&routes->files);
    arena_destroy(&routes->arena);
    free(routes);
    *self = NULL;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Over each file's name, size and bytes, in order of name: so the digest tells one set from any other.
static int take_digest(struct routes *routes) {
    struct digest *digest = digest_new(DIGEST_SHA256);
    if (!digest)
        return -ENOMEM;
    digest_begin(digest);
    for (size_t i = 0; i < routes->files.count; i++) {
        const struct config_file *file = routes->files.files[i];
        const char *name = base_name(config_path(file));
        struct bytes source = config_source(file);
        uint8_t size[8];
        store_u64(size, source.size);
        digest_add(digest, name, strlen(name) + 1);
        digest_add(digest, size, sizeof size);
        digest_add(digest, source.data, source.size);
    }
    int rc = digest_end(digest, routes->digest);
    digest_destroy(&digest);
    return rc;
}

static void load_all(struct routes *routes, const char *folder) {
    config_load_folder(folder, &routes->files, routes->report);
    for (size_t i = 0; i < routes->files.count; i++)
        routes_load_file(routes, routes->files.files[i]);
    if (!routes->no_memory)
        routes_check_loops(routes);
    if (take_digest(routes) != 0)
        routes->no_memory = true;
}

static struct routes *routes_new(const struct policy *policy, struct report *report) {
    struct routes *routes = calloc(1, sizeof *routes);
    if (!routes)
        return NULL;
    routes->policy = policy;
    routes->report = report;
    routes->now = clock_realtime_ns() / (int64_t)CLOCK_SECOND_NS;
    routes->by_name = map_new();
    if (!routes->by_name)
        routes_destroy(&routes);
    return routes;
}

struct routes *routes_load(const struct policy *policy, const char *folder, struct report *report) {
    size_t errors = report_errors(report);
    struct routes *routes = routes_new(policy, report);
    if (routes)
        load_all(routes, folder);
    if (!routes || routes->no_memory)
        report_add(report, REPORT_ERROR, folder, (struct bytes){0}, (struct mark){0}, 0, "out of memory");
    if (report_errors(report) > errors)
        routes_destroy(&routes);
    else if (routes)
        routes->report = NULL;
    return routes;
}

size_t routes_count(const struct routes *routes) {
    return routes->file_count;
}

const uint8_t *routes_digest(const struct routes *routes) {
    return routes->digest;
}
