// How often each thing must have happened over many seeds: a simulation that stopped injecting faults proves
// nothing.
#pragma once

#include "test/sim/world.h"

// Prints all counts; false when one is lower than so many seeds must give.
bool coverage_report(const uint64_t counts[COUNT_END], uint64_t seeds, bool check);
