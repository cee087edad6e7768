#include "adapters/sidecar/sidecar.h"
#include "core/base/clock.h"

#include <sys/random.h>

#define FIRST_NS (100 * CLOCK_MILLISECOND_NS)
#define LAST_NS (30 * CLOCK_SECOND_NS)

void back_off_reset(struct back_off *back_off) {
    *back_off = (struct back_off){0};
}

void back_off_grow(struct back_off *back_off, uint64_t now_ns) {
    uint32_t random = 0;
    uint64_t delay = back_off->delay_ns ? back_off->delay_ns * 2 : FIRST_NS;
    back_off->delay_ns = delay < LAST_NS ? delay : LAST_NS;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        random = (uint32_t)now_ns;
    // Between three quarters and all of it, so that many adapters don't come back at once.
    back_off->due_ns = now_ns + back_off->delay_ns - (back_off->delay_ns / 4) * (random % 1024) / 1024;
}
