// A routing for tests of who waits for whom: each letter of a message's subject is a system that it goes to.
// 'h' housing/tenancy, 'c' civil_affairs/registration; other lanes go nowhere.
#pragma once

#include "broker/testing.h"

#define H "housing/tenancy"
#define C "civil_affairs/registration"
#define PS "public_security/population"
#define PS2 "public_security/vehicles"

// bench_open() with these systems and `limits` (lines of broker.yaml below `limits:`, or ""); `queue`: what
// housing's file has for its queue, as "{ count: 8, when_full: park }".
void lanes_open(struct bench *bench, const char *limits, const char *queue);
void lanes_close(struct bench *bench);
// Another `queue` for housing, activated as a reload does. Messages to 'h' go nowhere from then on with
// `away`.
void lanes_reload(struct bench *bench, const char *queue, bool away);

const struct queue *lanes_queue(const struct bench *bench, const char *name);
// Of all accepted frames to the connection: the last sequence, and the last hold's reason (0: none).
struct told {
    uint64_t sequence, credit_messages;
    unsigned frames, hold;
    char text[256];
};
struct told lanes_told(struct bench *bench, uint64_t connection);
