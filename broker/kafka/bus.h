// What the bus is, as PREFIX.bus says: its id, and how many partitions each topic has had from the first day.
// The first record of each counts, so that any number of first brokers agree. It blocks.
#pragma once

#include "broker/kafka/topics.h"

#define BUS_ID_SIZE 16

// Reads PREFIX.bus, adds what it doesn't say yet (an id; the partitions of topics, as they are), reads it
// again, and compares the topics with it. They were described before (topics_describe()), and PREFIX.bus is
// one of them. 0 and the id; KAFKA_WRONG: a topic has another number of partitions, and the text says so of
// the first, or an export to this bus isn't complete; KAFKA_AGAIN; negative.
int bus_agree(struct admin *admin, const struct topics *topics, uint8_t id[BUS_ID_SIZE], struct error *error);

// The same for the export of a journal whose bus has an id already: no broker starts here between the first
// bus_claim() and bus_complete(). KAFKA_WRONG: the topic is another bus's.
int bus_claim(struct admin *admin, const struct topics *topics, const uint8_t id[BUS_ID_SIZE], bool *complete,
    struct error *error);
int bus_complete(struct admin *admin, const char *prefix, const uint8_t id[BUS_ID_SIZE], struct error *error);
