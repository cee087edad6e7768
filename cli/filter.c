#include "cli/filter.h"

#include "broker/policy/policy.h"
#include "cli/objects.h"
#include "cli/routes.h"
#include "core/config/report.h"
#include "core/wire/wire.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define PLACE "--when"
#define SUBJECT 1102
#define WHEN 1101

static const struct {
    int option;
    const char *name;
} words[] = {{1100, "--type"}, {1101, "--when"}, {1102, "--subject"}, {1103, "--source"}, {1104, "--since"},
    {1105, "--until"}, {1106, "--route"}, {1107, "--reason"}, {1108, "--all"}, {1109, "--config"}};

// ---- Options ----

// "--type T --when "…"": for the journal, which keeps the exact items that were done beside it. So what chose
// them need not name anybody there for years: a subject may be a citizen number, an expression may hold one.
static int add_words(struct cli_filter *filter, int option, const char *value) {
    int rc = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0] && rc == 0; i++)
        if (words[i].option == option)
            rc = buffer_append_format(&filter->words, "%s%s", filter->words.size ? " " : "", words[i].name);
    if (rc || !value)
        return rc;
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:+-";
    bool plain = option != SUBJECT && option != WHEN && *value && value[strspn(value, harmless)] == '\0';
    return buffer_append_format(&filter->words, " %s", plain ? value : "\"…\"");
}

static int take_time(const char *command, const char *option, const char *text, int64_t *out) {
    if (cli_time(text, out))
        return EXIT_DONE;
    return cli_wrong(
        command, "%s \"%s\" is no time; write 2026-03-01 or 2026-03-01T08:00:00+08:00", option, text);
}

static int take_reason(const char *command, const char *text) {
    const char *names[64];
    size_t count = 0;
    for (int reason = HUTONG__BUS__V1__REASON__REASON_ENVELOPE; reason < 64; reason++) {
        const char *name = wire_reason_name((wire_reason)reason);
        if (strcmp(name, text) == 0)
            return EXIT_DONE;
        if (strcmp(name, "unknown") != 0)
            names[count++] = name;
    }
    const char *nearest = report_nearest(bytes_of_string(text), names, count);
    return cli_wrong(command, "no reason \"%s\"%s%s%s", text, nearest ? "; did you mean \"" : "",
        nearest ? nearest : "", nearest ? "\"?" : "");
}

// One that is given twice would be narrower, or wider, than what is meant.
static int take_once(const char *command, struct cli_filter *filter, int option) {
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].option == option) {
            if (filter->given & (1u << i))
                return cli_wrong(command, "%s is given twice", words[i].name);
            filter->given |= 1u << i;
        }
    return EXIT_DONE;
}

int cli_filter_option(const char *command, struct cli_filter *filter, int option, const char *value) {
    int rc = take_once(command, filter, option);
    if (rc)
        return rc;
    switch (option) {
    case 1100:
        filter->type = value;
        break;
    case 1101:
        filter->when = value;
        break;
    case 1102:
        filter->subject = value;
        break;
    case 1103:
        filter->source = value;
        break;
    case 1104:
        rc = take_time(command, "--since", value, &filter->since_us);
        break;
    case 1105:
        rc = take_time(command, "--until", value, &filter->until_us);
        break;
    case 1106:
        filter->route = value;
        break;
    case 1107:
        filter->reason = value;
        rc = take_reason(command, value);
        break;
    case 1108:
        filter->all = true;
        break;
    case 1109:
        filter->config = value;
        return EXIT_DONE; // what is chosen stands beside it in the journal, not how
    default:
        return -1;
    }
    if (rc == EXIT_DONE && add_words(filter, option, value) != 0)
        return cli_failed(command, "out of memory");
    return rc;
}

bool cli_filter_empty(const struct cli_filter *filter) {
    return !filter->type && !filter->subject && !filter->source && !filter->route && !filter->reason &&
           !filter->since_us && !filter->until_us;
}

// ---- The expression ----

