// conf/agencies/*.yaml: who there is, by which keys they are known, and what they may publish.
#include "broker/policy/internal.h"
#include "core/codes/numbers.h"
#include "core/crypto/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct config_key agency_keys[] = {
    {"agency", CONFIG_REQUIRED},
    {"title", CONFIG_REQUIRED},
    {"credit_code", CONFIG_OPTIONAL},
    {"contact", CONFIG_OPTIONAL},
    {"systems", CONFIG_REQUIRED},
    {NULL, CONFIG_OPTIONAL},
};

static const struct config_key system_keys[] = {
    {"name", CONFIG_REQUIRED},
    {"title", CONFIG_REQUIRED},
    {"keys", CONFIG_OPTIONAL},
    {"key_files", CONFIG_OPTIONAL},
    {"may_publish", CONFIG_OPTIONAL},
    {"queue", CONFIG_OPTIONAL},
    {"deliver", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

bool policy_name_valid(struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return name.size > 0 && name.size <= 60;
}

// mapping[key] as a name; NULL (reported) when it is none.
static const char *read_name(
    const struct policy *policy, const struct config_node *mapping, const char *key) {
    const char *name = NULL;
    if (!config_read_string(mapping, key, &name, policy->report) || !name)
        return NULL;
    if (policy_name_valid(bytes_of_string(name)))
        return name;
    char meant[61];
    if (config_name_meant(bytes_of_string(name), '_', true, meant, sizeof meant)) {
        config_error(config_get(mapping, key), policy->report,
            "\"%s\" is no name, which has lower-case letters, digits and \"_\"; did you mean \"%s\"?", name,
            meant);
        return NULL;
    }
    config_error(config_get(mapping, key), policy->report,
        "\"%s\" is no name; use lower-case letters, digits and \"_\", at most 60", name);
    return NULL;
}

// ---- Keys ----

static bool is_z85(struct bytes text) {
    static const char others[] = ".-:+=^!/*?&<>()[]{}@%$#";
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)text.data[i];
        bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (!c || !strchr(others, c)))
            return false;
    }
    return text.size == KEYS_TEXT_SIZE - 1;
}

static void add_key(
    struct policy *policy, struct system *system, const struct config_node *node, const char *key) {
    struct bytes bytes = bytes_of_string(key);
    const struct system *owner = map_get(policy->by_key, bytes);
    if (owner)
        config_error(node, policy->report,
            "this key belongs to %s already (%s:%u); a key is one system's identity: make another with "
            "\"hutong keys\"",
            owner->public.address, config_path(owner->node->file), owner->node->mark.line);
    else if (map_put(policy->by_key, bytes, system) != 0)
        policy->no_memory = true;
}

static void load_key(struct policy *policy, struct system *system, const struct config_node *node) {
    const char *key;
    if (!config_string(node, &key, policy->report))
        return;
    if (is_z85(bytes_of_string(key)))
        add_key(policy, system, node, key);
    else
        config_error(node, policy->report, "this is no CURVE public key; it has 40 characters of Z85 text");
}

// A key that isn't there yet keeps its system out, and no other: keys are often made after the files were
// written.
static void load_key_file(struct policy *policy, struct system *system, const struct config_node *node) {
    const char *path;
    char key[KEYS_TEXT_SIZE];
    struct error error;
    if (!config_string(node, &path, policy->report))
        return;
    path = policy_path(policy, path);
    if (!path)
        return;
    int rc = keys_load_public(path, key, &error);
    if (rc == -ENOENT)
        config_warning(node, policy->report, "no key file %s: %s can't connect until it is there", path,
            system->public.address);
    else if (rc != 0)
        config_error(node, policy->report, "%s", error.text);
    else
        add_key(policy, system, node, key);
}

static void load_list(struct policy *policy, struct system *system, const struct config_node *mapping,
    const char *key, void (*load)(struct policy *, struct system *, const struct config_node *)) {
    const struct config_node *list = config_get(mapping, key);
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    if (config_is_null(list) || !config_expect_sequence(list, quoted, policy->report))
        return;
    for (size_t i = 0; i < list->count; i++)
        load(policy, system, list->values[i]);
}

// ---- What a system may publish ----

