// CURVE keys as CZMQ's certificate files: a public one, and beside it the secret one with "_secret" behind
// its name. Keys are in ZeroMQ's Z85 text (rfc.zeromq.org/spec/32): 40 characters and a NUL.
#pragma once

#include "core/base/error.h"

#define KEYS_TEXT_SIZE 41
#define KEYS_NAME_SIZE 256 // of the name in a certificate, with its NUL
#define KEYS_SECRET_SUFFIX "_secret"

// Makes a new pair: `path` (0644) and `path`_secret (0600), with `name` (such as "housing/tenancy") in both.
// Refuses to overwrite either: -EEXIST. 0 or negative; on failure neither file is left behind.
int keys_generate(const char *path, const char *name, struct error *error);

// Reads the public key from a public or a secret file. 0 or negative; the text says file and line.
int keys_load_public(const char *path, char public_key[KEYS_TEXT_SIZE], struct error *error);
// Reads both from the secret file itself (its name usually ends with _secret), and checks that they are a
// pair and that others on the machine can't read the file. The caller wipes `secret_key` with keys_wipe().
int keys_load_secret(
    const char *path, char public_key[KEYS_TEXT_SIZE], char secret_key[KEYS_TEXT_SIZE], struct error *error);
// The name in the certificate; empty where there is none.
int keys_load_name(const char *path, char name[KEYS_NAME_SIZE], struct error *error);

void keys_wipe(char key[KEYS_TEXT_SIZE]);
