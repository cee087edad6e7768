// What the product asks the machine for, answered by the simulated world: clocks, randomness, the log. By the
// linker's
// --wrap (CMakeLists.txt).
#include "test/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

uint64_t __wrap_clock_monotonic_ns(void);
int64_t __wrap_clock_realtime_ns(void);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);
void __wrap_log_event(int level, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint64_t __wrap_clock_monotonic_ns(void) {
    return the_world ? the_world->now : 0;
}

int64_t __wrap_clock_realtime_ns(void) {
    return the_world ? world_wall_ns(the_world) : 0;
}

// Also before main(), for the seed of hash maps: then always the same.
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags) {
    uint8_t *bytes = out;
    (void)flags;
    for (size_t i = 0; i < size; i++)
        bytes[i] = the_world ? (uint8_t)world_random(the_world) : (uint8_t)(i * 37 + 11);
    return (ssize_t)size;
}

void __wrap_log_event(int level, const char *id, const char *format, ...) {
    (void)level;
    if (!the_world)
        return;
    world_note(the_world, id, 0, 0, 0);
    if (!the_world->trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("            log: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}
