// A stand-in for a thread in tests that must play the same each time: a function with a stack of its own,
// that is left and gone on with at stated places. One of them runs at a time, and there is one in a process.
#pragma once

#include <stdbool.h>

void fiber_start(void (*work)(void *context), void *context); // the one before has ended; it doesn't run yet
void fiber_go_on(void);                                       // from outside: until it pauses or ends
void fiber_pause(void);                                       // from inside
bool fiber_inside(void);                                      // who asks is in it
bool fiber_ended(void);                                       // also when there never was one
