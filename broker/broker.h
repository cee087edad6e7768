// The broker's core: events in, updates out. No socket, file or clock inside, so the whole of it also runs in
// a simulation.
#pragma once

#include "broker/configuration/configuration.h"
#include "broker/delivery/queue.h"
#include "core/base/chunk.h"
#include "core/journal/journal.h"

struct broker;

enum event_kind {
    EVENT_FRAME,    // a peer sent something
    EVENT_GONE,     // a peer can't be reached any more
    EVENT_TURN,     // what was gathered is to be worked on: timers, intake, sending
    EVENT_BLOCKED,  // one batch is under way and the next one is full: nothing is read from peers until then
    EVENT_APPENDED, // what was gathered so far went to the journal as one batch, and is not durable yet
    EVENT_DURABLE,  // the journal has everything up to `durable`
    EVENT_RECORD,   // one record of a load that was asked for
    EVENT_UNREADABLE,    // one that can't be read, now or ever
    EVENT_UNREAD,        // one that the disk failed to read this time
    EVENT_DRAIN,         // deliver nothing new and wait for what is in flight
    EVENT_PAUSED,        // the journal has no room: nothing is taken in, what is durable is delivered
    EVENT_BYE,           // end every session
    EVENT_CONFIGURATION, // from the next message on this configuration is in force
    EVENT_CARRY_RECORD,  // write this record again if it is unsettled: the journal wants to let go of its
                         // segment
    EVENT_CARRY,         // write the active configuration's record again: the journal wants to let go of it
    EVENT_OPERATE,       // one item of an operator's act
    EVENT_OPERATED,      // the part ends: it is recorded who did it and why
};

// A configuration takes over.
struct activation {
    const struct configuration *configuration; // borrowed until the next one took over
    const char *who;
    const char *why; // "" without one
};

struct operation; // broker/operation.h

struct event {
    enum event_kind kind;
    uint64_t now_ms;                     // monotonic
    int64_t now_us;                      // since 1970
    uint64_t connection;                 // FRAME, GONE
    const struct policy_system *proved;  // FRAME: who owns the connection's key; NULL without CURVE
    const char *key;                     // FRAME: that key, a text that lives for ever; NULL without CURVE
    uint64_t last_sequence;              // FRAME, a hello in a shared journal: of its stream
    struct bytes head;                   // FRAME
    struct chunk *body;                  // FRAME: borrowed, or NULL
    uint64_t durable;                    // DURABLE
    uint32_t queue;                      // RECORD, UNREADABLE, UNREAD
    uint64_t position;                   // RECORD, UNREADABLE, UNREAD; OPERATE: in the dead letters' queue
    uint32_t of;                         // RECORD: whose delivery it is read for, where that is known, and
    uint64_t wanted;                     // RECORD: which; 0: it is read over
    const char *damage;                  // UNREADABLE: where the journal is damaged, and how
    const struct journal_record *record; // RECORD, OPERATE
    struct operation *operation;         // OPERATE, OPERATED
    const struct activation *activation; // CONFIGURATION
};

// A frame to be sent. The one who takes the update owns what it holds.
struct outgoing {
    uint64_t connection;
    struct buffer head;
    struct slice body; // none: a frame of one part
    bool last;         // the connection is to be forgotten behind it
};

struct load_wish {
    uint32_t queue; // where it is read: another one's than `of` what was carried
    struct queue_load load;
    uint32_t of; // whose deliveries these are: `rest` of them, from `first` on, from load.from on
    uint64_t first;
    uint64_t rest;
};

// News of a peer, for the log.
struct notice {
    enum {
        NOTICE_UP,
        NOTICE_DOWN,    // it left, or can't be reached
        NOTICE_ENDED,   // the broker ended the session, or refused it
        NOTICE_PARKED,  // its next message is for a queue that is full
        NOTICE_RESUMED, // it waits no more
    } kind;
    char system[129]; // "" before hello
    char instance[65];
    char text[256];
};

struct update {
    struct journal_batch
        *batch; // given by the caller: where records go; to be appended before frames are sent
    struct outgoing *frames;
    size_t frame_count, frame_capacity;
    struct load_wish *loads;
    size_t load_count, load_capacity;
    struct notice *notices;
    size_t notice_count, notice_capacity;
    uint64_t deadline_ms; // of the next turn at the latest
    bool more;            // a turn at once: the batch was full, or more waits
    bool drained;         // after DRAIN: nothing is in flight any more
    bool receivers;       // somebody began to receive, or ended it
    const char *damage;   // BROKER_DAMAGED: what is wrong with the record; a literal
};

// Borrows the configuration. Returns owned, or NULL without memory.
struct broker *broker_new(const struct configuration *configuration);
void broker_destroy(struct broker **self);

// Recovery: journal_open() with this owner, then broker_start(), which makes the records that a start needs
// (queues of new systems, the activation) for the caller to append.
struct journal_owner broker_journal_owner(struct broker *broker);
int broker_start(struct broker *broker, const struct journal *journal, int64_t now_us, struct update *update,
    struct error *error);

