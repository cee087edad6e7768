// Shared by the files of the broker's core; for nobody else.
#pragma once

#include "broker/broker.h"
#include "broker/session/session.h"

struct broker_counters {
    uint64_t accepted, carried, repeats, refused, unrouted, deliveries, dead, settled, sessions, errors,
        unsaid;
    uint64_t refused_by[64]; // by wire_reason
};

struct broker {
    const struct configuration *configuration; // policy, routes and matcher are its
    const struct policy *policy;
    const struct routes *routes;
    struct matcher *matcher;
    struct session_limits session_limits;
    struct queue_limits queue_limits; // of a system that the configuration doesn't know
    struct queue_batch_limits batch_limits;
    size_t turn_until;     // of the batch's bytes, in this turn
    size_t batch_soft;     // bytes of records after which intake waits for the append
    size_t batch_hard;     // what a batch may hold
    uint64_t subject_seed; // the same for the life of the journal, since records keep the hashes
    uint8_t bus[16];
    uint64_t next_record;
    uint64_t awaited; // the last record that somebody waits for: an acceptance, a delivery, an operator
    uint64_t durable;
    uint64_t marked; // the last record of the batch that was appended and is not durable yet; 0: none
    uint64_t now_ms;
    uint64_t ticked_ms; // when sessions were last looked at
    int64_t now_us;
    int64_t started_us;
    bool draining;
    bool paused; // the journal has no room
    bool shared; // the journal is: what is sent comes back by shared.c

    struct list sessions;
    struct list turns;          // accounts with something to be taken in, the next one first
    struct list parked;         // sessions that wait for room in a queue
    struct map *accounts;       // by system; owned
    struct peer_news strangers; // those that ended before hello
    struct number_map by_connection;
    size_t session_count;
    size_t connections; // limit of them
    struct publishers publishers;

    struct queue **queues; // by id - 1; owned
    size_t queue_count;
    struct map *queues_by_name;
    struct queue **of_system; // by policy_system.index
    struct queue **dead_of;   // by queue id - 1: its dead letters' queue, or NULL
    struct map *names;        // interned route names
    struct list agenda;       // queues that have something to do, by queue.work
    struct heap timers;       // queues by when they need a tick, by queue.timer

    struct laying load; // loaded envelopes

    struct buffer scratch; // a message record, but for the envelopes
    struct bytes *parts;   // of it
    struct record_delivery *deliveries;
    size_t delivery_capacity;
    struct journal_entry *entries;
    uint32_t copies[3 * MATCH_COPIES_LIMIT]; // of the deliveries

    struct {
        uint8_t digest[DIGEST_SIZE];
        uint64_t number;   // 0: none
        uint64_t position; // of its record in BROKER_CONFIGURATIONS
        uint64_t record;   // that record, where this process wrote it
        int64_t time_us;
        char who[129];
        char why[257];
    } active;
    struct queue *activations; // BROKER_CONFIGURATIONS
    struct broker_counters counters;
};

// update.c
int update_frame(struct update *update, uint64_t connection, const wire_frame *frame, bool last);
struct outgoing *update_outgoing(struct update *update, uint64_t connection); // NULL without memory
// Without memory the news is lost, and nothing else.
void update_notice(struct update *update, int kind, const struct session *session, const char *text);
int update_load(struct update *update, const struct load_wish *wish);

// peers.c: sessions begin and end
int peers_frame(struct broker *broker, const struct event *event, struct update *update);
int peers_end(struct broker *broker, struct session *session, struct update *update, wire_reason reason,
    const char *text);
int peers_gone(struct broker *broker, uint64_t connection, const char *why, struct update *update);
int peers_tick(struct broker *broker, struct update *update);
int peers_keep(struct broker *broker, struct update *update); // heartbeats, and nobody is taken for gone
// Sessions go on as systems of this policy; those that it doesn't know are ended.
int peers_move(struct broker *broker, const struct policy *policy, struct update *update);
int peers_say_bye(struct broker *broker, struct update *update);

// intake.c: publishing
enum {
    INTAKE_PARKED = SESSION_EMPTY + 1, // the session waits for room in a queue
    INTAKE_ENDED,                      // the session is no more
};
// One message of a session. 0, one of these, SESSION_EMPTY, JOURNAL_BATCH_FULL, a fatal negative.
int intake_one(struct broker *broker, struct session *session, struct update *update);

// shares.c: whose turn it is to publish
int intake_run(struct broker *broker, struct update *update);    // until all is taken in or the batch is full
int shares_open(struct broker *broker, struct session *session); // 0 or -ENOMEM
void shares_enter(struct broker *broker, struct session *session); // it has something to be taken in
void shares_charge(struct session *session, size_t bytes);         // that a message of it had
void shares_destroy(struct map **accounts);

// parking.c: publishers that wait for room in a queue
struct queue *parking_obstacle( // the first queue among the matches' that is full, or NULL
    const struct broker *broker, const struct match *matches, size_t count);
void parking_begin(
    struct broker *broker, struct session *session, struct queue *queue, struct update *update);
void parking_end(struct broker *broker, struct session *session, struct update *update);
void parking_forget(struct broker *broker, struct session *session); // before it goes
bool parking_has_room(struct broker *broker);                        // somebody need wait no more
void parking_retry(struct broker *broker, bool all); // those that need wait no more get their turn, or all

// pausing.c: no room in the journal
int pausing_run(struct broker *broker, struct update *update);
void pausing_end(struct broker *broker);

