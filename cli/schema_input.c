#include "cli/routes.h"
#include "cli/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SET_BYTES (64u << 20) // that are read; the loader says that a set is too large for a broker

int schema_read_file(const char *path, struct buffer *out, struct error *error) {
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_set(error, -EINVAL, "%s: %s", path, strerror(errno));
    int rc = 0;
    size_t count = 65536;
    out->limit = SET_BYTES;
    while (rc == 0 && count == 65536) {
        uint8_t *room = buffer_extend(out, 65536);
        if (!room) {
            rc = error_set(error, -EINVAL, "%s: it has more than %u MiB", path, SET_BYTES >> 20);
            break;
        }
        count = fread(room, 1, 65536, file);
        out->size -= 65536 - count;
        if (ferror(file))
            rc = error_set(error, -EINVAL, "%s: %s", path, strerror(errno));
    }
    fclose(file);
    return rc;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int schema_input_load(const char *path, struct schema_input *out, struct error *error) {
    struct schema_input input = {.path = path, .folder = is_folder(path)};
    struct catalogue *catalogue = NULL;
    int rc =
        input.folder ? schema_protoc(&path, 1, &input.set, error) : schema_read_file(path, &input.set, error);
    if (rc == 0 && (rc = catalogue_load(buffer_bytes(&input.set), &catalogue, error)) == -EINVAL)
        error_prefix(error, "%s: ", path);
    if (rc == 0 && (rc = model_load(buffer_bytes(&input.set), &input.model, error)) == -EINVAL)
        error_prefix(error, "%s: ", path);
    catalogue_destroy(&catalogue); // only asked whether a broker would take the set
    if (rc != 0) {
        schema_input_destroy(&input);
        return rc;
    }
    *out = input;
    return 0;
}

void schema_input_destroy(struct schema_input *input) {
    model_destroy(&input->model);
    buffer_destroy(&input->set);
}

static int open_path(const char *command, const char *path, struct schema_input *out) {
    struct error error = {0};
    int rc = schema_input_load(path, out, &error);
    return rc == 0         ? EXIT_DONE
           : rc == -ENOMEM ? cli_failed(command, "%s", error.text)
                           : cli_wrong(command, "%s", error.text);
}

int schema_open(const char *command, const char *path, struct schema_input *out) {
    if (path)
        return open_path(command, path, out);
    const char *broker_yaml = cli_broker_yaml();
    if (access(broker_yaml, R_OK) != 0) {
        char found[4096];
        if (!cli_catalogue_path(found, sizeof found))
            return cli_wrong(
                command, "there is neither conf/broker.yaml nor a catalogue beside this program; name one");
        int exit_status = open_path(command, found, out);
        out->path = "";
        return exit_status;
    }
    struct report *report = report_new(0);
    struct policy *policy = report ? policy_load_for_check(broker_yaml, NULL, report) : NULL;
    int exit_status =
        policy ? open_path(command, policy_settings(policy)->catalogue, out)
               : cli_wrong(
                     command, "%s names no catalogue that can be read; hutong check says more", broker_yaml);
    out->path = "";
    policy_destroy(&policy);
    report_destroy(&report);
    return exit_status;
}

const char *schema_file_path(const struct schema_input *input, const char *file, struct buffer *out) {
    buffer_clear(out);
    if (input->folder && buffer_append_format(out, "%s/%s", input->path, file) != 0)
        return NULL;
    const char *path = input->folder ? buffer_text(out) : NULL;
    if (path && access(path, F_OK) == 0)
        return path;
    buffer_clear(out);
    return buffer_append_string(out, file) == 0 ? buffer_text(out) : NULL;
}

// protoc counts bytes, and a tab up to the next multiple of eight.
struct mark schema_mark(struct bytes source, struct model_place place) {
    struct mark mark = {.line = place.line ? place.line : 1, .column = place.column ? place.column : 1};
    const uint8_t *p = source.data, *end = source.data + source.size;
    for (uint32_t line = 1; p && line < mark.line; line++) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : NULL;
    }
    if (!p)
        return mark;
    uint32_t at = 1, column = 1;
    for (; p < end && *p != '\n' && at < mark.column; p++) {
        at = *p == '\t' ? (at - 1) / 8 * 8 + 9 : at + 1;
        column += p + 1 < end && (p[1] & 0xC0) == 0x80 ? 0 : 1;
    }
    mark.column = column;
    mark.offset = (uint32_t)(p - source.data);
    return mark;
}
