#include "cli/mask.h"

#include <string.h>

int mask_quoted(const char *text, struct buffer *out) {
    char quote = 0;
    int rc = 0;
    for (const char *at = text; *at && rc == 0; at++) {
        if (!quote && (*at == '"' || *at == '\'')) {
            quote = *at;
            rc = buffer_append_string(out, "\"…\"");
        } else if (quote == '\'' && strncmp(at, "'\\''", 4) == 0) {
            at += 3; // a quote inside of it, as a shell takes it
        } else if (quote == '"' && *at == '\\' && at[1]) {
            at++;
        } else if (quote && *at == quote) {
            quote = 0;
        } else if (!quote) {
            rc = buffer_append_byte(out, (uint8_t)*at);
        }
    }
    return rc;
}

bool mask_needed(const char *reason) {
    return strcmp(reason, "unmapped") == 0 || strcmp(reason, "filter") == 0;
}
