// The trie of all paths that are read of one root type: a node for each message on the way, a step for each
// of its fields.
#pragma once

#include "core/schema/view.h"

struct paths_node;

struct paths_step {
    struct paths_node *child; // NULL: nothing inside is read
    int32_t slot;             // -1: the field itself is not read
    bool rivals;              // another member of its oneof is read, and cleared when this one comes
    bool used;                // in the list of the node
    bool active;              // any of these: a scan must not pass it over
    bool plain; // a singular scalar with a slot and without rivals: the value is all there is to it
};

struct paths_node {
    struct paths_node *next; // in the list of all
    const struct schema_message *type;
    struct paths_step *steps; // by field index; owned
    uint16_t *used;           // indexes of the fields with a slot or a child; owned
    size_t used_count;
};

struct paths {
    struct paths_node *nodes; // all of them, the newest first; owned
    struct paths_node *root;
    size_t size; // slots
};
