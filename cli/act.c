#include "cli/act.h"

#include "cli/mask.h"

#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static uint64_t number_of(const json_t *object, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

// The items from `from` on as [first, count] of neighbours.
static json_t *spans_of(const struct act *act, uint64_t from) {
    json_t *list = json_array();
    for (size_t i = 0; i < act->count;) {
        size_t n = 1;
        while (i + n < act->count && act->items[i + n] == act->items[i] + n)
            n++;
        size_t skip = act->items[i] >= from      ? 0
                      : from - act->items[i] < n ? (size_t)(from - act->items[i])
                                                 : n;
        if (skip < n)
            json_array_append_new(list,
                json_pack("[I, I]", (json_int_t)act->items[i] + (json_int_t)skip, (json_int_t)(n - skip)));
        i += n;
    }
    return list;
}

static void count_refusal(struct act *act, const char *reason, const char *text, uint64_t item) {
    for (size_t i = 0; i < act->refusal_count; i++) {
        struct act_refusal *known = &act->refusals[i];
        if (strcmp(known->reason, reason) == 0 && strcmp(known->text, text) == 0) {
            known->count++;
            return;
        }
    }
    if (act->refusal_count == ACT_KINDS)
        return;
    struct act_refusal *new = &act->refusals[act->refusal_count++];
    *new = (struct act_refusal){.count = 1, .first = item};
    snprintf(new->reason, sizeof new->reason, "%s", reason);
    snprintf(new->text, sizeof new->text, "%s", text);
}

static void take_refusal(struct act *act, const json_t *refusal) {
    const char *reason = text_of(refusal, "reason");
    const char *text = text_of(refusal, "text");
    struct buffer masked = {0};
    if (mask_needed(reason))
        text = mask_quoted(text, &masked) == 0 && masked.size ? buffer_text(&masked) : "";
    count_refusal(act, reason, text ? text : "", number_of(refusal, "item"));
    buffer_destroy(&masked);
}

static void take_answer(struct act *act, const json_t *answer) {
    size_t i;
    json_t *refusal;
    act->done += number_of(answer, "done");
    act->deliveries += number_of(answer, "deliveries");
    act->refused += number_of(answer, "refused");
    act->gone += number_of(answer, "gone");
    act->unrecorded |= json_is_false(json_object_get(answer, "recorded"));
    json_array_foreach(json_object_get(answer, "refusals"), i, refusal) take_refusal(act, refusal);
    if (text_of(answer, "error")[0]) {
        act->partial = true;
        cli_failed(act->command, "%s", text_of(answer, "error"));
    }
}

// Asks for what is gathered from `from` on; `*next` is where the rest begins, 0: there is none.
static int ask(struct act *act, uint64_t from, uint64_t *next) {
    long status = 0;
    json_t *body = json_pack("{s:s, s:s, s:s, s:o}", "system", act->system, "why", act->why, "filter",
        act->filter, act->list, spans_of(act, from));
    if (!body)
        return cli_wrong(act->command, "--why and the filter are UTF-8 text");
    json_t *answer = admin_ask(act->command, act->admin, act->path, body, 0, &status);
    json_decref(body);
    if (!answer)
        return EXIT_FAILED;
    int rc = status == 200   ? EXIT_DONE
             : status == 400 ? cli_wrong(act->command, "%s", text_of(answer, "error"))
                             : cli_failed(act->command, "%s", text_of(answer, "error"));
    if (rc == EXIT_DONE)
        take_answer(act, answer);
    *next = number_of(answer, "next");
    json_decref(answer);
    return rc;
}

int act_check(const struct act *act) {
    size_t size = act->filter ? strlen(act->filter) : 0;
    if (size > ACT_FILTER_LIMIT)
        return cli_wrong(act->command,
            "filters and positions have at most %d bytes together, and these have %zu: the journal keeps "
            "them",
            ACT_FILTER_LIMIT, size);
    return EXIT_DONE;
}

static void tell_progress(const struct act *act) {
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%llu done, %llu refused ", (unsigned long long)act->done,
            (unsigned long long)act->refused);
}

int act_flush(struct act *act) {
    uint64_t next = act->count ? 1 : 0;
    int rc = EXIT_DONE;
    while (next && !act->dry && rc == EXIT_DONE) {
        act->undone = next > act->items[0] ? next : act->items[0];
        rc = ask(act, next, &next);
        if (rc == EXIT_DONE)
            act->undone = next ? next : act->items[act->count - 1] + 1;
        if (act->unrecorded)
            break;
    }
    if (rc == EXIT_DONE && act->count && !act->dry)
        tell_progress(act);
    act->count = 0;
    if (act->unrecorded && rc == EXIT_DONE)
        rc = cli_failed(act->command, "the journal is full: the last part is written when there is room, and "
                                      "nothing more is asked for");
    return rc;
}

int act_add(struct act *act, uint64_t item) {
    act->items[act->count++] = item;
    act->asked++;
    return act->count == ACT_ITEMS ? act_flush(act) : EXIT_DONE;
}

// ---- What came of it ----

static int print_json(const struct act *act) {
    json_t *refusals = json_array();
    for (size_t i = 0; i < act->refusal_count; i++)
        json_array_append_new(
            refusals, json_pack("{s:s, s:s, s:I, s:I}", "reason", act->refusals[i].reason, "text",
                          act->refusals[i].text, "count", (json_int_t)act->refusals[i].count, "first",
                          (json_int_t)act->refusals[i].first));
    json_t *object = json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "system", act->system, "dry_run",
        act->dry, "matched", (json_int_t)act->asked, "done", (json_int_t)act->done, "deliveries",
        (json_int_t)act->deliveries, "refused", (json_int_t)act->refused, "gone", (json_int_t)act->gone,
        "refusals", refusals);
    int rc = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;
    putchar('\n');
    json_decref(object);
    return rc;
}

static void print_text(const struct act *act, const char *verb, const char *what) {
    if (isatty(STDERR_FILENO) && act->done + act->refused)
        fputs("\r\033[K", stderr);
    if (act->dry) {
        uint64_t there = act->asked - act->gone;
        printf("%llu %s%s would be %s", (unsigned long long)there, what, there == 1 ? "" : "s", verb);
        if (act->gone)
            printf("; %llu %s not there", (unsigned long long)act->gone, act->gone == 1 ? "is" : "are");
        puts("; nothing was done");
        return;
    }
    printf("%s %llu of %llu %s%s", verb, (unsigned long long)act->done, (unsigned long long)act->asked, what,
        act->asked == 1 ? "" : "s");
    if (act->deliveries)
        printf(" (%llu %s to %s)", (unsigned long long)act->deliveries,
            act->deliveries == 1 ? "delivery" : "deliveries", act->system);
    if (act->gone)
        printf("; %llu %s not there any more", (unsigned long long)act->gone, act->gone == 1 ? "is" : "are");
    putchar('\n');
    for (size_t i = 0; i < act->refusal_count; i++)
        printf("  left: %llu for %s: %s (the first is %llu)\n", (unsigned long long)act->refusals[i].count,
            act->refusals[i].reason, act->refusals[i].text, (unsigned long long)act->refusals[i].first);
}

int act_tell(const struct act *act, const char *verb, const char *what, bool json) {
    if (json)
        print_json(act);
    else
        print_text(act, verb, what);
    return act->refused || act->refusal_count || act->partial || act->unrecorded ? EXIT_FAILED : EXIT_DONE;
}
