// The sidecar: one connector between a legacy system and the bus. Its one thread waits for the bus, the
// system and signals; the SDK's thread talks to the broker.
#pragma once

#include "adapters/sidecar/config.h"
#include "adapters/sidecar/crashes.h"
#include "core/codes/codes.h"
#include "sdk/hutong.h"
#include "sdk/inbox.h"

#include <signal.h>

struct sidecar;

// Loads catalogue and codes, configures the connector; opens nothing. 0 and `*out` owned; -EINVAL with
// problems in the report, -ENOMEM. `config` is borrowed.
int sidecar_new(const struct sidecar_config *config, struct sidecar **out, struct report *report);
void sidecar_destroy(struct sidecar **self);

// Runs until SIGTERM or SIGINT (which the caller has blocked), then drains within the deadline. 0; 1 after a
// failure that was logged.
int sidecar_run(struct sidecar *sidecar);

// ---- Between the parts ----

struct sidecar_counts { // since the start
    uint64_t refused_rows;
    uint64_t done;
    uint64_t retried; // given back to the broker to come later
    uint64_t rejected;
    uint64_t tries; // at the system that failed and are repeated
};

// A delivery that isn't settled yet, with copies of what it points to.
struct held {
    struct connector_delivery delivery;
    const char *type; // its name; delivery.type is NULL when the catalogue has none
    unsigned tries;
    bool due;                      // in the round that is running
    int verdict;                   // of the last try
    _Alignas(void *) char bytes[]; // what delivery and type point to
};

struct back_off {
    uint64_t delay_ns; // 0: none
    uint64_t due_ns;   // monotonic
};

struct sidecar {
    const struct sidecar_config *config;
    struct catalogue *catalogue;
    struct codes *codes;
    struct connector_host host;
    struct connector *connector;
    struct hutong *hutong;
    struct inbox *inbox;         // NULL: the connector keeps its own
    uint8_t bus[INBOX_BUS_SIZE]; // of the delivery being handled
    struct buffer subject;
    struct buffer id;
    struct buffer position;
    struct held **held; // in the order they came
    size_t held_count;
    size_t held_capacity;
    struct crashes crashes;
    uint64_t suspects; // that were tried alone
    struct back_off opening;
    struct back_off giving;
    struct back_off taking;
    uint64_t poll_due_ns;
    uint64_t settle_ns; // when memory is given back; 0: it was
    bool settled;       // that of the start was
    uint64_t moved;     // messages in and out, as seen last
    int connector_fd;   // -1: none
    bool opened;
    bool failed;
    int signals;        // of SIGTERM and SIGINT; -1: not yet
    uint64_t end_by_ns; // what `drain` says, from when it was asked to end; 0: it wasn't
    struct sidecar_counts counts;
    uint64_t status_due_ns;
    uint64_t status_look_ns;
    char *status_path;
    char *status_temporary;
    uint32_t status_digest;
    enum hutong_state seen_state;
    char seen_text[256];
    char seen_notice[256];
    char seen_hold[256];
    bool state_seen;
    uint64_t seen_refused;
    char trouble[ERROR_TEXT_SIZE]; // the last of the system's, "" when all is well
};

void sidecar_host(struct sidecar *sidecar); // fills sidecar->host
void sidecar_trouble(
    struct sidecar *sidecar, enum log_level level, const char *id, const struct error *error);

// Of most_ms, what is left when the adapter was asked to end; looks whether it is.
uint32_t sidecar_patience_ms(struct sidecar *sidecar, uint32_t most_ms);

void back_off_reset(struct back_off *back_off);
// The next delay, doubled up to 30 s, with jitter.
void back_off_grow(struct back_off *back_off, uint64_t now_ns);

// Deliveries: the SDK's handler puts them down, take_round() tries what is due and settles.
hutong_handler take_hold;
void take_round(struct sidecar *sidecar, uint64_t now_ns);
void take_forget(struct sidecar *sidecar); // frees what is held: it comes again in the next session

// The state as JSON in <state>/status.json, written whole when it changed.
void status_write(struct sidecar *sidecar, uint64_t now_ns, const char *state);
