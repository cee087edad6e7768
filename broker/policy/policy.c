#include "broker/policy/internal.h"
#include "core/codes/load.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void *policy_keep(struct policy *policy, void *value) {
    if (!value)
        policy->no_memory = true;
    return value;
}

static bool is_link(const char *path, size_t size) {
    struct stat stat;
    char copy[PATH_MAX];
    if (size >= sizeof copy)
        return true; // not known
    memcpy(copy, path, size);
    copy[size] = '\0';
    return lstat(copy, &stat) != 0 || S_ISLNK(stat.st_mode);
}

// "conf/" and "../routes" are "routes", which is what people read in messages; but not where conf is a link
// or another way up. The bytes of `base` to keep; moves `*path` on.
static size_t go_up(const char *base, size_t folder, const char **path) {
    while (folder > 1 && strncmp(*path, "../", 3) == 0) {
        size_t start = folder - 1;
        while (start > 0 && base[start - 1] != '/')
            start--;
        if (base[start] == '.' || start == folder - 1 || is_link(base, folder - 1))
            break;
        *path += 3;
        folder = start;
    }
    return folder;
}

const char *policy_path(struct policy *policy, const char *path) {
    const char *base = config_path(policy->file);
    const char *slash = strrchr(base, '/');
    if (path[0] == '/' || !slash)
        return path;
    size_t folder = go_up(base, (size_t)(slash - base) + 1, &path);
    size_t size = strlen(path) + 1;
    char *full = policy_keep(policy, arena_alloc(&policy->arena, folder + size));
    if (full) {
        memcpy(full, base, folder);
        memcpy(full + folder, path, size);
    }
    return full;
}

void policy_destroy(struct policy **self) {
    struct policy *policy = *self;
    if (!policy)
        return;
    map_destroy(&policy->by_address);
    map_destroy(&policy->by_key);
    map_destroy(&policy->agencies_seen);
    map_destroy(&policy->agencies_partial);
    map_destroy(&policy->by_id);
    free(policy->systems);
    free(policy->addresses);
    codes_destroy(&policy->codes);
    catalogue_destroy(&policy->catalogue);
    config_folder_destroy(&policy->agreements);
    config_folder_destroy(&policy->agencies);
    config_destroy(&policy->file);
    arena_destroy(&policy->arena);
    explicit_bzero(policy->hash_key, sizeof policy->hash_key);
    free(policy);
    *self = NULL;
}

static struct policy *policy_new(struct report *report) {
    struct policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return NULL;
    policy->report = report;
    policy->codes = codes_new();
    policy->by_address = map_new();
    policy->by_key = map_new();
    policy->agencies_seen = map_new();
    policy->agencies_partial = map_new();
    policy->by_id = map_new();
    if (!policy->codes || !policy->by_address || !policy->by_key || !policy->agencies_seen ||
        !policy->agencies_partial || !policy->by_id)
        policy_destroy(&policy);
    return policy;
}

static void load_catalogue(struct policy *policy, const struct config_node *root) {
    struct error error;
    int rc = catalogue_load_file(policy->settings.catalogue, &policy->catalogue, &error);
    if (rc == -ENOMEM) {
        policy->no_memory = true;
    } else if (rc != 0) {
        const struct config_node *node = config_get(root, "catalogue");
        config_error(node ? node : root, policy->report, "the catalogue can't be loaded: %s%s", error.text,
            access(policy->settings.catalogue, F_OK) != 0 ? "; hutong schema build makes it of .proto files"
                                                          : "");
    }
}

// A key that an admin's own machine lacks, or that only the broker may read, is no reason not to check there.
static void load_hash_key(struct policy *policy, const struct config_node *root) {
    struct error error;
    const struct config_node *node = config_get(root, "hash_key_file");
    if (!policy->settings.hash_key_file)
        return;
    int rc = secret_load(policy->settings.hash_key_file, policy->hash_key, &error);
    if ((rc == -ENOENT || rc == -EACCES) && !policy->strict)
        config_warning(node, policy->report,
            "%s; hash() has a key of zeros here, and the broker can't start without it", error.text);
    else if (rc != 0)
        config_error(node, policy->report, "the key of hash() can't be loaded: %s", error.text);
}

struct watch {
    void (*settled)(void *context, const struct policy_settings *settings);
    void *context;
};

