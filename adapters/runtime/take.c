#include "adapters/runtime/rules.h"

#include <errno.h>
#include <stdlib.h>

// What the rules on one type share: a message is scanned once for all of them.
struct take_type {
    const struct schema_message *message;
    struct paths *paths; // owned, as what follows
    struct cel_env *env;
    struct cel_activation *activation; // of the first delivery on: until then expressions may be compiled
    struct scan *scan;
    size_t index[7]; // of the variables below
};

static const char *const variable_names[] = {"msg", "id", "source", "subject", "time", "position", "replay"};
enum {
    VARIABLE_MESSAGE,
    VARIABLE_ID,
    VARIABLE_SOURCE,
    VARIABLE_SUBJECT,
    VARIABLE_TIME,
    VARIABLE_POSITION,
    VARIABLE_REPLAY,
};

struct take_rules {
    struct take_rule *rules; // owned
    size_t count;
    struct take_type *types; // owned
    size_t type_count;
    const struct connector_host *host;
};

#define OWN_KEYS 32 // that a connector may add

// ---- Loading ----

static bool declare(struct take_type *type) {
    struct cel_env *env = type->env;
    return cel_env_declare_message(
               env, variable_names[VARIABLE_MESSAGE], type->paths, &type->index[VARIABLE_MESSAGE]) == 0 &&
           cel_env_declare(env, variable_names[VARIABLE_ID], CEL_STRING, &type->index[VARIABLE_ID]) == 0 &&
           cel_env_declare(env, variable_names[VARIABLE_SOURCE], CEL_STRING, &type->index[VARIABLE_SOURCE]) ==
               0 &&
           cel_env_declare(
               env, variable_names[VARIABLE_SUBJECT], CEL_STRING, &type->index[VARIABLE_SUBJECT]) == 0 &&
           cel_env_declare(env, variable_names[VARIABLE_TIME], CEL_TIMESTAMP, &type->index[VARIABLE_TIME]) ==
               0 &&
           cel_env_declare(
               env, variable_names[VARIABLE_POSITION], CEL_UINT, &type->index[VARIABLE_POSITION]) == 0 &&
           cel_env_declare(env, variable_names[VARIABLE_REPLAY], CEL_BOOL, &type->index[VARIABLE_REPLAY]) ==
               0;
}

static struct take_type *find_type(const struct take_rules *rules, const struct schema_message *message) {
    for (size_t i = 0; i < rules->type_count; i++)
        if (rules->types[i].message == message)
            return &rules->types[i];
    return NULL;
}

static struct take_type *add_type(struct take_rules *rules, const struct schema_message *message) {
    struct take_type *type = find_type(rules, message);
    if (type)
        return type;
    type = &rules->types[rules->type_count++];
    type->message = message;
    type->paths = paths_new(message);
    type->env = cel_env_new(rules->host->catalogue, rules->host->codes, message->full_name);
    return type->paths && type->env && declare(type) ? type : NULL;
}

