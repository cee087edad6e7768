#include "adapters/connectors/file/file.h"

#include "adapters/runtime/settings.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const format_names[] = {"csv", "tsv", "fixed", NULL};
static const char *const order_names[] = {"name", "time", NULL};
static const char *const newline_names[] = {"crlf", "lf", NULL};
static const char *const align_names[] = {"left", "right", NULL};

static const struct config_key file_keys[] = {{"in", CONFIG_OPTIONAL}, {"out", CONFIG_OPTIONAL},
    {"take", CONFIG_OPTIONAL}, {"poll", CONFIG_OPTIONAL}, {NULL, 0}};
static const struct config_key in_keys[] = {{"name", CONFIG_REQUIRED}, {"folder", CONFIG_REQUIRED},
    {"pattern", CONFIG_OPTIONAL}, {"format", CONFIG_OPTIONAL}, {"encoding", CONFIG_REQUIRED},
    {"delimiter", CONFIG_OPTIONAL}, {"quotes", CONFIG_OPTIONAL}, {"header", CONFIG_OPTIONAL},
    {"columns", CONFIG_REQUIRED}, {"give", CONFIG_REQUIRED}, {"settle", CONFIG_OPTIONAL},
    {"marker", CONFIG_OPTIONAL}, {"order", CONFIG_OPTIONAL}, {"work", CONFIG_OPTIONAL},
    {"done", CONFIG_REQUIRED}, {"rejects", CONFIG_REQUIRED}, {"record_limit", CONFIG_OPTIONAL}, {NULL, 0}};
// What `out` may have, and each rule may have otherwise.
#define OUT_KEYS                                                                                             \
    {"folder", CONFIG_OPTIONAL}, {"format", CONFIG_OPTIONAL}, {"encoding", CONFIG_OPTIONAL},                 \
        {"delimiter", CONFIG_OPTIONAL}, {"quotes", CONFIG_OPTIONAL}, {"header", CONFIG_OPTIONAL},            \
        {"newline", CONFIG_OPTIONAL}, {"marker", CONFIG_OPTIONAL}, {"rows", CONFIG_OPTIONAL}, {              \
        "wait", CONFIG_OPTIONAL                                                                              \
    }
static const struct config_key out_keys[] = {OUT_KEYS, {NULL, 0}};
static const struct config_key rule_keys[] = {
    {"name", CONFIG_REQUIRED}, {"file", CONFIG_REQUIRED}, {"columns", CONFIG_REQUIRED}, OUT_KEYS, {NULL, 0}};
static const struct config_key in_column_keys[] = {{"width", CONFIG_OPTIONAL}, {NULL, 0}};
static const struct config_key out_column_keys[] = {{"value", CONFIG_REQUIRED}, TEXT_FORM_KEYS,
    {"width", CONFIG_OPTIONAL}, {"align", CONFIG_OPTIONAL}, {NULL, 0}};

// ---- What folders in and files out have in common ----

// The mapping that says `key`: the rule, or what all rules share.
static const struct config_node *says(
    const struct config_node *own, const struct config_node *shared, const char *key) {
    return shared && !config_get(own, key) ? shared : own;
}

static bool read_delimiter(const struct config_node *node, struct format *format, struct report *report) {
    const char *text = format->name == FORMAT_TSV ? "\t" : ",";
    if (!config_read_string(node, "delimiter", &text, report))
        return false;
    bool usable = text[0] > 0 && !text[1] && text[0] != '"' && text[0] != '\n' && text[0] != '\r';
    if (!usable)
        config_error(config_get(node, "delimiter"), report,
            "a delimiter is one ASCII character other than a quote or line end");
    format->dialect.delimiter = text[0];
    return usable;
}

// `shared` may be NULL.
static bool read_format(const struct config_node *own, const struct config_node *shared,
    struct format *format, bool *header, struct report *report) {
    size_t name = FORMAT_CSV;
    size_t charset = CHARSET_UTF8;
    bool good =
        config_read_choice(says(own, shared, "format"), "format", format_names, &name, report) &&
        config_read_choice(says(own, shared, "encoding"), "encoding", charset_names, &charset, report);
    format->name = (enum format_name)name;
    format->charset = (enum charset_name)charset;
    format->dialect.quotes = name == FORMAT_CSV;
    *header = name != FORMAT_FIXED;
    good = config_read_bool(says(own, shared, "quotes"), "quotes", &format->dialect.quotes, report) && good;
    good = config_read_bool(says(own, shared, "header"), "header", header, report) && good;
    if (name == FORMAT_FIXED && *header) {
        config_error(
            config_get(says(own, shared, "header"), "header"), report, "fixed-width files have no headings");
        good = false;
    }
    return read_delimiter(says(own, shared, "delimiter"), format, report) && good;
}