// outflow.c: what goes out, is settled, dies
int outflow_settle(struct broker *broker, struct session *session, const Hutong__Bus__V1__Settle *settle,
    struct update *update);
int outflow_run(struct broker *broker, struct update *update);
int outflow_durable(struct broker *broker, struct update *update); // without any record

// loaded.c: what was read from the journal. 0, BROKER_DAMAGED, negative.
int loaded_record(struct broker *broker, const struct event *event, struct update *update);
int loaded_unreadable(struct broker *broker, const struct event *event);
int loaded_unread(struct broker *broker, const struct event *event);

// shared.c: what a shared journal tells; see struct journal_owner
int shared_arrived(void *context, const struct journal_arrival *arrival);
int shared_withdrawn(void *context, uint32_t id, uint64_t position, size_t bytes);
int shared_settled(void *context, uint32_t id, uint64_t place);
bool shared_weighed(void *context, uint32_t id);
int shared_waiting(void *context, uint32_t id, uint64_t count);

// marks.c: what was true when a batch was appended, and is true on the disk when it is durable
void marks_take(struct broker *broker);
void marks_durable(struct broker *broker, uint64_t durable);

// settlement.c: the records of what came back
bool settlement_waits(const struct queue *queue);                              // for room in the batch
bool settlement_holds(const struct broker *broker, const struct queue *queue); // what would go out
int settlement_write(
    struct broker *broker, struct queue *queue, struct update *update); // what there is room for
// What the records so far say, and so what a checkpoint must: all up to here are settled; and the spans
// beyond, added to `out`. 0 or -ENOMEM.
uint64_t settlement_recorded(const struct queue *queue);
int settlement_recorded_beyond(const struct queue *queue, struct spans *out);

// registry.c: queues and names, with recovery's help
struct queue *registry_queue(const struct broker *broker, uint32_t id); // or NULL
struct queue_limits registry_limits(const struct broker *broker, const char *name);
struct queue *registry_add_queue(struct broker *broker, uint32_t id, const char *name, struct error *error);
struct queue *registry_dead_queue(struct broker *broker, const struct queue *queue);
void registry_wake(struct broker *broker); // every queue: something changed for all of them
const char *registry_name(struct broker *broker, struct bytes name); // interned, or NULL
int registry_start(struct broker *broker, struct update *update, struct error *error);
// Makes the queues of all systems of the policy, and of their dead letters. `of_system` gets the systems'
// queues, by index. 0, JOURNAL_BATCH_FULL, negative.
int registry_queues(struct broker *broker, const struct policy *policy, struct queue **of_system,
    struct update *update, struct error *error);
// Makes the queue with this name unless it is there, with the record that says so: both or neither. 0,
// JOURNAL_BATCH_FULL, negative.
int registry_ensure_queue(
    struct broker *broker, const char *name, struct update *update, struct queue **out, struct error *error);
void registry_free_names(struct map **names); // of route names

// activate.c: one configuration gives way to the next
int activate_run(struct broker *broker, const struct activation *activation, struct update *update);
int activate_carry(struct broker *broker, struct update *update);
// The record that says so. 0, JOURNAL_BATCH_FULL, negative.
int activate_record(struct broker *broker, const struct activation *activation, struct update *update);

// carry.c: what outlives its segment's retention
// The first position of queue `id`, up to `last`, at which the journal still has to keep something that is
// unsettled and stands nowhere else; 0: none.
uint64_t carry_needed(const struct broker *broker, uint32_t id, uint64_t last);
// Whether the journal may let go of all of the queue up to `last`.
bool carry_may_go(const struct broker *broker, struct queue *queue, uint64_t last);
// Whether it may not yet only because the disk doesn't know all of what memory does.
bool carry_waits(const struct broker *broker, uint32_t id, uint64_t last);
int carry_record(struct broker *broker, const struct event *event, struct update *update);
int carry_replay(struct broker *broker, const struct journal_record *record); // 0, -EBADMSG, -ENOMEM

// operation.c: what an operator does. 0, BROKER_NO_ROOM (nothing happened to the item), negative.
int operation_take(struct broker *broker, struct operation *operation, uint64_t position,
    const struct journal_record *record, struct update *update);
int operation_finish(struct broker *broker, struct operation *operation, struct update *update);

static inline void broker_count_dead(struct broker *broker, struct queue *queue, uint32_t reason) {
    broker->counters.dead++;
    queue->counters.dead++;
    queue->counters.dead_by[reason < 64 ? reason : 0]++;
}

// erase.c
int erase_replay(struct broker *broker, const struct journal_record *record); // of one without its body

// broker.c
void broker_take_settings(struct broker *broker, const struct policy_settings *settings);

static inline struct queue_time broker_time(const struct broker *broker) {
    return (struct queue_time){.ms = broker->now_ms, .us = broker->now_us};
}

// A record was added: somebody waits for it, unless its writer knows better.
static inline uint64_t broker_count_record(struct broker *broker) {
    broker->awaited = broker->next_record;
    return broker->next_record++;
}

// Somebody waits for that record, or for all that was added so far.
static inline void broker_await(struct broker *broker, uint64_t record) {
    if (record > broker->awaited)
        broker->awaited = record;
}

// Adds a packed record and counts it. 0, JOURNAL_BATCH_FULL, negative.
int broker_record(struct broker *broker, struct update *update, Hutong__Bus__V1__RecordKind kind,
    const ProtobufCMessage *message, const struct journal_entry *entry);