static const struct schema_message *read_type(
    const struct config_node *node, const struct connector_host *host, struct report *report) {
    const char *name = NULL;
    if (!config_read_string(node, "on", &name, report) || !name)
        return NULL;
    const struct schema_message *type = catalogue_message(host->catalogue, bytes_of_string(name));
    if (!type) {
        const char *nearest = catalogue_nearest_message(host->catalogue, bytes_of_string(name));
        config_error(config_get(node, "on"), report, "the catalogue has no type \"%s\"%s%s%s", name,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    return type;
}

static bool expect_keys(
    const struct config_node *node, const struct config_key *own_keys, struct report *report) {
    struct config_key keys[OWN_KEYS + 3] = {{"on", CONFIG_REQUIRED}, {"when", CONFIG_OPTIONAL}};
    for (size_t i = 0; own_keys && own_keys[i].name && i < OWN_KEYS; i++)
        keys[2 + i] = own_keys[i];
    return config_expect_mapping(node, "a take rule", keys, report);
}

static bool load_rule(const struct config_node *node, const struct config_key *own_keys,
    struct take_rules *rules, struct take_rule *rule, struct report *report) {
    if (!expect_keys(node, own_keys, report))
        return false;
    rule->node = node;
    rule->type = read_type(node, rules->host, report);
    if (!rule->type)
        return false;
    rule->of = add_type(rules, rule->type);
    if (!rule->of) {
        config_error(node, report, "out of memory");
        return false;
    }
    rule->env = rule->of->env;
    const struct config_node *when = config_get(node, "when");
    if (!when)
        return true;
    if (when->kind != CONFIG_SCALAR) {
        config_error(when, report, "when is an expression");
        return false;
    }
    rule->when = mapping_expression(when, rule->env, CEL_BOOL, report);
    return rule->when != NULL;
}

static bool load_rules(const struct config_node *node, const struct config_key *own_keys,
    struct take_rules *rules, struct report *report) {
    bool fine = true;
    for (size_t i = 0; i < node->count; i++)
        fine = load_rule(node->values[i], own_keys, rules, &rules->rules[rules->count++], report) && fine;
    return fine;
}

struct take_rules *take_rules_load(const struct config_node *node, const struct config_key *own_keys,
    const struct connector_host *host, struct report *report) {
    if (!config_expect_sequence(node, "take", report))
        return NULL;
    struct take_rules *rules = calloc(1, sizeof *rules);
    if (rules) {
        rules->host = host;
        rules->rules = calloc(node->count + 1, sizeof *rules->rules);
        rules->types = calloc(node->count + 1, sizeof *rules->types);
    }
    if (!rules || !rules->rules || !rules->types)
        config_error(node, report, "out of memory");
    else if (load_rules(node, own_keys, rules, report))
        return rules;
    take_rules_destroy(&rules);
    return NULL;
}

void take_rules_destroy(struct take_rules **self) {
    struct take_rules *rules = *self;
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++)
        cel_program_destroy(&rules->rules[i].when);
    for (size_t i = 0; i < rules->type_count; i++) {
        scan_destroy(&rules->types[i].scan);
        cel_activation_destroy(&rules->types[i].activation);
        cel_env_destroy(&rules->types[i].env);
        paths_destroy(&rules->types[i].paths);
    }
    free(rules->rules);
    free(rules->types);
    free(rules);
    *self = NULL;
}

size_t take_rules_count(const struct take_rules *rules) {
    return rules->count;
}

struct take_rule *take_rules_at(struct take_rules *rules, size_t i) {
    return &rules->rules[i];
}

// ---- Running ----

static int make_scan(struct take_type *type) {
    if (!type->activation)
        type->activation = cel_activation_new(type->env);
    if (!type->scan)
        type->scan = scan_new(type->paths);
    return type->activation && type->scan ? 0 : -ENOMEM;
}

static void set_text(struct take_type *type, int variable, struct bytes text) {
    struct cel_value value = {.kind = CEL_STRING, .bytes = text};
    cel_activation_set(type->activation, type->index[variable], &value);
}

static void set_variables(struct take_type *type, const struct connector_delivery *delivery) {
    int64_t seconds = delivery->time_us / 1000000 - (delivery->time_us % 1000000 < 0 ? 1 : 0);
    struct cel_value value = {.kind = CEL_TIMESTAMP};
    value.time.seconds = seconds;
    value.time.nanos = (int32_t)(delivery->time_us - seconds * 1000000) * 1000;
    cel_activation_reset(type->activation);
    cel_activation_set_scan(type->activation, type->index[VARIABLE_MESSAGE], type->scan);
    cel_activation_set(type->activation, type->index[VARIABLE_TIME], &value);
    value = (struct cel_value){.kind = CEL_UINT, .u64 = delivery->position};
    cel_activation_set(type->activation, type->index[VARIABLE_POSITION], &value);
    value = (struct cel_value){.kind = CEL_BOOL, .boolean = delivery->replay};
    cel_activation_set(type->activation, type->index[VARIABLE_REPLAY], &value);
    set_text(type, VARIABLE_ID, delivery->id);
    set_text(type, VARIABLE_SOURCE, delivery->source);
    set_text(type, VARIABLE_SUBJECT, delivery->subject);
    cel_activation_set_time(type->activation, seconds);
}

static int reject(int rc, const char *what, struct error *error) {
    if (rc == -ENOMEM)
        return error_no_memory(error);
    if (what)
        error_prefix(error, "%s: ", what);
    if (error)
        error->code = CONNECTOR_REJECT;
    return CONNECTOR_REJECT;
}

static int first_that_holds(
    struct take_rules *rules, const struct take_type *type, struct take_rule **out, struct error *error) {
    *out = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        struct take_rule *rule = &rules->rules[i];
        bool holds = rule->of == type;
        if (!holds)
            continue;
        int rc = rule->when ? cel_eval_bool(rule->when, type->activation, &holds, error) : 0;
        if (rc)
            return reject(rc, "when", error);
        if (holds) {
            *out = rule;
            return 0;
        }
    }
    return 0;
}

int take_rules_begin(struct take_rules *rules, const struct connector_delivery *delivery,
    struct take_rule **rule, struct error *error) {
    struct take_type *type = find_type(rules, delivery->type);
    if (!type)
        return error_set(error, CONNECTOR_REJECT, "this adapter has no take rule for %s",
            delivery->type ? delivery->type->full_name : "the type");
    if (make_scan(type))
        return error_no_memory(error);
    int rc = scan_run(type->scan, delivery->payload, false, error);
    if (rc)
        return reject(rc, "the payload", error);
    set_variables(type, delivery);
    return first_that_holds(rules, type, rule, error);
}

int take_rule_eval(
    struct take_rule *rule, const struct cel_program *program, struct cel_value *out, struct error *error) {
    int rc = cel_eval(program, rule->of->activation, out, error);
    return rc ? reject(rc, NULL, error) : 0;
}

int take_rule_map(
    struct take_rule *rule, const struct mapping *mapping, struct buffer *out, struct error *error) {
    int rc = mapping_run(mapping, rule->of->activation, out, NULL, error);
    return rc ? reject(rc, NULL, error) : 0;
}
