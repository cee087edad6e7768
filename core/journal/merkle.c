#include "core/journal/merkle.h"

#include "core/journal/format.h"

int merkle_root(struct digest *digest, uint8_t *leaves, size_t count, uint8_t root[DIGEST_SIZE]) {
    // Level by level, an odd last node going up as it is: the same tree as RFC 6962's split at the largest
    // power of two.
    uint8_t node[1 + 2 * DIGEST_SIZE] = {DOMAIN_NODE};
    for (; count > 1; count = (count + 1) / 2) {
        for (size_t i = 0; i + 1 < count; i += 2) {
            memcpy(node + 1, leaves + i * DIGEST_SIZE, 2 * (size_t)DIGEST_SIZE);
            int rc =
                digest_parts(digest, &(struct bytes){node, sizeof node}, 1, leaves + i / 2 * DIGEST_SIZE);
            if (rc)
                return rc;
        }
        if (count % 2)
            memmove(leaves + count / 2 * DIGEST_SIZE, leaves + (count - 1) * DIGEST_SIZE, DIGEST_SIZE);
    }
    memcpy(root, leaves, DIGEST_SIZE);
    return 0;
}
