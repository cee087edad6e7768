#include "core/crypto/keys.h"

#include "core/crypto/keys_file.h"

#include <czmq.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void keys_wipe(char key[KEYS_TEXT_SIZE]) {
    explicit_bzero(key, KEYS_TEXT_SIZE);
}

static int check_name(const char *name, struct error *error) {
    size_t size = strlen(name);
    if (size == 0 || size >= KEYS_NAME_SIZE)
        return error_set(
            error, -EINVAL, "the name must have 1 to %d bytes, this has %zu", KEYS_NAME_SIZE - 1, size);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\' || *p == 0x7f)
            return error_set(
                error, -EINVAL, "the name must have no quotes, backslashes or control characters");
    return 0;
}

// Makes a file that did not exist, whole and on the disk, or none.
static int write_new(const char *path, mode_t mode, const char *text, struct error *error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return error_set(error, -errno,
            errno == EEXIST ? "%s: exists already; it is not overwritten" : "%s: %s", path, strerror(errno));
    size_t size = strlen(text);
    ssize_t n = write(fd, text, size);
    int rc = n < 0 ? -errno : (size_t)n < size ? -ENOSPC : 0;
    if (!rc && (fchmod(fd, mode) || fsync(fd)))
        rc = -errno;
    if (close(fd) && !rc)
        rc = -errno;
    if (rc) {
        unlink(path);
        return error_set(error, rc, "%s: %s", path, strerror(-rc));
    }
    return 0;
}

#define CERTIFICATE_SIZE 1024

static void certificate(
    char out[CERTIFICATE_SIZE], const char *name, const char *public_key, const char *secret_key) {
    int n = snprintf(out, CERTIFICATE_SIZE,
        "# ZeroMQ CURVE %s certificate\n"
        "# %s\n\nmetadata\n    name = \"%s\"\ncurve\n    public-key = \"%s\"\n",
        secret_key ? "**secret**" : "public",
        secret_key ? "Never give it away, and leave its permissions as they are."
                   : "Hand it over by a way that can't be forged.",
        name, public_key);
    if (secret_key && n > 0 && n < CERTIFICATE_SIZE)
        snprintf(out + n, CERTIFICATE_SIZE - (size_t)n, "    secret-key = \"%s\"\n", secret_key);
}

static int write_pair(const char *path, const char *secret_path, const char *name, const char *public_key,
    const char *secret_key, struct error *error) {
    char text[CERTIFICATE_SIZE];
    certificate(text, name, public_key, secret_key);
    int rc = write_new(secret_path, 0600, text, error);
    explicit_bzero(text, sizeof text);
    if (rc)
        return rc;
    certificate(text, name, public_key, NULL);
    rc = write_new(path, 0644, text, error);
    if (rc)
        unlink(secret_path);
    return rc;
}

int keys_generate(const char *path, const char *name, struct error *error) {
    char secret_path[4096];
    int n = snprintf(secret_path, sizeof secret_path, "%s" KEYS_SECRET_SUFFIX, path);
    if (n < 0 || (size_t)n >= sizeof secret_path)
        return error_set(error, -ENAMETOOLONG, "the path of the key is too long");
    int rc = check_name(name, error);
    if (rc)
        return rc;
    if (access(path, F_OK) == 0) // before a new secret is on the disk; write_new() still decides
        return error_set(error, -EEXIST, "%s: exists already; it is not overwritten", path);
    char public_key[KEYS_TEXT_SIZE];
    char secret_key[KEYS_TEXT_SIZE];
    if (zmq_curve_keypair(public_key, secret_key))
        return error_set(error, -errno, "making a key pair: %s", zmq_strerror(errno));
    rc = write_pair(path, secret_path, name, public_key, secret_key, error);
    keys_wipe(secret_key);
    return rc;
}

int keys_load_public(const char *path, char public_key[KEYS_TEXT_SIZE], struct error *error) {
    struct keys_file file;
    int rc = keys_file_read(path, &file, error);
    if (!rc && !file.public_key[0])
        rc = error_set(error, -EINVAL, "%s: has no public-key in its section curve", path);
    if (!rc)
        memcpy(public_key, file.public_key, KEYS_TEXT_SIZE);
    explicit_bzero(&file, sizeof file);
    return rc;
}

int keys_load_name(const char *path, char name[KEYS_NAME_SIZE], struct error *error) {
    struct keys_file file;
    int rc = keys_file_read(path, &file, error);
    if (!rc)
        memcpy(name, file.name, KEYS_NAME_SIZE);
    explicit_bzero(&file, sizeof file);
    return rc;
}

static int check_pair(const char *path, const struct keys_file *file, struct error *error) {
    if (!file->secret_key[0])
        return error_set(error, -EINVAL,
            "%s: has no secret-key in its section curve; the secret file's name usually ends "
            "with " KEYS_SECRET_SUFFIX,
            path);
    if (file->mode & (S_IRWXO | S_IWGRP))
        return error_set(error, -EACCES,
            "%s: others on this machine may use it (mode %04o); run chmod 600 on it", path,
            file->mode & 07777);
    char derived[KEYS_TEXT_SIZE];
    if (zmq_curve_public(derived, file->secret_key))
        return error_set(error, -EINVAL, "%s: the secret-key is not a CURVE key", path);
    if (file->public_key[0] && strcmp(derived, file->public_key) != 0)
        return error_set(error, -EINVAL, "%s: the public-key does not belong to the secret-key", path);
    return file->public_key[0]
               ? 0
               : error_set(error, -EINVAL, "%s: has no public-key in its section curve", path);
}

int keys_load_secret(
    const char *path, char public_key[KEYS_TEXT_SIZE], char secret_key[KEYS_TEXT_SIZE], struct error *error) {
    struct keys_file file;
    int rc = keys_file_read(path, &file, error);
    if (!rc)
        rc = check_pair(path, &file, error);
    if (!rc) {
        memcpy(public_key, file.public_key, KEYS_TEXT_SIZE);
        memcpy(secret_key, file.secret_key, KEYS_TEXT_SIZE);
    }
    explicit_bzero(&file, sizeof file);
    return rc;
}
