// What explains a message's way, as text for a terminal.
#include "broker/routing/trial/trial.h"
#include "core/schema/json.h"
#include "core/wire/wire.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#define OTHERS_LIMIT 20 // routes that were not looked at, and are named
#define HEX_WIDTH 16

struct print {
    const struct trial_message *message;
    const struct trial_options *options;
    struct buffer *out;
};

const char *trial_reason(int reason) {
    switch (reason) {
    case HUTONG__BUS__V1__REASON__REASON_UNMAPPED:
        return "UNMAPPED";
    case HUTONG__BUS__V1__REASON__REASON_FILTER:
        return "FILTER";
    case HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED:
        return "NOT_ALLOWED";
    case HUTONG__BUS__V1__REASON__REASON_TOO_LARGE:
        return "TOO_LARGE";
    default:
        return wire_reason_name((wire_reason)reason);
    }
}

const char *trial_time(int64_t time_us, char out[TRIAL_TIME_SIZE]) {
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm = {0};
    if (!gmtime_r(&seconds, &tm) || strftime(out, TRIAL_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
    return out;
}

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

// ---- Why not ----

static int print_cause(const struct print *print, const struct trial_cause *cause) {
    struct buffer *out = print->out;
    int rc =
        buffer_append_format(out, "  %s:%u:%u: %s%s\n", cause->path, cause->mark.line, cause->mark.column,
            cause->failed ? "failed: " : "this was false", cause->failed ? cause->failed : "");
    rc = rc ? rc : buffer_append_string(out, cause->excerpt);
    for (size_t i = 0; rc == 0 && i < cause->value_count; i++)
        rc = buffer_append_format(
            out, "      | %s is %s\n", cause->values[i].expression, cause->values[i].value);
    return rc;
}

// On one line, as much of it as fits.
static int print_when(const struct print *print, const struct route *route) {
    enum { LONGEST = 90 };
    const struct config_node *when = config_get(route_node(route), "when");
    struct bytes text = config_is_null(when) ? (struct bytes){0} : when->text;
    while (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    size_t size = text.size < LONGEST ? text.size : LONGEST;
    while (size < text.size && size > 0 && (text.data[size] & 0xC0) == 0x80)
        size--; // no half character
    int rc = size ? buffer_append_string(print->out, "  as ") : 0;
    for (size_t i = 0; rc == 0 && i < size; i++)
        rc = buffer_append_byte(print->out, text.data[i] == '\n' ? ' ' : text.data[i]);
    if (rc || size == 0)
        return rc;
    return buffer_append_string(print->out, size < text.size ? "\u2026\n" : "\n");
}

static int print_why(const struct print *print, const struct trial_route *told) {
    int rc = told->verdict == MATCH_TAKEN ? print_when(print, told->route) : 0;
    for (size_t i = 0; rc == 0 && i < told->cause_count; i++)
        rc = print_cause(print, &told->causes[i]);
    return rc;
}

// ---- What goes out ----

// The largest unit that holds it whole: 7d, 90m, 1500ms.
static int print_span(struct buffer *out, uint64_t ms) {
    static const struct {
        uint64_t size;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].size)
        i++;
    return ms ? buffer_append_format(out, "%llu%s", (unsigned long long)(ms / units[i].size), units[i].unit)
              : buffer_append_byte(out, '0');
}

static int print_terms(const struct print *print, const struct match *match) {
    struct buffer *out = print->out;
    int rc = match->subject.size
                 ? buffer_append_format(out, "     in order of \"%.*s\"; ", BYTES_ARGS(match->subject))
                 : buffer_append_string(out, "     in no order; ");
    rc =
        rc ? rc : buffer_append_format(out, "%u retr%s, ", match->retries, match->retries == 1 ? "y" : "ies");
    rc = rc ? rc : print_span(out, match->backoff_min_ms);
    rc = rc ? rc : buffer_append_string(out, "..");
    rc = rc ? rc : print_span(out, match->backoff_max_ms);
    if (rc || match->expires_us == 0)
        return rc ? rc : buffer_append_string(out, " apart\n");
    rc = buffer_append_string(out, " apart; expires after ");
    rc = rc ? rc : print_span(out, (uint64_t)match->expires_us / 1000);
    return rc ? rc : buffer_append_byte(out, '\n');
}

// Each line behind `indent` blanks.
static int print_indented(struct buffer *out, struct bytes text, int indent) {
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < text.size;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end ? (size_t)(end - text.data) - at : text.size - at;
        rc = buffer_append_format(out, "%*s%.*s\n", indent, "", (int)size, (const char *)text.data + at);
        at += size + 1;
    }
    return rc;
}

static int print_json(
    const struct print *print, const struct schema_message *type, struct bytes payload, int indent) {
    struct buffer json = {0};
    struct error error = {0};
    struct json_options options = {.proto_names = true, .indent = true};
    int rc = json_from_message(type, payload, &options, &json, &error);
    if (rc > 0) // such as an Any whose type the catalogue doesn't know
        rc = buffer_append_format(print->out, "%*s(no JSON: %s)\n", indent, "", error.text);
    else if (rc == 0)
        rc = print_indented(print->out, buffer_bytes(&json), indent);
    buffer_destroy(&json);
    return rc;
}

static int print_hex_line(struct buffer *out, struct bytes bytes, size_t at) {
    size_t size = bytes.size - at < HEX_WIDTH ? bytes.size - at : HEX_WIDTH;
    char text[HEX_WIDTH + 1] = "";
    int rc = buffer_append_format(out, "       %04zx ", at);
    for (size_t i = 0; rc == 0 && i < HEX_WIDTH; i++) {
        rc = i < size ? buffer_append_format(out, "%s%02x", i == 8 ? "  " : " ", bytes.data[at + i])
                      : buffer_append_string(out, i == 8 ? "    " : "   ");
        if (i < size)
            text[i] = isprint(bytes.data[at + i]) ? (char)bytes.data[at + i] : '.';
    }
    return rc ? rc : buffer_append_format(out, "  |%s|\n", text);
}

static int print_hex(const struct print *print, struct bytes bytes) {
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < bytes.size; at += HEX_WIDTH)
        rc = print_hex_line(print->out, bytes, at);
    return rc;
}

