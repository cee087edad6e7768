// The files of a journal's folder and their names. Inside core/journal.
#pragma once

#include "core/base/error.h"

#define SEGMENT_NAME_SIZE 40
#define SEGMENT_NEW "new.tmp" // a segment that has no head yet

void segment_name(uint64_t number, char out[SEGMENT_NAME_SIZE]); // "00000000000000000001.segment"
void spare_name(
    uint64_t number, char out[SEGMENT_NAME_SIZE]); // "00000000000000000001.spare": retired, to be reused

struct folder_list {
    uint64_t *segments; // owned, rising, without gaps
    size_t segment_count;
    uint64_t *spares; // owned, rising
    size_t spare_count;
};

// 0, JOURNAL_DAMAGED when a segment in the middle is missing, or negative.
int folder_read(int folder, struct folder_list *out, struct error *error);
void folder_list_destroy(struct folder_list *list);
