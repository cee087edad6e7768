// Format texts: "%s is %.2f". Private to core/cel.
#pragma once

#include "core/cel/types.h"

enum format_step {
    FORMAT_END,
    FORMAT_TEXT, // `text` stands for itself
    FORMAT_VERB, // the next value, by `verb`
    FORMAT_WRONG,
};

struct format_part {
    size_t at; // in bytes from the start
    struct bytes text;
    char verb;
    int precision;       // digits behind the point: 6 unless written
    const char *problem; // WRONG: what is wrong with `text`
};

// The part at `*at`, which moves behind it.
enum format_step format_next(struct bytes format, size_t *at, struct format_part *part);
bool format_takes(char verb, enum cel_kind kind);
const char *format_wanted(char verb); // "a string, bytes, int or uint"

// Compares a literal format with the list that is written beside it.
void format_check(struct compiler *compiler, const struct ast *call);