static int print_receiver(const struct print *print, const char *arrow, const struct match *match) {
    int rc = buffer_append_format(print->out, "  %s %s", arrow, match->to->address);
    return rc || match->element == 0 ? rc : buffer_append_format(print->out, ", item %u", match->element - 1);
}

static int print_dead(const struct print *print, const struct match *match) {
    int rc = print_receiver(print, "-x", match);
    return rc ? rc
              : buffer_append_format(print->out, ": dead letter %s\n     %s\n",
                    trial_reason(match->dead_reason), match->dead_text);
}

static int print_delivery(const struct print *print, const struct match *match) {
    struct bytes payload = match->payload.data ? match->payload : print->message->payload;
    int rc = print_receiver(print, "->", match);
    rc = rc ? rc
            : buffer_append_format(print->out, ", under %s\n     %s, %zu byte%s%s\n", match->agreement,
                  match->type->full_name, payload.size, plural(payload.size),
                  match->whole          ? ", without what the catalogue doesn't know"
                  : match->payload.data ? ""
                                        : ", as it came");
    rc = rc ? rc : print_terms(print, match);
    rc = rc ? rc : print_json(print, match->type, payload, 7);
    return rc == 0 && print->options->bytes ? print_hex(print, payload) : rc;
}

// ---- Routes ----

static int print_route(
    const struct print *print, const struct trial_result *result, const struct trial_route *told) {
    static const char *const verdicts[] = {
        [MATCH_TAKEN] = "matches", [MATCH_LEFT] = "doesn't match", [MATCH_FAILED] = "failed"};
    const struct config_node *node = route_node(told->route);
    int rc = buffer_append_format(print->out, "%s %s (%s:%u)\n", route_name(told->route),
        verdicts[told->verdict], config_path(node->file), node->mark.line);
    rc = rc ? rc : print_why(print, told);
    if (rc == 0 && told->verdict == MATCH_TAKEN && told->count == 0)
        rc = buffer_append_string(print->out, "  -> nobody: \"split\" gives no element\n");
    for (size_t i = 0; rc == 0 && i < told->count; i++) {
        const struct match *match = &result->matches[told->first + i];
        if (print->options->matches && !print->options->matches[told->first + i])
            continue;
        rc = match->dead_reason ? print_dead(print, match) : print_delivery(print, match);
    }
    return rc;
}

