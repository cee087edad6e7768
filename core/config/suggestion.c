// What a problem's text suggests, for editors that can put it in.
#include "core/config/internal.h"

// The last `phrase` of the text, whatever follows it; NULL where there is none.
static const char *behind(const char *text, const char *phrase) {
    const char *found = NULL;
    for (const char *at = strstr(text, phrase); at; at = strstr(found, phrase))
        found = at + strlen(phrase);
    return found;
}

// WORD, or what "WORD" holds; nothing where there is more than that.
static struct bytes unquote(struct bytes word) {
    const uint8_t *quote = word.size ? memchr(word.data, '"', word.size) : NULL;
    if (!quote)
        return word;
    const uint8_t *end = memchr(quote + 1, '"', word.size - (size_t)(quote + 1 - word.data));
    bool whole = quote == word.data && end == word.data + word.size - 1;
    return whole ? bytes_of(word.data + 1, word.size - 2) : (struct bytes){0};
}

// The X of "did you mean X?" or "; write X" at the end of the text.
static struct bytes suggested(const char *text) {
    const char *word = behind(text, "did you mean ");
    size_t size = word ? strlen(word) : 0;
    if (size > 1 && word[size - 1] == '?')
        return unquote(bytes_of(word, size - 1));
    word = behind(text, "; write ");
    size = word ? strlen(word) : 0;
    bool bare = size && !strpbrk(word, " ,'");
    bool quoted = size && word[0] == '"';
    return bare || quoted ? unquote(bytes_of(word, size)) : (struct bytes){0};
}

static bool is_quote(uint8_t c) {
    return c == '"' || c == '\'' || c == '\\';
}

// The quotes around what is underlined, as they are written there: ", \" or ''.
static size_t quotes(struct bytes underlined) {
    size_t size = 0;
    while (2 * (size + 1) <= underlined.size && is_quote(underlined.data[size]))
        size++;
    bool closed = size && memcmp(underlined.data, underlined.data + underlined.size - size, size) == 0;
    return closed ? size : 0;
}

int suggestion_append(struct buffer *out, const char *text, struct bytes underlined) {
    struct bytes word = suggested(text);
    if (word.size == 0)
        return 0;
    bool call = underlined.size && underlined.data[underlined.size - 1] == ')';
    if (!call && word.size > 2 && memcmp(word.data + word.size - 2, "()", 2) == 0)
        word.size -= 2; // the function's arguments stay as they are
    struct bytes quote = bytes_of(underlined.data, quotes(underlined));
    int rc = buffer_append_bytes(out, quote);
    rc = rc ? rc : buffer_append_bytes(out, word);
    return rc ? rc : buffer_append_bytes(out, quote);
}
