// What the broker's program does, with the journal's back end given: the tests' broker differs in nothing
// else.
#pragma once

#include "broker/daemon.h"

int broker_main(int argc, char **argv,
    int (*open_journal)(const struct journal_options *options, const struct journal_owner *owner,
        struct journal **out, struct error *error));
