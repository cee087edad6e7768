// What the parts of the tests of routes share.
#pragma once

#include "broker/routing/trial/cases.h"
#include "core/config/config.h"
#include "core/schema/arena.h"

#include <jansson.h>

// A delivery, or a dead letter, that a case expects.
struct expectation {
    const struct config_node *node;
    const struct policy_system *to;
    const struct schema_message *type; // of the delivery; NULL: not said
    const struct config_node *message; // all of its fields; or NULL
    const struct config_node *has;     // some of them; or NULL
    const struct config_node *route;   // these: a scalar or NULL
    const struct config_node *agreement;
    const struct config_node *order_by;
    const struct config_node *dead;
    const struct config_node *text;
    const struct config_node *item; // its place among those that the message is split into
    int64_t item_number;
    json_t *fields; // owned; of `message` or `has`, as JSON writes them; NULL: neither is there
};

struct test_case {
    const char *name;
    const struct config_node *node;
    const struct policy_system *from;
    const struct schema_message *type;
    struct bytes subject;
    struct buffer payload; // owned
    const struct config_node *at;
    int64_t at_us;
    const struct config_node *expect;
    const struct config_node *refused; // a scalar; NULL: it is to be routed
    struct expectation *expectations;  // in the arena
    size_t count;                      // 0: to nobody
};

struct cases {
    const struct routes *routes;
    struct config_file **files; // owned
    size_t file_count;
    struct test_case *items; // owned
    struct arena arena;      // expectations
    size_t count;
    size_t capacity;
    struct report *report; // only while loading
    bool no_memory;
};

// ---- Loading ----

// The type or system that a scalar names, or NULL (reported).
const struct schema_message *case_type(struct cases *cases, const struct config_node *node);
const struct policy_system *case_system(struct cases *cases, const struct config_node *node);
// A message that cases start from.
struct fixture {
    const struct config_node *node;
    const struct schema_message *type; // NULL, as `from`: it is wrong
    const struct policy_system *from;
    struct bytes subject;
    json_t *fields;      // owned
    struct buffer bytes; // owned; of a file *.binpb
    bool binary;         // it is such a file
    bool fine;
};
void fixture_load(struct cases *cases, const struct config_node *node, struct fixture *out);
void fixture_free(struct fixture *fixture);

struct fixtures {
    struct fixture *items; // owned
    const char **names;    // parallel; owned, the texts are the file's
    size_t count;
};
// `messages` may be NULL.
void fixtures_load(struct cases *cases, const struct config_node *messages, struct fixtures *out);
// Warns of each message that no case of `list` sends.
void fixtures_unused(struct cases *cases, const struct config_node *messages, const struct config_node *list);
void fixtures_free(struct fixtures *fixtures);

// Who sends what. Without type or sender they are NULL (reported).
void input_load(struct cases *cases, struct test_case *item, const struct fixtures *fixtures);
void expectation_load(struct cases *cases, const struct test_case *item, const struct config_node *node,
    struct expectation *out);

// Whether the route is looked at for the case's message.
bool case_takes(const struct route *route, const struct test_case *item);

// ---- A message's fields in YAML ----

// As JSON, with the fields' names of the .proto file. What is wrong is reported. NULL then, or without
// memory.
json_t *fields_read(const struct config_node *node, const struct schema_message *type, struct report *report);
// Lays `over` upon `base`: messages field by field, null removes, anything else replaces. 0, -ENOMEM.
int fields_merge(json_t *base, const json_t *over, const struct schema_message *type);
// Makes wire bytes. What is wrong is reported at its place in one of the nodes, the first that has one. 0, 1
// (reported), -ENOMEM.
int fields_write(const json_t *fields, const struct schema_message *type,
    const struct config_node *const *nodes, size_t count, struct report *report, struct buffer *out);
// What JSON makes of wire bytes, with the names of the .proto file. NULL without memory, or with the text.
json_t *fields_parse(
    const struct schema_message *type, struct bytes wire, bool with_defaults, struct error *error);

// ---- Comparing ----

// Reports each field in which they differ, at its place. `what` begins each line. 0, -ENOMEM.
struct fields_diff {
    const char *what;
    bool exact; // all fields, and not only those that the node has
    struct report *report;
};
int fields_compare(const struct fields_diff *diff, const struct config_node *node,
    const struct schema_message *type, const json_t *expected, const json_t *got);
