#include "adapters/runtime/row.h"

#include "core/codes/divisions.h"
#include "core/codes/numbers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COLUMNS_MAX 1000 // as the catalogue has it

enum {
    CHECK_NONE,
    CHECK_CITIZEN_NUMBER,
    CHECK_CREDIT_CODE,
    CHECK_DIVISION,
    CHECK_LIST,
};

struct row_type {
    struct column *columns; // owned
    size_t count;
    const struct schema_message *message;
};

// ---- Loading ----

static bool name_usable(const char *name) {
    static const char *const reserved[] = {"true", "false", "null", "in", "as", "break", "const", "continue",
        "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var",
        "void", "while"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(name, reserved[i]) == 0)
            return false;
    if (!(*name == '_' || (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z')))
        return false;
    for (const char *p = name; *p; p++)
        if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
            return false;
    return true;
}

static bool check_name(const struct row_type *type, const struct column *column, struct report *report) {
    if (!name_usable(column->name)) {
        config_error(column->at, report,
            "\"%s\" can't be the name of a column: a letter or _, then letters, digits, _; give the system's "
            "own name "
            "behind it (name: %s)",
            column->name, column->name);
        return false;
    }
    for (size_t i = 0; i < type->count; i++)
        if (strcmp(type->columns[i].name, column->name) == 0) {
            config_error(column->at, report, "column \"%s\" is there already", column->name);
            return false;
        }
    return true;
}

static const struct code_list *known_list(const struct connector_host *host, const char *name) {
    return host->codes ? codes_find_list(host->codes, bytes_of_string(name)) : NULL;
}

static bool unknown_check(const struct config_node *node, const char *name, const struct connector_host *host,
    struct report *report) {
    size_t lists = 0;
    const char *const *names = host->codes ? codes_list_names(host->codes, &lists) : NULL;
    const char *nearest = lists ? report_nearest(bytes_of_string(name), names, lists) : NULL;
    config_error(node, report,
        "unknown check \"%s\"%s%s%s: it is citizen_number, credit_code, division or the name of a code list",
        name, nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return false;
}

static bool read_check(const struct config_node *mapping, struct column *column,
    const struct connector_host *host, struct report *report) {
    static const char *const names[] = {"", "citizen_number", "credit_code", "division"};
    const char *name = NULL;
    const struct config_node *node = config_get(mapping, "check");
    if (!config_read_string(mapping, "check", &name, report))
        return false;
    if (!name)
        return true;
    if (column->form.type != TEXT_STRING) {
        config_error(node, report, "only a string can be checked");
        return false;
    }
    for (int i = 1; i < CHECK_LIST; i++)
        if (strcmp(name, names[i]) == 0)
            column->check = i;
    column->list = known_list(host, column->check == CHECK_DIVISION ? "gb2260" : name);
    if (column->check == CHECK_NONE)
        column->check = CHECK_LIST;
    if (column->check == CHECK_LIST && !column->list)
        return unknown_check(node, name, host, report);
    if (column->check == CHECK_DIVISION && !column->list) {
        config_error(
            node, report, "checking divisions needs the code list gb2260 in the folder under codes:");
        return false;
    }
    return true;
}

static const struct config_key common_keys[] = {{"name", CONFIG_OPTIONAL}, {"from", CONFIG_OPTIONAL},
    TEXT_FORM_KEYS, {"required", CONFIG_OPTIONAL}, {"check", CONFIG_OPTIONAL}};
#define COMMON_KEYS (sizeof common_keys / sizeof *common_keys)
#define OWN_KEYS 16 // that a connector may add

static bool expect_keys(
    const struct config_node *node, bool named, const struct config_key *own_keys, struct report *report) {
    struct config_key keys[COMMON_KEYS + OWN_KEYS + 1] = {{0}};
    size_t n = 0;
    for (size_t i = named ? 0 : 1; i < COMMON_KEYS; i++)
        keys[n++] = common_keys[i];
    if (named)
        keys[0].need = CONFIG_REQUIRED;
    for (size_t i = 0; own_keys && own_keys[i].name && i < OWN_KEYS; i++)
        keys[n++] = own_keys[i];
    return config_expect_mapping(node, "a column", keys, report);
}

static bool read_long(const struct config_node *node, struct column *column,
    const struct connector_host *host, struct report *report) {
    column->node = node;
    bool fine = config_read_string(node, "from", &column->from, report);
    fine = config_read_bool(node, "required", &column->required, report) && fine;
    return text_form_read(node, &column->form, report) && read_check(node, column, host, report) && fine;
}

// One item of the list or pair of the mapping (`key` NULL: of the list).
static bool read_column(const struct config_node *key, const struct config_node *node,
    const struct config_key *own_keys, const struct connector_host *host, struct column *column,
    struct report *report) {
    column->form.zone = host->zone;
    column->at = key ? key : node;
    column->name = key ? (const char *)key->text.data : NULL;
    if (node->kind == CONFIG_SCALAR) {
        column->from = (const char *)node->text.data;
        column->name = key ? column->name : column->from;
        return true;
    }
    if (node->kind == CONFIG_SEQUENCE) {
        config_error(node, report, "a column is a name, or a mapping with name, from, type, …");
        return false;
    }
    if (!expect_keys(node, !key, own_keys, report) || !read_long(node, column, host, report))
        return false;
    if (!key && (!config_read_string(node, "name", &column->name, report) || !column->name))
        return false;
    if (!column->from)
        column->from = column->name;
    return true;
}

static enum schema_kind kind_of(enum text_type type) {
    switch (type) {
    case TEXT_INT:
    case TEXT_DECIMAL:
        return SCHEMA_INT64;
    case TEXT_DOUBLE:
        return SCHEMA_DOUBLE;
    case TEXT_BOOL:
        return SCHEMA_BOOL;
    default:
        return SCHEMA_STRING;
    }
}

static int define(
    struct row_type *type, const char *name, const struct connector_host *host, struct error *error) {
    struct schema_column *columns = calloc(type->count, sizeof *columns);
    if (!columns)
        return error_no_memory(error);
    for (size_t i = 0; i < type->count; i++)
        columns[i] = (struct schema_column){
            .name = type->columns[i].name, .kind = kind_of(type->columns[i].form.type)};
    int rc = catalogue_define(host->catalogue, name, columns, type->count, &type->message, error);
    free(columns);
    for (size_t i = 0; rc == 0 && i < type->count; i++)
        type->columns[i].field = schema_field_named(type->message, bytes_of_string(type->columns[i].name));
    return rc;
}

static bool read_columns(struct row_type *type, const struct config_node *node,
    const struct config_key *own_keys, const struct connector_host *host, struct report *report) {
    bool fine = true;
    for (size_t i = 0; i < node->count; i++) {
        struct column column = {0};
        const struct config_node *key = node->kind == CONFIG_MAPPING ? node->keys[i] : NULL;
        if (read_column(key, node->values[i], own_keys, host, &column, report) &&
            check_name(type, &column, report))
            type->columns[type->count++] = column;
        else
            fine = false;
    }
    return fine;
}

struct row_type *row_type_load(const struct config_node *columns, const char *name,
    const struct config_key *own_keys, const struct connector_host *host, struct report *report) {
    struct error error = {0};
    if (columns->kind == CONFIG_SCALAR || columns->count == 0 || columns->count > COLUMNS_MAX) {
        config_error(
            columns, report, "columns are a list of names or a mapping, 1 to %d of them", COLUMNS_MAX);
        return NULL;
    }
    struct row_type *type = calloc(1, sizeof *type);
    if (!type || !(type->columns = calloc(columns->count, sizeof *type->columns))) {
        config_error(columns, report, "out of memory");
    } else if (read_columns(type, columns, own_keys, host, report)) {
        if (define(type, name, host, &error) == 0)
            return type;
        config_error(columns, report, "%s", error.text);
    }
    row_type_destroy(&type);
    return NULL;
}

void row_type_destroy(struct row_type **self) {
    if (!*self)
        return;
    free((*self)->columns);
    free(*self);
    *self = NULL;
}

size_t row_type_count(const struct row_type *type) {
    return type->count;
}

const struct column *row_type_column(const struct row_type *type, size_t i) {
    return &type->columns[i];
}

int row_type_find(const struct row_type *type, struct bytes name) {
    for (size_t i = 0; i < type->count; i++)
        if (bytes_equal_string(name, type->columns[i].name))
            return (int)i;
    return -1;
}

const struct schema_message *row_type_message(const struct row_type *type) {
    return type->message;
}

// ---- One row ----

int row_init(struct row *row, const struct row_type *type) {
    bool *filled = calloc(type->count, sizeof *filled);
    if (!filled)
        return -ENOMEM;
    *row = (struct row){.type = type, .filled = filled};
    return 0;
}

void row_destroy(struct row *row) {
    buffer_destroy(&row->wire);
    buffer_destroy(&row->scratch);
    free(row->filled);
    *row = (struct row){0};
}

void row_clear(struct row *row) {
    buffer_clear(&row->wire);
    memset(row->filled, 0, row->type->count * sizeof *row->filled);
}

static int check_value(const struct column *column, struct bytes text, struct error *error) {
    enum number_fault fault;
    const char *list =
        config_get(column->node, "check") ? (const char *)config_get(column->node, "check")->text.data : "";
    switch (column->check) {
    case CHECK_CITIZEN_NUMBER:
        fault = citizen_number_check(text);
        return fault ? error_set(error, CONNECTOR_BAD_ROW, "%s: is no citizen number (GB 11643): %s",
                           column->name, number_fault_text(fault))
                     : 0;
    case CHECK_CREDIT_CODE:
        fault = credit_code_check(text);
        return fault ? error_set(error, CONNECTOR_BAD_ROW,
                           "%s: is no unified social credit code (GB 32100): %s", column->name,
                           number_fault_text(fault))
                     : 0;
    case CHECK_DIVISION:
        return division_known(column->list, text, time(NULL))
                   ? 0
                   : error_set(
                         error, CONNECTOR_BAD_ROW, "%s: is no division in force (GB/T 2260)", column->name);
    default:
        return code_list_contains(column->list, text, time(NULL))
                   ? 0
                   : error_set(error, CONNECTOR_BAD_ROW, "%s: is no code of the list %s", column->name, list);
    }
}

static int put_result(int rc, struct row *row, size_t column, struct error *error) {
    if (rc == -ENOMEM)
        return error_no_memory(error);
    if (rc)
        return error_set(
            error, CONNECTOR_BAD_ROW, "%s: the value is too large", row->type->columns[column].name);
    row->filled[column] = true;
    return 0;
}

static int put_number(struct row *row, size_t column, int64_t i64, double f64, struct error *error) {
    const struct schema_field *field = row->type->columns[column].field;
    int rc = field->kind == SCHEMA_DOUBLE ? view_put_double(&row->wire, field, f64)
                                          : view_put_int(&row->wire, field, i64);
    return put_result(rc, row, column, error);
}

static bool blank(struct bytes text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] != ' ' && text.data[i] != '\t' && text.data[i] != '\r' && text.data[i] != '\n')
            return false;
    return true;
}

int row_set_text(struct row *row, size_t index, struct bytes text, struct error *error) {
    const struct column *column = &row->type->columns[index];
    int64_t i64 = 0;
    double f64 = 0;
    if (!text.data || (column->form.type != TEXT_STRING && blank(text)))
        return 0;
    buffer_clear(&row->scratch);
    int rc = text_read(&column->form, text, &i64, &f64, &row->scratch, error);
    if (rc == TEXT_BAD) {
        error_prefix(error, "%s: ", column->name);
        if (error)
            error->code = CONNECTOR_BAD_ROW;
        return CONNECTOR_BAD_ROW;
    }
    if (rc)
        return rc;
    if (column->field->kind != SCHEMA_STRING)
        return put_number(row, index, i64, f64, error);
    if (column->check && row->scratch.size > 0 &&
        (rc = check_value(column, buffer_bytes(&row->scratch), error)))
        return rc;
    // An empty text is a value that is there: data must not be NULL then.
    struct bytes value = row->scratch.size ? buffer_bytes(&row->scratch) : bytes_of("", 0);
    return put_result(view_put_bytes(&row->wire, column->field, value), row, index, error);
}

int row_set_int(struct row *row, size_t index, int64_t value, struct error *error) {
    char digits[24];
    switch (row->type->columns[index].form.type) {
    case TEXT_INT:
    case TEXT_BOOL:
        return put_number(
            row, index, row->type->columns[index].form.type == TEXT_BOOL ? value != 0 : value, 0, error);
    case TEXT_DOUBLE:
        return put_number(row, index, 0, (double)value, error);
    default: {
        int n = snprintf(digits, sizeof digits, "%lld", (long long)value);
        return row_set_text(row, index, bytes_of(digits, (size_t)n), error);
    }
    }
}

int row_set_double(struct row *row, size_t index, double value, struct error *error) {
    char digits[40];
    if (row->type->columns[index].form.type == TEXT_DOUBLE)
        return put_number(row, index, 0, value, error);
    int n = snprintf(digits, sizeof digits, "%.15g", value);
    return row_set_text(row, index, bytes_of(digits, (size_t)n), error);
}

int row_finish(struct row *row, struct bytes *wire, struct error *error) {
    for (size_t i = 0; i < row->type->count; i++)
        if (row->type->columns[i].required && !row->filled[i])
            return error_set(error, CONNECTOR_BAD_ROW, "%s: is missing", row->type->columns[i].name);
    *wire = buffer_bytes(&row->wire);
    return 0;
}
