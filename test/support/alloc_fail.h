// Makes the N-th allocation fail in programs linked with WRAP_ALLOC (see cmake/Hutong.cmake). One thread
// only.
#pragma once

#include <stddef.h>

void alloc_fail_after(size_t successes); // that many allocations succeed, all later ones fail
void alloc_fail_never(void);
size_t alloc_count(void); // allocations since the last call of alloc_fail_after() or alloc_fail_never()
