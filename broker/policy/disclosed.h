// What a message that is there already discloses, against an agreement of today.
#pragma once

#include "broker/policy/policy.h"

// Whether the agreement lists every field that the payload has. The payload is a checked one of `type`, which
// is the agreement's. If not, `missing` is the first path that isn't covered.
bool policy_covers_payload(const struct policy_agreement *agreement, const struct schema_message *type,
    struct bytes payload, char missing[POLICY_PATH_SIZE]);
