// Collects what is wrong with files that people wrote, each with its place, an excerpt and a caret; many in
// one run.
//   conf/broker.yaml:12:9: error: unknown key "lisen"; did you mean "listen"?
//      12 |   lisen: tcp://127.0.0.1:7400
//         |   ^~~~~
#pragma once

#include "core/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A place in a file: line and column from 1, the column in Unicode characters. offset: bytes from the start
// of the file.
struct mark {
    uint32_t line;
    uint32_t column;
    uint32_t offset;
};

struct report;

enum report_severity {
    REPORT_ERROR,
    REPORT_WARNING,
};

// At most `limit` problems are kept (0: 1,000), the rest are counted. Returns owned, or NULL without memory.
struct report *report_new(size_t limit);
void report_destroy(struct report **self);

// Adds a problem. `path` and `text` are copied. `source` is the whole text of the file, from which the
// excerpt is cut now; size 0: no excerpt. `length`: bytes that the caret underlines (0: one caret). Out of
// memory counts as an error too. The same problem at the same place is told once. A text that ends in `did
// you mean X?`, `did you mean "X"?`, `; write "X"` or
// `; write X` suggests X for what is underlined; quotes that are underlined with it stay.
void report_add(struct report *report, enum report_severity severity, const char *path, struct bytes source,
    struct mark mark, size_t length, const char *format, ...) __attribute__((format(printf, 7, 8)));

size_t report_errors(const struct report *report);
size_t report_warnings(const struct report *report);

// For tests and for other output: the i-th problem, in the order they were added. Pointers are borrowed.
struct report_problem {
    enum report_severity severity;
    const char *path;
    struct mark mark;
    uint32_t length;        // characters underlined; 0: behind the end of the line, or no place
    const char *text;       // one line, no place
    const char *excerpt;    // two lines, or ""
    const char *suggestion; // what to write instead of what is underlined, or ""
};
size_t report_size(const struct report *report);
const struct report_problem *report_problem(const struct report *report, size_t i);

// Adds what the reports of `count` tries of one thing hold, each try with a name: what all of them say once,
// and what only some say with the name behind it, unless the text has it.
void report_merge(
    struct report *report, const struct report *const *tries, const char *const *names, size_t count);

// All problems, sorted by file and place, as text or as a JSON array of
// {severity,file,line,column,endColumn,length,message,suggestion}; columns count characters from 1,
// suggestion is there where there is one.
int report_print(const struct report *report, struct buffer *out);
int report_print_json(const struct report *report, struct buffer *out);

// The candidate nearest to `word` (edit distance at most a third of its length, at least 1), or NULL.
const char *report_nearest(struct bytes word, const char *const *candidates, size_t count);
