// The ids of messages that were posted: a repeat is recognised for as long as the window lasts, also after a
// crash. An id is written before its message is given to the bus; the sequence that the source's position
// then holds tells at the next open whether the message got there.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

struct seen;

#define SEEN_ID_LIMIT 512 // bytes of an id

// `path`: its file. `sequence`: of the last message that is durable (0: none); later ids are forgotten.
// `window_s` and `limit`: how long and how many ids are kept at most. `now_s`: seconds since 1970. 0 and
// `*out` owned, negative.
int seen_open(const char *path, uint64_t sequence, uint64_t window_s, size_t limit, int64_t now_s,
    struct seen **out, struct error *error);
void seen_destroy(struct seen **self);

bool seen_has(const struct seen *seen, struct bytes id, int64_t now_s);
// Writes an id durably; `*sequence`: its number, for the position. 0, negative.
int seen_add(struct seen *seen, struct bytes id, int64_t now_s, uint64_t *sequence, struct error *error);
// The message of the last id was not taken: it is forgotten.
int seen_undo(struct seen *seen, struct error *error);
