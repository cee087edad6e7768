// The files of a folder as they are on the disk: names and bytes, in order of name.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

#include <stdbool.h>

#define FILES_MAX 10000
#define FILES_BYTES ((size_t)256 << 20) // of all files together

struct file {
    char *name; // without the folder; owned
    struct buffer text;
};

struct files { // zero-initialised it is empty
    struct file *items;
    size_t count;
};

// Which of a folder's files belong to a configuration; hidden ones never do.
bool files_is_yaml(const char *name);
bool files_is_route(const char *name); // *.yaml, but no tests of routes (*.test.yaml)
bool files_is_code(const char *name);  // lists, maps and their tables: all but *.md

// 0, or a negative errno with the text. Nothing is there when it failed.
int files_read(const char *folder, bool (*wanted)(const char *name), struct files *out, struct error *error);
int files_read_one(const char *path, struct buffer *out);                 // a file by itself; 0 or negative
int files_add(struct files *files, struct bytes name, struct bytes text); // behind the last; 0 or -ENOMEM
const struct file *files_named(const struct files *files, const char *name); // or NULL
bool files_equal(const struct files *a, const struct files *b);
void files_destroy(struct files *files);
