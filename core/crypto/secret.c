#include "core/crypto/secret.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS (2 * (size_t)SECRET_SIZE)
#define TEXT_SIZE (DIGITS + 2) // a line break, and one byte more to see that there is no more

static int read_text(int fd, const char *path, char text[TEXT_SIZE], size_t *size, struct error *error) {
    struct stat st;
    ssize_t n = fstat(fd, &st) == 0 ? read(fd, text, TEXT_SIZE) : -1;
    if (n < 0)
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(error, -EPERM, "%s: others may read this secret; chmod 600 it", path);
    *size = (size_t)n;
    return 0;
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int decode(
    const char *path, const char *text, size_t size, uint8_t out[SECRET_SIZE], struct error *error) {
    uint8_t secret[SECRET_SIZE];
    bool fits = size == DIGITS || (size == DIGITS + 1 && text[DIGITS] == '\n');
    for (size_t i = 0; fits && i < SECRET_SIZE; i++) {
        int high = digit(text[2 * i]);
        int low = digit(text[2 * i + 1]);
        fits = high >= 0 && low >= 0;
        secret[i] = (uint8_t)(fits ? high << 4 | low : 0);
    }
    if (fits)
        memcpy(out, secret, SECRET_SIZE);
    OPENSSL_cleanse(secret, sizeof secret);
    return fits ? 0
                : error_set(error, -EINVAL,
                      "%s: a secret is 64 hexadecimal digits, as \"openssl rand -hex 32\" writes them", path);
}

int secret_load(const char *path, uint8_t out[SECRET_SIZE], struct error *error) {
    char text[TEXT_SIZE];
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    int rc = read_text(fd, path, text, &size, error);
    close(fd);
    rc = rc ? rc : decode(path, text, size, out, error);
    OPENSSL_cleanse(text, sizeof text);
    return rc;
}
