// Unpredictable bytes from the kernel, drawn in bulk. Zero-initialised it is ready.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RANDOM_POOL_SIZE 4096

struct random_pool {
    uint8_t bytes[RANDOM_POOL_SIZE];
    size_t left; // unused ones, at the end
};

int random_fill(struct random_pool *pool, void *out, size_t size); // 0 or negative
