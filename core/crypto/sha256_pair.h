// SHA-256 of two messages at once. An instruction of SHA-NI takes four cycles, and the next one of the same
// message waits for it; those of another message fit between (as Linux's sha256_finup_2x() does it). Inside
// core/crypto.
#pragma once

#include "core/crypto/digest.h"

#include <stdbool.h>

bool sha256_pair_usable(void); // whether this processor has what it takes
// Both of any length; the parts of different length go alone.
void sha256_pair(struct bytes a, struct bytes b, uint8_t out_a[DIGEST_SIZE], uint8_t out_b[DIGEST_SIZE]);
