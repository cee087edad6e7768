// What an ODBC error means. Private to db.c.
#pragma once

#include "adapters/connectors/odbc/db.h"

// From the first diagnostic record of a handle: the code as in db.h, and `db->lost`. `what` goes before the
// driver's text.
int diagnosis(struct db *db, SQLSMALLINT type, SQLHANDLE handle, const char *what, struct error *error);
// The class of a state and native code alone, for tests.
int diagnosis_class(enum db_product product, const char *state, long native, bool *lost);
