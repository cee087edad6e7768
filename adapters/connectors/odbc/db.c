#include "adapters/connectors/odbc/db.h"

#include "adapters/connectors/odbc/diagnosis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define OPTION(number) ((SQLPOINTER)(uintptr_t)(number)) // ODBC passes numbers as pointers

// ---- The connection ----

static enum db_product product_of(SQLHDBC connection) {
    static const struct {
        const char *name;
        enum db_product product;
    } known[] = {{"SQLite", DB_SQLITE}, {"Oracle", DB_ORACLE}, {"Microsoft SQL Server", DB_SQL_SERVER},
        {"DB2", DB_DB2}, {"MariaDB", DB_MYSQL}, {"MySQL", DB_MYSQL}};
    SQLCHAR name[128] = "";
    SQLSMALLINT size = 0;
    SQLGetInfo(connection, SQL_DBMS_NAME, name, sizeof name, &size);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncasecmp((char *)name, known[i].name, strlen(known[i].name)) == 0)
            return known[i].product;
    return DB_OTHER;
}

static int make_environment(struct db *db, struct error *error) {
    if (db->environment)
        return 0;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &db->environment)))
        return error_no_memory(error);
    if (SQL_SUCCEEDED(SQLSetEnvAttr(db->environment, SQL_ATTR_ODBC_VERSION, OPTION(SQL_OV_ODBC3), 0)))
        return 0;
    return error_set(error, -EIO, "the ODBC manager doesn't speak version 3");
}

static int log_in(struct db *db, const char *text, unsigned timeout_s, struct error *error) {
    SQLSMALLINT size = 0;
    SQLSetConnectAttr(db->connection, SQL_ATTR_LOGIN_TIMEOUT, OPTION(timeout_s), SQL_IS_UINTEGER);
    SQLRETURN rc = SQLDriverConnect(
        db->connection, NULL, (SQLCHAR *)(uintptr_t)text, SQL_NTS, NULL, 0, &size, SQL_DRIVER_NOPROMPT);
    if (!SQL_SUCCEEDED(rc)) {
        int code = diagnosis(db, SQL_HANDLE_DBC, db->connection, "can't connect", error);
        return code < 0 ? code : CONNECTOR_RETRY; // a wrong password can be put right meanwhile
    }
    db->connected = true;
    db->product = product_of(db->connection);
    if (db->product == DB_MYSQL) // its default locks gaps that the system's own transactions insert into
        SQLSetConnectAttr(
            db->connection, SQL_ATTR_TXN_ISOLATION, OPTION(SQL_TXN_READ_COMMITTED), SQL_IS_UINTEGER);
    rc = SQLSetConnectAttr(db->connection, SQL_ATTR_AUTOCOMMIT, OPTION(SQL_AUTOCOMMIT_OFF), SQL_IS_UINTEGER);
    if (SQL_SUCCEEDED(rc))
        return 0;
    diagnosis(db, SQL_HANDLE_DBC, db->connection, "the database has no transactions", error);
    return error ? error->code = -ENOTSUP : -ENOTSUP;
}

int db_connect(struct db *db, const char *text, unsigned timeout_s, struct error *error) {
    db_close(db);
    int rc = make_environment(db, error);
    if (rc)
        return rc;
    db->lost = false;
    db->generation++;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_DBC, db->environment, &db->connection)))
        return error_no_memory(error);
    rc = log_in(db, text, timeout_s, error);
    if (rc)
        db_close(db);
    return rc;
}

void db_close(struct db *db) {
    if (db->connected) {
        SQLEndTran(SQL_HANDLE_DBC, db->connection, SQL_ROLLBACK);
        SQLDisconnect(db->connection); // frees its statements
    }
    if (db->connection)
        SQLFreeHandle(SQL_HANDLE_DBC, db->connection);
    if (db->environment)
        SQLFreeHandle(SQL_HANDLE_ENV, db->environment);
    db->environment = NULL;
    db->connection = NULL;
    db->connected = false;
    db->generation++;
}

int db_commit(struct db *db, struct error *error) {
    if (SQL_SUCCEEDED(SQLEndTran(SQL_HANDLE_DBC, db->connection, SQL_COMMIT)))
        return 0;
    return diagnosis(db, SQL_HANDLE_DBC, db->connection, "commit", error);
}

void db_rollback(struct db *db) {
    if (db->connected && !SQL_SUCCEEDED(SQLEndTran(SQL_HANDLE_DBC, db->connection, SQL_ROLLBACK)))
        db->lost = true;
}

int db_run(struct db *db, const char *text, struct error *error) {
    SQLHSTMT handle = NULL;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, db->connection, &handle)))
        return diagnosis(db, SQL_HANDLE_DBC, db->connection, "statement", error);
    SQLRETURN done = SQLExecDirect(handle, (SQLCHAR *)(uintptr_t)text, SQL_NTS);
    int rc = SQL_SUCCEEDED(done) || done == SQL_NO_DATA
                 ? 0
                 : diagnosis(db, SQL_HANDLE_STMT, handle, "statement", error);
    SQLFreeHandle(SQL_HANDLE_STMT, handle);
    return rc;
}

