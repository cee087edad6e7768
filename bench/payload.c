#include "bench/bench.h"
#include "core/schema/json.h"

#include <stdio.h>
#include <string.h>

static int encode(
    const struct schema_message *type, const char *division, uint32_t padding, struct buffer *out) {
    struct buffer json = {0};
    struct error error = {0};
    char pad[8192] = "";
    memset(pad, 'x', padding < sizeof pad ? padding : sizeof pad - 1);
    int rc = buffer_append_format(&json,
        "{\"resident\":{\"citizen_number\":\"11010519491231002X\"},\"kind\":\"MOVE_IN\","
        "\"address\":{\"division\":\"%s\",\"text\":\"%s\"},\"registered_at\":\"2026-11-24T08:00:00Z\"}",
        division, pad);
    buffer_clear(out);
    rc = rc ? rc : json_to_message(type, buffer_bytes(&json), out, &error);
    if (rc)
        fprintf(stderr, "hutong-bench: %s\n", error.text);
    buffer_destroy(&json);
    return rc;
}

int payload_make(const char *catalogue, const char *division, uint32_t size, struct buffer *out) {
    struct catalogue *types = NULL;
    struct error error = {0};
    if (catalogue_load_file(catalogue, &types, &error) != 0) {
        fprintf(stderr, "hutong-bench: %s\n", error.text);
        return -1;
    }
    const struct schema_message *type =
        catalogue_message(types, bytes_of_string("gov.public_security.v1.ResidenceRegistered"));
    int rc = type ? encode(type, division, 0, out) : -1;
    // The padding's own length grows with it, so the size is met by trying.
    uint32_t padding = out->size < size ? size - (uint32_t)out->size : 0;
    for (int i = 0; i < 4 && rc == 0 && out->size != size; i++) {
        rc = encode(type, division, padding, out);
        padding = (uint32_t)((int64_t)padding + (int64_t)size - (int64_t)out->size);
    }
    catalogue_destroy(&types);
    return rc;
}
