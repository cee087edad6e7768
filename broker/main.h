// What the broker's program does, with the journal's back ends given: the tests' broker differs in nothing
// else.
#pragma once

#include "broker/daemon.h"

int broker_main(int argc, char **argv, const struct broker_journals *journals);
