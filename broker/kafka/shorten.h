// Topics are shortened at their old end, by a thread of its own: what lies before an offset and is older than
// a time goes. Nothing here knows what a record says.
#pragma once

#include "broker/kafka/topics.h"

#include <stdbool.h>

struct shortening; // one look at a time

// `admin` is borrowed until it is closed; nobody else deletes by it. 0 or negative.
int shortening_open(struct admin *admin, struct shortening **out, struct error *error);
// Waits for the question under way, at most SHORTEN_MS.
void shortening_close(struct shortening **self);

#define SHORTEN_MS 5000

bool shortening_busy(const struct shortening *shortening);
// The next look is about this partition too, up to an offset; none is under way. 0 or -ENOMEM.
int shortening_add(struct shortening *shortening, const char *topic, int32_t partition, int64_t before);
void shortening_clear(struct shortening *shortening); // what was added
// Begins to look. What is older than `until_ms` (since 1970) goes, but nothing behind what isn't. What a
// topic can't do is told, and the others go on; when the cluster doesn't answer the look ends. A topic that
// isn't there is passed over.
void shortening_start(struct shortening *shortening, int64_t until_ms);
