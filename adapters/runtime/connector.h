// A connector: the functions through which the sidecar talks to one kind of legacy system. A source gives
// records, a sink takes messages; one connector may be both. All are called from the sidecar's one thread.
#pragma once

#include "core/base/error.h"
#include "core/config/config.h"
#include "core/mapping/mapping.h"

struct connector; // the connector's own

enum {
    CONNECTOR_RETRY = 1,  // the system is away or busy: try again later (with the runtime's back-off)
    CONNECTOR_REJECT = 2, // this message can't ever be taken: a dead letter with the text
    CONNECTOR_BAD_ROW =
        3, // this record is unusable: it is refused, counted and kept as the connector keeps such
};

// A message as the source has it, not made of a row. Borrowed.
struct connector_event {
    const struct schema_message *type;
    struct bytes id; // of CloudEvents; size 0: one is made
    struct bytes subject;
    int64_t time_us; // 0: now
    struct bytes payload;
    const char *const *attributes; // extension attributes: name, value, …, NULL; NULL: none
};

// What the sidecar offers to a connector; all borrowed, outlives it.
struct connector_host {
    void *runtime;
    struct catalogue *catalogue; // configure() adds the types of its rows (row.h); immutable from open() on
    const struct codes *codes;
    const char *state_folder; // for the connector's own durable state
    const char
        *base_folder; // of adapter.yaml: relative paths in it start here (settings_path() in settings.h)
    int32_t zone;     // seconds east of UTC, of times in the system's data that have no zone, and of those
                      // written to it

    // Gives one message to the bus (its spool): wire bytes of `type` about `subject`, with the source's
    // position behind it (stored in the same write). Returns 0, CONNECTOR_RETRY (spool full),
    // CONNECTOR_BAD_ROW (refused by the catalogue), negative.
    int (*publish)(void *runtime, const struct schema_message *type, struct bytes subject, int64_t time_us,
        struct bytes payload, struct bytes position, struct error *error);
    // The same for a message that has an id or attributes of its own.
    int (*publish_event)(
        void *runtime, const struct connector_event *event, struct bytes position, struct error *error);
    // The position stored last; size 0 at the very start. Valid until the next publish.
    struct bytes (*position)(void *runtime);
    int (*store_position)(void *runtime, struct bytes position, struct error *error);
    // Counts a record that the source can't use, with its place ("in/20261124.csv:17") and reason.
    void (*refused)(void *runtime, const char *place, const char *reason);

    // Durable memory of effects, for systems that can't keep it in their own transaction: whether the effect
    // of this delivery is known to be there; and that it is (on disk when it returns).
    bool (*is_done)(void *runtime, uint64_t position);
    int (*mark_done)(void *runtime, const uint64_t *positions, size_t count, struct error *error);

    // How long to wait now for the system, `most_ms` at most: less from when the adapter is asked to end, and
    // 0 when `drain` is over. So what waits long asks again in between.
    uint32_t (*patience_ms)(void *runtime, uint32_t most_ms);
};

// A message for the system. The same delivery may come again (attempt > 1, or after a restart): its effect
// must not.
struct connector_delivery {
    const uint8_t *bus; // 16 bytes
    uint64_t position;
    uint64_t settled; // up to here all of this position's lane (sdk/hutong.h) is settled
    uint32_t attempt;
    bool replay; // an operator sent it again: its effect may be there from an earlier position
    struct bytes id;
    struct bytes source;
    struct bytes subject;
    int64_t time_us;
    const struct schema_message *type;
    struct bytes payload;
    const char *const *attributes; // name, value, …, NULL
    const struct scan *scan;       // of the type's paths as declared by the connector's environment, or NULL
};

struct connector_class {
    const char *name; // "odbc"; the key in adapter.yaml
    bool own_inbox;   // the system keeps the positions in its own transactions: is_done and mark_done aren't
                      // used

    // Reads the connector's part of adapter.yaml; problems go to the report. NULL when there was any. Opens
    // nothing yet.
    struct connector *(*configure)(
        const struct config_node *node, const struct connector_host *host, struct report *report);
    // Connects to the system, resumes. 0, CONNECTOR_RETRY, negative.
    int (*open)(struct connector *connector, struct error *error);
    // Source: looks for records and publishes some (a bounded batch). `*more`: call again at once.
    // `*wait_ms`: otherwise after this long; `*fd`: or when this is readable (-1: none). NULL for a pure
    // sink.
    int (*poll)(struct connector *connector, bool *more, uint32_t *wait_ms, int *fd, struct error *error);
    // Sink: takes one message. The effect may be gathered until commit(). 0 (also for a known repeat),
    // CONNECTOR_RETRY, CONNECTOR_REJECT. NULL for a pure source.
    int (*deliver)(
        struct connector *connector, const struct connector_delivery *delivery, struct error *error);
    // Makes what was delivered since the last commit durable, all or nothing. 0 or CONNECTOR_RETRY (all are
    // tried again).
    int (*commit)(struct connector *connector, struct error *error);
    // The adapter ends: what was published is made durable, and the system is told. Errors are passed over,
    // for the next start goes on from the stored position. NULL: there is nothing to do.
    void (*finish)(struct connector *connector);
    void (*destroy)(struct connector **self);
};

extern const struct connector_class odbc_connector;
extern const struct connector_class file_connector;
extern const struct connector_class http_connector;
extern const struct connector_class kafka_connector;
