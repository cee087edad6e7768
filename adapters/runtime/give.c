#include "adapters/runtime/rules.h"

#include "adapters/runtime/moment.h"

#include <errno.h>
#include <stdlib.h>

struct give_rule {
    struct cel_env *env; // owned, as what follows
    struct cel_activation *activation;
    struct cel_program *when; // NULL: always
    struct cel_program *subject;
    struct cel_program *time; // NULL: now
    struct mapping *map;
    const struct schema_message *type;
    size_t row_index; // of `row` in the activation
    bool with_time;
};

struct give_rules {
    struct give_rule *rules; // owned
    size_t count;
    const struct connector_host *host;
    struct paths *paths;
    struct scan *scan;
    struct buffer payload;
    struct buffer subject;
};

// ---- Loading ----

static const struct schema_message *read_target(
    const struct config_node *node, const struct connector_host *host, struct report *report) {
    const char *name = NULL;
    if (!config_read_string(node, "as", &name, report) || !name)
        return NULL;
    const struct schema_message *type = catalogue_message(host->catalogue, bytes_of_string(name));
    if (!type) {
        const char *nearest = catalogue_nearest_message(host->catalogue, bytes_of_string(name));
        config_error(config_get(node, "as"), report, "the catalogue has no type \"%s\"%s%s%s", name,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    return type;
}

static bool read_program(const struct config_node *node, const char *key, const struct cel_env *env,
    enum cel_kind want, struct cel_program **out, struct report *report) {
    const struct config_node *scalar = config_get(node, key);
    if (!scalar)
        return true;
    if (scalar->kind != CONFIG_SCALAR) {
        config_error(scalar, report, "%s is an expression", key);
        return false;
    }
    *out = mapping_expression(scalar, env, want, report);
    return *out != NULL;
}

static bool read_time(const struct config_node *node, struct give_rule *rule, struct report *report) {
    char name[128];
    if (!read_program(node, "time", rule->env, CEL_DYN, &rule->time, report))
        return false;
    if (!rule->time)
        return true;
    const struct cel_type *type = cel_program_type(rule->time);
    if (type->kind == CEL_TIMESTAMP || type->kind == CEL_STRING || type->kind == CEL_DYN)
        return true;
    config_error(config_get(node, "time"), report, "a time is a timestamp or a string, this is %s",
        cel_type_name(type, name, sizeof name));
    return false;
}

static bool read_expressions(const struct config_node *node, struct give_rule *rule, struct report *report) {
    const struct config_node *map = config_get(node, "map");
    bool fine = read_program(node, "when", rule->env, CEL_BOOL, &rule->when, report);
    fine = read_program(node, "subject", rule->env, CEL_STRING, &rule->subject, report) && fine;
    fine = read_time(node, rule, report) && fine;
    rule->map = map ? mapping_load(map, rule->type, rule->env, report) : NULL;
    return fine && rule->map && rule->subject;
}

static bool load_rule(
    const struct config_node *node, struct give_rules *rules, struct give_rule *rule, struct report *report) {
    static const struct config_key keys[] = {{"as", CONFIG_REQUIRED}, {"when", CONFIG_OPTIONAL},
        {"subject", CONFIG_REQUIRED}, {"time", CONFIG_OPTIONAL}, {"map", CONFIG_REQUIRED},
        {NULL, CONFIG_OPTIONAL}};
    if (!config_expect_mapping(node, "a give rule", keys, report))
        return false;
    rule->type = read_target(node, rules->host, report);
    if (!rule->type)
        return false;
    rule->env = cel_env_new(rules->host->catalogue, rules->host->codes, rule->type->full_name);
    if (!rule->env || cel_env_declare_message(rule->env, "row", rules->paths, &rule->row_index) ||
        !(rule->activation = cel_activation_new(rule->env))) {
        config_error(node, report, "out of memory");
        return false;
    }
    return read_expressions(node, rule, report);
}

static bool load_rules(const struct config_node *node, struct give_rules *rules, struct report *report) {
    bool fine = true;
    for (size_t i = 0; i < node->count; i++)
        fine = load_rule(node->values[i], rules, &rules->rules[rules->count++], report) && fine;
    return fine;
}

struct give_rules *give_rules_load(const struct config_node *node, const struct row_type *type,
    const struct connector_host *host, struct report *report) {
    if (!config_expect_sequence(node, "give", report))
        return NULL;
    struct give_rules *rules = calloc(1, sizeof *rules);
    if (rules) {
        rules->host = host;
        rules->rules = calloc(node->count + 1, sizeof *rules->rules);
        rules->paths = paths_new(row_type_message(type));
    }
    if (!rules || !rules->rules || !rules->paths)
        config_error(node, report, "out of memory");
    else if (load_rules(node, rules, report)) {
        rules->scan = scan_new(rules->paths); // all paths are known now
        if (rules->scan)
            return rules;
        config_error(node, report, "out of memory");
    }
    give_rules_destroy(&rules);
    return NULL;
}

void give_rules_destroy(struct give_rules **self) {
    struct give_rules *rules = *self;
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++) {
        struct give_rule *rule = &rules->rules[i];
        mapping_destroy(&rule->map);
        cel_program_destroy(&rule->when);
        cel_program_destroy(&rule->subject);
        cel_program_destroy(&rule->time);
        cel_activation_destroy(&rule->activation);
        cel_env_destroy(&rule->env);
    }
    free(rules->rules);
    scan_destroy(&rules->scan);
    paths_destroy(&rules->paths);
    buffer_destroy(&rules->payload);
    buffer_destroy(&rules->subject);
    free(rules);
    *self = NULL;
}

// ---- Running ----

// What is wrong with the row, of what the evaluation says.
static int bad_row(int rc, const char *what, struct error *error) {
    if (rc == -ENOMEM)
        return error_no_memory(error);
    error_prefix(error, "%s: ", what);
    if (error)
        error->code = CONNECTOR_BAD_ROW;
    return CONNECTOR_BAD_ROW;
}

static void ready(const struct give_rules *rules, struct give_rule *rule) {
    cel_activation_reset(rule->activation);
    cel_activation_set_scan(rule->activation, rule->row_index, rules->scan);
}

static int rule_holds(
    const struct give_rules *rules, struct give_rule *rule, bool *out, struct error *error) {
    ready(rules, rule);
    *out = true;
    int rc = rule->when ? cel_eval_bool(rule->when, rule->activation, out, error) : 0;
    return rc ? bad_row(rc, "when", error) : 0;
}

static int rule_subject(struct give_rules *rules, struct give_rule *rule, struct error *error) {
    struct cel_value value;
    buffer_clear(&rules->subject);
    int rc = cel_eval(rule->subject, rule->activation, &value, error);
    if (rc)
        return bad_row(rc, "subject", error);
    if (value.kind != CEL_STRING || value.bytes.size == 0)
        return error_set(error, CONNECTOR_BAD_ROW, "subject: is empty");
    return buffer_append_bytes(&rules->subject, value.bytes) ? error_no_memory(error) : 0;
}

static int rule_time(
    const struct give_rules *rules, struct give_rule *rule, int64_t *out_us, struct error *error) {
    struct cel_value value;
    struct moment moment;
    *out_us = 0;
    if (!rule->time)
        return 0;
    int rc = cel_eval(rule->time, rule->activation, &value, error);
    if (rc)
        return bad_row(rc, "time", error);
    if (value.kind == CEL_TIMESTAMP) {
        *out_us = value.time.seconds * 1000000 + value.time.nanos / 1000;
        return 0;
    }
    if (value.kind != CEL_STRING || !moment_read(value.bytes, rules->host->zone, &moment))
        return error_set(error, CONNECTOR_BAD_ROW, "time: is not a time, such as 2026-11-24T09:30:00+08:00");
    *out_us = moment_seconds(&moment) * 1000000 + moment.nanos / 1000;
    return 0;
}

static int rule_publish(
    struct give_rules *rules, struct give_rule *rule, struct bytes position, struct error *error) {
    int64_t time_us;
    const struct connector_host *host = rules->host;
    int rc = rule_subject(rules, rule, error);
    if (!rc)
        rc = rule_time(rules, rule, &time_us, error);
    if (rc)
        return rc;
    if (time_us) // codes hold by the day of the change
        cel_activation_set_time(rule->activation, time_us / 1000000);
    buffer_clear(&rules->payload);
    rc = mapping_run(rule->map, rule->activation, &rules->payload, NULL, error);
    if (rc == MAPPING_REFUSED)
        return bad_row(rc, "map", error);
    if (rc)
        return rc;
    return host->publish(host->runtime, rule->type, buffer_bytes(&rules->subject), time_us,
        buffer_bytes(&rules->payload), position, error);
}

int give_rules_publish(
    struct give_rules *rules, struct bytes row, struct bytes position, struct error *error) {
    bool holds;
    int rc = scan_run(rules->scan, row, false, error);
    if (rc)
        return bad_row(rc, "the row", error);
    for (size_t i = 0; i < rules->count; i++) {
        rc = rule_holds(rules, &rules->rules[i], &holds, error);
        if (rc)
            return rc;
        if (holds)
            return rule_publish(rules, &rules->rules[i], position, error);
    }
    return GIVE_NOTHING;
}
