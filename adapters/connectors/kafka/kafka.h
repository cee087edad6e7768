// The Kafka connector's parts: the reader (topics to the bus), the writer (the bus to topics, in
// transactions), what both are configured with.
#pragma once

#include "adapters/connectors/kafka/offsets.h"
#include "adapters/connectors/kafka/record.h"
#include "adapters/runtime/positions.h"
#include "adapters/runtime/refused.h"
#include "adapters/runtime/rules.h"

#include <librdkafka/rdkafka.h>

#define RECORD_DEFAULT ((uint64_t)1 << 20)
#define QUEUE_DEFAULT ((uint64_t)64 << 20)

// ---- Configuration ----

struct setting {      // of librdkafka, from `settings`
    const char *name; // borrowed from the file
    char *value;      // owned
};

struct read_topic {
    char *topic; // owned
    struct decoder decoder;
    struct paths *paths; // of `subject`, owned, as what follows; NULL: the key is the subject
    struct scan *scan;
    struct cel_env *env;
    struct cel_activation *activation;
    struct cel_program *subject;
    size_t variable;
};

struct write_rule {
    char *topic; // owned
    struct encoder encoder;
};

struct common {
    const struct connector_host *host;
    const struct config_node *node;
    char *brokers;
    struct setting *settings;
    size_t setting_count;
    struct schema_table schemas;
    uint64_t record_limit; // bytes of a record's value
    uint64_t queue_limit;  // bytes that librdkafka may hold, in each direction
};

// A configuration of librdkafka with what both directions share, secrets included. 0 and `*out` owned, or
// negative with the text.
int common_conf(const struct common *common, rd_kafka_conf_t **out, struct error *error);
// Sets one that is right by construction. 0, -EINVAL with the text.
int conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *error);
int conf_set_size(rd_kafka_conf_t *conf, const char *name, uint64_t value, struct error *error);

// ---- Waiting (waiting.c) ----

uint64_t kafka_until_ns(uint32_t ms);
// How long to wait for one answer before looking again; 0: that time is over, or the adapter's.
int kafka_step_ms(const struct common *common, uint64_t until_ns);
// One of librdkafka's calls that goes on where it was when it is called again. Its error, which may be that
// the time was over; NULL: done.
typedef rd_kafka_error_t *kafka_call(rd_kafka_t *rk, int timeout_ms);
rd_kafka_error_t *kafka_ask(const struct common *common, rd_kafka_t *rk, kafka_call *call, uint32_t wait_ms);

// ---- The reader ----

struct pending { // records that wait for room in the spool
    rd_kafka_message_t **items;
    size_t count;
    size_t capacity;
};

struct reader {
    const struct common *common;
    char *group;
    bool latest; // without an offset: from the end on
    uint64_t commit_ns;
    struct read_topic *topics;
    size_t topic_count;
    struct decoded decoded;
    struct buffer position;
    struct buffer place;
    struct refused_file *refused;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int fd; // readable when there are records; -1: closed
    struct offsets offsets;
    struct pending pending;
    bool paused;
    bool stuck;          // it could not leave its group in time
    uint64_t taken;      // records since the start, those that were refused too
    bool dirty;          // some of them Kafka was not told of
    bool refused_last;   // nothing was published since
    struct offsets told; // what Kafka had when a partition became ours
    uint64_t commit_due_ns;
};

int kafka_reader_open(struct reader *reader, struct error *error); // 0, CONNECTOR_RETRY, negative
int kafka_reader_poll(struct reader *reader, bool *more, uint32_t *wait_ms, int *fd, struct error *error);
void kafka_reader_finish(struct reader *reader); // commits while the bus's spool is there
void kafka_reader_close(struct reader *reader);
void kafka_reader_destroy(struct reader *reader);

// reader_give.c: one record to the bus. 0 (also when it was refused), CONNECTOR_RETRY (no room), negative.
int kafka_reader_give(struct reader *reader, const rd_kafka_message_t *message, struct error *error);
// What was given and refused is on disk when it returns. 0, CONNECTOR_RETRY, negative.
int kafka_reader_make_durable(struct reader *reader, struct error *error);
// The offsets as the position. Borrowed until the next one. 0, negative.
int kafka_reader_position(struct reader *reader, struct bytes *out, struct error *error);

// ---- The writer ----

struct given_up { // a message that Kafka refuses for good
    uint64_t position;
    rd_kafka_resp_err_t why;
};

enum writer_phase {
    WRITER_CLOSED,
    WRITER_IDLE,
    WRITER_OPEN,       // in a transaction
    WRITER_COMMITTING, // whether it is committed is not known yet
};

struct writer {
    const struct common *common;
    char *name; // the transactional id, and the topic in which the positions are kept
    struct take_rules *rules;
    struct write_rule *own; // owned, by rule
    size_t own_count;
    rd_kafka_t *rk;
    enum writer_phase phase;
    bool failed;                // this transaction can't be committed
    bool fenced;                // another process has taken over
    struct positions positions; // with those of the transaction under way
    struct buffer committed;    // what the last one that was committed says
    struct given_up given_up[64];
    size_t given_up_count;
    struct encoded encoded;
};

int kafka_writer_open(struct writer *writer, struct error *error); // 0, CONNECTOR_RETRY, negative
int kafka_writer_deliver(
    struct writer *writer, const struct connector_delivery *delivery, struct error *error);
int kafka_writer_commit(struct writer *writer, struct error *error);
void kafka_writer_close(struct writer *writer);
void kafka_writer_destroy(struct writer *writer);

// writer_recover.c: the positions that the last committed transaction wrote; nothing: size 0. 0,
// CONNECTOR_RETRY, negative.
int kafka_writer_recover(const struct writer *writer, struct buffer *out, struct error *error);

// ---- The connector ----

struct connector {
    struct common common;
    struct reader reader;
    struct writer writer;
    bool reads;
    bool writes;
};

struct connector *kafka_configure(
    const struct config_node *node, const struct connector_host *host, struct report *report);
void kafka_destroy(struct connector **self);
// config_rules.c
bool kafka_read_schemas(const struct config_node *node, struct common *common, struct report *report);
bool kafka_read_topics(const struct config_node *node, struct reader *reader, struct report *report);
bool kafka_read_rules(const struct config_node *node, struct writer *writer, struct report *report);
