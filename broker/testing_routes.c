#include "broker/testing_routes.h"

struct matcher the_matcher;

struct matcher *matcher_new(const struct routes *routes) {
    (void)routes;
    return &the_matcher;
}

void matcher_destroy(struct matcher **self) {
    *self = NULL;
}

const uint8_t *routes_digest(const struct routes *routes) {
    static const uint8_t digest[32] = {1};
    (void)routes;
    return digest;
}

size_t routes_count(const struct routes *routes) {
    (void)routes;
    return 1;
}
