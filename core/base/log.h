// The log of a daemon: one line an event on standard error, key=value pairs with a stable id, times in UTC:
//   2026-11-24T10:15:00.123Z info broker.ready listen="tcp://127.0.0.1:7400" routes=5
// Libraries never log. No secret ever, no personal data above debug.
#pragma once

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR,
};

void log_set_level(enum log_level level);                     // from LOG_INFO
int log_level_parse(const char *name, enum log_level *level); // debug info warning error; 0 or -EINVAL

// `format` gives the pairs, such as "peer=%s count=%d"; a value with blanks or foreign text goes through
// log_quote().
void log_event(enum log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Writes `text` as a quoted value (control characters, quotes and backslashes escaped, cut at `size`) and
// returns `out`.
const char *log_quote(const char *text, char *out, unsigned long size);
