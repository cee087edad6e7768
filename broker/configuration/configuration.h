// A whole configuration, as the broker works by it: policy, routes, and what the journal keeps of them.
// Loaded once, then immutable but for the matcher's scratch, which belongs to the thread that matches.
#pragma once

#include "broker/configuration/files.h"
#include "broker/policy/policy.h"
#include "broker/routing/routing.h"
#include "core/crypto/digest.h"

#include "hutong/bus/v1/journal.pb-c.h"

struct configuration {
    struct policy *policy; // owned, as all of it
    struct routes *routes;
    struct matcher *matcher;
    uint8_t digest[DIGEST_SIZE];
    struct buffer record;    // of its ActivatedRecord the routes and their files, packed
    const char *restart[40]; // keys of broker.yaml that changed and wait for a restart; ends with NULL
};

// Loads all that broker.yaml names. Every problem goes to the report; NULL when there was any error. Settings
// that can't change while the broker runs stay as in `running` (borrowed until it returns; NULL: at a start).
// Owned.
struct configuration *configuration_load(
    const char *broker_yaml, const struct policy_settings *running, struct report *report);
void configuration_destroy(struct configuration **self);

// The digest of the set that `policy` was loaded from, as its files are now (docs/journal.md): agencies,
// agreements, code lists, routes, catalogue, and the systems' keys; not broker.yaml. 0, -ENOMEM, or another
// negative errno where a file can't be read.
int configuration_digest(const struct policy *policy, uint8_t out[DIGEST_SIZE]);

// The routes' files that a record of an activation holds. 0, -EBADMSG, -ENOMEM; -ENODATA: it has none (an
// older version wrote it). Owned.
int configuration_unpack(const Hutong__Bus__V1__ActivatedRecord *record, struct files *out);
