#include "adapters/runtime/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SECRET_SIZE 4096

// "{NAME}" or "{NAME:-default}" at the front of `rest`, which moves behind it.
struct reference {
    char name[128];
    struct bytes fallback; // data NULL: none
};

static bool read_reference(const char **rest, struct reference *out) {
    const char *start = *rest + 1, *end = **rest == '{' ? strchr(start, '}') : NULL;
    size_t name = end ? strcspn(start, ":}") : 0;
    if (name == 0 || name >= sizeof out->name || (start[name] == ':' && start[name + 1] != '-'))
        return false;
    memcpy(out->name, start, name);
    out->name[name] = '\0';
    out->fallback = (struct bytes){0};
    if (start[name] == ':')
        out->fallback = bytes_of(start + name + 2, (size_t)(end - start) - name - 2);
    *rest = end + 1;
    return true;
}

// Appends what the reference at `rest` (behind the dollar sign) stands for. 0, 1 (reported), -ENOMEM.
static int append_reference(
    const struct config_node *node, const char **rest, struct buffer *out, struct report *report) {
    struct reference reference;
    size_t offset = (size_t)(*rest - (const char *)node->text.data) - 1;
    if (!read_reference(rest, &reference)) {
        config_error_inside(node, offset, 1, report,
            "after $ stands {NAME} or {NAME:-default} of an environment variable; $$ is a dollar sign");
        return 1;
    }
    const char *value = getenv(reference.name);
    if (value && *value)
        return buffer_append_string(out, value);
    if (reference.fallback.data || value)
        return buffer_append_bytes(out, reference.fallback);
    config_error_inside(node, offset, strlen(reference.name) + 3, report,
        "the environment variable %s is not set", reference.name);
    return 1;
}

static int expand(const struct config_node *node, struct buffer *out, struct report *report) {
    int rc = 0;
    for (const char *p = (const char *)node->text.data; *p && rc == 0;) {
        if (*p != '$') {
            rc = buffer_append_byte(out, (uint8_t)*p++);
        } else if (p[1] == '$') {
            rc = buffer_append_byte(out, '$');
            p += 2;
        } else {
            p++;
            rc = append_reference(node, &p, out, report);
        }
    }
    return rc;
}

bool settings_text(const struct config_node *mapping, const char *key, char **out, struct report *report) {
    const char *text = NULL;
    struct buffer buffer = {0};
    if (!config_read_string(mapping, key, &text, report))
        return false;
    if (!text)
        return true;
    const struct config_node *node = config_get(mapping, key);
    int rc = expand(node, &buffer, report);
    if (rc == 0 && !buffer_text(&buffer))
        rc = -ENOMEM;
    if (rc == -ENOMEM)
        config_error(node, report, "out of memory");
    if (rc) {
        buffer_destroy(&buffer);
        return false;
    }
    if (buffer.size > 0)
        *out = (char *)buffer.data;
    else
        buffer_destroy(&buffer); // as if it were not there
    return true;
}

bool settings_path(const struct config_node *mapping, const char *key, const char *base_folder, char **out,
    struct report *report) {
    char *text = NULL, *joined;
    if (!settings_text(mapping, key, &text, report))
        return false;
    if (!text || *text == '/' || !base_folder) {
        if (text)
            *out = text;
        return true;
    }
    int rc = asprintf(&joined, "%s/%s", base_folder, text);
    free(text);
    if (rc < 0) {
        config_error(config_get(mapping, key), report, "out of memory");
        return false;
    }
    *out = joined;
    return true;
}

static int read_first_line(const char *path, struct buffer *out, struct error *error) {
    char line[SECRET_SIZE];
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    const char *got = fgets(line, sizeof line, file);
    fclose(file);
    if (!got)
        return error_set(error, -EINVAL, "%s: is empty", path);
    int rc = buffer_append(out, line, strcspn(line, "\r\n"));
    explicit_bzero(line, sizeof line);
    return rc ? error_no_memory(error) : 0;
}

static int secret_of_file(
    const struct config_node *node, const char *base_folder, struct buffer *out, struct error *error) {
    char *path;
    const char *text = (const char *)node->text.data;
    if (asprintf(&path, "%s%s%s", *text == '/' ? "" : base_folder, *text == '/' ? "" : "/", text) < 0)
        return error_no_memory(error);
    int rc = read_first_line(path, out, error);
    free(path);
    return rc;
}

int settings_secret(const struct config_node *mapping, const char *key, const char *base_folder,
    struct buffer *out, struct error *error) {
    char name[64];
    snprintf(name, sizeof name, "%s_file", key);
    const struct config_node *node = config_get(mapping, name);
    if (node)
        return secret_of_file(node, base_folder ? base_folder : ".", out, error);
    snprintf(name, sizeof name, "%s_env", key);
    node = config_get(mapping, name);
    if (!node)
        return 0;
    const char *value = getenv((const char *)node->text.data);
    if (!value)
        return error_set(
            error, -EINVAL, "the environment variable %s is not set", (const char *)node->text.data);
    return buffer_append_string(out, value) ? error_no_memory(error) : 0;
}
