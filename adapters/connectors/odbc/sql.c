#include "adapters/connectors/odbc/sql.h"

#include <errno.h>
#include <stdlib.h>

static bool name_start(uint8_t c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_part(uint8_t c) {
    return name_start(c) || (c >= '0' && c <= '9');
}

// Bytes of the quoted text, identifier or comment that starts at `i`; 0 when none does. A quote inside is
// doubled, which reads as two texts side by side.
static size_t opaque(struct bytes s, size_t i) {
    static const struct {
        const char *open;
        const char *close;
    } kinds[] = {{"'", "'"}, {"\"", "\""}, {"`", "`"}, {"--", "\n"}, {"/*", "*/"}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = strlen(kinds[k].open);
        if (s.size - i < n || memcmp(s.data + i, kinds[k].open, n) != 0)
            continue;
        const uint8_t *end = memmem(s.data + i + n, s.size - i - n, kinds[k].close, strlen(kinds[k].close));
        return end ? (size_t)(end - s.data) - i + strlen(kinds[k].close) : s.size - i;
    }
    return 0;
}

static size_t parameter_size(struct bytes s, size_t i) {
    size_t n = 1;
    if (s.data[i] != ':' || i + 1 >= s.size || !name_start(s.data[i + 1]))
        return 0;
    while (i + n < s.size && name_part(s.data[i + n]))
        n++;
    return n;
}

static int add_parameter(struct sql_text *sql, struct bytes name, size_t offset) {
    struct sql_parameter *more = realloc(sql->parameters, (sql->count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    more[sql->count++] = (struct sql_parameter){.name = name, .offset = offset};
    sql->parameters = more;
    return 0;
}

// Copies or replaces what starts at `*i`, and moves on.
static int step(struct bytes s, size_t *i, struct sql_text *sql, struct buffer *out) {
    int rc = 0;
    size_t n = opaque(s, *i);
    if (n == 0 && s.size - *i > 1 && memcmp(s.data + *i, "::", 2) == 0)
        n = 2;
    size_t parameter = n ? 0 : parameter_size(s, *i);
    if (parameter) {
        rc = add_parameter(sql, bytes_of(s.data + *i + 1, parameter - 1), *i);
        *i += parameter;
        return rc ? rc : buffer_append_byte(out, '?');
    }
    n = n ? n : 1;
    rc = buffer_append(out, s.data + *i, n);
    *i += n;
    return rc;
}

int sql_parse(struct bytes source, struct sql_text *out) {
    struct sql_text sql = {0};
    struct buffer text = {0};
    int rc = 0;
    for (size_t i = 0; i < source.size && rc == 0;)
        rc = step(source, &i, &sql, &text);
    if (rc || !buffer_text(&text)) {
        buffer_destroy(&text);
        sql_destroy(&sql);
        return -ENOMEM;
    }
    sql.text = (char *)text.data;
    *out = sql;
    return 0;
}

void sql_destroy(struct sql_text *sql) {
    free(sql->text);
    free(sql->parameters);
    *sql = (struct sql_text){0};
}
