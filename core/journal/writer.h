// A thread that does one job at a time, so that its owner works on meanwhile. The owner and the thread share
// what the job works on under `lock`. For back ends of the journal.
#pragma once

#include <stdbool.h>

struct writer;

// `work` is run in the thread, once for each writer_start(). 0 or negative. Returns owned.
int writer_new(void (*work)(void *context), void *context, struct writer **out);
void writer_destroy(struct writer **self); // behind the job that is under way

void writer_start(struct writer *writer); // the one before has ended
bool writer_busy(const struct writer *writer);
void writer_wait(struct writer *writer); // until no job is under way

// Readable after the job said something (or ended), until writer_heard().
int writer_fd(const struct writer *writer);
void writer_tell(struct writer *writer);  // by the job
void writer_heard(struct writer *writer); // by the owner

void writer_lock(struct writer *writer); // NULL: does nothing
void writer_unlock(struct writer *writer);