enum {
    BROKER_NO_ROOM = 1, // CONFIGURATION, CARRY, CARRY_RECORD, OPERATE: the batch is too full for the record;
                        // nothing was changed
    BROKER_NO_MEMORY = 2, // CONFIGURATION: nothing was changed
    // RECORD, CARRY_RECORD: it isn't what the broker wrote, and `update->damage` says how; nothing was
    // changed. No code of the journal's, which pass beside it.
    BROKER_DAMAGED = 16,
};
// 0, one of the above, or a negative errno: the process must end (what was acknowledged is in the journal).
int broker_step(struct broker *broker, const struct event *event, struct update *update);

// For retention: whether the journal may let go of all of a queue up to a position: it is settled, or carried
// forward, and that is on disk.
bool broker_settled(const struct broker *broker, uint32_t queue, uint64_t last_position);
// Where the record of a delivery or dead letter is to be read: returns the journal's queue, its position
// there in `*at`, and how many follow there one by one in `*rest` (at least 1). What is carried is a
// CarriedRecord.
uint32_t broker_place(
    const struct broker *broker, uint32_t queue, uint64_t position, uint64_t *at, uint64_t *rest);

// Whether a record's body may be erased: nobody needs it any more.
#define BROKER_PROBLEM_SIZE 320
enum broker_erasable {
    BROKER_NOT_ERASABLE,   // `problem` says why
    BROKER_ERASABLE_LATER, // as soon as all that happened so far is on disk
    BROKER_ERASABLE,
};
enum broker_erasable broker_may_erase(
    const struct broker *broker, const struct journal_record *record, char problem[BROKER_PROBLEM_SIZE]);
// Adds the record of who had this one's body erased, and why. 0, BROKER_NO_ROOM, BROKER_DAMAGED (who
// published it can't be read, and a restart would ask), negative.
int broker_record_erased(struct broker *broker, const struct journal_record *erased, const char *who,
    const char *why, struct update *update);

// How much room the journal has.
enum broker_room {
    BROKER_ROOM,      // enough
    BROKER_ROOM_LAST, // the last segment is kept for what settles
    BROKER_ROOM_NONE, // what was gathered was refused
};

// One look for segments past their time: lets go of those that may go, and has a portion of what is unsettled
// in the next one carried forward (into update->batch, for the caller to append).
struct retirement {
    size_t retired; // segments
    bool more;      // look again as soon as the batch is on disk
    bool damaged;   // the oldest one can't be read, so it stays, and all behind it; the error has the place
};
int broker_retire(struct broker *broker, struct journal *journal, int64_t keep_until_ns,
    enum broker_room room, const struct event *now, struct update *update, struct retirement *out,
    struct error *error);

// After a start: what is in force has its record in the journal. It is written again (into update->batch)
// where it is gone or can't be read: `*again`. 0 or negative.
int broker_prove_active(struct broker *broker, struct journal *journal, const struct event *now,
    struct update *update, bool *again, struct error *error);

// The last record that somebody waits for. A batch with none up to it holds only settlements, whose loss in a
// crash means a repeat that the receiver knows: it may wait for company.
uint64_t broker_awaited(const struct broker *broker);

// How often in a row what the queue asked for couldn't be read; QUEUE_READ_TRIES: it is given up.
uint32_t broker_unread(const struct broker *broker, uint32_t queue);

// The first position of a queue from `from` on that is not settled; 0: there is none.
uint64_t broker_next_unsettled(const struct broker *broker, uint32_t queue, uint64_t from);
// The dead letters of a system, also of one that is none any more. False: there are none of that name.
struct broker_dead {
    uint32_t queue;         // the id of the dead letters' queue
    uint64_t next_position; // of the next one
    uint64_t waiting;       // not replayed and not dropped
};
bool broker_dead(const struct broker *broker, const char *system, struct broker_dead *out);

bool broker_has_session(const struct broker *broker, uint64_t connection);
// In a shared journal: for each system's queue, whether somebody here takes from it.
void broker_each_served(const struct broker *broker,
    void (*visit)(void *context, uint32_t queue, const char *name, bool served), void *context);

// Activations of configurations are entries of this queue, at positions without gaps.
#define BROKER_CONFIGURATIONS "config:routes"
struct broker_active {
    uint64_t number;       // 0: none yet
    uint32_t queue;        // the id of BROKER_CONFIGURATIONS
    uint64_t position;     // in it; 0: an older version wrote it
    const uint8_t *digest; // DIGEST_SIZE
};
void broker_active(const struct broker *broker, struct broker_active *out);

// What the broker looks like: peers, queues, counters. Returns owned, or NULL without memory.
// docs/operations.md
struct json_t *broker_describe(const struct broker *broker);

void update_clear(struct update *update);   // frees frames that nobody took; keeps the arrays
void update_destroy(struct update *update); // frees all but the batch
