// What stands in place of routes/*.yaml in tests of the core: all but where a message goes. A test says that
// itself, by the matcher_match() that it defines.
#pragma once

#include "broker/testing.h"

struct matcher {
    struct match matches[8];
    const struct policy *policy; // for the test
    bool away;                   // for the test
};
extern struct matcher the_matcher; // of every set of routes
