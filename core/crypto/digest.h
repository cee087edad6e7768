// The digests of the evidence, 32 bytes each: SHA-256 (FIPS 180-4) and SM3 (GB/T 32905). A context is made
// once and reused.
#pragma once

#include "core/base/bytes.h"

#define DIGEST_SIZE 32

enum digest_kind { // as the journal's files name them
    DIGEST_SHA256 = 1,
    DIGEST_SM3 = 2,
};

struct digest;

struct digest *digest_new(enum digest_kind kind); // returns owned; NULL: no memory, or this OpenSSL lacks it
void digest_destroy(struct digest **self);

// Incremental. A failure inside is kept and told by digest_end(): 0 or -EIO.
void digest_begin(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t size);
int digest_end(struct digest *digest, uint8_t out[DIGEST_SIZE]);

// All at once over the concatenation of `parts`. 0 or -EIO.
int digest_parts(struct digest *digest, const struct bytes *parts, size_t count, uint8_t out[DIGEST_SIZE]);
// Two at once, which takes little longer than one where the processor allows. 0 or -EIO.
int digest_pair(struct digest *digest, struct bytes a, struct bytes b, uint8_t out_a[DIGEST_SIZE],
    uint8_t out_b[DIGEST_SIZE]);
// As digest_parts() of one, with a context of its own. 0, -ENOMEM, -EIO.
int digest_once(enum digest_kind kind, struct bytes bytes, uint8_t out[DIGEST_SIZE]);

// HMAC (RFC 2104, FIPS 198-1): a digest that only those who have the key can make. 0 or -EIO.
int digest_hmac(struct digest *digest, struct bytes key, struct bytes message, uint8_t out[DIGEST_SIZE]);

// 64 lower-case digits and a NUL.
void digest_hex(const uint8_t digest[DIGEST_SIZE], char out[2 * DIGEST_SIZE + 1]);
