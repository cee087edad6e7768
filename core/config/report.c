#include "core/config/internal.h"
#include "core/config/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_LIMIT 1000
#define TEXT_LIMIT 2000

struct report {
    struct report_problem *problems; // texts in one allocation each, behind `path`
    size_t count;
    size_t capacity;
    size_t limit;
    size_t errors;
    size_t warnings;
};

struct report *report_new(size_t limit) {
    struct report *self = calloc(1, sizeof *self);
    if (self)
        self->limit = limit ? limit : DEFAULT_LIMIT;
    return self;
}

void report_destroy(struct report **self) {
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->count; i++)
        free((void *)(uintptr_t)(*self)->problems[i].path);
    free((*self)->problems);
    free(*self);
    *self = NULL;
}

static int make_room(struct report *report) {
    if (report->count < report->capacity)
        return 0;
    size_t capacity = report->capacity ? report->capacity * 2 : 8;
    struct report_problem *problems = realloc(report->problems, capacity * sizeof *problems);
    if (!problems)
        return -ENOMEM;
    report->problems = problems;
    report->capacity = capacity;
    return 0;
}

// What is underlined: no more than the rest of its line.
static struct bytes underlined(struct bytes source, struct mark mark, size_t length) {
    if (source.size == 0)
        return source;
    size_t from = mark.offset < source.size ? mark.offset : source.size;
    size_t to = from;
    while (to < source.size && to - from < length && source.data[to] != '\n')
        to++;
    if (to > from && to < source.size && source.data[to] == '\n' && source.data[to - 1] == '\r')
        to--;
    return bytes_of(source.data + from, to - from);
}

// Path, text, excerpt and suggestion go into one buffer, each with a NUL behind it, which the problem then
// owns.
static int build_texts(struct buffer *all, size_t starts[4], const char *path, struct bytes source,
    struct mark mark, size_t length, const char *text) {
    starts[0] = all->size;
    int rc = text_append_clean(all, bytes_of_string(path), TEXT_LIMIT);
    if (rc == 0)
        rc = buffer_append_byte(all, 0);
    starts[1] = all->size;
    if (rc == 0)
        rc = text_append_clean(all, bytes_of_string(text), TEXT_LIMIT);
    if (rc == 0)
        rc = buffer_append_byte(all, 0);
    starts[2] = all->size;
    if (rc == 0 && source.size)
        rc = excerpt_append(all, source, mark, length);
    if (rc == 0)
        rc = buffer_append_byte(all, 0);
    starts[3] = all->size;
    if (rc == 0 && source.size)
        rc = suggestion_append(all, text, underlined(source, mark, length));
    return rc == 0 ? buffer_append_byte(all, 0) : rc;
}

// Where there is a character, one is underlined at least.
static uint32_t characters(struct bytes source, struct mark mark, size_t length) {
    struct bytes shown = underlined(source, mark, length ? length : 1);
    size_t count = length ? text_characters(shown) : 1;
    return (uint32_t)(shown.size == 0 ? 0 : count ? count : 1); // half a character counts as one
}

// Takes `all`, unless `rc` says that it could not be made.
static void keep(struct report *report, enum report_severity severity, struct mark mark, uint32_t length,
    struct buffer *all, const size_t starts[4], int rc) {
    ++*(severity == REPORT_ERROR ? &report->errors : &report->warnings);
    bool room = report->count < report->limit;
    if (room && (rc != 0 || make_room(report) != 0)) {
        room = false;
        if (severity == REPORT_WARNING)
            report->errors++; // what can't be told must not look fine
    }
    if (!room) {
        buffer_destroy(all);
        return;
    }
    const char *base = (const char *)all->data;
    report->problems[report->count++] = (struct report_problem){
        .severity = severity,
        .path = base + starts[0],
        .mark = mark,
        .text = base + starts[1],
        .excerpt = base + starts[2],
        .suggestion = base + starts[3],
        .length = length,
    };
}

// One mistake may be met several times, such as in what several rules share.
static bool is_told(const struct report *report, enum report_severity severity, const char *path,
    struct mark mark, const char *text) {
    for (size_t i = 0; i < report->count; i++) {
        const struct report_problem *problem = &report->problems[i];
        if (problem->mark.offset == mark.offset && problem->mark.line == mark.line &&
            problem->severity == severity && strcmp(problem->text, text) == 0 &&
            strcmp(problem->path, path) == 0)
            return true;
    }
    return false;
}

void report_add_list(struct report *report, enum report_severity severity, const char *path,
    struct bytes source, struct mark mark, size_t length, const char *format, va_list args) {
    char text[TEXT_LIMIT];
    size_t starts[4] = {0};
    struct buffer all = {0};
    int rc = 0;
    vsnprintf(text, sizeof text, format, args);
    if (is_told(report, severity, path, mark, text))
        return;
    if (report->count < report->limit) // the rest is only counted
        rc = build_texts(&all, starts, path, source, mark, length, text);
    keep(report, severity, mark, characters(source, mark, length), &all, starts, rc);
}

