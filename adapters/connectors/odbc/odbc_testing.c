#include "adapters/connectors/odbc/odbc_testing.h"

#include "core/base/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sql.h>
// cmocka needs some of the above
#include <cmocka.h>

static unsigned steps_left;

void test_die_before(unsigned step) {
    steps_left = step;
}

static void step(void) {
    if (steps_left == 0)
        return;
    steps_left--;
    if (steps_left == 0)
        _exit(9);
}

SQLRETURN __real_SQLExecute(SQLHSTMT statement);
SQLRETURN __wrap_SQLExecute(SQLHSTMT statement);
SQLRETURN __wrap_SQLExecute(SQLHSTMT statement) {
    step();
    return __real_SQLExecute(statement);
}

SQLRETURN __real_SQLEndTran(SQLSMALLINT type, SQLHANDLE handle, SQLSMALLINT kind);
SQLRETURN __wrap_SQLEndTran(SQLSMALLINT type, SQLHANDLE handle, SQLSMALLINT kind);
SQLRETURN __wrap_SQLEndTran(SQLSMALLINT type, SQLHANDLE handle, SQLSMALLINT kind) {
    step();
    return __real_SQLEndTran(type, handle, kind);
}

// ---- The spool: subjects in one file, the position in another, replaced together by one rename ----

static const char *read_file(const char *folder, const char *name, size_t *size) {
    static char content[1 << 16];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    *size = file ? fread(content, 1, sizeof content - 1, file) : 0;
    content[*size] = '\0';
    if (file)
        fclose(file);
    return content;
}

// Position (u32 size, bytes), then the subjects.
static void write_spool(struct test_host *test, struct bytes position) {
    char path[128], temporary[128];
    size_t size;
    uint8_t head[4];
    const char *old = read_file(test->folder, "spool", &size);
    size_t skip = size ? 4 + load_u32(old) : 0;
    snprintf(path, sizeof path, "%s/spool", test->folder);
    snprintf(temporary, sizeof temporary, "%s/spool.new", test->folder);
    FILE *file = fopen(temporary, "we");
    if (!file)
        abort();
    store_u32(head, (uint32_t)position.size);
    fwrite(head, 1, 4, file);
    fwrite(position.data, 1, position.size, file);
    fwrite(old + skip, 1, size - skip, file);
    fwrite(test->gathered.data, 1, test->gathered.size, file);
    fclose(file);
    step();
    assert_int_equal(rename(temporary, path), 0);
    step();
    buffer_clear(&test->gathered);
}

const char *test_host_spool(const char *folder) {
    size_t size;
    const char *content = read_file(folder, "spool", &size);
    return size ? content + 4 + load_u32(content) : "";
}

static int publish(void *runtime, const struct schema_message *type, struct bytes subject, int64_t time_us,
    struct bytes payload, struct bytes position, struct error *error) {
    struct test_host *test = runtime;
    static unsigned count;
    (void)time_us;
    if (test->publish_code)
        return error_set(error, test->publish_code, "the spool is full");
    if (view_check(type, payload, &view_default_limits, error))
        return CONNECTOR_BAD_ROW;
    assert_int_equal(buffer_append_bytes(&test->gathered, subject), 0);
    assert_int_equal(buffer_append_byte(&test->gathered, ' '), 0);
    buffer_clear(&test->gathered_position);
    assert_int_equal(buffer_append_bytes(&test->gathered_position, position), 0);
    if (++count % 3 == 0) // some are written soon, some are lost with the process
        write_spool(test, position);
    return 0;
}

static struct bytes position(void *runtime) {
    struct test_host *test = runtime;
    size_t size;
    const char *content = read_file(test->folder, "spool", &size);
    buffer_clear(&test->position);
    if (size)
        assert_int_equal(buffer_append(&test->position, content + 4, load_u32(content)), 0);
    return buffer_bytes(&test->position);
}

