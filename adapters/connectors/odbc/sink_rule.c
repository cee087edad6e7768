#include "adapters/connectors/odbc/sink.h"

#include <errno.h>
#include <stdlib.h>

#define PARAMETERS_MAX 500
#define STATEMENTS_MAX 50

void sink_rule_destroy(struct sink_rule *rule) {
    if (!rule)
        return;
    for (size_t i = 0; i < rule->parameter_count; i++) {
        cel_program_destroy(&rule->parameters[i].program);
        buffer_destroy(&rule->parameters[i].text);
    }
    for (size_t i = 0; i < rule->statement_count; i++) {
        db_statement_close(&rule->statements[i].prepared);
        sql_destroy(&rule->statements[i].sql);
        free(rule->statements[i].sources);
        free(rule->statements[i].values);
    }
    free(rule->parameters);
    free(rule->statements);
    free(rule);
}

// ---- Loading: parameters ----

static bool load_form(
    const struct config_node *node, struct sink_parameter *parameter, struct report *report) {
    static const struct config_key keys[] = {
        {"value", CONFIG_REQUIRED}, TEXT_FORM_KEYS, {NULL, CONFIG_OPTIONAL}};
    parameter->formed = true;
    return config_expect_mapping(node, "a parameter", keys, report) &&
           text_form_read(node, &parameter->form, report);
}

static bool load_parameter(const struct config_node *key, const struct config_node *node,
    const struct cel_env *env, int32_t zone, struct sink_parameter *parameter, struct report *report) {
    const struct config_node *value = node;
    parameter->name = key->text;
    parameter->form.zone = zone;
    parameter->form.type = TEXT_STRING;
    if (node->kind != CONFIG_SCALAR) {
        if (!load_form(node, parameter, report))
            return false;
        value = config_get(node, "value");
    }
    if (!value || value->kind != CONFIG_SCALAR) {
        if (value)
            config_error(value, report, "a parameter's value is an expression");
        return false;
    }
    parameter->program = mapping_expression(value, env, CEL_DYN, report);
    return parameter->program != NULL;
}

static bool load_parameters(
    struct take_rule *rule, struct sink_rule *own, int32_t zone, struct report *report) {
    const struct config_node *with = config_get(rule->node, "with");
    bool fine = true;
    if (!with)
        return true;
    if (with->kind != CONFIG_MAPPING || with->count > PARAMETERS_MAX) {
        config_error(
            with, report, "with is a mapping of at most %d parameters to expressions", PARAMETERS_MAX);
        return false;
    }
    own->parameters = calloc(with->count + 1, sizeof *own->parameters);
    if (!own->parameters) {
        config_error(with, report, "out of memory");
        return false;
    }
    for (size_t i = 0; i < with->count; i++)
        fine = load_parameter(with->keys[i], with->values[i], rule->env, zone,
                   &own->parameters[own->parameter_count++], report) &&
               fine;
    return fine;
}

// ---- Loading: statements ----

