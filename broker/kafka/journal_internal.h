// Shared by the files that make the back end; for nobody else.
#pragma once

#include "broker/kafka/author.h"
#include "broker/kafka/destination.h"
#include "broker/kafka/follow.h"
#include "broker/kafka/group.h"
#include "broker/kafka/heights.h"
#include "broker/kafka/journal.h"
#include "broker/kafka/shorten.h"
#include "broker/kafka/transactions.h"
#include "core/journal/backend.h"

#define KAFKA_ORIGIN "origin" // header: the stream, its sequence in 8 bytes, the place in the message in 4
#define KAFKA_ORIGIN_SIZE 28
#define KAFKA_HELD_BYTES ((size_t)32 << 20) // that one destination's arrivals keep, or nothing more is read
#define KAFKA_LEAVE_MS 10000                // how long a destination is kept for a receiver to come back
#define KAFKA_STREAMS_MS 1000               // how often a lane's streams are written, at most

#define ACTIVATIONS_KEPT 64
struct activations {                                 // zero-initialised it is empty
    struct activation_kept *items[ACTIVATIONS_KEPT]; // owned
    size_t count;
    size_t bytes;
};

struct kafka_journal {
    struct journal base;
    struct journal_owner owner;
    struct journal_kafka_options options;
    struct admin *admin;
    struct transactions *transactions;
    bool put_off;           // reading, at the last look
    struct gathered *batch; // being filled; NULL: the one before isn't back
    struct follow *state;
    struct follow *streams;
    uint32_t state_topic, streams_topic, record_topic;
    int32_t partitions;                // of each topic
    struct destination **destinations; // by the core's id of the queue - 1; owned; NULL: none
    size_t destination_count;
    struct authors authors;
    struct activations activations;
    struct map *questions; // key of a stream -> struct stream_question (owned)
    uint64_t last_token;
    uint64_t started; // the last record of the batch that is under way
    struct shortening *shortening;
    struct heights *heights;
    uint64_t weigh_ms; // when to ask for them again
    uint64_t look;     // the question of follow_ask() that a look waits for; 0: none does
    int64_t look_until_ms;
    bool notes;    // lanes are to be written although nothing was appended
    uint64_t turn; // what has no key takes partitions by turns
    int epoll_fd;
    struct journal_status counters;
    struct journal_entry entries[4096]; // room to read a batch
};

static inline struct destination *kafka_destination(const struct kafka_journal *journal, uint32_t id) {
    return id > 0 && id <= journal->destination_count ? journal->destinations[id - 1] : NULL;
}
// Readable when the journal has something to collect. 0 or negative.
int kafka_watch(struct kafka_journal *journal, int fd, struct error *error);
void kafka_unwatch(struct kafka_journal *journal, int fd);

// The topic of a destination. 0 or negative.
int kafka_topic(const struct kafka_journal *journal, const struct destination *destination,
    char out[TOPIC_NAME_SIZE], struct error *error);

// Makes the topics of these systems that aren't there, and compares all with the bus. 0 or negative.
int kafka_make_topics(
    struct kafka_journal *journal, const char *const *systems, size_t count, struct error *error);

// outward.c: a batch's records as what a transaction writes. 0, KAFKA_FULL, negative.
int outward_gather(struct kafka_journal *journal, const struct journal_batch *batch, struct error *error);
// queues.c: those that the batch is the first to name. As above.
int queues_add(struct kafka_journal *journal, const struct journal_batch *batch, struct error *error);

// The lanes alone, of which there is news.
int outward_gather_lanes(struct kafka_journal *journal, struct error *error);

// retention.c: what is past its time goes from destinations' topics.
// What is older, since 1970, may go: a look begins when the state of lanes is known. 0 or negative.
int retention_ask(struct kafka_journal *journal, int64_t until_ms, struct error *error);
int retention_answered(struct kafka_journal *journal, uint64_t token, struct error *error); // by the state
// What is known of its streams is written with the next batch, or by itself: what lies behind it can't go.
void retention_note(struct kafka_journal *journal, const struct destination *destination);

// weighing.c: how much waits in queues. 0 or negative.
int weighing_run(struct kafka_journal *journal, struct error *error);

// activations.c: the last ones of this process. 0 or -ENOMEM.
int activations_keep(struct activations *kept, const struct journal_record *record);
int activations_read(const struct activations *kept, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context);
void activations_destroy(struct activations *kept);

// arriving.c: a GROUP_RECORD. 0 or negative.
int arriving_take(struct kafka_journal *journal, struct destination *destination,
    const struct group_event *event, struct error *error);
int arriving_pass_by(struct kafka_journal *journal, struct part *part, uint64_t number); // 0 or -ENOMEM

// letters.c: dead letters, for an operator.
// All that wait are here; JOURNAL_BUSY: not yet. As journal_letters().
int letters_fetch(struct kafka_journal *journal, uint32_t queue, struct error *error);
void letters_assigned(const struct kafka_journal *journal, struct destination *letters);
void letters_revoked(const struct kafka_journal *journal, struct destination *letters); // before it forgets
int letters_arrive(struct kafka_journal *journal, struct part *part, const struct group_event *event);
int letters_read(struct kafka_journal *journal, const struct destination *letters, uint64_t from,
    size_t max_count, size_t max_bytes, journal_visit *visit, void *context, struct error *error);
// The part of the batch in which something is done with a letter: it is written if that is this process's
// still. `*gone`: it isn't. As gathered_part().
int letters_part(
    struct kafka_journal *journal, struct destination *letters, uint64_t place, uint32_t *part, bool *gone);
struct destination *letters_of(const struct kafka_journal *journal, const struct destination *of); // or NULL

// inward.c: what comes from the cluster. 0 or negative.
int inward_run(struct kafka_journal *journal, struct error *error);
// Nothing is under way: groups are left and partitions given back where that was waited for.
int inward_let_go(struct kafka_journal *journal, struct error *error);
int inward_join(struct kafka_journal *journal, struct destination *destination, struct error *error);
int inward_serve(struct kafka_journal *journal, uint32_t queue, bool serve, struct error *error);
// All groups are left, so that others needn't wait for a silent member; within some seconds.
void inward_leave_all(struct kafka_journal *journal);
int inward_committed(struct kafka_journal *journal, const struct gathered *batch);

// streams.c
int streams_ask(struct kafka_journal *journal, const char *system, const uint8_t stream[16],
    uint64_t *sequence, struct error *error);
// For struct follow_options: of what brokers say of a stream the highest counts.
bool streams_counts(struct bytes before, struct bytes value);
void streams_answered(struct kafka_journal *journal, uint64_t token);
void streams_destroy(struct kafka_journal *journal);
// The key of what a lane's owner knows: "AGENCY/SYSTEM", 0, the partition; with `streams` an "s". Appended.
int lane_key(const struct part *part, bool streams, struct buffer *out);
// The partition of PREFIX.state that has both: it alone is read to its end before the lane is. All lanes of a
// destination have the same, since each partition that a transaction writes to costs the cluster.
int32_t lane_home(const struct kafka_journal *journal, const struct part *part);
