#include "adapters/connectors/odbc/source.h"

#include "core/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_NS (86400 * CLOCK_SECOND_NS)

static const char *text_of(const struct config_node *mapping, const char *key, struct report *report) {
    const char *text = NULL;
    config_read_string(mapping, key, &text, report);
    return text;
}

static void read_common(struct source *source, struct report *report) {
    source->rows = 200;
    config_read_int(source->node, "rows", 1, 10000, &source->rows, report);
    source->table = text_of(source->node, "table", report);
    source->where = text_of(source->node, "where", report);
}

static bool read_outbox(struct source *source, struct report *report) {
    static const struct config_key keys[] = {{"table", CONFIG_REQUIRED}, {"id", CONFIG_OPTIONAL},
        {"columns", CONFIG_REQUIRED}, {"where", CONFIG_OPTIONAL}, {"cleanup", CONFIG_OPTIONAL},
        {"grace", CONFIG_OPTIONAL}, {"rows", CONFIG_OPTIONAL}, {NULL, CONFIG_OPTIONAL}};
    if (!config_expect_mapping(source->node, "outbox", keys, report))
        return false;
    source->outbox = source->cleanup = true;
    source->grace_ns = 600 * CLOCK_SECOND_NS;
    source->keys[0] = "id";
    source->key_count = 1;
    read_common(source, report);
    config_read_string(source->node, "id", &source->keys[0], report);
    config_read_bool(source->node, "cleanup", &source->cleanup, report);
    if (config_read_duration(source->node, "grace", 0, 7 * DAY_NS, &source->grace_ns, report) &&
        source->cleanup && config_get(source->node, "grace"))
        config_error(config_get(source->node, "grace"), report,
            "with cleanup rows are due whenever they appear, so there is no grace; leave it out or say "
            "cleanup: false");
    if (strlen(source->keys[0]) > 100)
        config_error(source->node, report, "id has more than 100 characters");
    return true;
}

static void read_keys(struct source *source, struct report *report) {
    const struct config_node *by = config_get(source->node, "by");
    if (!by)
        return;
    if (by->kind == CONFIG_SCALAR) {
        source->keys[source->key_count++] = (const char *)by->text.data;
        return;
    }
    if (by->kind == CONFIG_MAPPING || by->count == 0 || by->count > SOURCE_KEYS) {
        config_error(by, report, "by is a column or a list of 1 to %d, the last of which makes it unique",
            SOURCE_KEYS);
        return;
    }
    for (size_t i = 0; i < by->count; i++) {
        if (by->values[i]->kind != CONFIG_SCALAR)
            config_error(by->values[i], report, "a column is a name");
        else
            source->keys[source->key_count++] = (const char *)by->values[i]->text.data;
    }
}

static bool read_rising(struct source *source, struct report *report) {
    static const struct config_key keys[] = {{"table", CONFIG_REQUIRED}, {"by", CONFIG_REQUIRED},
        {"columns", CONFIG_REQUIRED}, {"where", CONFIG_OPTIONAL}, {"rows", CONFIG_OPTIONAL},
        {NULL, CONFIG_OPTIONAL}};
    if (!config_expect_mapping(source->node, "rising", keys, report))
        return false;
    read_common(source, report);
    read_keys(source, report);
    return true;
}

// Memory for one row as it came.
static int make_row(struct source *source) {
    size_t count = row_type_count(source->type);
    char *path = NULL;
    source->raw = calloc(count, sizeof *source->raw);
    source->values = calloc(count, sizeof *source->values);
    if (!source->raw || !source->values || row_init(&source->row, source->type) ||
        asprintf(&path, "%s/refused.jsonl", source->host->state_folder) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        source->values[i].name = row_type_column(source->type, i)->name;
    source->refused = refused_file_new(path);
    free(path);
    return source->refused ? 0 : -ENOMEM;
}

static void load(struct source *source, const struct config_node *give, struct report *report) {
    const struct config_node *columns = config_get(source->node, "columns");
    if (!columns)
        return;
    source->type = row_type_load(
        columns, source->outbox ? "row.odbc.outbox" : "row.odbc.rising", NULL, source->host, report);
    if (!source->type)
        return;
    source->give = give_rules_load(give, source->type, source->host, report);
    if (make_row(source))
        config_error(source->node, report, "out of memory");
}

int source_configure(struct source *source, const struct config_node *node, const struct connector_host *host,
    struct db *db, struct report *report) {
    size_t errors = report_errors(report);
    const struct config_node *outbox = config_get(node, "outbox"), *rising = config_get(node, "rising");
    const struct config_node *give = config_get(node, "give");
    idset_init(&source->given);
    source->host = host;
    source->db = db;
    source->node = outbox ? outbox : rising;
    if (outbox && rising)
        config_error(
            rising, report, "an adapter reads an outbox: or a rising: column, not both; take two adapters");
    else if (!source->node && give)
        config_error(give, report, "give: needs a source, outbox: or rising:");
    else if (source->node && !give)
        config_error(source->node, report,
            "%s: needs rules that make messages of its rows, under give:", outbox ? "outbox" : "rising");
    else if (source->node && (outbox ? read_outbox(source, report) : read_rising(source, report)))
        load(source, give, report);
    if (report_errors(report) > errors)
        return -EINVAL;
    return source->node ? 0 : 1;
}
