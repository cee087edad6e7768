// Placeholders in any text: where they are and in what they stand.
#include "adapters/connectors/http/template_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    struct bytes source = bytes_of(data + 1, size - 1);
    struct template_scan scan = {.kind = (enum template_kind)(data[0] % 4)};
    struct template_hole hole;
    struct buffer out = {0};
    size_t at = 0;
    for (size_t from = 0; template_next_hole(source, from, &hole, &at) == 0; from = hole.end) {
        if (hole.end <= from || hole.end > source.size || hole.start < from)
            abort();
        if (hole.expression && hole.expression + hole.expression_size > hole.end)
            abort();
        if (hole.form && hole.form + hole.form_size > hole.end)
            abort();
        template_scan_text(&scan, bytes_of(source.data + from, hole.start - from));
        enum template_place place = template_scan_place(&scan);
        if (place != PLACE_NONE)
            template_escape(scan.kind, place, source, &out, NULL);
    }
    buffer_destroy(&out);
    return 0;
}