static struct mark mark_at(const char *source, size_t offset) {
    struct mark mark = {.line = 1, .column = 1, .offset = (uint32_t)offset};
    for (size_t i = 0; i < offset && source[i]; i++)
        if (source[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if (((unsigned char)source[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    return mark;
}

static int tell_problems(const char *command, const char *source, const struct cel_problems *problems) {
    struct report *report = report_new(0);
    struct buffer text = {0};
    for (size_t i = 0; report && i < problems->count; i++) {
        const struct cel_problem *problem = &problems->items[i];
        report_add(report, REPORT_ERROR, PLACE, bytes_of_string(source), mark_at(source, problem->offset),
            problem->length, "%s", problem->text);
    }
    if (report && report_print(report, &text) == 0)
        fwrite(text.data, 1, text.size, stderr);
    buffer_destroy(&text);
    report_destroy(&report);
    return cli_wrong(command, "--when is no expression over the message; see above");
}

// ---- The code lists of the configuration ----

// What else is wrong there is no matter here.
static int load_codes(const char *command, struct cli_filter *filter) {
    const char *path = filter->config ? filter->config : cli_broker_yaml();
    if (!filter->config && access(path, F_OK) != 0)
        return EXIT_DONE; // an expression without codes needs none
    struct report *report = report_new(0);
    filter->policy = report ? policy_load_for_check(path, NULL, report) : NULL;
    report_destroy(&report);
    return filter->policy || !filter->config
               ? EXIT_DONE
               : cli_wrong(command, "--config %s can't be loaded; see: hutong check %s", path, path);
}

static void tell_codes(const char *command, const struct cli_filter *filter) {
    const char *path = filter->config ? filter->config : cli_broker_yaml();
    if (!strstr(filter->when, "codes("))
        return;
    if (filter->policy)
        fprintf(stderr, "hutong %s: the code lists are those of %s; --config BROKER_YAML names others\n",
            command, path);
    else
        fprintf(stderr,
            "hutong %s: codes() and in_codes() read the code lists of the broker's configuration, and %s %s; "
            "name it with --config BROKER_YAML\n",
            command, path, access(path, F_OK) == 0 ? "can't be loaded (see hutong check)" : "is not there");
}

static int compile(const char *command, const struct catalogue *catalogue, struct cli_filter *filter) {
    struct cel_problems problems = {0};
    const char *name = filter->message->full_name;
    const char *dot = strrchr(name, '.');
    char package[WIRE_TYPE_LIMIT + 1] = "";
    if (dot && (size_t)(dot - name) < sizeof package)
        memcpy(package, name, (size_t)(dot - name));
    filter->paths = paths_new(filter->message);
    const struct codes *codes = filter->policy ? policy_codes(filter->policy) : NULL;
    filter->env = cel_env_new(catalogue, codes, package[0] ? package : NULL);
    if (!filter->paths || !filter->env ||
        cel_env_declare_message(filter->env, "msg", filter->paths, &filter->variable) != 0)
        return cli_failed(command, "out of memory");
    int rc = cel_compile(filter->env, bytes_of_string(filter->when), NULL, &filter->program, &problems);
    if (rc == CEL_REFUSED) {
        tell_problems(command, filter->when, &problems);
        tell_codes(command, filter);
        return EXIT_WRONG;
    }
    if (rc)
        return cli_failed(command, "out of memory");
    const struct cel_type *type = cel_program_type(filter->program);
    char said[256];
    if (type->kind != CEL_BOOL)
        return cli_wrong(command, PLACE ":1:1: it must be true or false, and is %s",
            cel_type_name(type, said, sizeof said));
    filter->scan = scan_new(filter->paths);
    filter->activation = cel_activation_new(filter->env);
    if (!filter->scan || !filter->activation)
        return cli_failed(command, "out of memory");
    cel_activation_set_time(filter->activation, time(NULL)); // as the routes that it will go by
    return EXIT_DONE;
}

int cli_filter_open(const char *command, const struct catalogue *catalogue, struct cli_filter *filter) {
    if (filter->until_us && filter->until_us <= filter->since_us)
        return cli_wrong(command, "--until is not after --since");
    if (filter->type && !(filter->message = cli_type(command, "--type", catalogue, filter->type)))
        return EXIT_WRONG;
    if (filter->when && !filter->type)
        return cli_wrong(command, "--when reads a message: say of which --type");
    int rc = filter->when ? load_codes(command, filter) : EXIT_DONE;
    return rc || !filter->when ? rc : compile(command, catalogue, filter);
}

void cli_filter_close(struct cli_filter *filter) {
    cel_activation_destroy(&filter->activation);
    scan_destroy(&filter->scan);
    cel_program_destroy(&filter->program);
    cel_env_destroy(&filter->env);
    paths_destroy(&filter->paths);
    policy_destroy(&filter->policy);
    buffer_destroy(&filter->words);
}

// ---- One message ----

static bool is_text(const char *wanted, struct bytes text) {
    return !wanted || bytes_equal_string(text, wanted);
}

static bool evaluate(struct cli_filter *filter, struct bytes payload) {
    struct error error = {0};
    bool taken = false;
    int rc = scan_run(filter->scan, payload, false, &error);
    if (rc == 0) {
        cel_activation_reset(filter->activation);
        cel_activation_set_scan(filter->activation, filter->variable, filter->scan);
        rc = cel_eval_bool(filter->program, filter->activation, &taken, &error);
    }
    if (rc)
        filter->failures++;
    return rc == 0 && taken;
}

bool cli_filter_takes(struct cli_filter *filter, const struct cli_candidate *candidate) {
    if ((filter->since_us && candidate->time_us < filter->since_us) ||
        (filter->until_us && candidate->time_us >= filter->until_us))
        return false;
    if (!is_text(filter->type, candidate->type) || !is_text(filter->subject, candidate->subject) ||
        !is_text(filter->source, candidate->source))
        return false;
    if ((filter->route && strcmp(filter->route, candidate->route) != 0) ||
        (filter->reason && strcmp(filter->reason, candidate->reason) != 0))
        return false;
    return !filter->program || evaluate(filter, candidate->payload);
}

void cli_filter_tell(const char *command, const struct cli_filter *filter) {
    if (filter->failures)
        fprintf(stderr, "hutong %s: warning: --when could not be evaluated on %llu message%s, left out\n",
            command, (unsigned long long)filter->failures,
            filter->failures == 1 ? "" : "s"); // why would show what is in them
}