void report_add_copy(
    struct report *report, const struct report_problem *problem, const char *more, const char *name) {
    size_t starts[4] = {0};
    struct buffer all = {0};
    int rc = buffer_append(&all, problem->path, strlen(problem->path) + 1);
    starts[1] = all.size;
    rc = rc ? rc : buffer_append_format(&all, "%s%s%s", problem->text, more, name);
    rc = rc ? rc : buffer_append_byte(&all, 0);
    starts[2] = all.size;
    rc = rc ? rc : buffer_append(&all, problem->excerpt, strlen(problem->excerpt) + 1);
    starts[3] = all.size;
    rc = rc ? rc : buffer_append(&all, problem->suggestion, strlen(problem->suggestion) + 1);
    keep(report, problem->severity, problem->mark, problem->length, &all, starts, rc);
}

void report_add(struct report *report, enum report_severity severity, const char *path, struct bytes source,
    struct mark mark, size_t length, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report_add_list(report, severity, path, source, mark, length, format, args);
    va_end(args);
}

void report_no_memory(struct report *report) {
    report->errors++;
}

size_t report_errors(const struct report *report) {
    return report->errors;
}

size_t report_warnings(const struct report *report) {
    return report->warnings;
}

size_t report_size(const struct report *report) {
    return report->count;
}

const struct report_problem *report_problem(const struct report *report, size_t i) {
    return i < report->count ? &report->problems[i] : NULL;
}

// ---- Output ----

static int compare(const void *a, const void *b) {
    const struct report_problem *x = *(const struct report_problem *const *)a;
    const struct report_problem *y = *(const struct report_problem *const *)b;
    int order = strcmp(x->path, y->path);
    if (order != 0)
        return order;
    if (x->mark.line != y->mark.line)
        return x->mark.line < y->mark.line ? -1 : 1;
    if (x->mark.column != y->mark.column)
        return x->mark.column < y->mark.column ? -1 : 1;
    return x < y ? -1 : x > y; // as they were added
}

static const struct report_problem **sorted(const struct report *report) {
    const struct report_problem **order = calloc(report->count + 1, sizeof *order);
    if (!order)
        return NULL;
    for (size_t i = 0; i < report->count; i++)
        order[i] = &report->problems[i];
    qsort(order, report->count, sizeof *order, compare);
    return order;
}

static const char *severity_name(const struct report_problem *problem) {
    return problem->severity == REPORT_ERROR ? "error" : "warning";
}

static int print_problem(const struct report_problem *problem, struct buffer *out) {
    int rc = problem->mark.line == 0 ? buffer_append_format(out, "%s: ", problem->path)
                                     : buffer_append_format(out, "%s:%u:%u: ", problem->path,
                                           problem->mark.line, problem->mark.column);
    if (rc == 0)
        rc = buffer_append_format(out, "%s: %s\n", severity_name(problem), problem->text);
    return rc == 0 ? buffer_append_string(out, problem->excerpt) : rc;
}

static size_t missing(const struct report *report) {
    size_t all = report->errors + report->warnings;
    return all > report->count ? all - report->count : 0;
}

int report_print(const struct report *report, struct buffer *out) {
    const struct report_problem **order = sorted(report);
    int rc = order ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < report->count; i++)
        rc = print_problem(order[i], out);
    free(order);
    if (rc == 0 && missing(report))
        rc = buffer_append_format(out, "(%zu more not shown)\n", missing(report));
    return rc;
}

static int append_json_string(struct buffer *out, const char *text) {
    int rc = buffer_append_byte(out, '"');
    for (const char *p = text; rc == 0 && *p; p++) {
        uint8_t c = (uint8_t)*p;
        if (c < 0x20)
            rc = buffer_append_format(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            rc = buffer_append_format(out, "\\%c", c);
        else
            rc = buffer_append_byte(out, c);
    }
    return rc == 0 ? buffer_append_byte(out, '"') : rc;
}

static int json_problem(const struct report_problem *problem, bool first, struct buffer *out) {
    int rc = buffer_append_format(
        out, "%s{\"severity\":\"%s\",\"file\":", first ? "" : ",", severity_name(problem));
    if (rc == 0)
        rc = append_json_string(out, problem->path);
    if (rc == 0)
        rc = buffer_append_format(out,
            ",\"line\":%u,\"column\":%u,\"endColumn\":%u,\"length\":%u,\"message\":", problem->mark.line,
            problem->mark.column, problem->mark.column + problem->length, problem->length);
    if (rc == 0)
        rc = append_json_string(out, problem->text);
    if (rc == 0 && problem->suggestion[0])
        rc = buffer_append_string(out, ",\"suggestion\":");
    if (rc == 0 && problem->suggestion[0])
        rc = append_json_string(out, problem->suggestion);
    return rc == 0 ? buffer_append_byte(out, '}') : rc;
}

int report_print_json(const struct report *report, struct buffer *out) {
    const struct report_problem **order = sorted(report);
    int rc = order ? buffer_append_byte(out, '[') : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < report->count; i++)
        rc = json_problem(order[i], i == 0, out);
    free(order);
    return rc == 0 ? buffer_append_byte(out, ']') : rc;
}
