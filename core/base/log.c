#include "core/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level) {
    atomic_store(&threshold, (int)level);
}

int log_level_parse(const char *name, enum log_level *level) {
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    return -EINVAL;
}

void log_event(enum log_level level, const char *id, const char *format, ...) {
    if ((int)level < atomic_load(&threshold))
        return;
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char line[2048];
    int used = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s ", utc.tm_year + 1900,
        utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000,
        level_names[level], id);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    va_end(args);
    size_t size = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (size > sizeof line - 1)
        size = sizeof line - 1;
    line[size] = '\n';
    // One write a line, so that lines of several threads don't mix. A log that can't be written stops
    // nothing.
    if (write(STDERR_FILENO, line, size + 1) < 0)
        return;
}

const char *log_quote(const char *text, char *out, unsigned long size) {
    unsigned long used = 0;
    if (size < 3)
        return "\"\"";
    out[used++] = '"';
    for (const char *p = text; *p && used + 6 < size; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') {
            out[used++] = '\\';
            out[used++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            used += (unsigned long)snprintf(out + used, 5, "\\x%02x", c);
        } else {
            out[used++] = (char)c;
        }
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}
