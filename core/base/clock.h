// The machine's clocks, in nanoseconds. For daemons and tools: nothing that runs inside broker_step() may
// call these.
#pragma once

#include <stdint.h>

#define CLOCK_SECOND_NS 1000000000ull
#define CLOCK_MILLISECOND_NS 1000000ull

uint64_t clock_monotonic_ns(void); // never goes back; for deadlines
int64_t clock_realtime_ns(void);   // since 1970-01-01T00:00:00Z; for records