// A name that goes into file names.
static bool read_name(const struct config_node *node, char **out, struct report *report) {
    const char *name = NULL;
    if (!config_read_string(node, "name", &name, report) || !name)
        return false;
    size_t length = strlen(name);
    if (length == 0 || length > 64 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != length) {
        config_error(
            config_get(node, "name"), report, "a name has letters, digits, \"_\" and \"-\", at most 64");
        return false;
    }
    *out = strdup(name);
    return *out != NULL;
}

static bool read_width(
    const struct config_node *node, const struct config_node *at, size_t *out, struct report *report) {
    int64_t width = 0;
    if (node && !config_read_int(node, "width", 1, 65536, &width, report))
        return false;
    if (width == 0)
        config_error(at, report, "each column of a fixed-width file needs its width in bytes");
    *out = (size_t)width;
    return width != 0;
}

static bool copy_text(const struct config_node *node, const char *key, const char *otherwise, char **out,
    struct report *report) {
    const char *text = otherwise;
    if (!config_read_string(node, key, &text, report))
        return false;
    *out = text ? strdup(text) : NULL;
    return !text || *out;
}

// ---- Folders in ----

static bool read_in_widths(
    const struct config_node *node, struct dropbox_options *options, struct report *report) {
    size_t count = row_type_count(options->columns);
    if (options->format.name != FORMAT_FIXED)
        return true;
    options->widths = calloc(count, sizeof *options->widths);
    bool good = options->widths != NULL;
    for (size_t i = 0; good && i < count; i++) {
        const struct column *column = row_type_column(options->columns, i);
        good = read_width(column->node, column->at ? column->at : node, &options->widths[i], report) && good;
    }
    options->format.widths = options->widths;
    options->format.width_count = count;
    return good;
}

static bool read_done(
    const struct config_node *node, const struct connector_host *host, char **out, struct report *report) {
    const char *done = NULL;
    if (!config_read_string(node, "done", &done, report))
        return false;
    if (done && strcmp(done, "delete") == 0)
        return true;
    return settings_path(node, "done", host->base_folder, out, report);
}

static bool read_in_folders(const struct config_node *node, const struct connector_host *host,
    struct dropbox_options *options, struct report *report) {
    bool good = settings_path(node, "folder", host->base_folder, &options->folder, report);
    good = settings_path(node, "work", host->base_folder, &options->work, report) && good;
    good = settings_path(node, "rejects", host->base_folder, &options->rejects, report) && good;
    good = read_done(node, host, &options->done, report) && good;
    if (good && options->folder && !options->work &&
        asprintf(&options->work, "%s/.hutong", options->folder) < 0) {
        options->work = NULL;
        return false;
    }
    return good && options->folder && options->rejects;
}

static bool read_in_options(const struct config_node *node, const struct connector_host *host,
    struct dropbox_options *options, struct report *report) {
    size_t order = 0;
    uint64_t limit = (uint64_t)64 << 10;
    options->settle_ns = 2 * CLOCK_SECOND_NS;
    bool good = read_name(node, &options->name, report);
    good = read_in_folders(node, host, options, report) && good;
    good = copy_text(node, "pattern", "*", &options->pattern, report) && good;
    good = copy_text(node, "marker", NULL, &options->marker, report) && good;
    good =
        config_read_duration(node, "settle", 0, 86400 * CLOCK_SECOND_NS, &options->settle_ns, report) && good;
    good = config_read_choice(node, "order", order_names, &order, report) && good;
    good = config_read_size(node, "record_limit", 64, (uint64_t)16 << 20, &limit, report) && good;
    good = read_format(node, NULL, &options->format, &options->header, report) && good;
    options->by_time = order == 1;
    options->format.record_limit = (size_t)limit;
    return good;
}

