// mask() and hash(): what stands for a person's data where it isn't to be shown.
#include "core/cel/compiler.h"
#include "core/cel/functions.h"
#include "core/cel/text.h"
#include "core/crypto/digest.h"

#include <errno.h>

// ---- mask ----

// A "*" for each character but `first` at the start and `last` at the end. Where nothing would be hidden, all
// is.
static void mask(
    struct cel_activation *activation, struct bytes text, size_t first, size_t last, struct cel_value *out) {
    size_t count = text_charge(activation, text.size, out) ? text_length(text) : SIZE_MAX;
    size_t from = 0;
    size_t to = 0;
    if (count == SIZE_MAX)
        return;
    if (first >= count || last >= count - first)
        first = last = 0;
    text_offset(text, (int64_t)first, &from);
    text_offset(text, (int64_t)(count - last), &to);
    size_t hidden = count - first - last;
    size_t size = from + hidden + (text.size - to);
    uint8_t *copy = activation_alloc(activation, size + 1, out);
    if (!copy)
        return;
    if (text.size > 0)
        memcpy(copy, text.data, from);
    memset(copy + from, '*', hidden);
    if (text.size > to)
        memcpy(copy + from + hidden, text.data + to, text.size - to);
    value_set_bytes(out, CEL_STRING, bytes_of(copy, size));
}

FUNCTION(fn_mask) {
    (void)node;
    mask(activation, args[0].bytes, 0, 0, out);
}

FUNCTION(fn_mask_inside) {
    (void)node;
    static const struct cel_error negative = {
        CEL_FAULT_ARGUMENT, "mask() keeps 0 characters or more at either end"};
    if (args[1].i64 < 0 || args[2].i64 < 0)
        value_fail_static(out, &negative);
    else
        mask(activation, args[0].bytes, (size_t)args[1].i64, (size_t)args[2].i64, out);
}

// ---- hash ----

// HMAC-SHA256 by a key for the scope, which is itself the HMAC of the scope by the env's key.
static int pseudonym(
    struct digest *digest, const struct cel_env *env, struct bytes scope, struct bytes text, char hex[65]) {
    uint8_t key[DIGEST_SIZE];
    uint8_t result[DIGEST_SIZE];
    int rc = digest_hmac(digest, bytes_of(env->hash_key, sizeof env->hash_key), scope, key);
    rc = rc ? rc : digest_hmac(digest, bytes_of(key, sizeof key), text, result);
    if (rc == 0)
        digest_hex(result, hex);
    explicit_bzero(key, sizeof key);
    return rc;
}

FUNCTION(fn_hash) {
    static const struct cel_error broken = {CEL_FAULT_LIMIT, "hash(): the digest failed"};
    char hex[2 * DIGEST_SIZE + 1];
    struct bytes scope = node->count > 1 ? args[1].bytes : (struct bytes){0};
    const struct cel_env *env = activation->program->env;
    if (!text_charge(activation, args[0].bytes.size + scope.size, out))
        return;
    if (!activation->digest)
        activation->digest = digest_new(DIGEST_SHA256);
    if (!activation->digest)
        activation_no_memory(activation, out);
    else if (args[0].bytes.size == 0) // what isn't there gets no pseudonym that many would share
        value_set_bytes(out, CEL_STRING, bytes_of("", 0));
    else if (pseudonym(activation->digest, env, scope, args[0].bytes, hex) != 0)
        value_fail_static(out, &broken);
    else
        text_copy(activation, hex, 2 * (size_t)DIGEST_SIZE, out);
}
