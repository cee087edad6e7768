#include "core/config/internal.h"
#include "core/config/text.h"

// Reads a scalar once more, as YAML 1.2 (chapters 7.3 and 8.1) and libyaml do, and tells for each byte of the
// value where in the file it comes from.
struct walk {
    struct bytes source;
    size_t at;
    size_t end; // of the scalar
    position_visit visit;
    void *context;
    bool stopped;
    size_t behind; // the offset behind the last byte told
};

static void emit(struct walk *walk, const uint8_t *bytes, size_t count, size_t from, size_t to) {
    bool verbatim = bytes == walk->source.data + from; // else all of it stems from one escape or break
    for (size_t i = 0; i < count && !walk->stopped; i++)
        walk->stopped = !walk->visit(walk->context, bytes[i], verbatim ? from + i : from);
    walk->behind = to;
}

static void emit_source(struct walk *walk, size_t from, size_t to) {
    emit(walk, walk->source.data + from, to - from, from, to);
}

static uint8_t peek(const struct walk *walk, size_t ahead) {
    return walk->at + ahead < walk->end ? walk->source.data[walk->at + ahead] : 0;
}

// The length of a line break at `at`: 0, 1, or 2 for CR LF.
static size_t break_size(const struct walk *walk, size_t ahead) {
    if (peek(walk, ahead) == '\n')
        return 1;
    return peek(walk, ahead) == '\r' && peek(walk, ahead + 1) == '\n' ? 2 : 0;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t';
}

// ---- Flow scalars: plain and quoted ----

// Blanks and line breaks between two words of a flow scalar: blanks inside a line stay; one break is a space,
// more are one break less. `escaped`: the first break was escaped in double quotes, and is gone already.
static void fold(struct walk *walk, bool escaped) {
    size_t start = walk->at;
    size_t breaks = escaped;
    size_t first_break = start;
    while (is_blank(peek(walk, 0)) || break_size(walk, 0)) {
        size_t size = break_size(walk, 0);
        if (size && breaks++ == 0)
            first_break = walk->at;
        else if (size && !walk->stopped)
            emit(walk, (const uint8_t *)"\n", 1, walk->at, walk->at + size);
        walk->at += size ? size : 1;
    }
    if (breaks == 0)
        emit_source(walk, start, walk->at);
    else if (breaks == 1 && !escaped)
        emit(walk, (const uint8_t *)" ", 1, first_break, walk->at);
}

static void walk_plain(struct walk *walk) {
    while (walk->at < walk->end && !walk->stopped) {
        if (is_blank(peek(walk, 0)) || break_size(walk, 0)) {
            fold(walk, false);
        } else {
            emit_source(walk, walk->at, walk->at + 1);
            walk->at++;
        }
    }
}

static void walk_single(struct walk *walk) {
    walk->at++;
    while (walk->at < walk->end && !walk->stopped) {
        if (is_blank(peek(walk, 0)) || break_size(walk, 0)) {
            fold(walk, false);
            continue;
        }
        bool quote = peek(walk, 0) == '\'';
        if (quote && peek(walk, 1) != '\'')
            return;
        emit(walk, walk->source.data + walk->at, 1, walk->at, walk->at + 1 + quote);
        walk->at += 1 + quote;
    }
}

static uint32_t hex_digits(const struct walk *walk, size_t ahead, size_t count) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t c = peek(walk, ahead + i);
        value = value << 4 | (c <= '9' ? c - 48u : (c | 32u) - 87u);
    }
    return value;
}

// The character of the escape that `at` is on, and how many bytes it takes in the file.
static uint32_t escape(const struct walk *walk, size_t *size) {
    static const char names[] = "0abt\tnvfre \"/\\N_LP";
    static const uint32_t values[] = {
        0, 7, 8, 9, 9, 10, 11, 12, 13, 27, ' ', '"', '/', '\\', 0x85, 0xA0, 0x2028, 0x2029};
    uint8_t c = peek(walk, 1);
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    *size = 2 + digits;
    if (digits)
        return hex_digits(walk, 2, digits);
    const char *name = c ? strchr(names, c) : NULL;
    return name ? values[name - names] : TEXT_REPLACEMENT;
}

static void walk_escape(struct walk *walk) {
    size_t size = break_size(walk, 1);
    if (size) {
        walk->at += 1 + size;
        fold(walk, true);
        return;
    }
    uint8_t encoded[4];
    uint32_t character = escape(walk, &size);
    emit(walk, encoded, text_encode(character, encoded), walk->at, walk->at + size);
    walk->at += size;
}

static void walk_double(struct walk *walk) {
    walk->at++;
    while (walk->at < walk->end && !walk->stopped) {
        if (is_blank(peek(walk, 0)) || break_size(walk, 0)) {
            fold(walk, false);
        } else if (peek(walk, 0) == '"') {
            return;
        } else if (peek(walk, 0) == '\\') {
            walk_escape(walk);
        } else {
            emit_source(walk, walk->at, walk->at + 1);
            walk->at++;
        }
    }
}

// ---- Block scalars: literal and folded ----

static size_t line_end(const struct walk *walk, size_t at) {
    while (at < walk->source.size && walk->source.data[at] != '\n')
        at++;
    return at;
}

static size_t count_spaces(const uint8_t *data, size_t from, size_t size) {
    size_t count = 0;
    while (from + count < size && data[from + count] == ' ')
        count++;
    return count;
}

