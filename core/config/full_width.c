// Signs as Chinese input methods make them where a name in ASCII should stand, and other names that were
// meant.
#include "core/base/full_width.h"

#include "core/config/internal.h"
#include "core/config/text.h"

size_t full_width_find(struct bytes line, size_t from, size_t to, struct full_width *sign) {
    size_t at = from;
    while (at < to) {
        size_t size;
        bool valid;
        if (full_width_at(bytes_of(line.data + at, line.size - at), sign))
            break;
        text_decode(line, at, &size, &valid);
        at += size;
    }
    return at < to ? at : to;
}

bool config_full_width(const struct config_node *scalar, struct report *report) {
    struct full_width sign;
    char words[160];
    if (scalar->kind != CONFIG_SCALAR)
        return false;
    size_t at = full_width_find(scalar->text, 0, scalar->text.size, &sign);
    if (at == scalar->text.size)
        return false;
    full_width_say(bytes_of(scalar->text.data + at, scalar->text.size - at), &sign, words, sizeof words);
    config_error_inside(scalar, at, sign.size, report, "%s", words);
    return true;
}

const char *config_name_meant(struct bytes name, char between, bool lower, char *out, size_t size) {
    if (name.size == 0 || name.size >= size)
        return NULL;
    for (size_t i = 0; i < name.size; i++) {
        char c = (char)name.data[i];
        bool capital = c >= 'A' && c <= 'Z';
        bool letter = capital || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && c != ' ' && c != '-' && c != '_')
            return NULL;
        out[i] = (char)(letter ? (capital && lower ? c + 32 : c) : between);
    }
    out[name.size] = '\0';
    return out;
}

bool config_cut_by_comment(const struct config_node *scalar) {
    struct bytes source = config_source(scalar->file);
    size_t at = node_of(scalar)->end;
    if (scalar->kind != CONFIG_SCALAR || scalar->quoted)
        return false;
    while (at < source.size && (source.data[at] == ' ' || source.data[at] == '\t'))
        at++;
    return at < source.size && source.data[at] == '#';
}
