#include "test/sim/coverage.h"

#include <inttypes.h>
#include <stdio.h>

// At least so many in a thousand seeds; about half of what was seen when it was written.
static const uint64_t least[COUNT_END] = {
    [COUNT_MESSAGES] = 80000,
    [COUNT_ACCEPTED] = 80000,
    [COUNT_REFUSED] = 1500,
    [COUNT_REPEATS] = 20000,
    [COUNT_DELIVERIES] = 150000,
    [COUNT_REDELIVERIES] = 70000,
    [COUNT_EFFECTS] = 140000,
    [COUNT_INBOX_HITS] = 4000,
    [COUNT_RETRIES] = 65000,
    [COUNT_REJECTS] = 6000,
    [COUNT_DEAD_REJECTED] = 6000,
    [COUNT_DEAD_RETRIES] = 3500,
    [COUNT_DEAD_UNMAPPED] = 2000,
    [COUNT_DEAD_FULL] = 12000,
    [COUNT_DEAD_EXPIRED] = 2500,
    [COUNT_SESSIONS] = 25000,
    [COUNT_CUTS] = 6000,
    [COUNT_HALF_OPENS] = 3000,
    [COUNT_STALLS] = 3500,
    [COUNT_OVERFLOWS] = 20,
    [COUNT_SILENCES] = 1300,
    [COUNT_KILLS] = 4000,
    [COUNT_POWER_CUTS] = 6000,
    [COUNT_DRAINS] = 1500,
    [COUNT_ADAPTER_CRASHES] = 18000,
    [COUNT_POISON_CRASHES] = 4000,
    [COUNT_SWAPS] = 1900,
    [COUNT_CLOCK_JUMPS] = 5500,
    [COUNT_PAUSES] = 150,
    [COUNT_DISK_FULL] = 1800,
    [COUNT_DISK_ERRORS] = 200,
    [COUNT_SHORT_WRITES] = 600,
    [COUNT_LOST_SECTORS] = 40000,
    [COUNT_TORN_SECTORS] = 2200,
    [COUNT_LOST_NAMES] = 3500,
    [COUNT_TORN_TAILS] = 90,
    [COUNT_ROLLS] = 14000,
    [COUNT_RETIRED] = 2000,
    [COUNT_TAKEOVERS] = 1700,
    [COUNT_FLIGHTS] = 100000,
    [COUNT_FLIGHTS_CUT] = 700,
};

bool coverage_report(const uint64_t counts[COUNT_END], uint64_t seeds, bool check) {
    bool whole = true;
    for (size_t i = 0; i < COUNT_END; i++) {
        uint64_t wanted = check ? least[i] * seeds / 1000 : 0;
        bool few = counts[i] < wanted;
        whole &= !few;
        printf("%-18s %10" PRIu64, count_names[i], counts[i]);
        if (few)
            printf("  TOO FEW: at least %" PRIu64 " are expected of %" PRIu64 " seeds", wanted, seeds);
        printf("%s", i % 3 == 2 || few || i + 1 == COUNT_END ? "\n" : "    ");
    }
    return whole;
}
