// The Merkle tree hash of RFC 6962 section 2.1 over leaves that are already digests. Inside core/journal.
#pragma once

#include "core/crypto/digest.h"

// Works in place: `leaves` (count of DIGEST_SIZE each) is spent. The root of no leaves does not exist: count
// is at least 1. 0 or -EIO.
int merkle_root(struct digest *digest, uint8_t *leaves, size_t count, uint8_t root[DIGEST_SIZE]);
