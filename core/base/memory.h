// Memory that a daemon touched to start and needs no more.
#pragma once

#include <stddef.h>

// Gives free heap back, and lets go of pages of programs and libraries that hold nothing of ours: they were
// touched once, by the dynamic linker and by initialisers; what is needed again comes back from the page
// cache. Cheap, for a daemon that has started and will idle. Returns the bytes of mappings that were let go
// of; 0 where /proc is not there.
size_t memory_settle(void);
void memory_trim(void); // gives free heap back
