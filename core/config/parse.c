#include "core/config/internal.h"
#include "core/config/text.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

enum {
    STOPPED = 1, // the rest can't be read; the reason was reported
};

#define DEPTH_MAX 256u // whatever the limits say

// A sequence or mapping that is not closed yet.
struct frame {
    struct node *node;
    size_t first; // its first child in the pending ones
    bool block;
};

struct parser {
    yaml_parser_t yaml;
    struct config_file *file;
    const struct config_limits *limits;
    struct report *report;
    struct config_node **pending; // children of all open frames, one after the other
    size_t pending_count;
    size_t pending_capacity;
    struct frame frames[DEPTH_MAX];
    size_t depth;
    size_t nodes;
    bool document;      // one was read
    size_t cursor;      // an offset in the source …
    size_t cursor_mark; // … and the number of characters before it, by which libyaml counts
};

static size_t offset_of(struct parser *parser, const yaml_mark_t *mark) {
    struct bytes source = buffer_bytes(&parser->file->source);
    while (parser->cursor_mark > mark->index)
        if ((source.data[--parser->cursor] & 0xC0) != 0x80)
            parser->cursor_mark--;
    for (; parser->cursor < source.size; parser->cursor++) {
        bool starts = (source.data[parser->cursor] & 0xC0) != 0x80;
        if (starts && parser->cursor_mark == mark->index)
            break;
        parser->cursor_mark += starts;
    }
    return parser->cursor;
}

static struct mark mark_at(const struct parser *parser, size_t offset) {
    return source_mark(buffer_bytes(&parser->file->source), &parser->file->lines, offset);
}

__attribute__((format(printf, 4, 5))) static void complain(
    struct parser *parser, size_t offset, size_t length, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report_add_list(parser->report, REPORT_ERROR, parser->file->path, buffer_bytes(&parser->file->source),
        mark_at(parser, offset), length, format, args);
    va_end(args);
}

// Bytes up to the next blank, or to the end of the line with `blanks`.
static size_t word_length(const struct parser *parser, size_t offset, bool blanks) {
    struct bytes source = buffer_bytes(&parser->file->source);
    size_t end = offset;
    while (end < source.size && source.data[end] != '\n' && source.data[end] != '\r' &&
           (blanks || (source.data[end] != ' ' && source.data[end] != '\t')))
        end++;
    while (end > offset && (source.data[end - 1] == ' ' || source.data[end - 1] == '\t'))
        end--;
    return end - offset;
}

// ---- Nodes ----

static int push_pending(struct parser *parser, struct config_node *node) {
    if (parser->pending_count == parser->pending_capacity) {
        size_t capacity = parser->pending_capacity ? parser->pending_capacity * 2 : 64;
        struct config_node **pending = realloc(parser->pending, capacity * sizeof(struct config_node *));
        if (!pending)
            return -ENOMEM;
        parser->pending = pending;
        parser->pending_capacity = capacity;
    }
    parser->pending[parser->pending_count++] = node;
    return 0;
}

static bool expects_key(const struct parser *parser) {
    if (parser->depth == 0)
        return false;
    const struct frame *frame = &parser->frames[parser->depth - 1];
    return frame->node->public.kind == CONFIG_MAPPING && (parser->pending_count - frame->first) % 2 == 0;
}

// Makes the node of an event and hangs it under the open frame. 0, STOPPED, -ENOMEM.
static int add_node(
    struct parser *parser, const yaml_event_t *event, enum config_kind kind, struct node **out) {
    size_t start = offset_of(parser, &event->start_mark);
    size_t end = offset_of(parser, &event->end_mark);
    if (++parser->nodes > parser->limits->nodes) {
        complain(parser, start, 1, "the file has more than %zu values", parser->limits->nodes);
        return STOPPED;
    }
    if (kind != CONFIG_SCALAR && expects_key(parser))
        complain(parser, start, 1, "a key must be one word or text, not a list or a mapping");
    struct node *node = file_alloc(parser->file, sizeof *node);
    if (!node)
        return -ENOMEM;
    size_t line = word_length(parser, start, true);
    node->public = (struct config_node){
        .kind = kind,
        .mark = mark_at(parser, start),
        .length = end > start && end - start < line ? end - start : line,
        .file = parser->file,
    };
    node->end = (uint32_t)end;
    *out = node;
    if (parser->depth > 0)
        return push_pending(parser, &node->public);
    parser->file->root = &node->public;
    return 0;
}

