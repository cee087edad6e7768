// What the bus is, as PREFIX.bus says: its id, and how many partitions each topic has had from the first day.
// The first record of each counts, so that any number of first brokers agree. It blocks.
#pragma once

#include "broker/kafka/topics.h"

#define BUS_ID_SIZE 16

// Reads PREFIX.bus, adds what it doesn't say yet (an id; the partitions of topics, as they are), reads it
// again, and compares the topics with it. They were described before (topics_describe()), and PREFIX.bus is
// one of them. 0 and the id; KAFKA_WRONG: a topic has another number of partitions, and the text says so of
// the first; KAFKA_AGAIN; negative.
int bus_agree(struct admin *admin, const struct topics *topics, uint8_t id[BUS_ID_SIZE], struct error *error);
