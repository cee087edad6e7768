// The options of hutong_open(), checked, copied and with their defaults filled in.
#pragma once

#include "core/crypto/keys.h"
#include "sdk/hutong.h"

#include <limits.h>

struct options {
    char endpoint[256];
    char system[129];
    char instance[65];
    char software[129];
    char spool_folder[PATH_MAX]; // empty: no spool
    bool curve;
    char public_key[KEYS_TEXT_SIZE];
    char secret_key[KEYS_TEXT_SIZE];
    char broker_key[KEYS_TEXT_SIZE];
    uint64_t spool_limit;
    bool receive;
    uint32_t receive_messages;
    uint64_t receive_bytes;
    uint32_t window_messages;
    uint64_t window_bytes;
    uint32_t reconnect_min_ms;
    uint32_t reconnect_max_ms;
};

enum hutong_code options_read(
    const struct hutong_options *from, struct options *out, struct hutong_error *error);
void options_wipe(struct options *options); // the secret key

// Fills `error` (which may be NULL) and returns `code`.
enum hutong_code sdk_fail(struct hutong_error *error, enum hutong_code code, bool retriable,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
