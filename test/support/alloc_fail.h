// Makes the N-th allocation fail in programs linked with WRAP_ALLOC (see cmake/Hutong.cmake), of all threads
// together that aren't exempt.
#pragma once

#include <stdbool.h>
#include <stddef.h>

void alloc_fail_after(size_t successes); // that many allocations succeed, all later ones fail
void alloc_fail_once(size_t successes);  // the one behind them fails, no other
void alloc_fail_never(void);
void alloc_exempt_this_thread(bool yes); // such as one that plays the other side
size_t alloc_count(void); // allocations since the last call of alloc_fail_after() or alloc_fail_never()
