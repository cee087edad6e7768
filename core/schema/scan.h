// Inside of a scan: the values by slot, and pieces of repeated fields and split messages as linked lists.
#pragma once

#include "core/schema/paths.h"

enum piece_kind {
    PIECE_RUN,    // whole records, one behind the other, each with its tag
    PIECE_PACKED, // the content of a packed field
    PIECE_VALUE,  // the content of one message
};

#define PIECE_NONE UINT32_MAX

struct piece {
    struct bytes bytes;
    uint32_t next; // of the same slot; PIECE_NONE: the last
    enum piece_kind kind;
};

struct scan {
    const struct paths *paths;
    struct bytes message;      // of the last run; borrowed
    struct view_value *values; // by slot; owned
    uint32_t *last;            // by slot: its last piece, when it has one; owned
    size_t value_capacity;
    size_t value_count;
    struct piece *pieces; // owned
    size_t piece_count;
    size_t piece_capacity;
    bool whole;   // the last run checked, and found nothing wrong
    bool unknown; // the last run that checked saw fields that the types don't know
};

// Adds to a repeated field, `count` elements. 0 or -ENOMEM.
int scan_add_run(struct scan *scan, int32_t slot, const uint8_t *record, const uint8_t *end);
int scan_add_packed(struct scan *scan, int32_t slot, struct bytes content, uint32_t count);
int scan_add_message(
    struct scan *scan, int32_t slot, struct bytes content); // a singular one, maybe not the first
void scan_clear_rivals(struct scan *scan, const struct paths_node *node, uint32_t field_index);