const struct schema_message *policy_type_named(
    const struct policy *policy, const struct config_node *scalar, struct report *report) {
    const char *name;
    if (!config_string(scalar, &name, report) || !policy->catalogue)
        return NULL;
    const struct schema_message *type = catalogue_message(policy->catalogue, scalar->text);
    if (type || config_full_width(scalar, report))
        return type;
    if (catalogue_enum(policy->catalogue, scalar->text)) {
        config_error(scalar, report, "%s is an enum; a message's type is needed here", name);
        return NULL;
    }
    const char *nearest = catalogue_nearest_message(policy->catalogue, scalar->text);
    config_error(scalar, report, "no type \"%s\" in the catalogue%s%s%s", name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

const struct schema_message *policy_type(const struct policy *policy, const struct config_node *scalar) {
    return policy_type_named(policy, scalar, policy->report);
}

static void load_types(struct policy *policy, struct system *system, const struct config_node *mapping) {
    const struct config_node *list = config_get(mapping, "may_publish");
    if (config_is_null(list))
        return;
    system->partial = !config_expect_sequence(list, "\"may_publish\"", policy->report);
    if (system->partial)
        return;
    system->listed = true;
    system->types =
        policy_keep(policy, arena_alloc(&policy->arena, (list->count + 1) * sizeof(struct schema_message *)));
    for (size_t i = 0; system->types && i < list->count; i++) {
        const struct schema_message *type = policy_type(policy, list->values[i]);
        if (type)
            system->types[system->type_count++] = type;
        else
            system->partial = true;
    }
}

// ---- Systems ----

static int make_room(struct policy *policy) {
    if (policy->system_count < policy->system_capacity)
        return 0;
    size_t capacity = policy->system_capacity ? policy->system_capacity * 2 : 16;
    struct system **systems = realloc(policy->systems, capacity * sizeof(struct system *));
    if (!systems)
        return -ENOMEM;
    policy->systems = systems;
    const char **addresses = realloc(policy->addresses, capacity * sizeof(char *));
    if (!addresses)
        return -ENOMEM;
    policy->addresses = addresses;
    policy->system_capacity = capacity;
    return 0;
}

static char *join(struct policy *policy, const char *first, const char *second, const char *third) {
    size_t size = strlen(first) + strlen(second) + strlen(third) + 1;
    char *text = policy_keep(policy, arena_alloc(&policy->arena, size));
    if (text)
        snprintf(text, size, "%s%s%s", first, second, third);
    return text;
}

// A system that is not there yet, or NULL (reported, or no memory).
static struct system *add_system(
    struct policy *policy, const struct config_node *node, const char *agency, const char *name) {
    char *address = join(policy, agency, "/", name);
    char *package = join(policy, "gov.", agency, ".");
    struct system *system = policy_keep(policy, arena_alloc(&policy->arena, sizeof *system));
    if (!address || !package || !system)
        return NULL;
    const struct system *other = map_get(policy->by_address, bytes_of_string(address));
    if (other) {
        config_error(config_get(node, "name"), policy->report, "there is a system %s already, at %s:%u",
            address, config_path(other->node->file), other->node->mark.line);
        return NULL;
    }
    if (make_room(policy) != 0 || map_put(policy->by_address, bytes_of_string(address), system) != 0) {
        policy->no_memory = true;
        return NULL;
    }
    system->public = (struct policy_system){
        .address = address, .agency = agency, .title = name, .index = policy->system_count};
    system->package = package;
    system->node = node;
    policy->systems[policy->system_count] = system;
    policy->addresses[policy->system_count++] = address;
    return system;
}

// Some system of the agency can't be told by its name.
static void note_partial(struct policy *policy, const char *agency, const struct config_node *node) {
    if (agency && map_put(policy->agencies_partial, bytes_of_string(agency), (void *)(uintptr_t)node) != 0)
        policy->no_memory = true;
}

static void load_system(struct policy *policy, const struct config_node *node, const char *agency) {
    bool mapping = config_expect_mapping(node, "a system", system_keys, policy->report);
    const char *name = mapping ? read_name(policy, node, "name") : NULL;
    if (!name)
        note_partial(policy, agency, node);
    struct system *system = name && agency ? add_system(policy, node, agency, name) : NULL;
    if (!system)
        return;
    config_read_string(node, "title", &system->public.title, policy->report);
    load_list(policy, system, node, "keys", load_key);
    load_list(policy, system, node, "key_files", load_key_file);
    load_types(policy, system, node);
    policy_load_queue(policy, system, node);
    system->public.deliver = policy_deliver_default;
    policy_read_deliver(config_get(node, "deliver"), &system->public.deliver, policy->report);
    if (policy->settings.curve && config_is_null(config_get(node, "keys")) &&
        config_is_null(config_get(node, "key_files")))
        config_warning(node, policy->report, "%s has no \"keys\" and no \"key_files\": it can't connect",
            system->public.address);
}

static void check_credit_code(const struct policy *policy, const struct config_node *root) {
    const char *code = NULL;
    config_read_string(root, "credit_code", &code, policy->report);
    enum number_fault fault = code ? credit_code_check(bytes_of_string(code)) : NUMBER_OK;
    if (fault != NUMBER_OK)
        config_error(config_get(root, "credit_code"), policy->report,
            "this is no unified social credit code (GB 32100): it %s", number_fault_text(fault));
}

static void load_agency(struct policy *policy, const struct config_file *file) {
    const struct config_node *root = config_root(file);
    const char *title = NULL;
    bool missing = policy->agencies_missing;
    policy->agencies_missing = true; // until its name is known
    if (!root) {
        report_add(policy->report, REPORT_ERROR, config_path(file), (struct bytes){0}, (struct mark){0}, 0,
            "the file is empty; an agency has \"agency\", \"title\" and \"systems\"");
        return;
    }
    if (!config_expect_mapping(root, "an agency", agency_keys, policy->report))
        return;
    const struct config_node *node = config_get(root, "agency");
    const char *agency = read_name(policy, root, "agency");
    const struct config_node *other = agency ? map_get(policy->agencies_seen, bytes_of_string(agency)) : NULL;
    if (other)
        config_error(
            node, policy->report, "the agency %s is in %s already", agency, config_path(other->file));
    else if (agency && map_put(policy->agencies_seen, bytes_of_string(agency), (void *)(uintptr_t)node) != 0)
        policy->no_memory = true;
    policy->agencies_missing = missing || !agency;
    config_read_string(root, "title", &title, policy->report);
    check_credit_code(policy, root);
    const struct config_node *systems = config_get(root, "systems");
    if (config_is_null(systems) || !config_expect_sequence(systems, "\"systems\"", policy->report)) {
        note_partial(policy, agency, root);
        return;
    }
    for (size_t i = 0; i < systems->count; i++)
        load_system(policy, systems->values[i], agency);
}

void policy_load_agencies(struct policy *policy) {
    policy->agencies_missing =
        !config_load_folder(policy->settings.agencies, &policy->agencies, policy->report);
    for (size_t i = 0; i < policy->agencies.count; i++)
        load_agency(policy, policy->agencies.files[i]);
}
