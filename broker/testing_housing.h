// A routing for tests of the core: all goes to housing; what has a subject that begins with "+" also back to
// the publisher's system. The test sets the_matcher.policy.
#pragma once

#include "broker/testing_routes.h"

#define PS "public_security/population"
#define H "housing/tenancy"