static bool read_in_rules(const struct config_node *node, const struct connector_host *host,
    struct dropbox_options *options, struct report *report) {
    char name[80];
    const struct config_node *columns = config_get(node, "columns");
    const struct config_node *give = config_get(node, "give");
    if (!columns || !give)
        return false;
    snprintf(name, sizeof name, "row.%s", options->name ? options->name : "file");
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : *p;
    options->columns = row_type_load(columns, name, in_column_keys, host, report);
    if (!options->columns)
        return false;
    bool good = read_in_widths(columns, options, report);
    options->rules = give_rules_load(give, options->columns, host, report);
    return good && options->rules;
}

static struct dropbox *read_in(
    const struct config_node *node, const struct connector_host *host, struct report *report) {
    struct dropbox_options options = {0};
    struct dropbox *dropbox = NULL;
    if (!config_expect_mapping(node, "a folder in", in_keys, report))
        return NULL;
    bool good = read_in_options(node, host, &options, report);
    good = read_in_rules(node, host, &options, report) && good;
    if (good && dropbox_new(&options, host, &dropbox, NULL) != 0)
        config_error(node, report, "out of memory");
    dropbox_options_destroy(&options);
    return dropbox;
}

static bool read_dropboxes(
    const struct config_node *node, struct connector *connector, struct report *report) {
    if (!config_expect_sequence(node, "in", report))
        return false;
    connector->dropboxes = calloc(node->count ? node->count : 1, sizeof *connector->dropboxes);
    bool good = connector->dropboxes != NULL;
    for (size_t i = 0; i < node->count && connector->dropboxes; i++) {
        struct dropbox *dropbox = read_in(node->values[i], connector->host, report);
        if (dropbox)
            connector->dropboxes[connector->dropbox_count++] = dropbox;
        good = dropbox && good;
    }
    for (size_t i = 0; good && i < connector->dropbox_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(dropbox_settings(connector->dropboxes[i])->name,
                    dropbox_settings(connector->dropboxes[j])->name) == 0) {
                config_error(node->values[i], report, "two folders have one name");
                good = false;
            }
    return good;
}

// ---- Files out ----

static bool read_out_column(const struct config_node *heading, const struct config_node *node,
    struct outfile *outfile, struct report *report) {
    struct out_column *column = &outfile->columns[outfile->column_count];
    const struct config_node *value = node;
    size_t align = 0;
    bool good = true;
    *column = (struct out_column){.heading = (const char *)heading->text.data,
        .form = {.type = TEXT_STRING, .zone = outfile->host->zone}};
    if (node->kind == CONFIG_MAPPING) {
        if (!config_expect_mapping(node, "a column", out_column_keys, report))
            return false;
        value = config_get(node, "value");
        good = text_form_read(node, &column->form, report);
        good = config_read_choice(node, "align", align_names, &align, report) && good;
    }
    column->right = align == 1;
    if (outfile->format.name == FORMAT_FIXED)
        good =
            read_width(node->kind == CONFIG_MAPPING ? node : NULL, heading, &column->width, report) && good;
    column->value = value ? mapping_expression(value, outfile->rule->env, CEL_DYN, report) : NULL;
    outfile->column_count++;
    return good && column->value;
}

static bool read_out_columns(const struct config_node *rule, struct outfile *outfile, struct report *report) {
    const struct config_node *columns = config_get(rule, "columns");
    struct error error = {0};
    if (!columns)
        return false;
    if (columns->kind != CONFIG_MAPPING || columns->count == 0) {
        config_error(columns, report, "expected a mapping of heading to expression");
        return false;
    }
    outfile->columns = calloc(columns->count, sizeof *outfile->columns);
    bool good = outfile->columns != NULL;
    for (size_t i = 0; i < columns->count && outfile->columns; i++)
        good = read_out_column(columns->keys[i], columns->values[i], outfile, report) && good;
    if (good && outfile_make_head(outfile, &error) != 0) {
        config_error(columns, report, "headings: %s", error.text);
        good = false;
    }
    return good;
}

static bool read_file_name(const struct config_node *rule, struct outfile *outfile, struct report *report) {
    const char *file = NULL;
    if (!config_read_string(rule, "file", &file, report) || !file)
        return false;
    const char *wrong = outgoing_check_template(file);
    if (wrong)
        config_error(config_get(rule, "file"), report, "the file's name %s", wrong);
    outfile->file = strdup(file);
    return !wrong && outfile->file;
}

