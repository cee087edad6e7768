// Any bytes are a zone that tells an offset for any time, or no zone.
#include "core/cel/zone.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int64_t times[] = {-62135596800, -2840140800, 0, 1772953200, 253402300799};
    struct arena arena = {0};
    const struct zone *zone = NULL;
    struct error error = {0};
    int rc = zone_parse(&arena, bytes_of(data, size), &zone, &error);
    if (rc != 0 && (rc != -EINVAL || zone || error.text[0] == '\0'))
        abort();
    for (size_t i = 0; rc == 0 && i < sizeof times / sizeof *times; i++) {
        int32_t offset = zone_offset(zone, times[i]);
        if (offset < -26 * 3600 || offset > 26 * 3600)
            abort();
    }
    arena_destroy(&arena);
    return 0;
}
