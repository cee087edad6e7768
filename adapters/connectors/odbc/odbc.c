// The connector to any database with an ODBC driver. source.c reads rows, sink.c runs statements; here is the
// connection.
#include "adapters/connectors/odbc/sink.h"
#include "adapters/connectors/odbc/source.h"
#include "adapters/runtime/settings.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>

struct connector {
    const struct connector_host *host;
    const struct config_node *node;
    char *connect; // owned: the connection string without the password
    uint64_t every_ns;
    unsigned timeout_s;
    struct db db;
    bool reads;
    bool writes;
    struct source source;
    struct sink sink;
};

static void odbc_destroy(struct connector **self) {
    struct connector *odbc = *self;
    if (!odbc)
        return;
    source_disconnect(&odbc->source);
    sink_disconnect(&odbc->sink);
    db_close(&odbc->db);
    source_destroy(&odbc->source);
    sink_destroy(&odbc->sink);
    free(odbc->connect);
    free(odbc);
    *self = NULL;
}

static bool has_password(const char *connect) {
    return strcasestr(connect, "PWD=") || strcasestr(connect, "PASSWORD=");
}

static void read_connection(struct connector *odbc, struct report *report) {
    uint64_t timeout = 30 * CLOCK_SECOND_NS;
    const struct config_node *node = odbc->node, *file = config_get(node, "password_file");
    odbc->every_ns = CLOCK_SECOND_NS;
    settings_text(node, "connect", &odbc->connect, report);
    config_read_duration(
        node, "every", 10 * CLOCK_MILLISECOND_NS, 3600 * CLOCK_SECOND_NS, &odbc->every_ns, report);
    config_read_duration(node, "timeout", CLOCK_SECOND_NS, 3600 * CLOCK_SECOND_NS, &timeout, report);
    odbc->timeout_s = (unsigned)(timeout / CLOCK_SECOND_NS);
    if (file && config_get(node, "password_env"))
        config_error(file, report, "the password is in a file or in the environment, not in both");
    const char *written = NULL;
    if (config_read_string(node, "connect", &written, report) && written && has_password(written))
        config_warning(config_get(node, "connect"), report,
            "a password in this file is read by all who may read it; use password_file: or password_env:");
}

static struct connector *odbc_configure(
    const struct config_node *node, const struct connector_host *host, struct report *report) {
    static const struct config_key keys[] = {{"connect", CONFIG_REQUIRED}, {"password_file", CONFIG_OPTIONAL},
        {"password_env", CONFIG_OPTIONAL}, {"every", CONFIG_OPTIONAL}, {"timeout", CONFIG_OPTIONAL},
        {"outbox", CONFIG_OPTIONAL}, {"rising", CONFIG_OPTIONAL}, {"give", CONFIG_OPTIONAL},
        {"inbox", CONFIG_OPTIONAL}, {"take", CONFIG_OPTIONAL}, {NULL, CONFIG_OPTIONAL}};
    size_t errors = report_errors(report);
    if (!config_expect_mapping(node, "odbc", keys, report))
        return NULL;
    struct connector *odbc = calloc(1, sizeof *odbc);
    if (!odbc) {
        config_error(node, report, "out of memory");
        return NULL;
    }
    odbc->host = host;
    odbc->node = node;
    read_connection(odbc, report);
    odbc->source.timeout_s = odbc->sink.timeout_s = odbc->timeout_s;
    odbc->reads = source_configure(&odbc->source, node, host, &odbc->db, report) == 0;
    odbc->writes = sink_configure(&odbc->sink, node, host, &odbc->db, report) == 0;
    if (!odbc->reads && !odbc->writes && report_errors(report) == errors)
        config_error(node, report, "there is nothing to do: say outbox: or rising: with give:, or take:");
    if (report_errors(report) > errors)
        odbc_destroy(&odbc);
    return odbc;
}

// ---- The connection ----

