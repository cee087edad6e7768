// conf/agreements/*.yaml: who may give which fields of which type to whom, what for, on which basis, until
// when.
#include "broker/policy/internal.h"

static const struct config_key agreement_keys[] = {
    {"agreement", CONFIG_REQUIRED},
    {"title", CONFIG_OPTIONAL},
    {"provider", CONFIG_REQUIRED},
    {"receiver", CONFIG_REQUIRED},
    {"type", CONFIG_REQUIRED},
    {"fields", CONFIG_REQUIRED},
    {"purpose", CONFIG_REQUIRED},
    {"basis", CONFIG_REQUIRED},
    {"from", CONFIG_REQUIRED},
    {"until", CONFIG_REQUIRED},
    {"contact", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

// ---- Who ----

static const char *read_party(
    const struct policy *policy, const struct config_node *root, const char *key, bool agency_too) {
    const char *name = NULL;
    if (!config_read_string(root, key, &name, policy->report) || !name)
        return NULL;
    if (policy_system_named(policy, bytes_of_string(name)) ||
        (agency_too && map_get(policy->agencies_seen, bytes_of_string(name))))
        return name;
    const struct config_node *node = config_get(root, key);
    if (policy_may_have_system(policy, node->text) || config_full_width(node, policy->report))
        return NULL;
    const char *nearest = agency_too ? policy_nearest_name(&policy->agencies, "agency", node->text) : NULL;
    nearest = nearest ? nearest : policy_nearest_system(policy, node->text);
    config_error(node, policy->report, "no system \"%s\"%s%s%s%s", name,
        agency_too ? " and no such agency" : "", nearest ? "; did you mean \"" : "", nearest ? nearest : "",
        nearest ? "\"?" : "");
    return NULL;
}

// ---- Which fields ----

static void unknown_field(const struct config_node *node, size_t offset, struct bytes part,
    const struct schema_message *type, struct report *report) {
    if (config_full_width(node, report))
        return;
    const char *nearest = schema_nearest_field(type, part);
    config_error_inside(node, offset, part.size, report, "%s has no field \"%.*s\"%s%s%s", type->full_name,
        BYTES_ARGS(part), nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

// Walks "address.division" down from the type; reports the part that is no field.
static bool check_path(
    const struct config_node *node, const struct schema_message *type, struct report *report) {
    struct bytes path = node->text;
    for (size_t at = 0; type; at++) {
        size_t end = at;
        while (end < path.size && path.data[end] != '.')
            end++;
        struct bytes part = bytes_of(path.data + at, end - at);
        const struct schema_field *field = schema_field_named(type, part);
        if (!field) {
            unknown_field(node, at, part, type, report);
            return false;
        }
        if (end == path.size)
            return true;
        if (!field->message || field->map) {
            config_error_inside(
                node, end, path.size - end, report, "\"%s\" has no fields inside", field->name);
            return false;
        }
        type = field->message;
        at = end;
    }
    return true;
}

static void load_field(const struct policy *policy, struct policy_agreement *agreement, const char **fields,
    const struct config_node *node, const struct schema_message *type) {
    const char *path;
    bool whole = !agreement->partial;
    agreement->partial = true; // until this field is known
    if (!config_string(node, &path, policy->report))
        return;
    if (strchr(path, '*')) {
        config_error(node, policy->report,
            "an agreement lists what it discloses: name each field (a message field stands for all inside "
            "it)");
        return;
    }
    for (size_t i = 0; i < agreement->field_count; i++)
        if (strcmp(fields[i], path) == 0) {
            config_error(node, policy->report, "\"%s\" is in the list already", path);
            agreement->partial = !whole;
            return;
        }
    bool known = !type || check_path(node, type, policy->report);
    agreement->partial = !whole || !known;
    fields[agreement->field_count++] = path;
}

static void load_fields(
    struct policy *policy, struct policy_agreement *agreement, const struct config_node *root) {
    const struct config_node *type_node = config_get(root, "type");
    const struct config_node *list = config_get(root, "fields");
    const struct schema_message *type = NULL;
    if (!config_is_null(type_node)) {
        type = policy_type(policy, type_node);
        agreement->type = type ? type->full_name : NULL;
    }
    agreement->partial = true;
    if (config_is_null(list) || !config_expect_sequence(list, "\"fields\"", policy->report))
        return;
    agreement->partial = list->count == 0;
    const char **fields =
        policy_keep(policy, arena_alloc(&policy->arena, (list->count + 1) * sizeof(char *)));
    agreement->fields = fields;
    for (size_t i = 0; fields && i < list->count; i++)
        load_field(policy, agreement, fields, list->values[i], type);
    if (list->count == 0)
        config_error(
            list, policy->report, "an agreement without fields discloses nothing; list them, or remove it");
}

// ---- Its number ----

static void load_id(
    struct policy *policy, struct policy_agreement *agreement, const struct config_node *root) {
    const struct config_node *node = config_get(root, "agreement");
    config_read_string(root, "agreement", &agreement->id, policy->report);
    if (agreement->id && strlen(agreement->id) > POLICY_ID_LIMIT)
        config_error(node, policy->report, "a number of %zu bytes; an agreement's has at most %d",
            strlen(agreement->id), POLICY_ID_LIMIT);
}

// ---- When ----

static void load_term(
    const struct policy *policy, struct policy_agreement *agreement, const struct config_node *root) {
    agreement->from = INT64_MIN;
    agreement->until = INT64_MAX;
    config_read_time(root, "from", &agreement->from, policy->report);
    const struct config_node *until = config_get(root, "until");
    if (!config_read_time(root, "until", &agreement->until, policy->report) || config_is_null(until))
        return;
    if (until->text.size == strlen("2026-03-01"))
        agreement->until += 86400; // a last day is in force up to its end
    if (agreement->from >= agreement->until)
        config_error(until, policy->report, "the agreement would end before it begins");
}

static void load_agreement(struct policy *policy, const struct config_file *file) {
    const struct config_node *root = config_root(file);
    bool missing = policy->agreements_missing;
    policy->agreements_missing = true; // until its number is known
    if (!root) {
        report_add(policy->report, REPORT_ERROR, config_path(file), (struct bytes){0}, (struct mark){0}, 0,
            "the file is empty; an agreement has \"agreement\", \"provider\", \"receiver\", \"type\", "
            "\"fields\" and more");
        return;
    }
    if (!config_expect_mapping(root, "an agreement", agreement_keys, policy->report))
        return;
    struct policy_agreement *agreement = policy_keep(policy, arena_alloc(&policy->arena, sizeof *agreement));
    if (!agreement)
        return;
    const char *unused;
    agreement->node = root;
    load_id(policy, agreement, root);
    policy->agreements_missing = missing || !agreement->id;
    config_read_string(root, "purpose", &agreement->purpose, policy->report);
    config_read_string(root, "basis", &agreement->basis, policy->report);
    config_read_string(root, "title", &unused, policy->report);
    config_read_string(root, "contact", &unused, policy->report);
    agreement->provider = read_party(policy, root, "provider", true);
    agreement->receiver = read_party(policy, root, "receiver", false);
    load_fields(policy, agreement, root);
    load_term(policy, agreement, root);
    const struct policy_agreement *other =
        agreement->id ? policy_agreement(policy, bytes_of_string(agreement->id)) : NULL;
    if (other)
        config_error(config_get(root, "agreement"), policy->report, "there is an agreement %s already, in %s",
            agreement->id, config_path(other->node->file));
    else if (agreement->id && map_put(policy->by_id, bytes_of_string(agreement->id), agreement) != 0)
        policy->no_memory = true;
}

void policy_load_agreements(struct policy *policy) {
    policy->agreements_missing =
        !config_load_folder(policy->settings.agreements, &policy->agreements, policy->report);
    for (size_t i = 0; i < policy->agreements.count; i++)
        load_agreement(policy, policy->agreements.files[i]);
}
