#include "core/config/internal.h"
#include "core/config/text.h"

// A long line is cut to a window around the caret, so that the excerpt stays two lines on most terminals.
#define WINDOW 100
#define LEAD 60 // columns kept before the caret
#define TAB 4
#define ELLIPSIS 0x2026u

// One character of the line as it is shown.
struct cell {
    size_t size;        // bytes in the source
    uint32_t character; // what is shown; a blank for a tab
    unsigned width;
};

static struct cell cell_at(struct bytes line, size_t offset, unsigned column) {
    struct cell cell;
    bool valid;
    cell.character = text_decode(line, offset, &cell.size, &valid);
    if (cell.character == '\t')
        return (struct cell){.size = 1, .character = ' ', .width = TAB - column % TAB};
    if (text_unsafe(cell.character))
        cell.character = TEXT_REPLACEMENT;
    cell.width = text_width(cell.character);
    return cell;
}

static struct bytes line_around(struct bytes source, size_t offset, size_t *start) {
    size_t first = offset;
    size_t end = offset;
    while (first > 0 && source.data[first - 1] != '\n')
        first--;
    while (end < source.size && source.data[end] != '\n')
        end++;
    if (end > first && source.data[end - 1] == '\r')
        end--;
    *start = first;
    return bytes_of(source.data + first, end - first);
}

static unsigned columns_before(struct bytes line, size_t offset) {
    unsigned column = 0;
    for (size_t at = 0; at < line.size && at < offset;) {
        struct cell cell = cell_at(line, at, column);
        column += cell.width;
        at += cell.size;
    }
    return column;
}

// The part of the line that is shown, in columns; what is wider on either side gives way to an ellipsis.
struct window {
    unsigned from;
    unsigned to;
    bool cut_left;
    bool cut_right;
};

static struct window window_of(unsigned width, unsigned caret) {
    struct window window = {.to = width};
    if (width <= WINDOW)
        return window;
    window.from = caret > LEAD ? caret - LEAD : 0;
    if (window.from + WINDOW > width)
        window.from = width > WINDOW ? width - WINDOW : 0;
    window.to = window.from + WINDOW;
    if (window.to > width)
        window.to = width;
    window.cut_left = window.from > 0;
    window.cut_right = window.to < width;
    return window;
}

static int append_cell(struct buffer *out, const struct cell *cell) {
    if (cell->character != ' ')
        return text_append(out, cell->character);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < cell->width; i++)
        rc = buffer_append_byte(out, ' ');
    return rc;
}

// Appends what is inside the window, and tells at which column it began: a wide character may straddle the
// edge.
static int append_line(struct buffer *out, struct bytes line, const struct window *window, unsigned *began) {
    int rc = 0;
    unsigned column = 0;
    bool any = false;
    *began = window->from;
    for (size_t at = 0; rc == 0 && at < line.size;) {
        struct cell cell = cell_at(line, at, column);
        if (column >= window->from && column + cell.width <= window->to) {
            if (!any)
                *began = column;
            any = true;
            rc = append_cell(out, &cell);
        }
        column += cell.width;
        at += cell.size;
        if (column > window->to)
            break;
    }
    return rc;
}

static int append_caret(struct buffer *out, unsigned blanks, unsigned width) {
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < blanks; i++)
        rc = buffer_append_byte(out, ' ');
    for (unsigned i = 0; rc == 0 && i < width; i++)
        rc = buffer_append_byte(out, i == 0 ? '^' : '~');
    return rc == 0 ? buffer_append_byte(out, '\n') : rc;
}

int excerpt_append(struct buffer *out, struct bytes source, struct mark mark, size_t length) {
    size_t start;
    size_t offset = mark.offset < source.size ? mark.offset : source.size;
    struct bytes line = line_around(source, offset, &start);
    size_t inside = offset - start < line.size ? offset - start : line.size;
    size_t behind = length < line.size - inside ? inside + length : line.size;
    unsigned caret = columns_before(line, inside);
    unsigned underlined = columns_before(line, behind) - caret;
    struct window window = window_of(columns_before(line, line.size), caret);
    int rc = buffer_append_format(out, "%5u | ", mark.line);
    if (rc == 0 && window.cut_left)
        rc = text_append(out, ELLIPSIS);
    unsigned began = 0;
    if (rc == 0)
        rc = append_line(out, line, &window, &began);
    if (rc == 0 && window.cut_right)
        rc = text_append(out, ELLIPSIS);
    if (rc == 0)
        rc = buffer_append_string(out, "\n      | ");
    if (caret + underlined > window.to)
        underlined = window.to > caret ? window.to - caret : 1;
    return rc == 0 ? append_caret(out, caret - began + window.cut_left, underlined ? underlined : 1) : rc;
}