// Empty lines at the start of the value are breaks of the source one by one; the line behind them is the
// first one with content, and its blanks in both tell the indentation, also where an indicator gave it.
static size_t indentation(const struct walk *walk, struct bytes value) {
    size_t empty = 0;
    while (empty < value.size && value.data[empty] == '\n')
        empty++;
    if (empty == value.size)
        return SIZE_MAX;
    size_t at = walk->at;
    for (size_t i = 0; i < empty && at < walk->source.size; i++)
        at = line_end(walk, at) + 1;
    size_t spaces = count_spaces(walk->source.data, at, walk->source.size);
    size_t inside = count_spaces(value.data, empty, value.size);
    return spaces > inside ? spaces - inside : 0;
}

struct block_state {
    size_t indent;
    bool folded;
    size_t last_break; // where the last content line ended; SIZE_MAX: none yet
    bool last_blank;   // it began with a blank
    size_t empty[2];   // the run of empty lines behind it, from and to
};

// A line's content starts at `at`, its indentation is done: what joins it to the line before?
static void join(struct walk *walk, struct block_state *state) {
    bool blank = is_blank(peek(walk, 0));
    bool none = state->empty[0] == state->empty[1];
    if (state->last_break != SIZE_MAX) {
        if (!state->folded || state->last_blank || blank)
            emit(walk, (const uint8_t *)"\n", 1, state->last_break, state->empty[0]);
        else if (none)
            emit(walk, (const uint8_t *)" ", 1, state->last_break, walk->at);
    }
    for (size_t at = state->empty[0]; at < state->empty[1] && !walk->stopped; at++)
        if (walk->source.data[at] == '\n')
            emit(walk, (const uint8_t *)"\n", 1, at, at + 1);
    state->last_blank = blank;
}

// Skips empty lines, and then the indentation of the next; false where the scalar ends.
static bool next_line(struct walk *walk, struct block_state *state) {
    state->empty[0] = walk->at;
    for (;;) {
        size_t spaces = 0;
        while (spaces < state->indent && peek(walk, spaces) == ' ')
            spaces++;
        size_t size = break_size(walk, spaces);
        state->empty[1] = walk->at;
        if (size == 0) {
            walk->at += spaces;
            return spaces == state->indent && walk->at < walk->end;
        }
        walk->at += spaces + size;
        state->empty[1] = walk->at;
    }
}

static void walk_block(struct walk *walk, struct bytes value, bool folded) {
    walk->at = line_end(walk, walk->at) + 1; // the header
    struct block_state state = {.indent = indentation(walk, value), .folded = folded, .last_break = SIZE_MAX};
    walk->end = walk->source.size;
    while (next_line(walk, &state) && !walk->stopped) {
        join(walk, &state);
        size_t end = line_end(walk, walk->at);
        size_t break_at =
            end > walk->at && end < walk->source.size && walk->source.data[end - 1] == '\r' ? end - 1 : end;
        emit_source(walk, walk->at, break_at);
        state.last_break = break_at;
        walk->at = end < walk->source.size ? end + 1 : end;
    }
    // Breaks at the end; how many of them count is the value's own length.
    if (state.last_break != SIZE_MAX && !walk->stopped)
        emit(walk, (const uint8_t *)"\n", 1, state.last_break, state.last_break + 1);
    for (size_t at = state.empty[0]; at < state.empty[1] && !walk->stopped; at++)
        if (walk->source.data[at] == '\n')
            emit(walk, (const uint8_t *)"\n", 1, at, at + 1);
}

size_t position_walk(const struct config_node *scalar, position_visit visit, void *context) {
    const struct node *node = node_of(scalar);
    struct walk walk = {
        .source = config_source(scalar->file),
        .at = scalar->mark.offset,
        .end = node->end,
        .visit = visit,
        .context = context,
        .behind = scalar->mark.offset + (node->style == NODE_SINGLE || node->style == NODE_DOUBLE),
    };
    switch (node->style) {
    case NODE_PLAIN:
        walk_plain(&walk);
        break;
    case NODE_SINGLE:
        walk_single(&walk);
        break;
    case NODE_DOUBLE:
        walk_double(&walk);
        break;
    case NODE_LITERAL:
    case NODE_FOLDED:
        walk_block(&walk, scalar->text, node->style == NODE_FOLDED);
        break;
    }
    return walk.behind;
}

// ---- One place ----

struct search {
    size_t left; // bytes still to pass
    size_t found;
};

static bool pass(void *context, uint8_t byte, size_t source_offset) {
    (void)byte;
    struct search *search = context;
    search->found = source_offset;
    return search->left-- > 0;
}

static size_t source_offset(const struct config_node *scalar, size_t offset) {
    struct search search = {.left = offset, .found = 0};
    if (offset < scalar->text.size) {
        position_walk(scalar, pass, &search);
        return search.found;
    }
    if (scalar->text.size == 0)
        return scalar->mark.offset;
    search.left = scalar->text.size - 1;
    return position_walk(scalar, pass, &search);
}

struct mark config_mark_inside(const struct config_node *scalar, size_t offset) {
    if (scalar->kind != CONFIG_SCALAR)
        return scalar->mark;
    return source_mark(config_source(scalar->file), &scalar->file->lines, source_offset(scalar, offset));
}

// The bytes of the file that `length` bytes of the value take.
size_t position_length(const struct config_node *scalar, size_t offset, size_t length) {
    if (scalar->kind != CONFIG_SCALAR || length == 0)
        return 0;
    size_t from = source_offset(scalar, offset);
    size_t to =
        source_offset(scalar, offset + length < scalar->text.size ? offset + length : scalar->text.size);
    return to > from ? to - from : 0;
}
