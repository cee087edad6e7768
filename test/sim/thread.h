// The journal's writer (core/journal/writer.h, of which thread.c stands in place) as a thread of the
// simulated process: a stack of its own, that is left wherever the writer waits for the disk, and gone on
// with when the world's time has come. So others run while a batch is under way, never two at once, and the
// seed says all.
#pragma once

#include "test/sim/world.h"

// Time passes for the one that runs: in the writer's thread the others go on meanwhile. A process whose end
// has come (`dead`) waits for nothing.
void thread_pass(struct world *world, uint64_t ns);
void thread_init(struct world *world, const bool *dead);
bool thread_busy(void); // a batch is under way
bool thread_told(void); // the owner is to look: writer_fd() is readable
