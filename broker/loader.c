#include "broker/loader.h"

#include "broker/loader_internal.h"
#include "core/base/log.h"
#include "core/base/utf8.h"
#include "core/crypto/secret.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

void answer_problem(struct answer *answer, unsigned status, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_trim(text);
    answer->status = status;
    json_decref(answer->body);
    answer->body = json_pack("{s:s, s:s}", "result", "failed", "error", text);
}

// ---- What is said of a set ----

static void log_problems(const struct report *report) {
    for (size_t i = 0; i < report_size(report); i++) {
        const struct report_problem *problem = report_problem(report, i);
        char quoted[1024];
        log_event(problem->severity == REPORT_ERROR ? LOG_ERROR : LOG_WARNING, "configuration.problem",
            "place=%s:%u:%u text=%s", problem->path, problem->mark.line, problem->mark.column,
            log_quote(problem->text, quoted, sizeof quoted));
    }
}

// The report as people read it, and as programs do.
static int add_report(json_t *body, const struct report *report) {
    struct buffer text = {0};
    struct buffer json = {0};
    int rc = report_print(report, &text);
    rc = rc ? rc : report_print_json(report, &json);
    if (rc == 0) {
        json_object_set_new(body, "errors", json_integer((json_int_t)report_errors(report)));
        json_object_set_new(body, "warnings", json_integer((json_int_t)report_warnings(report)));
        json_object_set_new(body, "text", json_stringn((const char *)text.data, text.size));
        json_object_set_new(body, "problems", json_loadb((const char *)json.data, json.size, 0, NULL));
    }
    buffer_destroy(&text);
    buffer_destroy(&json);
    return rc;
}

static void say_refused(const struct report *report, const char *who, struct answer *answer) {
    char quoted[256];
    log_problems(report);
    log_event(LOG_ERROR, "configuration.refused", "errors=%zu who=%s", report_errors(report),
        log_quote(who, quoted, sizeof quoted));
    answer->status = 422;
    answer->body = json_pack("{s:s}", "result", "refused");
    if (answer->body)
        add_report(answer->body, report);
}

static json_t *restart_keys(const struct configuration *configuration) {
    json_t *keys = json_array();
    for (size_t i = 0; configuration->restart[i]; i++) {
        log_event(LOG_WARNING, "configuration.restart", "setting=%s", configuration->restart[i]);
        json_array_append_new(keys, json_string(configuration->restart[i]));
    }
    return keys;
}

static void describe(
    const struct configuration *configuration, const struct report *report, struct answer *answer) {
    char hex[2 * DIGEST_SIZE + 1];
    digest_hex(configuration->digest, hex);
    answer->status = 200;
    answer->body = json_pack("{s:s, s:I, s:I, s:I, s:o}", "digest", hex, "systems",
        (json_int_t)policy_system_count(configuration->policy), "agreements",
        (json_int_t)policy_agreement_count(configuration->policy), "routes",
        (json_int_t)routes_count(configuration->routes), "restart", restart_keys(configuration));
    if (answer->body)
        add_report(answer->body, report);
}

static void say_changes(
    const struct configuration *before, const struct configuration *after, struct answer *answer) {
    Hutong__Bus__V1__ActivatedRecord *old = history_record_of(before);
    Hutong__Bus__V1__ActivatedRecord *new = history_record_of(after);
    if (old && new)
        json_object_set_new(answer->body, "changes", history_changes(old, new));
    if (old)
        hutong__bus__v1__activated_record__free_unpacked(old, NULL);
    if (new)
        hutong__bus__v1__activated_record__free_unpacked(new, NULL);
}

// ---- Reload ----

// The digest says nothing of the key of hash(), which not everybody has who may check.
static bool has_same_key(const struct policy *a, const struct policy *b) {
    const uint8_t *first = policy_hash_key(a);
    const uint8_t *second = policy_hash_key(b);
    return first && second ? memcmp(first, second, SECRET_SIZE) == 0 : first == second;
}