// Anchors, tags and the like are no part of the subset. Reading goes on, so that other mistakes are told too.
static void refuse_properties(
    struct parser *parser, const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag) {
    size_t start = offset_of(parser, &event->start_mark);
    if (anchor)
        complain(parser, start, word_length(parser, start, false),
            "anchors (&%s) are not part of this format; write the value again where it is needed",
            (const char *)anchor);
    else if (tag)
        complain(parser, start, word_length(parser, start, false),
            "tags (!) are not part of this format; put a text that looks like something else in quotes");
}

static int copy_text(struct parser *parser, struct node *node, const yaml_event_t *event) {
    size_t size = event->data.scalar.length;
    uint8_t *text = file_alloc(parser->file, size + 1);
    if (!text)
        return -ENOMEM;
    memcpy(text, event->data.scalar.value, size);
    node->public.text = bytes_of(text, size);
    const uint8_t *zero = size ? memchr(text, 0, size) : NULL;
    if (zero)
        config_error_inside(&node->public, (size_t)(zero - text), 1, parser->report,
            "a text can't contain the character NUL");
    return 0;
}

static enum node_style style_of(const yaml_event_t *event) {
    switch (event->data.scalar.style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
        return NODE_SINGLE;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        return NODE_DOUBLE;
    case YAML_LITERAL_SCALAR_STYLE:
        return NODE_LITERAL;
    case YAML_FOLDED_SCALAR_STYLE:
        return NODE_FOLDED;
    case YAML_ANY_SCALAR_STYLE:
    case YAML_PLAIN_SCALAR_STYLE:
        break;
    }
    return NODE_PLAIN;
}

static void check_key(struct parser *parser, const struct config_node *node) {
    if (!node->quoted && bytes_equal_string(node->text, "<<"))
        config_error(node, parser->report, "merge keys (<<) are not part of this format; write the keys out");
    else if (!node->quoted && node->text.size == 0)
        config_error(node, parser->report, "a key is missing before \":\"");
}

static int add_scalar(struct parser *parser, const yaml_event_t *event) {
    struct node *node;
    bool key = expects_key(parser);
    int rc = add_node(parser, event, CONFIG_SCALAR, &node);
    if (rc != 0)
        return rc;
    node->style = style_of(event);
    node->public.quoted = node->style != NODE_PLAIN;
    if (node->style == NODE_LITERAL || node->style == NODE_FOLDED)
        node->public.length = word_length(parser, node->public.mark.offset, false);
    // libyaml drops the tag "!" of a scalar; no plain one starts like that.
    const uint8_t *source = parser->file->source.data + node->public.mark.offset;
    bool tagged = node->public.length && *source == '!';
    const yaml_char_t *tag = tagged ? source : event->data.scalar.tag;
    if (event->data.scalar.anchor || tag) {
        refuse_properties(parser, event, event->data.scalar.anchor, tag);
        return copy_text(parser, node, event) < 0 ? -ENOMEM : 0;
    }
    rc = copy_text(parser, node, event);
    if (rc == 0 && key)
        check_key(parser, &node->public);
    return rc;
}

static int open_frame(struct parser *parser, const yaml_event_t *event, enum config_kind kind, bool block) {
    struct node *node;
    size_t depth = parser->limits->depth < DEPTH_MAX ? parser->limits->depth : DEPTH_MAX;
    int rc = add_node(parser, event, kind, &node);
    if (rc != 0)
        return rc;
    if (parser->depth == depth) {
        complain(parser, node->public.mark.offset, 1, "nested deeper than %zu levels", depth);
        return STOPPED;
    }
    parser->frames[parser->depth++] =
        (struct frame){.node = node, .first = parser->pending_count, .block = block};
    return 0;
}

// ---- The end of a mapping or sequence ----

static int take_children(struct parser *parser, const struct frame *frame) {
    struct config_node *node = &frame->node->public;
    bool mapping = node->kind == CONFIG_MAPPING;
    size_t count = parser->pending_count - frame->first;
    struct config_node **all = file_alloc(parser->file, (count + 1) * sizeof(struct config_node *));
    if (!all)
        return -ENOMEM;
    node->count = mapping ? count / 2 : count;
    struct config_node **values = mapping ? all + node->count : all;
    for (size_t i = 0; i < node->count; i++) {
        size_t at = frame->first + (mapping ? 2 * i : i);
        if (mapping)
            all[i] = parser->pending[at++];
        values[i] = parser->pending[at];
    }
    node->keys = mapping ? all : NULL;
    node->values = values;
    parser->pending_count = frame->first;
    return mapping ? check_duplicates(node, parser->report) : 0;
}