// ---- Statements ----

void db_statement_close(struct db_statement *statement) {
    // A statement of an earlier connection went with it.
    if (statement->handle && statement->db->connected && statement->generation == statement->db->generation)
        SQLFreeHandle(SQL_HANDLE_STMT, statement->handle);
    statement->handle = NULL;
}

// SQLite's driver looks at most statements only when they are run; EXPLAIN does nothing but look.
static SQLRETURN explain(SQLHSTMT handle, const char *text) {
    static SQLLEN null = SQL_NULL_DATA;
    SQLSMALLINT count = 0;
    SQLRETURN done = SQLPrepare(handle, (SQLCHAR *)(uintptr_t)text, SQL_NTS);
    if (SQL_SUCCEEDED(done))
        done = SQLNumParams(handle, &count);
    for (SQLSMALLINT i = 1; i <= count && SQL_SUCCEEDED(done); i++)
        done = SQLBindParameter(
            handle, (SQLUSMALLINT)i, SQL_PARAM_INPUT, SQL_C_CHAR, SQL_VARCHAR, 1, 0, NULL, 0, &null);
    return SQL_SUCCEEDED(done) ? SQLExecute(handle) : done;
}

static int check_sqlite(struct db *db, const char *text, struct error *error) {
    char *question;
    SQLHSTMT handle = NULL;
    int rc = 0;
    if (asprintf(&question, "EXPLAIN %s", text) < 0)
        return error_no_memory(error);
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, db->connection, &handle)))
        rc = diagnosis(db, SQL_HANDLE_DBC, db->connection, "statement", error);
    else if (!SQL_SUCCEEDED(explain(handle, question)))
        rc = diagnosis(db, SQL_HANDLE_STMT, handle, "statement", error);
    if (handle)
        SQLFreeHandle(SQL_HANDLE_STMT, handle);
    free(question);
    return rc;
}

static int prepare(struct db_statement *statement, const char *text, struct error *error) {
    SQLSMALLINT columns;
    // Some drivers prepare when something is asked of the result only.
    if (SQL_SUCCEEDED(SQLPrepare(statement->handle, (SQLCHAR *)(uintptr_t)text, SQL_NTS)) &&
        SQL_SUCCEEDED(SQLNumResultCols(statement->handle, &columns)))
        return statement->db->product == DB_SQLITE ? check_sqlite(statement->db, text, error) : 0;
    return diagnosis(statement->db, SQL_HANDLE_STMT, statement->handle, "statement", error);
}

int db_prepare(struct db *db, struct db_statement *statement, const char *text, unsigned timeout_s,
    struct error *error) {
    if (statement->handle && statement->generation == db->generation)
        return 0;
    *statement = (struct db_statement){.db = db, .generation = db->generation};
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, db->connection, &statement->handle))) {
        statement->handle = NULL;
        return diagnosis(db, SQL_HANDLE_DBC, db->connection, "statement", error);
    }
    SQLSetStmtAttr(
        statement->handle, SQL_ATTR_QUERY_TIMEOUT, OPTION(timeout_s), SQL_IS_UINTEGER); // where it is known
    int rc = prepare(statement, text, error);
    if (rc)
        db_statement_close(statement);
    return rc;
}

static SQLRETURN bind_text(SQLHSTMT handle, SQLUSMALLINT number, struct db_value *value) {
    const void *data = value->text.size ? value->text.data : (const uint8_t *)"";
    SQLSMALLINT type = value->sql_type           ? value->sql_type
                       : value->text.size > 4000 ? SQL_LONGVARCHAR
                                                 : SQL_VARCHAR;
    SQLULEN size = value->sql_type ? value->size : value->text.size ? value->text.size : 1;
    value->indicator = (SQLLEN)value->text.size;
    return SQLBindParameter(handle, number, SQL_PARAM_INPUT, SQL_C_CHAR, type, size, value->digits,
        (SQLPOINTER)(uintptr_t)data, value->indicator, &value->indicator);
}

