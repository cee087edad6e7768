#include "adapters/connectors/odbc/diagnosis.h"

#include <errno.h>

static bool starts(const char *state, const char *prefix) {
    return strncmp(state, prefix, strlen(prefix)) == 0;
}

static bool one_of(const char *state, const char *const *prefixes) {
    for (; *prefixes; prefixes++)
        if (starts(state, *prefixes))
            return true;
    return false;
}

static bool among(long native, const long *codes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (codes[i] == native)
            return true;
    return false;
}

// SQLite's driver says HY000 for everything; the result code of sqlite3.h tells.
static int sqlite_class(long native) {
    static const long refused[] = {18, 19, 20}; // TOOBIG, CONSTRAINT, MISMATCH
    long code = native & 0xff;
    if (code == 1) // ERROR: SQL error or no such table
        return DB_WRONG;
    return among(code, refused, sizeof refused / sizeof *refused) ? CONNECTOR_REJECT : CONNECTOR_RETRY;
}

static int mysql_class(long native, bool *lost) {
    static const long refused[] = {1048, 1062, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452, 1644, 4025};
    static const long gone[] = {1053, 1077, 1079, 1927, 2002, 2003, 2006, 2013, 2055, 4031};
    static const long wrong[] = {1044, 1054, 1064, 1142, 1143, 1146, 1305};
    *lost = among(native, gone, sizeof gone / sizeof *gone);
    if (among(native, wrong, sizeof wrong / sizeof *wrong))
        return DB_WRONG;
    return among(native, refused, sizeof refused / sizeof *refused) ? CONNECTOR_REJECT : CONNECTOR_RETRY;
}

int diagnosis_class(enum db_product product, const char *state, long native, bool *lost) {
    // 08: connection; 57P: PostgreSQL shuts down; HY117, IM001: the manager has no connection any more
    static const char *const gone[] = {"08", "57P0", "HY117", NULL};
    // 40: rolled back (deadlock, serialization); HYT: timeout; 53: resources; 55P03: locked; 25006: read only
    static const char *const busy[] = {"40", "HYT", "53", "55", "57014", "58", "25", NULL};
    // 22: data; 23: integrity; 44: view's check; 45000: SIGNAL; P0: raised in PL/pgSQL; 07006: conversion
    static const char *const refused[] = {"22", "23", "44", "45", "P0", "07006", NULL};
    static const char *const wrong[] = {
        "42", "37", "S0", "07", "21", "0A", "34", "3F", "3D", "28", "IM", "HYC00", NULL};
    *lost = one_of(state, gone);
    if (*lost || one_of(state, busy))
        return CONNECTOR_RETRY;
    if (one_of(state, refused))
        return CONNECTOR_REJECT;
    if (product == DB_MYSQL && starts(state, "HY"))
        return mysql_class(native, lost);
    if (product == DB_SQLITE && starts(state, "HY"))
        return sqlite_class(native);
    return one_of(state, wrong) ? DB_WRONG : CONNECTOR_RETRY;
}

static void cut_lines(char *text) {
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == ' ')
        text[--n] = '\0';
}

static bool is_name(const char *text, const char *quoted) {
    static const char *const before[] = {"column ", "key ", "constraint ", "relation ", "table "};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        size_t n = strlen(before[i]);
        if ((size_t)(quoted - text) >= n && memcmp(quoted - n, before[i], n) == 0)
            return true;
    }
    return false;
}

// What a database says of data that it refuses may hold the data: PostgreSQL's DETAIL goes, and so do quoted
// values, but not the name behind "column" or "key".
static void mask_values(char *text) {
    char *detail = strstr(text, " DETAIL:");
    if (detail)
        *detail = '\0';
    for (char *p = text; *p; p++) {
        char *end = *p == '\'' || *p == '"' ? strchr(p + 1, *p) : NULL;
        if (!end)
            continue;
        if (!is_name(text, p)) {
            memmove(p + 1, end, strlen(end) + 1);
            end = p + 1;
        }
        p = end;
    }
}

// A driver that fails inside dlopen: the manager's text names the file.
static int driver_missing(const char *text, struct error *error) {
    return error_set(error, -ENOENT,
        "the ODBC driver of the connection string isn't installed (odbcinst -q -d lists what is; Debian: "
        "libsqliteodbc, "
        "odbc-postgresql, odbc-mariadb, tdsodbc): %s",
        text);
}

int diagnosis(struct db *db, SQLSMALLINT type, SQLHANDLE handle, const char *what, struct error *error) {
    SQLCHAR state[6] = "", text[ERROR_TEXT_SIZE] = "";
    SQLINTEGER native = 0;
    SQLSMALLINT size = 0;
    bool lost = false;
    if (!SQL_SUCCEEDED(SQLGetDiagRec(type, handle, 1, state, &native, text, sizeof text, &size)))
        return error_set(error, CONNECTOR_RETRY, "%s: failed, and the driver doesn't say why", what);
    cut_lines((char *)text);
    if (strcmp((char *)state, "IM002") == 0 || strcmp((char *)state, "IM003") == 0 ||
        (strcmp((char *)state, "01000") == 0 && strstr((char *)text, "open lib")))
        return driver_missing((char *)text, error);
    if (strcmp((char *)state, "HY001") == 0)
        return error_no_memory(error);
    int class = diagnosis_class(db->product, (char *)state, native, &lost);
    db->lost = db->lost || lost;
    if (class == CONNECTOR_REJECT)
        mask_values((char *)text);
    return error_set(
        error, class, "%s: %s (SQLSTATE %s, %ld)", what, (char *)text, (char *)state, (long)native);
}