static int store_position(void *runtime, struct bytes bytes, struct error *error) {
    (void)error;
    write_spool(runtime, bytes);
    return 0;
}

static void refused(void *runtime, const char *place, const char *reason) {
    struct test_host *test = runtime;
    test->refused++;
    snprintf(test->reason, sizeof test->reason, "%s: %s", place, reason);
}

// ---- Folder and database ----

void test_host_make(char folder[64]) {
    char connect[160];
    snprintf(folder, 64, "/tmp/hutong-odbc-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(connect, sizeof connect, "Driver=SQLite3;Database=%s/db;Timeout=300", folder);
    setenv("REGISTER", connect, 1);
}

void test_host_remove(const char *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    test_host_shell(command);
}

void test_host_shell(const char *command) {
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a test's own words
}

const char *test_host_sql(const char *folder, const char *sql) {
    static char output[1 << 16];
    char command[4096];
    snprintf(command, sizeof command, "sqlite3 -batch -cmd '.timeout 5000' '%s/db' \"%s\" 2>&1", folder, sql);
    FILE *pipe = popen(command, "re"); // NOLINT(cert-env33-c)
    if (!pipe)
        abort();
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    return output;
}

// ---- The connector ----

static void fill_host(struct test_host *test) {
    test->host = (struct connector_host){.runtime = test,
        .catalogue = test->catalogue,
        .codes = test->codes,
        .state_folder = test->folder,
        .base_folder = test->folder,
        .zone = 8 * 3600,
        .publish = publish,
        .position = position,
        .store_position = store_position,
        .refused = refused};
}

void test_host_open(struct test_host *test, const char *folder, const char *yaml) {
    struct error error = {0};
    *test = (struct test_host){0};
    snprintf(test->folder, sizeof test->folder, "%s", folder);
    test->report = report_new(0);
    test->codes = codes_new();
    assert_non_null(test->report);
    assert_non_null(test->codes);
    if (catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &test->catalogue, &error))
        fail_msg("%s", error.text);
    fill_host(test);
    test->file = config_parse("adapter.yaml", bytes_of_string(yaml), NULL, test->report);
    if (!test->file)
        return;
    test->connector =
        odbc_connector.configure(config_get(config_root(test->file), "odbc"), &test->host, test->report);
}

void test_host_close(struct test_host *test) {
    if (test->gathered.size > 0) // the spool's own end
        write_spool(test, buffer_bytes(&test->gathered_position));
    odbc_connector.destroy(&test->connector);
    config_destroy(&test->file);
    report_destroy(&test->report);
    codes_destroy(&test->codes);
    catalogue_destroy(&test->catalogue);
    buffer_destroy(&test->gathered);
    buffer_destroy(&test->gathered_position);
    buffer_destroy(&test->position);
}

int test_host_poll_all(struct test_host *test, struct error *error) {
    bool more = true;
    int rc = 0;
    while (more && rc == 0) {
        uint32_t wait_ms;
        int fd;
        rc = odbc_connector.poll(test->connector, &more, &wait_ms, &fd, error);
    }
    return rc;
}

struct connector_delivery test_delivery(
    const struct test_host *test, uint64_t at, const char *number, struct buffer *payload) {
    static const uint8_t bus[16] = {0xab, 1, 2, 3};
    const struct schema_message *type =
        catalogue_message(test->catalogue, bytes_of_string("gov.public_security.v1.LeaseNotice"));
    assert_non_null(type);
    buffer_clear(payload);
    assert_int_equal(view_put_bytes(payload, schema_field_named(type, bytes_of_string("lease_number")),
                         bytes_of_string(number)),
        0);
    return (struct connector_delivery){.bus = bus,
        .position = at,
        .attempt = 1,
        .id = bytes_of_string("m"),
        .source = bytes_of_string("housing/tenancy"),
        .subject = bytes_of_string(number),
        .type = type,
        .payload = buffer_bytes(payload)};
}
