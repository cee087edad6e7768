// In place of writer.c, on the model disk: the thread is a fiber that goes one call of the disk further with
// each call that its owner makes of the writer. So what lies between the two is the same in each run, and
// every call of either can be the one that fails or before which the power is cut.
#include "core/journal/model_disk.h"
#include "core/journal/writer.h"
#include "test/support/fiber.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

struct writer {
    void (*work)(void *context);
    void *context;
    bool locked;
};

static void pause_at_call(void) {
    if (fiber_inside())
        fiber_pause();
}

static void step(void) {
    if (!fiber_inside() && !fiber_ended())
        fiber_go_on();
}

int writer_new(void (*work)(void *context), void *context, struct writer **out) {
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return -ENOMEM;
    *writer = (struct writer){.work = work, .context = context};
    model_disk_on_call(pause_at_call);
    *out = writer;
    return 0;
}

void writer_destroy(struct writer **self) {
    if (!*self)
        return;
    writer_wait(*self);
    model_disk_on_call(NULL);
    free(*self);
    *self = NULL;
}

void writer_start(struct writer *writer) {
    fiber_start(writer->work, writer->context);
}

bool writer_busy(const struct writer *writer) {
    (void)writer;
    return !fiber_ended();
}

void writer_wait(struct writer *writer) {
    while (writer_busy(writer))
        step();
}

int writer_fd(const struct writer *writer) {
    (void)writer;
    return INT_MAX; // nobody waits for it
}

void writer_tell(struct writer *writer) {
    (void)writer;
}

void writer_heard(struct writer *writer) {
    (void)writer;
    step();
}

void writer_lock(struct writer *writer) {
    if (!writer)
        return;
    step();
    while (writer->locked && !fiber_inside())
        step();
    if (writer->locked)
        abort(); // the owner never stops while it has it
    writer->locked = true;
}

void writer_unlock(struct writer *writer) {
    if (writer)
        writer->locked = false;
}
