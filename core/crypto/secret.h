// A secret of 32 bytes in a file of its own: 64 hexadecimal digits, as "openssl rand -hex 32" writes them.
// Nobody but its owner may read it.
#pragma once

#include "core/base/error.h"

#define SECRET_SIZE 32

// 0 or negative, such as -ENOENT, -EACCES, -EPERM where others may read it; the text says what is wrong, and
// never what stands in the file.
int secret_load(const char *path, uint8_t out[SECRET_SIZE], struct error *error);
