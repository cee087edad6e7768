#include "core/crypto/digest.h"

#include "core/crypto/sha256_pair.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <errno.h>
#include <stdlib.h>

struct digest {
    bool pairs; // this kind's pairs are made here
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
    bool failed;
};

struct digest *digest_new(enum digest_kind kind) {
    struct digest *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->pairs = kind == DIGEST_SHA256 && sha256_pair_usable();
    // Fetched once: a lookup by name at each EVP_DigestInit_ex() would cost as much as hashing a kilobyte.
    self->algorithm = EVP_MD_fetch(NULL, kind == DIGEST_SM3 ? "SM3" : "SHA256", NULL);
    self->context = EVP_MD_CTX_new();
    if (!self->algorithm || !self->context || EVP_DigestInit_ex2(self->context, self->algorithm, NULL) != 1)
        digest_destroy(&self);
    return self;
}

void digest_destroy(struct digest **self) {
    if (!*self)
        return;
    EVP_MD_CTX_free((*self)->context);
    EVP_MD_free((*self)->algorithm);
    free(*self);
    *self = NULL;
}

void digest_begin(struct digest *digest) {
    digest->failed = EVP_DigestInit_ex2(digest->context, NULL, NULL) != 1;
}

void digest_add(struct digest *digest, const void *data, size_t size) {
    if (size > 0 && EVP_DigestUpdate(digest->context, data, size) != 1)
        digest->failed = true;
}

int digest_end(struct digest *digest, uint8_t out[DIGEST_SIZE]) {
    uint8_t result[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_DigestFinal_ex(digest->context, result, &size) != 1 || size != DIGEST_SIZE || digest->failed)
        return -EIO;
    memcpy(out, result, DIGEST_SIZE);
    return 0;
}

int digest_parts(struct digest *digest, const struct bytes *parts, size_t count, uint8_t out[DIGEST_SIZE]) {
    digest_begin(digest);
    for (size_t i = 0; i < count; i++)
        digest_add(digest, parts[i].data, parts[i].size);
    return digest_end(digest, out);
}

int digest_pair(struct digest *digest, struct bytes a, struct bytes b, uint8_t out_a[DIGEST_SIZE],
    uint8_t out_b[DIGEST_SIZE]) {
    if (digest->pairs) {
        sha256_pair(a, b, out_a, out_b);
        return 0;
    }
    int rc = digest_parts(digest, &a, 1, out_a);
    return rc ? rc : digest_parts(digest, &b, 1, out_b);
}

int digest_once(enum digest_kind kind, struct bytes bytes, uint8_t out[DIGEST_SIZE]) {
    struct digest *digest = digest_new(kind);
    if (!digest)
        return -ENOMEM;
    int rc = digest_parts(digest, &bytes, 1, out);
    digest_destroy(&digest);
    return rc;
}

#define BLOCK_SIZE 64 // bytes that SHA-256 and SM3 work on at once

// The key in one block, each byte changed by `pad`.
static void add_key(struct digest *digest, const uint8_t key[BLOCK_SIZE], uint8_t pad) {
    uint8_t block[BLOCK_SIZE];
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] = key[i] ^ pad;
    digest_add(digest, block, BLOCK_SIZE);
    OPENSSL_cleanse(block, BLOCK_SIZE);
}

int digest_hmac(struct digest *digest, struct bytes key, struct bytes message, uint8_t out[DIGEST_SIZE]) {
    uint8_t block[BLOCK_SIZE] = {0};
    uint8_t inner[DIGEST_SIZE];
    int rc = 0;
    if (key.size > BLOCK_SIZE)
        rc = digest_parts(digest, &key, 1, block);
    else if (key.size > 0)
        memcpy(block, key.data, key.size);
    if (rc == 0) {
        digest_begin(digest);
        add_key(digest, block, 0x36);
        digest_add(digest, message.data, message.size);
        rc = digest_end(digest, inner);
    }
    if (rc == 0) {
        digest_begin(digest);
        add_key(digest, block, 0x5c);
        digest_add(digest, inner, sizeof inner);
        rc = digest_end(digest, out);
    }
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(inner, sizeof inner);
    return rc;
}

void digest_hex(const uint8_t digest[DIGEST_SIZE], char out[2 * DIGEST_SIZE + 1]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * (size_t)DIGEST_SIZE] = '\0';
}
