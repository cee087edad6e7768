#include "core/crypto/keys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_whole(
    const char *path, char text[KEYS_FILE_SIZE + 1], size_t *size, mode_t *mode, struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    struct stat st;
    size_t have = 0;
    ssize_t n = -1;
    if (fstat(fd, &st) == 0)
        while ((n = read(fd, text + have, KEYS_FILE_SIZE + 1 - have)) > 0)
            have += (size_t)n;
    int rc = n < 0 ? error_set(error, -errno, "%s: %s", path, strerror(errno)) : 0;
    close(fd);
    if (!rc && have > KEYS_FILE_SIZE)
        rc = error_set(error, -EINVAL, "%s: over %d bytes; this is no certificate", path, KEYS_FILE_SIZE);
    if (rc)
        return rc;
    *size = have;
    *mode = st.st_mode;
    return 0;
}

static bool is_z85(struct bytes text) {
    static const char others[] = ".-:+=^!/*?&<>()[]{}@%$#";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return true;
}

static struct bytes trimmed(struct bytes text) {
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text.data++, text.size--;
    while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1]))
        text.size--;
    return text;
}

// Where a line stands: in which section, and what to say of it.
struct place {
    const char *path;
    unsigned line;
    enum { SECTION_NONE, SECTION_METADATA, SECTION_CURVE, SECTION_OTHER } section;
};

static int take_key(
    const struct place *at, struct bytes value, char key[KEYS_TEXT_SIZE], struct error *error) {
    if (key[0])
        return error_set(error, -EINVAL, "%s:%u: the key is there twice", at->path, at->line);
    if (value.size != KEYS_TEXT_SIZE - 1 ||
        !is_z85(value)) // the value itself may be a secret: never in the text
        return error_set(error, -EINVAL, "%s:%u: a key is 40 characters of Z85, this has %zu bytes%s",
            at->path, at->line, value.size, value.size == KEYS_TEXT_SIZE - 1 ? ", some of them not Z85" : "");
    memcpy(key, value.data, value.size);
    key[value.size] = '\0';
    return 0;
}

static int take_name(
    const struct place *at, struct bytes value, char name[KEYS_NAME_SIZE], struct error *error) {
    if (value.size >= KEYS_NAME_SIZE || memchr(value.data, '\0', value.size))
        return error_set(error, -EINVAL, "%s:%u: the name is over %d bytes, or has a NUL", at->path, at->line,
            KEYS_NAME_SIZE - 1);
    memcpy(name, value.data, value.size);
    name[value.size] = '\0';
    return 0;
}

static int take_pair(const struct place *at, struct bytes key, struct bytes value, struct keys_file *out,
    struct error *error) {
    if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"')
        return error_set(error, -EINVAL, "%s:%u: a value stands in double quotes", at->path, at->line);
    value = bytes_of(value.data + 1, value.size - 2);
    if (at->section == SECTION_CURVE && bytes_equal_string(key, "public-key"))
        return take_key(at, value, out->public_key, error);
    if (at->section == SECTION_CURVE && bytes_equal_string(key, "secret-key"))
        return take_key(at, value, out->secret_key, error);
    if (at->section == SECTION_CURVE)
        return error_set(error, -EINVAL, "%s:%u: the section curve has public-key and secret-key only",
            at->path, at->line);
    if (at->section == SECTION_METADATA && bytes_equal_string(key, "name"))
        return take_name(at, value, out->name, error);
    return 0;
}

static int take_line(struct place *at, struct bytes line, struct keys_file *out, struct error *error) {
    bool indented = line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
    line = trimmed(line);
    if (line.size == 0 || line.data[0] == '#')
        return 0;
    const uint8_t *equals = memchr(line.data, '=', line.size);
    if (!indented && !equals) {
        at->section = bytes_equal_string(line, "metadata") ? SECTION_METADATA
                      : bytes_equal_string(line, "curve")  ? SECTION_CURVE
                                                           : SECTION_OTHER;
        return 0;
    }
    if (!equals || at->section == SECTION_NONE)
        return error_set(error, -EINVAL,
            "%s:%u: neither a section nor key = \"value\" within one; this is no CURVE certificate", at->path,
            at->line);
    size_t key_size = (size_t)(equals - line.data);
    return take_pair(at, trimmed(bytes_of(line.data, key_size)),
        trimmed(bytes_of(equals + 1, line.size - key_size - 1)), out, error);
}

static int take_lines(const char *path, struct bytes rest, struct keys_file *out, struct error *error) {
    struct place at = {.path = path};
    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t size = end ? (size_t)(end - rest.data) : rest.size;
        at.line++;
        int rc = take_line(&at, bytes_of(rest.data, size), out, error);
        if (rc)
            return rc;
        rest = bytes_of(rest.data + size + (end ? 1 : 0), rest.size - size - (end ? 1 : 0));
    }
    return 0;
}

int keys_file_read(const char *path, struct keys_file *out, struct error *error) {
    char text[KEYS_FILE_SIZE + 1];
    size_t size = 0;
    *out = (struct keys_file){0};
    int rc = read_whole(path, text, &size, &out->mode, error);
    if (!rc)
        rc = take_lines(path, bytes_of(text, size), out, error);
    explicit_bzero(text, sizeof text);
    return rc;
}