static void load_all(struct policy *policy, const char *catalogue, const struct watch *watch) {
    const struct config_node *root = config_root(policy->file);
    if (!root || root->kind != CONFIG_MAPPING) {
        report_add(policy->report, REPORT_ERROR, config_path(policy->file), (struct bytes){0},
            (struct mark){0}, 0,
            "this is no configuration of a broker; it begins with \"listen: tcp://127.0.0.1:7400\"");
        return;
    }
    policy_load_settings(policy, root);
    if (catalogue)
        policy->settings.catalogue = catalogue;
    if (policy->no_memory)
        return;
    if (watch)
        watch->settled(watch->context, &policy->settings);
    load_hash_key(policy, root);
    load_catalogue(policy, root);
    if (codes_load(policy->codes, policy->settings.codes, policy->report) == -ENOMEM)
        policy->no_memory = true;
    policy_load_agencies(policy);
    policy_load_agreements(policy);
}

static struct policy *load(const char *broker_yaml, const char *catalogue, bool strict,
    const struct watch *watch, struct report *report) {
    struct policy *policy = policy_new(report);
    if (policy)
        policy->strict = strict;
    if (policy && (policy->file = config_load(broker_yaml, NULL, report)))
        load_all(policy, catalogue, watch);
    bool no_memory = !policy || policy->no_memory;
    if (no_memory)
        report_add(
            report, REPORT_ERROR, broker_yaml, (struct bytes){0}, (struct mark){0}, 0, "out of memory");
    if (no_memory || !policy->catalogue)
        policy_destroy(&policy);
    else
        policy->report = NULL;
    return policy;
}

struct policy *policy_load_for_check(const char *broker_yaml, const char *catalogue, struct report *report) {
    return load(broker_yaml, catalogue, false, NULL, report);
}

struct policy *policy_load(const char *broker_yaml, struct report *report) {
    return policy_load_watched(broker_yaml, NULL, NULL, report);
}

struct policy *policy_load_watched(const char *broker_yaml,
    void (*settled)(void *context, const struct policy_settings *settings), void *context,
    struct report *report) {
    size_t errors = report_errors(report);
    struct watch watch = {.settled = settled, .context = context};
    struct policy *policy = load(broker_yaml, NULL, true, settled ? &watch : NULL, report);
    if (report_errors(report) > errors)
        policy_destroy(&policy);
    return policy;
}

// ---- Looking up ----

const struct policy_settings *policy_settings(const struct policy *policy) {
    return &policy->settings;
}

const struct catalogue *policy_catalogue(const struct policy *policy) {
    return policy->catalogue;
}

const struct codes *policy_codes(const struct policy *policy) {
    return policy->codes;
}

const uint8_t *policy_hash_key(const struct policy *policy) {
    return policy->settings.hash_key_file ? policy->hash_key : NULL;
}

size_t policy_system_count(const struct policy *policy) {
    return policy->system_count;
}

const struct policy_system *policy_system_at(const struct policy *policy, size_t i) {
    return i < policy->system_count ? &policy->systems[i]->public : NULL;
}

const struct policy_system *policy_system_named(const struct policy *policy, struct bytes address) {
    const struct system *system = map_get(policy->by_address, address);
    return system ? &system->public : NULL;
}

const struct policy_system *policy_system_by_key(const struct policy *policy, const char *public_z85) {
    const struct system *system = map_get(policy->by_key, bytes_of_string(public_z85));
    return system ? &system->public : NULL;
}

void policy_each_key(const struct policy *policy,
    void (*visit)(void *context, const struct policy_system *system, struct bytes key), void *context) {
    struct bytes key;
    void *value;
    for (size_t cursor = 0; map_next(policy->by_key, &cursor, &key, &value);)
        visit(context, &((const struct system *)value)->public, key);
}

// The system of this name, where only one agency has it.
static const char *system_alone(const struct policy *policy, struct bytes name) {
    const char *found = NULL;
    for (size_t i = 0; i < policy->system_count; i++) {
        const char *slash = strchr(policy->addresses[i], '/');
        if (!slash || !bytes_equal_string(name, slash + 1))
            continue;
        if (found)
            return NULL;
        found = policy->addresses[i];
    }
    return found;
}

const char *policy_nearest_system(const struct policy *policy, struct bytes address) {
    const char *alone = system_alone(policy, address);
    if (alone)
        return alone;
    return report_nearest(address, policy->addresses, policy->system_count);
}

