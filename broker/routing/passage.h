// The way of one message through the routes of its type and sender, between matcher.c and passage.c.
#pragma once

#include "broker/routing/inspect.h"
#include "broker/routing/internal.h"

// Of one topic.
struct scratch {
    struct scan *scan;
    struct cel_activation *activation;
};

#define NUMBER_SIZE 24

// What a match points to as long as buffers still grow.
struct place {
    size_t offset; // of the payload in `output`, or of a dead letter's text in `texts`
    size_t size;
    bool mapped;              // there is a payload, maybe with no bytes at all
    char number[NUMBER_SIZE]; // the subject, when it is a number
};

struct matcher {
    const struct routes *routes;
    struct scratch *scratches; // parallel to routes->topics
    struct match *matches;     // these two grow with the largest message
    struct place *places;
    size_t count;
    size_t capacity;
    struct buffer output;
    struct mapping_copy copies[MATCH_COPIES_LIMIT];
    size_t copy_count;
    struct buffer texts;
    struct buffer known;   // the message without the fields that the catalogue doesn't know
    match_observe observe; // or NULL
    void *observer;
};

// One call of matcher_match().
struct passage {
    struct matcher *matcher;
    struct cel_activation *activation;
    struct bytes subject; // of the envelope
    int64_t now;
    bool less;           // the message had fields that the catalogue doesn't know; `known` is looked at
    size_t sender;       // of the route that is looked at
    int32_t item;        // the element that is looked at; -1: the whole message
    struct error *error; // of what refuses the message
};

int matcher_grow(struct matcher *matcher); // room for twice as many matches; 0, -ENOMEM
// Adds what the route makes of the message. 0; MATCH_TOO_LARGE with the text in passage->error; negative.
int passage_route(struct passage *passage, const struct route *route);
