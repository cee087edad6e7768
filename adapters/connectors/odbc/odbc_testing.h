// A host for tests of the connector: a spool in a file, which keeps what was published with its position in
// one write, as the SDK's does; and a process that dies before its N-th step.
#pragma once

#include "adapters/runtime/connector.h"
#include "core/codes/codes.h"

struct test_host {
    struct connector_host host;
    struct report *report;
    struct config_file *file;
    struct connector *connector;
    struct catalogue *catalogue;
    struct codes *codes;
    char folder[64];
    struct buffer gathered; // not yet in the spool
    struct buffer gathered_position;
    struct buffer position;
    size_t refused;
    int publish_code; // what publish() returns
    char reason[512]; // of the last refused row
};

// Makes a folder with an empty spool. The environment's REGISTER is the connection string of a database in
// it.
void test_host_make(char folder[64]);
void test_host_remove(const char *folder);
void test_host_shell(const char *command); // must end with 0

// Loads the part under `odbc:` of `yaml`. The connector is NULL when there were problems.
void test_host_open(struct test_host *test, const char *folder, const char *yaml);
void test_host_close(struct test_host *test);

// Subjects in the spool, in order, each followed by a blank. Static.
const char *test_host_spool(const char *folder);
// SQL on the database, with the program sqlite3. Returns what it prints. Static.
const char *test_host_sql(const char *folder, const char *sql);

// Polls until there is no more. Returns the last code.
int test_host_poll_all(struct test_host *test, struct error *error);
struct connector_delivery test_delivery(
    const struct test_host *test, uint64_t position, const char *number, struct buffer *payload);

// The process ends before its N-th step from now on: a statement, the end of a transaction, a write of the
// spool. 0: never.
void test_die_before(unsigned step);
