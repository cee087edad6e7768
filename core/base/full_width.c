#include "core/base/full_width.h"

#include "core/base/utf8.h"

#include <stdio.h>

struct sign {
    uint32_t character;
    char ascii;
    const char *name;
};

static const struct sign signs[] = {
    {0xFF0C, ',', "full-width comma"},
    {0x3001, ',', "Chinese comma"},
    {0xFF1A, ':', "full-width colon"},
    {0xFF1B, ';', "full-width semicolon"},
    {0xFF08, '(', "full-width parenthesis"},
    {0xFF09, ')', "full-width parenthesis"},
    {0xFF3B, '[', "full-width bracket"},
    {0xFF3D, ']', "full-width bracket"},
    {0x3010, '[', "Chinese bracket"},
    {0x3011, ']', "Chinese bracket"},
    {0xFF5B, '{', "full-width brace"},
    {0xFF5D, '}', "full-width brace"},
    {0x201C, '"', "Chinese quotation mark"},
    {0x201D, '"', "Chinese quotation mark"},
    {0xFF02, '"', "full-width quotation mark"},
    {0x2018, '\'', "Chinese quotation mark"},
    {0x2019, '\'', "Chinese quotation mark"},
    {0xFF07, '\'', "full-width quotation mark"},
    {0x3002, '.', "full-width full stop"},
    {0x2014, '-', "dash"},
    {0x3000, ' ', "full-width blank"},
};

// The forms U+FF01 to U+FF5E are ASCII from "!" on.
static struct sign look_up(uint32_t character) {
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (signs[i].character == character)
            return signs[i];
    struct sign sign = {.character = character};
    if (character >= 0xFF01 && character <= 0xFF5E) {
        sign.ascii = (char)(character - 0xFF01 + '!');
        sign.name = "full-width sign";
    }
    return sign;
}

bool full_width_at(struct bytes text, struct full_width *out) {
    struct full_width found = {0};
    const uint8_t *at = text.data;
    for (size_t count = 0; at < text.data + text.size && count < FULL_WIDTH_RUN; count++) {
        struct sign sign = *at < 0x80 ? (struct sign){0} : look_up(utf8_next(&at));
        if (!sign.name || (found.name && strcmp(sign.name, found.name) != 0))
            break;
        found.name = sign.name;
        found.ascii[count] = sign.ascii;
        found.size = (size_t)(at - text.data);
    }
    if (!found.name)
        return false;
    *out = found;
    return true;
}

void full_width_say(struct bytes text, const struct full_width *sign, char *out, size_t size) {
    bool blank = sign->ascii[0] == ' ';
    char mark = strchr(sign->ascii, '"') ? '\'' : '"';
    if (blank)
        snprintf(out, size, "this is a %s; write a plain one", sign->name);
    else
        snprintf(out, size, "\"%.*s\" is a %s; write %c%s%c", (int)sign->size, (const char *)text.data,
            sign->name, mark, sign->ascii, mark);
}