bool policy_may_have_system(const struct policy *policy, struct bytes address) {
    const uint8_t *slash = address.size ? memchr(address.data, '/', address.size) : NULL;
    struct bytes agency = bytes_of(address.data, slash ? (size_t)(slash - address.data) : address.size);
    if (map_get(policy->agencies_seen, agency))
        return map_get(policy->agencies_partial, agency) != NULL;
    return policy->agencies_missing;
}

bool policy_may_have_agreement(const struct policy *policy) {
    return policy->agreements_missing;
}

bool policy_may_publish(const struct policy_system *public, const struct schema_message *type) {
    const struct system *system = (const struct system *)public;
    if (system->partial)
        return true;
    if (!system->listed)
        return strncmp(type->full_name, system->package, strlen(system->package)) == 0;
    for (size_t i = 0; i < system->type_count; i++)
        if (system->types[i] == type)
            return true;
    return false;
}

const struct policy_agreement *policy_agreement(const struct policy *policy, struct bytes id) {
    return map_get(policy->by_id, id);
}

const char *policy_nearest_name(const struct config_folder *folder, const char *key, struct bytes word) {
    const char *best = NULL;
    for (size_t i = 0; i < folder->count; i++) {
        const struct config_node *name = config_get(config_root(folder->files[i]), key);
        if (config_is_null(name) || name->kind != CONFIG_SCALAR)
            continue;
        const char *pair[] = {best ? best : (const char *)name->text.data, (const char *)name->text.data};
        const char *nearer = report_nearest(word, pair, 2);
        best = nearer ? nearer : best;
    }
    return best;
}

const char *policy_nearest_agreement(const struct policy *policy, struct bytes id) {
    return policy_nearest_name(&policy->agreements, "agreement", id);
}

size_t policy_agreement_count(const struct policy *policy) {
    return map_size(policy->by_id);
}

// ---- What an agreement covers ----

static bool lists(const struct policy_agreement *agreement, const char *path) {
    for (size_t i = 0; i < agreement->field_count; i++) {
        size_t size = strlen(agreement->fields[i]);
        if (strncmp(path, agreement->fields[i], size) == 0 && (path[size] == '\0' || path[size] == '.'))
            return true;
    }
    return false;
}

// A timestamp, a wrapper: one value to people, unless the agreement lists a part of it.
static bool is_whole(
    const struct policy_agreement *agreement, const struct schema_message *message, const char *path) {
    size_t size = strlen(path);
    for (size_t i = 0; i < agreement->field_count; i++)
        if (strncmp(path, agreement->fields[i], size) == 0 && agreement->fields[i][size] == '.')
            return false;
    return strncmp(message->full_name, "google.protobuf.", strlen("google.protobuf.")) == 0;
}

// At most 16 levels: a type that holds itself can't be listed whole below that, so it is not covered.
// NOLINTNEXTLINE(misc-no-recursion)
static bool covers_all(const struct policy_agreement *agreement, const struct schema_message *type,
    char *path, size_t used, unsigned depth, char missing[POLICY_PATH_SIZE]) {
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        size_t size = strlen(field->name);
        if (used + size + 2 > POLICY_PATH_SIZE)
            return false;
        memcpy(path + used, field->name, size + 1);
        if (lists(agreement, path))
            continue;
        if (field->message && !field->map && depth < 16 && !is_whole(agreement, field->message, path)) {
            path[used + size] = '.';
            if (covers_all(agreement, field->message, path, used + size + 1, depth + 1, missing))
                continue;
            return false;
        }
        memcpy(missing, path, used + size + 1);
        return false;
    }
    return type->field_count > 0 || used == 0;
}

bool policy_covers(const struct policy_agreement *agreement, const struct schema_message *type,
    const char *path, char missing[POLICY_PATH_SIZE]) {
    char walked[POLICY_PATH_SIZE];
    size_t used = strlen(path);
    missing[0] = '\0';
    if (agreement->partial)
        return true;
    if (used + 2 > sizeof walked || (used && lists(agreement, path)))
        return used + 2 <= sizeof walked;
    memcpy(walked, path, used + 1);
    memcpy(missing, path, used + 1);
    for (const char *at = path; *at && type;) {
        size_t size = strcspn(at, ".");
        const struct schema_field *field = schema_field_named(type, bytes_of(at, size));
        type = field && !field->map ? field->message : NULL;
        at += size + (at[size] == '.');
    }
    if (!type || is_whole(agreement, type, path))
        return false;
    if (used)
        walked[used++] = '.';
    return covers_all(agreement, type, walked, used, 0, missing);
}