static SQLRETURN bind(SQLHSTMT handle, SQLUSMALLINT number, struct db_value *value) {
    value->indicator = 0;
    switch (value->kind) {
    case DB_TEXT:
        return bind_text(handle, number, value);
    case DB_INT:
        return SQLBindParameter(handle, number, SQL_PARAM_INPUT, SQL_C_SBIGINT, SQL_BIGINT, 20, 0,
            &value->i64, 0, &value->indicator);
    case DB_DOUBLE:
        return SQLBindParameter(handle, number, SQL_PARAM_INPUT, SQL_C_DOUBLE, SQL_DOUBLE, 17, 0, &value->f64,
            0, &value->indicator);
    case DB_BOOL: // an int is a truth value to more databases than a bit is
        return SQLBindParameter(handle, number, SQL_PARAM_INPUT, SQL_C_SBIGINT, SQL_INTEGER, 1, 0,
            &value->i64, 0, &value->indicator);
    case DB_NULL:
        break;
    }
    value->indicator = SQL_NULL_DATA;
    return SQLBindParameter(
        handle, number, SQL_PARAM_INPUT, SQL_C_CHAR, SQL_VARCHAR, 1, 0, NULL, 0, &value->indicator);
}

int db_execute(struct db_statement *statement, struct db_value *values, size_t count, int64_t *rows,
    struct error *error) {
    SQLLEN affected = -1;
    for (size_t i = 0; i < count; i++)
        if (!SQL_SUCCEEDED(bind(statement->handle, (SQLUSMALLINT)(i + 1), &values[i])))
            return diagnosis(statement->db, SQL_HANDLE_STMT, statement->handle, "parameter", error);
    SQLRETURN done = SQLExecute(statement->handle);
    if (!SQL_SUCCEEDED(done) && done != SQL_NO_DATA) // NO_DATA: an UPDATE or DELETE of no row
        return diagnosis(statement->db, SQL_HANDLE_STMT, statement->handle, "statement", error);
    if (rows) {
        if (done != SQL_NO_DATA)
            SQLRowCount(statement->handle, &affected);
        *rows = done == SQL_NO_DATA ? 0 : affected;
    }
    return 0;
}

void db_finish(struct db_statement *statement) {
    if (statement->handle && statement->generation == statement->db->generation) {
        SQLFreeStmt(statement->handle, SQL_CLOSE);
        SQLFreeStmt(statement->handle, SQL_RESET_PARAMS);
    }
}

// ---- Results ----

int db_fetch(struct db_statement *statement, bool *more, struct error *error) {
    SQLRETURN done = SQLFetch(statement->handle);
    if (!SQL_SUCCEEDED(done) && done != SQL_NO_DATA)
        return diagnosis(statement->db, SQL_HANDLE_STMT, statement->handle, "fetch", error);
    *more = done != SQL_NO_DATA;
    return 0;
}

size_t db_columns(const struct db_statement *statement) {
    SQLSMALLINT count = 0;
    SQLNumResultCols(statement->handle, &count);
    return count > 0 ? (size_t)count : 0;
}

void db_describe(const struct db_statement *statement, size_t column, struct db_value *out) {
    SQLCHAR name[4];
    SQLSMALLINT name_size, type = SQL_VARCHAR, digits = 0, nullable;
    SQLULEN size = 0;
    SQLDescribeCol(statement->handle, (SQLUSMALLINT)(column + 1), name, sizeof name, &name_size, &type, &size,
        &digits, &nullable);
    bool text = type == SQL_CHAR || type == SQL_VARCHAR || type == SQL_LONGVARCHAR || type == SQL_WCHAR ||
                type == SQL_WVARCHAR || type == SQL_WLONGVARCHAR || type == SQL_UNKNOWN_TYPE;
    out->sql_type = text ? 0 : type;
    out->size = size;
    out->digits = digits;
}

static bool padded(const struct db_statement *statement, size_t column) {
    SQLLEN type = 0;
    SQLColAttribute(
        statement->handle, (SQLUSMALLINT)(column + 1), SQL_DESC_CONCISE_TYPE, NULL, 0, NULL, &type);
    return type == SQL_CHAR || type == SQL_WCHAR;
}

int db_text(struct db_statement *statement, size_t column, size_t limit, struct buffer *out, bool *present,
    struct error *error) {
    char piece[1024];
    buffer_clear(out);
    *present = true;
    for (;;) {
        SQLLEN size = 0;
        SQLRETURN done =
            SQLGetData(statement->handle, (SQLUSMALLINT)(column + 1), SQL_C_CHAR, piece, sizeof piece, &size);
        if (done == SQL_NO_DATA)
            break;
        if (!SQL_SUCCEEDED(done))
            return diagnosis(statement->db, SQL_HANDLE_STMT, statement->handle, "value", error);
        if (size == SQL_NULL_DATA) {
            *present = false;
            return 0;
        }
        bool cut = size == SQL_NO_TOTAL || size >= (SQLLEN)sizeof piece; // more is to come
        size_t got = cut ? strnlen(piece, sizeof piece - 1) : (size_t)size;
        if (out->size + got > limit)
            return error_set(error, CONNECTOR_REJECT, "a value has more than %zu bytes", limit);
        if (buffer_append(out, piece, got))
            return error_no_memory(error);
        if (!cut)
            break;
    }
    if (padded(statement, column))
        while (out->size > 0 && out->data[out->size - 1] == ' ')
            out->size--;
    return 0;
}