static int close_frame(struct parser *parser, const yaml_event_t *event) {
    const struct frame *frame = &parser->frames[--parser->depth];
    struct config_node *node = &frame->node->public;
    int rc = take_children(parser, frame);
    if (rc != 0)
        return rc;
    size_t end = offset_of(parser, &event->end_mark);
    size_t line = word_length(parser, node->mark.offset, true);
    frame->node->end = (uint32_t)end;
    // A block reaches up to whatever comes next: its first key or its dash stands for it.
    if (frame->block)
        node->length = node->keys && node->count ? node->keys[0]->length : 1;
    else
        node->length = end - node->mark.offset < line ? end - node->mark.offset : line;
    return 0;
}

// ---- Events ----

static int start_document(struct parser *parser, const yaml_event_t *event) {
    size_t start = offset_of(parser, &event->start_mark);
    if (parser->document) {
        complain(parser, start, word_length(parser, start, false),
            "a second document starts here; a file holds one (put it into a file of its own)");
        return STOPPED;
    }
    parser->document = true;
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        complain(parser, start, word_length(parser, start, true),
            "directives (%%) are not part of this format; remove the line");
    return 0;
}

static int refuse_alias(struct parser *parser, const yaml_event_t *event) {
    struct node *node;
    size_t start = offset_of(parser, &event->start_mark);
    complain(parser, start, word_length(parser, start, false),
        "aliases (*%s) are not part of this format; write the value again, or put a text that starts with * "
        "in quotes",
        (const char *)event->data.alias.anchor);
    return add_node(parser, event, CONFIG_SCALAR, &node);
}

static int take_event(struct parser *parser, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return start_document(parser, event);
    case YAML_ALIAS_EVENT:
        return refuse_alias(parser, event);
    case YAML_SCALAR_EVENT:
        return add_scalar(parser, event);
    case YAML_SEQUENCE_START_EVENT:
        refuse_properties(parser, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return open_frame(
            parser, event, CONFIG_SEQUENCE, event->data.sequence_start.style == YAML_BLOCK_SEQUENCE_STYLE);
    case YAML_MAPPING_START_EVENT:
        refuse_properties(parser, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return open_frame(
            parser, event, CONFIG_MAPPING, event->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_frame(parser, event);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return 0;
}

static int syntax_error(struct parser *parser) {
    if (parser->yaml.error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    struct syntax syntax = {
        .file = parser->file,
        .report = parser->report,
        .problem = parser->yaml.problem ? parser->yaml.problem : "this is not YAML",
        .context = parser->yaml.context,
    };
    syntax.at = offset_of(parser, &parser->yaml.problem_mark);
    syntax.began = parser->yaml.context ? offset_of(parser, &parser->yaml.context_mark) : syntax.at;
    syntax_report(&syntax);
    return STOPPED;
}

static int read_events(struct parser *parser) {
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser->yaml, &event))
            return syntax_error(parser);
        bool end = event.type == YAML_STREAM_END_EVENT;
        int rc = take_event(parser, &event);
        yaml_event_delete(&event);
        if (rc != 0 || end)
            return rc;
    }
}

int parse_tree(struct config_file *file, const struct config_limits *limits, struct report *report) {
    struct parser *parser = calloc(1, sizeof *parser);
    if (!parser || !yaml_parser_initialize(&parser->yaml)) {
        free(parser);
        return -ENOMEM;
    }
    parser->file = file;
    parser->limits = limits;
    parser->report = report;
    struct bytes source = buffer_bytes(&file->source);
    yaml_parser_set_encoding(&parser->yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser->yaml, source.data, source.size);
    int rc = read_events(parser);
    yaml_parser_delete(&parser->yaml);
    free(parser->pending);
    free(parser);
    const struct config_node *root = file->root;
    if (root && root->kind == CONFIG_SCALAR && !root->quoted && root->text.size == 0)
        file->root = NULL;
    return rc;
}
