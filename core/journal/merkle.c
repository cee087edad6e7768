#include "core/journal/merkle.h"

#include "core/journal/format.h"

int merkle_root(struct digest *digest, uint8_t *leaves, size_t count, uint8_t root[DIGEST_SIZE]) {
    // Level by level, an odd last node going up as it is: the same tree as RFC 6962's split at the largest
    // power of two.
    enum { NODE = 1 + 2 * DIGEST_SIZE };
    uint8_t nodes[2][NODE] = {{DOMAIN_NODE}, {DOMAIN_NODE}};
    for (; count > 1; count = (count + 1) / 2) {
        for (size_t i = 0; i + 1 < count; i += 4) {
            bool two = i + 3 < count;
            uint8_t *out = leaves + i / 2 * DIGEST_SIZE;
            memcpy(nodes[0] + 1, leaves + i * DIGEST_SIZE, NODE - 1);
            if (two)
                memcpy(nodes[1] + 1, leaves + (i + 2) * DIGEST_SIZE, NODE - 1);
            struct bytes parts[] = {{nodes[0], NODE}, {nodes[1], NODE}};
            int rc = two ? digest_pair(digest, parts[0], parts[1], out, out + DIGEST_SIZE)
                         : digest_parts(digest, parts, 1, out);
            if (rc)
                return rc;
        }
        if (count % 2)
            memmove(leaves + count / 2 * DIGEST_SIZE, leaves + (count - 1) * DIGEST_SIZE, DIGEST_SIZE);
    }
    memcpy(root, leaves, DIGEST_SIZE);
    return 0;
}