static bool is_same(const struct configuration *a, const struct configuration *b) {
    return has_same_key(a->policy, b->policy) && memcmp(a->digest, b->digest, DIGEST_SIZE) == 0 &&
           policy_settings_same(policy_settings(a->policy), policy_settings(b->policy));
}

// The core takes it over; `takeover` is its alone until the answer is here. 0, or no answer: the core has
// ended.
static int hand_over(struct loader *loader, struct takeover *takeover) {
    struct buffer nothing = {0};
    char request[64];
    snprintf(request, sizeof request, "activate %p", (void *)takeover);
    int rc = control_ask(loader->core, bytes_of_string(request), &nothing, -1);
    buffer_destroy(&nothing);
    return rc;
}

static void log_activated(const struct loader *loader, const struct takeover *takeover) {
    char hex[2 * DIGEST_SIZE + 1];
    char who[256];
    char why[600];
    digest_hex(loader->active->digest, hex);
    log_event(LOG_INFO, "configuration.activated",
        "number=%llu digest=%s routes=%zu swap_us=%llu who=%s why=%s", (unsigned long long)takeover->number,
        hex, routes_count(loader->active->routes), (unsigned long long)takeover->swap_us,
        log_quote(takeover->activation.who, who, sizeof who),
        log_quote(takeover->activation.why, why, sizeof why));
}

// True when it is in force; it belongs to the loader then, and `*next` is NULL.
static bool activate(struct loader *loader, struct configuration **next, const char *who, const char *why,
    struct answer *answer) {
    struct takeover takeover = {.activation = {.configuration = *next, .who = who, .why = why}};
    int rc = hand_over(loader, &takeover);
    if (!takeover.taken) {
        answer_problem(answer, 503, "%s; nothing was changed",
            takeover.problem[0] ? takeover.problem
            : rc                ? "the broker ends"
                                : "the core does not answer");
        return false;
    }
    say_changes(loader->active, *next, answer);
    configuration_destroy(&loader->active);
    loader->active = *next;
    *next = NULL;
    json_object_set_new(answer->body, "result", json_string("activated"));
    json_object_set_new(answer->body, "number", json_integer((json_int_t)takeover.number));
    json_object_set_new(answer->body, "swap_us", json_integer((json_int_t)takeover.swap_us));
    json_object_set_new(answer->body, "recorded", json_boolean(takeover.recorded));
    log_activated(loader, &takeover);
    return true;
}

bool loader_reload(struct loader *loader, const char *who, const char *why, struct answer *answer) {
    struct report *report = report_new(0);
    struct configuration *next = report ? configuration_load(loader->options.broker_yaml,
                                              policy_settings(loader->active->policy), report)
                                        : NULL;
    bool done = false;
    if (!report) {
        answer_problem(answer, 503, "out of memory");
    } else if (!next) {
        say_refused(report, who, answer);
    } else {
        describe(next, report, answer);
        done = is_same(next, loader->active);
        if (done)
            json_object_set_new(answer->body, "result", json_string("unchanged"));
        else
            done = activate(loader, &next, who, why, answer);
    }
    configuration_destroy(&next);
    report_destroy(&report);
    return done;
}

// ---- The thread ----

