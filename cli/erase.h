// hutong journal erase: one message's body, and every copy that the journal holds of it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct erase {
    const char *folder;
    const char *admin; // NULL: the broker does not run
    const char *why;
    uint64_t sequence;
    bool dry;
    bool json;
};

int erase_run(const struct erase *erase); // an exit status