static bool read_out_settings(const struct config_node *rule, const struct config_node *shared,
    struct outfile *outfile, struct report *report) {
    int64_t rows = 1000;
    size_t newline = 0;
    const struct config_node *folder = says(rule, shared, "folder");
    outfile->wait_ns = 5 * CLOCK_SECOND_NS;
    bool good = read_name(rule, &outfile->name, report);
    good = read_file_name(rule, outfile, report) && good;
    good = settings_path(folder, "folder", outfile->host->base_folder, &outfile->folder, report) && good;
    good = copy_text(says(rule, shared, "marker"), "marker", NULL, &outfile->marker, report) && good;
    good = config_read_int(says(rule, shared, "rows"), "rows", 1, 1000000, &rows, report) && good;
    good = config_read_duration(
               says(rule, shared, "wait"), "wait", 0, 86400 * CLOCK_SECOND_NS, &outfile->wait_ns, report) &&
           good;
    good =
        config_read_choice(says(rule, shared, "newline"), "newline", newline_names, &newline, report) && good;
    good = read_format(rule, shared, &outfile->format, &outfile->header, report) && good;
    outfile->rows = (size_t)rows;
    outfile->lf = newline == 1;
    if (good && (!outfile->folder || !config_get(says(rule, shared, "encoding"), "encoding"))) {
        config_error(
            rule, report, "needs a \"%s\", here or under \"out\"", outfile->folder ? "encoding" : "folder");
        good = false;
    }
    return good;
}

static bool read_out(struct take_rule *rule, const struct config_node *shared, struct connector *connector,
    struct report *report) {
    struct outfile *outfile = calloc(1, sizeof *outfile);
    if (!outfile)
        return false;
    outfile->rule = rule;
    outfile->host = connector->host;
    connector->outfiles[connector->outfile_count++] = outfile;
    rule->own = outfile;
    bool good = read_out_settings(rule->node, shared, outfile, report);
    outfile->charset = charset_new(outfile->format.charset);
    if (!outfile->charset) {
        config_error(rule->node, report, "this machine has no converter for the encoding");
        return false;
    }
    return read_out_columns(rule->node, outfile, report) && good;
}

static bool names_differ(const struct connector *connector, struct report *report) {
    for (size_t i = 0; i < connector->outfile_count; i++) {
        const struct outfile *outfile = connector->outfiles[i];
        for (size_t j = 0; j < i; j++) {
            const struct outfile *other = connector->outfiles[j];
            if (!outfile || !other || strcmp(outfile->name, other->name) != 0)
                continue;
            config_error(outfile->rule->node, report, "two rules have one name");
            return false;
        }
    }
    return true;
}

static bool read_take(const struct config_node *node, const struct config_node *shared,
    struct connector *connector, struct report *report) {
    if (shared && !config_expect_mapping(shared, "out", out_keys, report))
        return false;
    connector->take = take_rules_load(node, rule_keys, connector->host, report);
    if (!connector->take)
        return false;
    size_t count = take_rules_count(connector->take);
    connector->outfiles = calloc(count ? count : 1, sizeof(struct outfile *));
    bool good = connector->outfiles != NULL;
    for (size_t i = 0; i < count && connector->outfiles; i++)
        good = read_out(take_rules_at(connector->take, i), shared, connector, report) && good;
    return good && names_differ(connector, report);
}

struct connector *file_configure(
    const struct config_node *node, const struct connector_host *host, struct report *report) {
    if (!config_expect_mapping(node, "file", file_keys, report))
        return NULL;
    struct connector *connector = calloc(1, sizeof *connector);
    if (!connector) {
        config_error(node, report, "out of memory");
        return NULL;
    }
    *connector = (struct connector){
        .host = host, .poll_ns = 10 * CLOCK_SECOND_NS, .notify = -1, .alarm = -1, .events = -1};
    const struct config_node *in = config_get(node, "in");
    const struct config_node *take = config_get(node, "take");
    bool good = config_read_duration(
        node, "poll", 100 * CLOCK_MILLISECOND_NS, 3600 * CLOCK_SECOND_NS, &connector->poll_ns, report);
    good = (!in || read_dropboxes(in, connector, report)) && good;
    good = (!take || read_take(take, config_get(node, "out"), connector, report)) && good;
    if (!in && !take) {
        config_error(node, report, "needs \"in\" (folders to read) or \"take\" (files to write)");
        good = false;
    }
    if (!good && report_errors(report) == 0)
        config_error(node, report, "out of memory");
    if (!good)
        file_destroy(&connector);
    return connector;
}
