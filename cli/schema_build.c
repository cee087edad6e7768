// hutong schema build: .proto files to a catalogue, whole or not at all.
#include "cli/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "Usage: hutong schema build [-o CATALOGUE] FOLDER…\n"
    "Makes a catalogue of all .proto files in the folders, each the root of its imports: a FileDescriptorSet "
    "with\n"
    "imports and source info, built by protoc (in PATH). It is loaded as a broker would load it, and only "
    "then it\n"
    "takes the place of the old one. Exit status 2 when the files are wrong; warnings alone are fine.\n\n"
    "  -o, --output FILE  where to write (default: catalogue.binpb)\n"
    "  -h, --help         this text\n";

// ---- What a bus does not do well with ----

static void warn(const char *path, struct model_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void warn(const char *path, struct model_place place, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(
        stderr, "%s:%u:%u: warning: ", path, place.line ? place.line : 1, place.column ? place.column : 1);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

struct folders {
    const char *const *items;
    size_t count;
    struct buffer path;
};

// Where a file stands in the folders; as imports name it where it is in none.
static const char *in_folder(struct folders *folders, const char *file) {
    for (size_t i = 0; i < folders->count; i++) {
        struct schema_input input = {.path = folders->items[i], .folder = true};
        const char *path = schema_file_path(&input, file, &folders->path);
        if (path && strcmp(path, file) != 0)
            return path;
    }
    return file;
}

static size_t warn_message(const struct model_message *message, struct folders *folders) {
    size_t warnings = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct model_field *field = &message->fields[i];
        if (field->kind != SCHEMA_GROUP)
            continue;
        warn(in_folder(folders, message->file->name), field->note.place,
            "field %s of %s is a group, which only proto2 has; a nested message does the same", field->name,
            message->full_name);
        warnings++;
    }
    return warnings;
}

static size_t print_warnings(const struct model *model, struct folders *folders) {
    size_t warnings = 0;
    for (size_t i = 0; i < model_file_count(model); i++) {
        const struct model_file *file = model_file_at(model, i);
        if (file->package[0])
            continue;
        warn(in_folder(folders, file->name), (struct model_place){1, 1},
            "there is no package; two departments may give a type the same name");
        warnings++;
    }
    for (size_t i = 0; i < model_message_count(model); i++)
        warnings += warn_message(model_message_at(model, i), folders);
    for (size_t i = 0; i < model_extension_count(model); i++) {
        const struct model_field *field = model_extension_at(model, i);
        if (strncmp(field->extendee, "google.protobuf.", 16) == 0)
            continue; // options of .proto files
        warn(in_folder(folders, field->file->name), field->note.place,
            "extension %s is an unknown field to routes and to JSON", field->full_name);
        warnings++;
    }
    return warnings;
}

// ---- Writing ----

static int write_all(int fd, struct bytes bytes) {
    while (bytes.size) {
        ssize_t size = write(fd, bytes.data, bytes.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -errno;
        bytes = bytes_of(bytes.data + size, bytes.size - (size_t)size);
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

static int replace(const char *path, struct bytes bytes, struct error *error) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return error_no_memory(error);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        int rc = error_set(error, -errno, "%s: %s", path, strerror(errno));
        free(temporary);
        return rc;
    }
    mode_t mask = umask(0);
    umask(mask);
    int rc = write_all(fd, bytes);
    if (rc == 0 && fchmod(fd, 0666 & ~mask) != 0)
        rc = -errno;
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(temporary, path) != 0)
        rc = -errno;
    if (rc != 0) {
        error_set(error, rc, "%s: %s", path, strerror(-rc));
        unlink(temporary);
    }
    free(temporary);
    return rc;
}

// ---- The command ----

static size_t count_messages(const struct model *model) {
    size_t count = 0;
    for (size_t i = 0; i < model_message_count(model); i++)
        count += !model_message_at(model, i)->map_entry;
    return count;
}

static void print_counts(const char *output, const struct model *model, size_t size, size_t warnings) {
    size_t messages = count_messages(model), enums = model_enum_count(model), files = model_file_count(model);
    printf("%s: %zu message%s, %zu enum%s, %zu file%s; %zu bytes%s\n", output, messages,
        messages == 1 ? "" : "s", enums, enums == 1 ? "" : "s", files, files == 1 ? "" : "s", size,
        warnings ? "; with warnings" : "");
}

static int build(const char *const *folders, size_t count, const char *output) {
    struct buffer set = {0};
    struct error error = {0};
    struct catalogue *catalogue = NULL;
    struct model *model = NULL;
    struct folders in = {.items = folders, .count = count};
    int rc = schema_protoc(folders, count, &set, &error);
    if (rc == 0)
        rc = catalogue_load(buffer_bytes(&set), &catalogue, &error);
    if (rc == 0)
        rc = model_load(buffer_bytes(&set), &model, &error);
    size_t warnings = rc == 0 ? print_warnings(model, &in) : 0;
    if (rc == 0)
        rc = replace(output, buffer_bytes(&set), &error);
    if (rc == 0)
        print_counts(output, model, set.size, warnings);
    model_destroy(&model);
    catalogue_destroy(&catalogue);
    buffer_destroy(&in.path);
    buffer_destroy(&set);
    return rc == 0 ? EXIT_DONE : cli_wrong("schema build", "%s", error.text);
}

int schema_build(int argc, char **argv) {
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *output = "catalogue.binpb";
    for (int option; (option = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option == '?')
            return EXIT_WRONG;
        output = optarg;
    }
    if (optind == argc)
        return cli_wrong("schema build", "a folder with .proto files is needed; see --help");
    return build((const char *const *)argv + optind, (size_t)(argc - optind), output);
}