static const char *text_of(const json_t *request, const char *key) {
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

static void handle(struct loader *loader, const json_t *request, struct answer *answer) {
    const char *command = text_of(request, "command");
    if (strcmp(command, "reload") == 0)
        loader_reload(loader, text_of(request, "who"), text_of(request, "why"), answer);
    else if (strcmp(command, "history") == 0)
        loader_history(loader, request, answer);
    else if (strcmp(command, "files") == 0)
        loader_files(loader, request, answer);
    else if (strcmp(command, "rollback") == 0)
        loader_rollback(loader, request, answer);
    else if (strcmp(command, "erase") == 0)
        loader_erase(loader, request, answer);
    else if (strcmp(command, "letters") == 0)
        loader_letters(loader, request, answer);
    else if (strcmp(command, "dead-replay") == 0)
        loader_operate(loader, OPERATION_DEAD_REPLAY, request, answer);
    else if (strcmp(command, "dead-drop") == 0)
        loader_operate(loader, OPERATION_DEAD_DROP, request, answer);
    else if (strcmp(command, "replay") == 0)
        loader_operate(loader, OPERATION_REPLAY, request, answer);
    else
        answer_problem(answer, 400, "unknown command");
}

static int answer_request(struct loader *loader) {
    struct buffer request = {0};
    struct answer answer = {0};
    int rc = mailbox_receive(loader->mailbox, &request);
    if (rc == 0) {
        json_t *json = json_loadb((const char *)request.data, request.size, 0, NULL);
        handle(loader, json, &answer);
        char *text = answer.body ? json_dumps(answer.body, JSON_COMPACT) : NULL;
        buffer_clear(&request);
        rc = text ? buffer_append_format(&request, "%03u", answer.status)
                  : buffer_append_string(&request, "503{}");
        rc = rc || !text ? rc : buffer_append_string(&request, text);
        rc = rc ? rc : mailbox_answer(loader->mailbox, buffer_bytes(&request));
        free(text);
        json_decref(json);
        json_decref(answer.body);
    }
    buffer_destroy(&request);
    return rc == ROUTER_EMPTY || rc == -ENOMEM ? 0 : rc;
}

static void reload_by_signal(struct loader *loader) {
    struct signalfd_siginfo info;
    if (read(loader->options.reload_fd, &info, sizeof info) != sizeof info)
        return;
    char who[128];
    char room[1024];
    struct passwd entry;
    struct passwd *user = NULL;
    getpwuid_r(info.ssi_uid, &entry, room, sizeof room, &user);
    snprintf(who, sizeof who, "SIGHUP %s(%u) pid %u", user ? user->pw_name : "", info.ssi_uid, info.ssi_pid);
    struct answer answer = {0};
    if (loader_reload(loader, who, "", &answer) && strcmp(text_of(answer.body, "result"), "unchanged") == 0)
        log_event(LOG_INFO, "configuration.unchanged", "who=\"%s\"", who);
    else if (answer.status == 503)
        log_event(LOG_ERROR, "configuration.failed", "who=\"%s\" reason=\"%s\"", who,
            text_of(answer.body, "error"));
    json_decref(answer.body);
}

static void *run(void *context) {
    struct loader *loader = context;
    int rc = 0;
    while (rc == 0) {
        bool asked;
        bool signalled;
        rc = mailbox_wait(loader->mailbox, loader->options.reload_fd, &asked, &signalled);
        if (rc == 0 && signalled)
            reload_by_signal(loader);
        if (rc == 0 && asked)
            rc = answer_request(loader);
    }
    if (rc != ROUTER_CLOSED)
        log_event(LOG_ERROR, "loader.failed", "reason=\"%s\"", strerror(-rc));
    control_destroy(&loader->core); // by the thread that used it
    mailbox_destroy(&loader->mailbox);
    return NULL;
}

int loader_start(const struct loader_options *options, struct loader **out, struct error *error) {
    struct loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return error_no_memory(error);
    loader->options = *options;
    loader->active = options->configuration;
    loader->core = control_new(options->router, MAILBOX_CORE);
    int rc = loader->core ? mailbox_new(options->router, LOADER_MAILBOX, &loader->mailbox) : -ENOMEM;
    if (rc == 0)
        rc = -pthread_create(&loader->thread, NULL, run, loader);
    if (rc) {
        control_destroy(&loader->core);
        mailbox_destroy(&loader->mailbox);
        free(loader);
        return error_set(error, rc, "the loader does not start: %s", strerror(-rc));
    }
    *out = loader;
    return 0;
}

struct configuration *loader_stop(struct loader **self) {
    struct loader *loader = *self;
    if (!loader)
        return NULL;
    pthread_join(loader->thread, NULL);
    struct configuration *active = loader->active;
    free(loader);
    *self = NULL;
    return active;
}
