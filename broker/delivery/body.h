// The body of a Deliver frame while it fills: a slice of a chunk as long as the envelopes stand there just as
// a body has them, one behind the other with their lengths between (so they came in a publisher's frame, or
// were laid so when they were loaded); else a copy. Inside broker/delivery.
#pragma once

#include "broker/delivery/queue.h"

struct body {           // zero-initialised it is empty
    struct slice slice; // all of it; or none, then:
    struct buffer copy;
};

// Whether the envelope's length stands before it in the chunk as a body has it.
bool body_laid(const struct chunk *chunk, struct bytes envelope);

enum {
    BODY_ENDS = 1, // the frame had better end before this one
};
// `more`: of so many bytes it and those that may follow can be. 0, BODY_ENDS, -ENOMEM.
int body_add(struct body *body, const struct delivery *delivery, size_t more);
static inline size_t body_size(const struct body *body) {
    return body->slice.bytes.size + body->copy.size;
}
int body_finish(struct body *body, struct slice *out); // it is empty afterwards. 0, -ENOMEM
void body_destroy(struct body *body);
