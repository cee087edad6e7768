#include "core/crypto/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static int refill(struct random_pool *pool) {
    size_t have = 0;
    while (have < sizeof pool->bytes) {
        ssize_t n = getrandom(pool->bytes + have, sizeof pool->bytes - have, 0);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            have += (size_t)n;
    }
    pool->left = sizeof pool->bytes;
    return 0;
}

int random_fill(struct random_pool *pool, void *out, size_t size) {
    uint8_t *p = out;
    while (size > 0) {
        if (pool->left == 0) {
            int rc = refill(pool);
            if (rc)
                return rc;
        }
        size_t n = size < pool->left ? size : pool->left;
        uint8_t *from = pool->bytes + sizeof pool->bytes - pool->left;
        memcpy(p, from, n);
        explicit_bzero(from, n); // what was given out is nobody else's
        pool->left -= n;
        p += n;
        size -= n;
    }
    return 0;
}
