// Who may connect and say what: conf/broker.yaml, conf/agencies/, conf/agreements/. Denied by default. Loaded
// once, then immutable.
#pragma once

#include "core/config/config.h"
#include "core/schema/catalogue.h"

struct codes;
struct policy;

// The journal on a Kafka cluster.
struct policy_cluster {
    bool used;                 // false: in files, and the rest says nothing
    const char *brokers;       // "host:port,…"
    const char *prefix;        // of the topics: "hutong"
    const char *name;          // of this broker: no other may have it
    uint32_t partitions;       // of topics that are made: 12
    uint32_t replication;      // of them: 3
    const char *settings_file; // of librdkafka, "name=value" a line; NULL: none
};

// conf/broker.yaml with its defaults; paths are resolved against the file's folder. docs/configuration.md
struct policy_settings {
    const char *listen;         // "tcp://127.0.0.1:7400"
    bool curve;                 // on; off only where `listen` is loopback or ipc
    const char *key_file;       // the broker's CURVE certificate (secret)
    const char *hash_key_file;  // the key of hash() in routes; NULL: none
    const char *journal;        // folder
    uint64_t segment_size;      // 64 MiB
    uint64_t journal_limit;     // bytes of all segments; 0: the disk
    uint64_t retention_us;      // kept at least so long: 3 years
    size_t journal_batch;       // bytes after which a batch goes to disk: 2 MiB; to a cluster: 8 MiB
    size_t journal_batch_limit; // bytes that a batch may have: 16 MiB
    bool journal_sm3;
    struct policy_cluster cluster;
    uint64_t message_bytes;   // 8 MiB
    uint64_t batch_bytes;     // 256 KiB
    uint32_t batch_messages;  // 1,024
    size_t connections;       // 1,000
    uint64_t credit_messages; // 16,384
    uint64_t credit_bytes;    // 16 MiB
    uint64_t queue_count;     // 10,000,000
    uint64_t queue_bytes;     // 100 GiB
    uint64_t queue_age_us;    // 30 days
    bool queue_park;          // false: above them the oldest become dead letters; true: publishers wait
    size_t queue_window;      // 16,384
    size_t queue_held;        // 32,768
    uint32_t heartbeat_ms;    // 5,000
    uint32_t drain_ms;        // 10,000
    const char *admin;        // path of a UNIX socket, or "127.0.0.1:PORT"; NULL: none
    const char *catalogue;    // path
    const char *codes;        // folder
    const char *agencies;     // folder
    const char *agreements;   // folder
    const char *routes;       // folder
    const char *log_level;    // "info"
};

// Limits of one system's queue.
struct policy_queue {
    uint64_t count;
    uint64_t bytes;
    uint64_t age_us;
    bool park; // as queue_park
};

// How a delivery is tried: `deliver` of its route, else of its system, else the default.
struct policy_deliver {
    uint32_t retries;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    int64_t expires_us; // from now; 0: never
    bool says_retries;  // it stands there
    bool says_backoff;
    bool says_expires;
};

struct policy_system {
    const char *address; // "agency/system"
    const char *agency;
    const char *title;
    size_t index; // from 0, in policy_system_at()
    struct policy_queue queue;
    struct policy_deliver deliver; // where a route says nothing else
};

#define POLICY_ID_LIMIT 100 // bytes of an agreement's number: each record of a delivery has it

struct policy_agreement {
    const char *id;
    const char *provider; // agency or "agency/system"
    const char *receiver;
    const char *type;          // full name of the type that is delivered
    const char *const *fields; // field paths of it that may be disclosed
    size_t field_count;
    const char *purpose;
    const char *basis;
    bool partial; // some of `fields` could not be read
    int64_t from; // seconds since 1970
    int64_t until;
    const struct config_node *node; // where it stands
};

extern const struct policy_deliver policy_deliver_default; // 10 retries, 1s..10m apart, for 7 days
// What the mapping `node` says (NULL, null: nothing), over what is in `*deliver`.
void policy_read_deliver(
    const struct config_node *node, struct policy_deliver *deliver, struct report *report);
// What holds for deliveries of a route to the system.
struct policy_deliver policy_deliver_of(const struct policy_system *to, const struct policy_deliver *route);

// Loads all that broker.yaml names but routes. Every problem goes to the report; NULL when there was any
// error. Owned.
struct policy *policy_load(const char *broker_yaml, struct report *report);
// The same; `settled` (or NULL) is called when the settings are known and nothing else has been read yet.
struct policy *policy_load_watched(const char *broker_yaml,
    void (*settled)(void *context, const struct policy_settings *settings), void *context,
    struct report *report);
// For tools that check: with another catalogue than the file names (NULL: that one; borrowed as long as the
// policy), and what could be loaded also when there were errors, as long as the catalogue is there.
struct policy *policy_load_for_check(const char *broker_yaml, const char *catalogue, struct report *report);
void policy_destroy(struct policy **self);

const struct policy_settings *policy_settings(const struct policy *policy);
// ---- Change while the broker runs (docs/configuration.md) ----
// Settings that need a restart become those of `running`; `changed` is called for each that was different.
// 0 or -ENOMEM. Before the policy is used.
int policy_keep_settings(struct policy *policy, const struct policy_settings *running,
    void (*changed)(void *context, const char *key), void *context);
// Whether all settings that may change while the broker runs are the same.
bool policy_settings_same(const struct policy_settings *a, const struct policy_settings *b);

const struct catalogue *policy_catalogue(const struct policy *policy);
const struct codes *policy_codes(const struct policy *policy);
// The key of hash(), 32 bytes; NULL: broker.yaml names none. Where its file can't be read, a policy that is
// loaded for a check has zeros, and a warning.
const uint8_t *policy_hash_key(const struct policy *policy);

size_t policy_system_count(const struct policy *policy);
const struct policy_system *policy_system_at(const struct policy *policy, size_t i);
const struct policy_system *policy_system_named(const struct policy *policy, struct bytes address); // or NULL
const struct policy_system *policy_system_by_key(
    const struct policy *policy, const char *public_z85); // or NULL
// Each key (Z85) of each system, in no particular order.
void policy_each_key(const struct policy *policy,
    void (*visit)(void *context, const struct policy_system *system, struct bytes key), void *context);
const char *policy_nearest_system(const struct policy *policy, struct bytes address); // or NULL
// Whether what isn't found may stand in a file or an entry that could not be read: that was reported, and
// whoever names it makes no mistake of their own.
bool policy_may_have_system(const struct policy *policy, struct bytes address); // or agency
bool policy_may_have_agreement(const struct policy *policy);
// The type that a scalar names, or NULL (reported).
const struct schema_message *policy_type_named(
    const struct policy *policy, const struct config_node *scalar, struct report *report);
// Without `may_publish` in its file a system may publish every type of its own agency's package
// (gov.<agency>.…).
bool policy_may_publish(const struct policy_system *system, const struct schema_message *type);
const struct policy_agreement *policy_agreement(const struct policy *policy, struct bytes id); // or NULL
size_t policy_agreement_count(const struct policy *policy);
const char *policy_nearest_agreement(const struct policy *policy, struct bytes id); // or NULL

// Whether the agreement lists the field at `path` of its type ("address.division"; "": the whole message), or
// a message that it lies in, or all that lies in it. If not, `missing` is the first path that isn't covered.
// (true too where some of its fields could not be read, which was reported)
#define POLICY_PATH_SIZE 512
bool policy_covers(const struct policy_agreement *agreement, const struct schema_message *type,
    const char *path, char missing[POLICY_PATH_SIZE]);
