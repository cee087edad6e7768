// A database through ODBC 3.8 (the unixODBC manager): one connection, statements, and what its errors mean.
// Texts are UTF-8.
#pragma once

#include "adapters/runtime/connector.h"

#include <sql.h>
#include <sqlext.h>

// Functions return 0, CONNECTOR_RETRY (connection lost, locked, deadlock, disk full, and what isn't known),
// CONNECTOR_REJECT (this data can't be: constraint, conversion, refused by a trigger), DB_WRONG (the
// statement is wrong: syntax, no such table, no right), -ENOMEM.
enum {
    DB_WRONG = 20,
};

enum db_product {
    DB_OTHER,
    DB_SQLITE,
    DB_ORACLE,
    DB_SQL_SERVER,
    DB_DB2,
    DB_MYSQL, // MariaDB too
};

struct db {
    SQLHENV environment;
    SQLHDBC connection;
    bool connected;
    bool lost;           // an error said so: db_close() before the next try
    unsigned generation; // counts connections: statements of an older one are gone
    enum db_product product;
};

// `text`: a connection string; may hold a password, never appears in errors. `timeout_s` to log in.
// Autocommit is off. Also -ENOENT: the driver isn't there (the text says which package may have it).
int db_connect(struct db *db, const char *text, unsigned timeout_s, struct error *error);
void db_close(struct db *db);
int db_commit(struct db *db, struct error *error);
void db_rollback(struct db *db);
int db_run(struct db *db, const char *text, struct error *error); // without parameters or result

enum db_kind {
    DB_NULL,
    DB_TEXT,
    DB_INT,
    DB_DOUBLE,
    DB_BOOL, // in i64
};

struct db_value {
    int64_t i64;
    double f64;
    struct bytes text;
    SQLULEN size;     // with sql_type
    SQLLEN indicator; // private to db_bind()
    enum db_kind kind;
    SQLSMALLINT sql_type; // of a TEXT that isn't one to the database (a column's type); 0: VARCHAR
    SQLSMALLINT digits;
};

struct db_statement {
    struct db *db;
    SQLHSTMT handle;
    unsigned generation;
    unsigned timeout_s;
};

// Prepares, or prepares again after a reconnect. `statement` is zero-initialised before the first time.
int db_prepare(
    struct db *db, struct db_statement *statement, const char *text, unsigned timeout_s, struct error *error);
void db_statement_close(struct db_statement *statement);

// Runs with `count` values, which must stay where they are. `*rows`: affected, -1 when not known (NULL: not
// wanted).
int db_execute(struct db_statement *statement, struct db_value *values, size_t count, int64_t *rows,
    struct error *error);
void db_finish(struct db_statement *statement); // ends a result
// The next row: `*more` false at the end.
int db_fetch(struct db_statement *statement, bool *more, struct error *error);
size_t db_columns(const struct db_statement *statement);
// Type of a result's column, for values that come back as parameters.
void db_describe(const struct db_statement *statement, size_t column, struct db_value *out);
// A column of the row as text, replacing what `out` holds; columns from the left to the right, each once.
// Blanks that pad a CHAR are cut off. `*present` false: NULL. Also CONNECTOR_REJECT: over `limit` bytes.
int db_text(struct db_statement *statement, size_t column, size_t limit, struct buffer *out, bool *present,
    struct error *error);
