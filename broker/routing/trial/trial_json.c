// What explains a message's way, as an object for tools.
#include "broker/routing/trial/trial.h"
#include "core/schema/json.h"

#include <jansson.h>
#include <stdlib.h>

// What jansson can't hold, or has no memory for, is null.
static void put(json_t *to, const char *key, json_t *value) {
    json_object_set_new(to, key, value ? value : json_null());
}

static void put_place(json_t *to, const char *path, struct mark mark) {
    put(to, "file", json_string(path));
    put(to, "line", json_integer(mark.line));
    put(to, "column", json_integer(mark.column));
}

static json_t *hex_of(struct bytes bytes) {
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(bytes.size * 2 + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < bytes.size; i++) {
        text[2 * i] = digits[bytes.data[i] >> 4];
        text[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    json_t *value = json_stringn(text, bytes.size * 2);
    free(text);
    return value;
}

static json_t *data_of(const struct schema_message *type, struct bytes payload) {
    struct buffer text = {0};
    json_t *data = NULL;
    if (json_from_message(type, payload, NULL, &text, NULL) == 0)
        data = json_loadb((const char *)text.data, text.size, 0, NULL);
    buffer_destroy(&text);
    return data;
}

static json_t *cause_json(const struct trial_cause *cause) {
    json_t *to = json_object();
    json_t *values = json_array();
    put_place(to, cause->path, cause->mark);
    put(to, "expression", json_string(cause->expression));
    put(to, "failed", cause->failed ? json_string(cause->failed) : json_null());
    for (size_t i = 0; i < cause->value_count; i++)
        json_array_append_new(values, json_pack("{s:s, s:s}", "expression", cause->values[i].expression,
                                          "value", cause->values[i].value));
    put(to, "values", values);
    return to;
}

static void put_item(json_t *to, const struct match *match) {
    if (match->element > 0)
        put(to, "item", json_integer(match->element - 1));
}

static json_t *dead_json(const struct match *match) {
    json_t *to = json_pack("{s:s, s:s, s:s, s:s}", "system", match->to->address, "agreement",
        match->agreement, "dead", trial_reason(match->dead_reason), "text", match->dead_text);
    put_item(to, match);
    return to;
}

static json_t *delivery_json(const struct trial_message *message, const struct match *match) {
    struct bytes payload = match->payload.data ? match->payload : message->payload;
    json_t *to = json_object();
    put(to, "system", json_string(match->to->address));
    put(to, "agreement", json_string(match->agreement));
    put_item(to, match);
    put(to, "type", json_string(match->type->full_name));
    put(to, "order_by", json_stringn((const char *)match->subject.data, match->subject.size));
    put(to, "retries", json_integer(match->retries));
    put(to, "backoff_ms",
        json_pack("[I, I]", (json_int_t)match->backoff_min_ms, (json_int_t)match->backoff_max_ms));
    put(to, "expires_ms", json_integer(match->expires_us / 1000));
    put(to, "original", json_boolean(!match->payload.data));
    put(to, "data", data_of(match->type, payload));
    put(to, "bytes", hex_of(payload));
    return to;
}

static json_t *route_json(
    const struct trial_message *message, const struct trial_result *result, const struct trial_route *told) {
    static const char *const verdicts[] = {
        [MATCH_TAKEN] = "matched", [MATCH_LEFT] = "not_matched", [MATCH_FAILED] = "failed"};
    const struct config_node *node = route_node(told->route);
    json_t *to = json_object();
    json_t *causes = json_array();
    json_t *deliveries = json_array();
    put(to, "route", json_string(route_name(told->route)));
    put_place(to, config_path(node->file), node->mark);
    put(to, "verdict", json_string(verdicts[told->verdict]));
    const struct config_node *when = config_get(node, "when");
    put(to, "when",
        config_is_null(when) ? NULL : json_stringn((const char *)when->text.data, when->text.size));
    if (told->key)
        put(to, "failed", json_pack("{s:s, s:s}", "key", told->key, "text", told->text));
    for (size_t i = 0; i < told->cause_count; i++)
        json_array_append_new(causes, cause_json(&told->causes[i]));
    for (size_t i = 0; i < told->count; i++) {
        const struct match *match = &result->matches[told->first + i];
        json_array_append_new(
            deliveries, match->dead_reason ? dead_json(match) : delivery_json(message, match));
    }
    put(to, "causes", causes);
    put(to, "deliveries", deliveries);
    return to;
}

static json_t *other_json(
    const struct trial_message *message, const struct routes *routes, const struct route *route) {
    const struct config_node *node = route_node(route);
    json_t *to = json_object();
    put(to, "route", json_string(route_name(route)));
    put_place(to, config_path(node->file), node->mark);
    put(to, "why", json_string(routes_any_on(routes, route, message->type) ? "from" : "type"));
    struct buffer names = {0};
    const char *text = routes_append_on(routes, route, &names) == 0 ? buffer_text(&names) : NULL;
    put(to, "on", json_string(text ? text : ""));
    buffer_clear(&names);
    text = route_append_from(route, &names) == 0 ? buffer_text(&names) : NULL;
    put(to, "from", json_string(text ? text : ""));
    buffer_destroy(&names);
    return to;
}

struct json_t *trial_json(const struct trial *trial, const struct trial_message *message,
    const struct trial_result *result, const struct trial_options *options) {
    char time[TRIAL_TIME_SIZE];
    const struct trial_sum sum = trial_sum(result, options);
    json_t *to = json_object();
    json_t *routes = json_array();
    json_t *others = json_array();
    const struct route *route;
    put(to, "type", json_string(message->type->full_name));
    put(to, "from", json_string(message->from->address));
    put(to, "subject", json_stringn((const char *)message->subject.data, message->subject.size));
    put(to, "size", json_integer((json_int_t)message->payload.size));
    put(to, "at", json_string(trial_time(message->now_us, time)));
    for (size_t i = 0; i < result->route_count; i++)
        if (trial_wanted(options, result->routes[i].route))
            json_array_append_new(routes, route_json(message, result, &result->routes[i]));
    const struct routes *all = trial_routes(trial);
    for (size_t i = 0; (route = routes_at(all, i)); i++)
        if (trial_wanted(options, route) && routes_first(all, route) &&
            !routes_any_takes(all, route, message->type, message->from))
            json_array_append_new(others, other_json(message, all, route));
    put(to, "routes", routes);
    put(to, "not_looked_at", others);
    put(to, "delivered", json_integer((json_int_t)sum.delivered));
    put(to, "dead", json_integer((json_int_t)sum.dead));
    return to;
}