static void unknown_parameter(const struct config_node *node, const struct sink_rule *rule,
    const struct sql_parameter *parameter, struct report *report) {
    const char *names[PARAMETERS_MAX];
    for (size_t i = 0; i < rule->parameter_count; i++)
        names[i] = (const char *)rule->parameters[i].name.data;
    const char *nearest = report_nearest(parameter->name, names, rule->parameter_count);
    config_error_inside(node, parameter->offset, parameter->name.size + 1, report,
        "with: has no parameter \"%.*s\"%s%s%s", BYTES_ARGS(parameter->name),
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static bool find_parameter(struct sink_rule *rule, struct bytes name, size_t *out) {
    for (size_t i = 0; i < rule->parameter_count; i++)
        if (bytes_equal(rule->parameters[i].name, name)) {
            rule->parameters[i].used = true;
            *out = i;
            return true;
        }
    return false;
}

static int parse(const struct config_node *node, struct sink_statement *statement) {
    struct sql_text sql = {0};
    if (sql_parse(node->text, &sql))
        return -ENOMEM;
    size_t *sources = calloc(sql.count + 1, sizeof *sources);
    struct db_value *values = calloc(sql.count + 1, sizeof *values);
    if (!sources || !values) {
        free(sources);
        free(values);
        sql_destroy(&sql);
        return -ENOMEM;
    }
    statement->sql = sql;
    statement->sources = sources;
    statement->values = values;
    return 0;
}

static bool load_sql(const struct config_node *node, struct sink_rule *rule, struct sink_statement *statement,
    struct report *report) {
    bool fine = true;
    if (parse(node, statement)) {
        config_error(node, report, "out of memory");
        return false;
    }
    for (size_t i = 0; i < statement->sql.count; i++)
        if (!find_parameter(rule, statement->sql.parameters[i].name, &statement->sources[i])) {
            unknown_parameter(node, rule, &statement->sql.parameters[i], report);
            fine = false;
        }
    return fine;
}

static bool load_statement(const struct config_node *node, struct sink_rule *rule,
    struct sink_statement *statement, struct report *report) {
    static const struct config_key keys[] = {{"sql", CONFIG_REQUIRED}, {"expect_rows", CONFIG_OPTIONAL},
        {"otherwise", CONFIG_OPTIONAL}, {NULL, CONFIG_OPTIONAL}};
    static const char *const choices[] = {"reject", "retry", NULL};
    const struct config_node *sql = node;
    size_t otherwise = 0;
    statement->expect_rows = -1;
    statement->otherwise = CONNECTOR_REJECT;
    if (node->kind != CONFIG_SCALAR) {
        if (!config_expect_mapping(node, "a statement", keys, report) ||
            !config_read_int(node, "expect_rows", 0, INT32_MAX, &statement->expect_rows, report) ||
            !config_read_choice(node, "otherwise", choices, &otherwise, report))
            return false;
        sql = config_get(node, "sql");
        statement->otherwise = otherwise ? CONNECTOR_RETRY : CONNECTOR_REJECT;
    }
    if (!sql || sql->kind != CONFIG_SCALAR) {
        if (sql)
            config_error(sql, report, "a statement is a text");
        return false;
    }
    statement->node = sql;
    return load_sql(sql, rule, statement, report);
}

static bool load_statements(struct take_rule *rule, struct sink_rule *own, struct report *report) {
    const struct config_node *todo = config_get(rule->node, "do");
    bool fine = true;
    if (!todo)
        return false; // reported as missing
    bool one = todo->kind == CONFIG_SCALAR;
    if (todo->kind == CONFIG_MAPPING || (!one && (todo->count == 0 || todo->count > STATEMENTS_MAX))) {
        config_error(todo, report, "do is a list of 1 to %d SQL statements", STATEMENTS_MAX);
        return false;
    }
    size_t count = one ? 1 : todo->count;
    own->statements = calloc(count, sizeof *own->statements);
    if (!own->statements) {
        config_error(todo, report, "out of memory");
        return false;
    }
    own->statement_count = count;
    for (size_t i = 0; i < count; i++)
        fine = load_statement(one ? todo : todo->values[i], own, &own->statements[i], report) && fine;
    return fine;
}

static void warn_unused(const struct take_rule *rule, const struct sink_rule *own, struct report *report) {
    const struct config_node *with = config_get(rule->node, "with");
    for (size_t i = 0; i < own->parameter_count; i++)
        if (!own->parameters[i].used)
            config_warning(
                with->keys[i], report, "no statement uses :%.*s", BYTES_ARGS(own->parameters[i].name));
}

int sink_rule_load(struct take_rule *rule, int32_t zone, struct report *report) {
    struct sink_rule *own = calloc(1, sizeof *own);
    rule->own = own;
    if (!own) {
        config_error(rule->node, report, "out of memory");
        return -EINVAL;
    }
    bool fine = load_parameters(rule, own, zone, report);
    fine = load_statements(rule, own, report) && fine;
    if (fine)
        warn_unused(rule, own, report);
    return fine ? 0 : -EINVAL;
}

// ---- Values ----

static int written(struct sink_parameter *parameter, const struct cel_value *value, struct error *error) {
    struct text_form usual = {.type = TEXT_TIME, .zone = parameter->form.zone};
    const struct text_form *form = parameter->formed ? &parameter->form : &usual;
    int rc = text_write(form, value, &parameter->text, error);
    if (rc == TEXT_BAD) {
        error_prefix(error, "the value ");
        return error ? error->code = CONNECTOR_REJECT : CONNECTOR_REJECT;
    }
    if (rc)
        return rc;
    parameter->value.kind = DB_TEXT;
    parameter->value.text = buffer_bytes(&parameter->text);
    if (parameter->text.size == 0 && form->type != TEXT_STRING) // no date, no amount
        parameter->value.kind = DB_NULL;
    return 0;
}

static int converted(struct sink_parameter *parameter, const struct cel_value *value, struct error *error) {
    struct db_value *out = &parameter->value;
    *out = (struct db_value){.kind = DB_NULL};
    if (value->kind == CEL_NULL)
        return 0;
    if (parameter->formed || value->kind == CEL_TIMESTAMP)
        return written(parameter, value, error);
    switch (value->kind) {
    case CEL_STRING:
        *out = (struct db_value){.kind = DB_TEXT, .text = value->bytes};
        return 0;
    case CEL_BOOL:
        *out = (struct db_value){.kind = DB_BOOL, .i64 = value->boolean};
        return 0;
    case CEL_INT:
    case CEL_ENUM:
        *out = (struct db_value){.kind = DB_INT, .i64 = value->i64};
        return 0;
    case CEL_DOUBLE:
        *out = (struct db_value){.kind = DB_DOUBLE, .f64 = value->f64};
        return 0;
    case CEL_UINT:
        if (value->u64 <= INT64_MAX) {
            *out = (struct db_value){.kind = DB_INT, .i64 = (int64_t)value->u64};
            return 0;
        }
        return error_set(error, CONNECTOR_REJECT, "the number is too large for a database");
    default:
        return error_set(error, CONNECTOR_REJECT, "a list, map, message or bytes can't be a parameter");
    }
}

static int set_value(struct take_rule *rule, struct sink_parameter *parameter, struct error *error) {
    struct cel_value value;
    buffer_clear(&parameter->text);
    int rc = take_rule_eval(rule, parameter->program, &value, error);
    rc = rc ? rc : converted(parameter, &value, error);
    if (rc == CONNECTOR_REJECT)
        error_prefix(error, ":%.*s: ", BYTES_ARGS(parameter->name));
    return rc;
}

int sink_rule_values(struct take_rule *rule, struct error *error) {
    struct sink_rule *own = rule->own;
    for (size_t i = 0; i < own->parameter_count; i++) {
        int rc = set_value(rule, &own->parameters[i], error);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < own->statement_count; i++)
        for (size_t k = 0; k < own->statements[i].sql.count; k++)
            own->statements[i].values[k] = own->parameters[own->statements[i].sources[k]].value;
    return 0;
}