// What drivers should do otherwise than by themselves; the first of two settings counts, so what the file
// says goes first.
//   psqlodbc: leave a failed statement's transaction to us (it would roll back all of it)
//   MariaDB, MySQL: count rows that were found, not those that were altered; all of Unicode
static const char *driver_settings(const char *connect) {
    if (strcasestr(connect, "Driver=PostgreSQL") || strcasestr(connect, "Driver={PostgreSQL") ||
        strcasestr(connect, "psqlodbc"))
        return strcasestr(connect, "Protocol=") ? "" : ";Protocol=7.4-0";
    if (!strcasestr(connect, "Driver=MariaDB") && !strcasestr(connect, "Driver={MariaDB") &&
        !strcasestr(connect, "Driver=MySQL") && !strcasestr(connect, "Driver={MySQL"))
        return "";
    bool option = strcasestr(connect, "OPTION=") || strcasestr(connect, "OPTIONS=");
    bool charset = strcasestr(connect, "CHARSET=");
    return option ? (charset ? "" : ";CHARSET=utf8mb4") : charset ? ";OPTION=2" : ";OPTION=2;CHARSET=utf8mb4";
}

// The connection string with the password: in memory for the time of the login only.
static int connection_text(const struct connector *odbc, struct buffer *out, struct error *error) {
    struct buffer secret = {0};
    int rc = settings_secret(odbc->node, "password", odbc->host->base_folder, &secret, error);
    if (!rc && (buffer_append_string(out, odbc->connect) ||
                   buffer_append_string(out, driver_settings(odbc->connect))))
        rc = error_no_memory(error);
    if (!rc && secret.size > 0) { // a } inside braces is doubled
        int put = buffer_append_string(out, ";PWD={");
        for (size_t i = 0; i < secret.size && put == 0; i++)
            put =
                buffer_append(out, (const char[]){(char)secret.data[i], '}'}, secret.data[i] == '}' ? 2 : 1);
        rc = put || buffer_append_string(out, "}") ? error_no_memory(error) : 0;
    }
    if (!rc && !buffer_text(out))
        rc = error_no_memory(error);
    if (secret.data)
        explicit_bzero(secret.data, secret.capacity);
    buffer_destroy(&secret);
    return rc;
}

static int connect_now(struct connector *odbc, struct error *error) {
    struct buffer text = {0};
    int rc = connection_text(odbc, &text, error);
    if (!rc)
        rc = db_connect(&odbc->db, (const char *)text.data, odbc->timeout_s, error);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    buffer_destroy(&text);
    return rc;
}

static void disconnect(struct connector *odbc) {
    source_disconnect(&odbc->source);
    sink_disconnect(&odbc->sink);
    db_close(&odbc->db);
}

static int odbc_open(struct connector *odbc, struct error *error) {
    disconnect(odbc);
    int rc = connect_now(odbc, error);
    if (!rc && odbc->reads)
        rc = source_open(&odbc->source, error);
    if (!rc)
        db_rollback(&odbc->db);
    if (!rc && odbc->writes)
        rc = sink_open(&odbc->sink, error);
    if (rc)
        disconnect(odbc);
    return rc > 0 ? CONNECTOR_RETRY : rc;
}

// Connects again after a loss. What was right at the start and is wrong now may be put right: it is tried
// again.
static int be_open(struct connector *odbc, struct error *error) {
    if (odbc->db.connected && !odbc->db.lost)
        return 0;
    int rc = odbc_open(odbc, error);
    return rc && rc != -ENOMEM ? (error ? error->code = CONNECTOR_RETRY : CONNECTOR_RETRY) : rc;
}

// ---- The functions of a connector ----

static int odbc_poll(struct connector *odbc, bool *more, uint32_t *wait_ms, int *fd, struct error *error) {
    *more = false;
    *fd = -1;
    *wait_ms = odbc->reads ? (uint32_t)(odbc->every_ns / CLOCK_MILLISECOND_NS) : UINT32_MAX;
    if (!odbc->reads)
        return 0;
    int rc = be_open(odbc, error);
    return rc ? rc : source_poll(&odbc->source, more, error);
}

static int odbc_deliver(
    struct connector *odbc, const struct connector_delivery *delivery, struct error *error) {
    if (!odbc->writes)
        return error_set(error, CONNECTOR_REJECT, "this adapter takes no messages: it has no take: rules");
    int rc = be_open(odbc, error);
    return rc ? rc : sink_deliver(&odbc->sink, delivery, error);
}

static int odbc_commit(struct connector *odbc, struct error *error) {
    return odbc->writes ? sink_commit(&odbc->sink, error) : 0;
}

const struct connector_class odbc_connector = {
    .name = "odbc",
    .own_inbox = true,
    .configure = odbc_configure,
    .open = odbc_open,
    .poll = odbc_poll,
    .deliver = odbc_deliver,
    .commit = odbc_commit,
    .destroy = odbc_destroy,
};