int trial_print_route(const struct trial_message *message, const struct trial_result *result,
    const struct trial_route *route, const struct trial_options *options, struct buffer *out) {
    const struct print print = {.message = message, .options = options, .out = out};
    return print_route(&print, result, route);
}

static int print_other(const struct print *print, const struct routes *routes, const struct route *route) {
    const struct config_node *node = route_node(route);
    bool takes = routes_any_on(routes, route, print->message->type);
    int rc = buffer_append_format(print->out, "  %s (%s:%u): is %s ", route_name(route),
        config_path(node->file), node->mark.line, takes ? "from" : "on");
    if (rc == 0)
        rc = takes ? route_append_from(route, print->out) : routes_append_on(routes, route, print->out);
    return rc ? rc : buffer_append_byte(print->out, '\n');
}

static bool looked_at(
    const struct trial_message *message, const struct routes *routes, const struct route *route) {
    return routes_any_takes(routes, route, message->type, message->from);
}

static int print_others(const struct print *print, const struct routes *routes) {
    int rc = 0;
    size_t count = 0;
    const struct route *route;
    for (size_t i = 0; rc == 0 && (route = routes_at(routes, i)); i++) {
        if (looked_at(print->message, routes, route) || !routes_first(routes, route) ||
            !trial_wanted(print->options, route))
            continue;
        if (count++ == 0)
            rc = buffer_append_string(print->out, "\nNot looked at:\n");
        if (rc == 0 && count <= OTHERS_LIMIT)
            rc = print_other(print, routes, route);
    }
    if (rc == 0 && count > OTHERS_LIMIT)
        rc = buffer_append_format(print->out, "  and %zu more\n", count - OTHERS_LIMIT);
    return rc;
}

static int print_head(const struct print *print) {
    char time[TRIAL_TIME_SIZE];
    const struct trial_message *message = print->message;
    int rc = buffer_append_format(print->out, "%s\n  from %s, %zu byte%s", message->type->full_name,
        message->from->address, message->payload.size, plural(message->payload.size));
    if (rc == 0 && message->subject.size)
        rc = buffer_append_format(print->out, ", subject \"%.*s\"", BYTES_ARGS(message->subject));
    return rc ? rc : buffer_append_format(print->out, ", at %s\n", trial_time(message->now_us, time));
}

static int print_sum(const struct print *print, const struct trial_result *result) {
    const struct trial_sum sum = trial_sum(result, print->options);
    if (result->route_count == 0)
        return buffer_append_string(
            print->out, "\nNo route takes it: it is accepted, recorded, and delivered to nobody.\n");
    if (sum.routes == 0)
        return 0; // the one that is asked for is among those not looked at
    return buffer_append_format(print->out,
        "\n%zu of %zu route%s match%s: %zu deliver%s, %zu dead letter%s\n", sum.matched, sum.routes,
        plural(sum.routes), sum.matched == 1 ? "es" : "", sum.delivered, sum.delivered == 1 ? "y" : "ies",
        sum.dead, plural(sum.dead));
}

int trial_print(const struct trial *trial, const struct trial_message *message,
    const struct trial_result *result, const struct trial_options *options, struct buffer *out) {
    const struct print print = {.message = message, .options = options, .out = out};
    int rc = print_head(&print);
    for (size_t i = 0; rc == 0 && i < result->route_count; i++) {
        if (!trial_wanted(options, result->routes[i].route))
            continue;
        rc = buffer_append_byte(out, '\n');
        rc = rc ? rc : print_route(&print, result, &result->routes[i]);
    }
    rc = rc ? rc : print_others(&print, trial_routes(trial));
    return rc ? rc : print_sum(&print, result);
}
