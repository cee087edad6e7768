// The text of a CZMQ certificate (ZPL, rfc.zeromq.org/spec/4, as far as CZMQ writes it), read strictly.
// Inside core/crypto.
#pragma once

#include "core/crypto/keys.h"

#include <sys/types.h>

#define KEYS_FILE_SIZE 8192 // bytes at most

struct keys_file {
    mode_t mode;
    char name[KEYS_NAME_SIZE]; // these three are empty where the file has none
    char public_key[KEYS_TEXT_SIZE];
    char secret_key[KEYS_TEXT_SIZE]; // the caller wipes the struct
};

int keys_file_read(const char *path, struct keys_file *out, struct error *error); // 0 or negative
