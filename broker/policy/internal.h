// What the parts of broker/policy share while they load.
#pragma once

#include "broker/policy/policy.h"
#include "core/base/map.h"
#include "core/crypto/secret.h"
#include "core/schema/arena.h"

struct system {
    struct policy_system public; // first, so that a policy_system is a system
    const struct config_node *node;
    const char *package; // "gov.<agency>."
    bool listed;         // `may_publish` was given: only these types
    bool partial;        // some of it could not be read
    const struct schema_message **types;
    size_t type_count;
};

struct policy {
    struct policy_settings settings;
    struct config_file *file;
    struct config_folder agencies;
    struct config_folder agreements;
    struct catalogue *catalogue; // NULL while loading, where it can't be read
    struct codes *codes;
    struct arena arena; // systems, agreements and texts that are no part of a file
    struct system **systems;
    const char **addresses; // of the systems
    size_t system_count;
    size_t system_capacity;
    struct map *by_address;       // struct system
    struct map *by_key;           // struct system, by 40 characters of Z85
    struct map *agencies_seen;    // config_node of the name
    struct map *agencies_partial; // those with a system whose name could not be read
    bool agencies_missing;        // some agency's name could not be read
    bool agreements_missing;      // some agreement's number could not be read
    struct map *by_id;            // struct policy_agreement
    struct report *report;        // only while loading
    bool no_memory;
    bool strict; // what a tool may do without must be there
    uint8_t hash_key[SECRET_SIZE];
};

// All these report what is wrong. Out of memory sets policy->no_memory.
// Of the journal's mapping, or NULL.
void policy_load_cluster(struct policy *policy, const struct config_node *journal);
void policy_load_settings(struct policy *policy, const struct config_node *root);
void policy_load_agencies(struct policy *policy);
// queues.c: `queue` of a system's mapping.
void policy_load_queue(struct policy *policy, struct system *system, const struct config_node *mapping);
void policy_read_when_full(
    const struct config_node *mapping, const char *key, bool *park, struct report *report);
void policy_load_agreements(struct policy *policy);

// A path of broker.yaml against the folder that it lies in. In the arena; NULL without memory (noted).
const char *policy_path(struct policy *policy, const char *path);

// Keeps `value`; notes when there is no memory.
void *policy_keep(struct policy *policy, void *value);

bool policy_name_valid(struct bytes name); // lower-case letters, digits and "_"; at most 60

// The nearest of the names that the files of a folder have under `key`, the first of equals; or NULL.
const char *policy_nearest_name(const struct config_folder *folder, const char *key, struct bytes word);

// The type that a scalar names, or NULL (reported). Without a catalogue NULL, silently.
const struct schema_message *policy_type(const struct policy *policy, const struct config_node *scalar);
