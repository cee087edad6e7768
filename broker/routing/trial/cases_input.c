// What a case sends: a message from "messages" or written in place, with the case's own changes.
#include "broker/routing/trial/cases_internal.h"

#include <errno.h>
#include <stdlib.h>

// ---- The messages that cases share ----

static bool is_used(const struct config_node *list, struct bytes name) {
    for (size_t i = 0; list && list->kind == CONFIG_SEQUENCE && i < list->count; i++) {
        const struct config_node *message = config_get(list->values[i], "message");
        if (message && message->kind == CONFIG_SCALAR && bytes_equal(message->text, name))
            return true;
    }
    return false;
}

void fixtures_unused(
    struct cases *cases, const struct config_node *messages, const struct config_node *list) {
    for (size_t i = 0; !config_is_null(messages) && i < messages->count; i++)
        if (!is_used(list, messages->keys[i]->text))
            config_warning(messages->keys[i], cases->report, "no case sends \"%.*s\"",
                BYTES_ARGS(messages->keys[i]->text));
}

void fixtures_load(struct cases *cases, const struct config_node *messages, struct fixtures *out) {
    *out = (struct fixtures){0};
    if (config_is_null(messages))
        return;
    if (messages->kind != CONFIG_MAPPING) {
        config_error(messages, cases->report, "\"messages\" is a mapping of names to messages");
        return;
    }
    out->items = calloc(messages->count + 1, sizeof *out->items);
    out->names = calloc(messages->count + 1, sizeof *out->names);
    if (!out->items || !out->names) {
        cases->no_memory = true;
        return;
    }
    for (size_t i = 0; i < messages->count; i++) {
        const struct config_node *name = messages->keys[i];
        out->names[i] = (const char *)name->text.data;
        fixture_load(cases, messages->values[i], &out->items[out->count++]);
    }
}

void fixtures_free(struct fixtures *fixtures) {
    for (size_t i = 0; i < fixtures->count; i++)
        fixture_free(&fixtures->items[i]);
    free(fixtures->items);
    free(fixtures->names);
    *fixtures = (struct fixtures){0};
}

// Of the name that a scalar holds; NULL (reported) where there is none.
static const struct fixture *find(
    struct cases *cases, const struct config_node *node, const struct fixtures *fixtures) {
    const char *name;
    if (!config_string(node, &name, cases->report))
        return NULL;
    for (size_t i = 0; i < fixtures->count; i++)
        if (strcmp(fixtures->names[i], name) == 0)
            return &fixtures->items[i];
    const char *nearest = report_nearest(node->text, fixtures->names, fixtures->count);
    config_error(node, cases->report, "no message \"%s\" under \"messages\"%s%s%s", name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

// ---- The case's own changes ----

static bool add_changes(
    struct cases *cases, const struct test_case *item, const struct config_node *with, json_t *fields) {
    if (!with)
        return true;
    json_t *over = fields_read(with, item->type, cases->report);
    if (over && fields_merge(fields, over, item->type) != 0)
        cases->no_memory = true;
    json_decref(over);
    return over && !cases->no_memory;
}

static int write_payload(struct cases *cases, struct test_case *item, const struct fixture *fixture,
    const struct config_node *with) {
    const struct config_node *const nodes[] = {with, config_get(fixture->node, "data"), fixture->node};
    json_t *fields = json_deep_copy(fixture->fields);
    int rc = !fields ? -ENOMEM : add_changes(cases, item, with, fields) ? 0 : 1;
    rc = rc ? rc
            : fields_write(
                  fields, item->type, nodes, sizeof nodes / sizeof *nodes, cases->report, &item->payload);
    json_decref(fields);
    return rc;
}

static void load_payload(struct cases *cases, struct test_case *item, const struct fixture *fixture) {
    const struct config_node *with = config_get(item->node, "with");
    int rc;
    if (config_is_null(with))
        with = NULL;
    if (with && (with->kind != CONFIG_MAPPING || fixture->binary)) {
        config_error(with, cases->report,
            fixture->binary ? "\"with\" can't change %s: it is a file *.binpb"
                            : "\"with\" is a mapping of fields of %s",
            item->type->full_name);
        return;
    }
    if (fixture->binary)
        rc = buffer_append_bytes(&item->payload, buffer_bytes(&fixture->bytes));
    else
        rc = write_payload(cases, item, fixture, with);
    if (rc == -ENOMEM)
        cases->no_memory = true;
}

// ---- The whole ----

static void load_sender(struct cases *cases, struct test_case *item, const struct fixture *fixture) {
    const char *text;
    const struct config_node *from = config_get(item->node, "from");
    const struct config_node *subject = config_get(item->node, "subject");
    item->from = config_is_null(from) ? fixture->from : case_system(cases, from);
    item->subject = fixture->subject;
    if (!config_is_null(subject) && config_string(subject, &text, cases->report))
        item->subject = subject->text;
}

static void load_from(struct cases *cases, struct test_case *item, const struct fixture *fixture) {
    item->type = fixture->type;
    load_sender(cases, item, fixture);
    if (fixture->fine)
        load_payload(cases, item, fixture);
}

void input_load(struct cases *cases, struct test_case *item, const struct fixtures *fixtures) {
    const struct config_node *message = config_get(item->node, "message");
    if (config_is_null(message))
        return; // it is required, that was said
    if (message->kind == CONFIG_MAPPING) {
        struct fixture fixture;
        fixture_load(cases, message, &fixture);
        load_from(cases, item, &fixture);
        fixture_free(&fixture);
        return;
    }
    const struct fixture *fixture = find(cases, message, fixtures);
    if (fixture)
        load_from(cases, item, fixture);
}
