// What the commands of hutong schema share.
#pragma once

#include "cli/cli.h"
#include "core/base/buffer.h"
#include "core/config/report.h"
#include "core/schema/model.h"

int schema_build(int argc, char **argv);
int schema_list(int argc, char **argv);
int schema_show(int argc, char **argv);
int schema_check(int argc, char **argv);

// Runs protoc over all .proto files of the folders: a FileDescriptorSet with imports and source info. What
// protoc complains about goes to standard error as "FOLDER/file:line:column: …". 0, or negative with the
// text.
int schema_protoc(const char *const *folders, size_t count, struct buffer *out, struct error *error);

// A whole file behind what is in `out`. 0 or -EINVAL with the text.
int schema_read_file(const char *path, struct buffer *out, struct error *error);

// Types from a descriptor set or, by protoc, from a folder of .proto files.
struct schema_input {
    const char *path; // borrowed
    bool folder;
    struct buffer set;
    struct model *model;
};
int schema_input_load(const char *path, struct schema_input *out, struct error *error);
void schema_input_destroy(struct schema_input *input);

// Of `path`, or without one of the configuration here, or what came with this program. EXIT_DONE, or prints
// what is wrong and returns the exit status.
int schema_open(const char *command, const char *path, struct schema_input *out);

// Where a .proto file of the input stands, for a person: "folder/gov/x.proto"; a set has only its own name
// for it. In the buffer; NULL without memory.
const char *schema_file_path(const struct schema_input *input, const char *file, struct buffer *out);
// protoc's place as one that editors and excerpts understand; `source`: the text of the file, or empty.
struct mark schema_mark(struct bytes source, struct model_place place);
