// hutong schema check: the gate between two states of the message types.
#include "cli/schema.h"
#include "core/schema/compat.h"

#include <jansson.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hutong schema check [OPTION…] OLD NEW\n"
    "Says what the message types of NEW break of what was written for OLD. Each is a catalogue, or a folder "
    "of .proto\n"
    "files. A finding has its place in NEW and in OLD, whom it breaks, and what would be right; "
    "docs/schema.md lists\n"
    "all rules.\n\n"
    "  -f, --for WHOM  whose breaks count; the others become warnings (default: routes)\n"
    "                  wire    stored and travelling messages\n"
    "                  json    and JSON and YAML\n"
    "                  routes  and routes, mappings, agreements\n"
    "                  source  and generated code\n"
    "  -q, --quiet     no warnings\n"
    "  -r, --rules     print the rules instead: id, whom each breaks, what would be right\n"
    "  -j, --json      JSON instead of text\n"
    "  -h, --help      this text\n\n"
    "Exit status: 0 nothing breaks; 2 something does, or the input is wrong.\n";

static const struct {
    const char *name;
    unsigned one;
    unsigned whom;
} levels[] = {{"wire", COMPAT_WIRE, COMPAT_WIRE}, {"json", COMPAT_JSON, COMPAT_WIRE | COMPAT_JSON},
    {"routes", COMPAT_ROUTES, COMPAT_DEFAULT}, {"source", COMPAT_SOURCE, COMPAT_ALL}};

#define LEVELS (sizeof levels / sizeof levels[0])

struct check {
    unsigned whom;
    const char *for_whom;
    bool quiet;
    bool json;
    struct schema_input before;
    struct schema_input after;
    struct compat *compat;
};

#define WHOM_SIZE 40

// "wire, json".
static const char *whom_text(unsigned breaks, char out[WHOM_SIZE]) {
    int size = 0;
    out[0] = '\0';
    for (size_t i = 0; i < LEVELS; i++)
        if (breaks & levels[i].one)
            size += snprintf(out + size, WHOM_SIZE - (size_t)size, "%s%s", size ? ", " : "", levels[i].name);
    return out;
}

// ---- Text ----

struct texts {
    struct buffer path, old_path, source;
};

static int report_finding(const struct check *check, const struct compat_finding *finding,
    struct texts *texts, struct report *report) {
    char whom[WHOM_SIZE], was[4300] = "";
    bool gone = !finding->file;
    const struct schema_input *input = gone ? &check->before : &check->after;
    struct model_place place = gone ? finding->old_place : finding->place;
    const char *path = schema_file_path(input, gone ? finding->old_file : finding->file, &texts->path);
    if (!path)
        return -ENOMEM;
    if (!gone && finding->old_file) {
        const char *old_path = schema_file_path(&check->before, finding->old_file, &texts->old_path);
        if (!old_path)
            return -ENOMEM;
        if (finding->old_place.line)
            snprintf(was, sizeof was, "; was at %s:%u:%u", old_path, finding->old_place.line,
                finding->old_place.column);
    }
    buffer_clear(&texts->source);
    if (input->folder && schema_read_file(path, &texts->source, NULL) != 0)
        buffer_clear(&texts->source); // no excerpt then
    report_add(report, finding->breaks ? REPORT_ERROR : REPORT_WARNING, path, buffer_bytes(&texts->source),
        schema_mark(buffer_bytes(&texts->source), place), 0, "%s [%s: breaks %s]%s; right: %s", finding->text,
        finding->rule->id, whom_text(finding->rule->breaks, whom), was, finding->rule->advice);
    return 0;
}

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

static int print_text(const struct check *check) {
    struct report *report = report_new(compat_count(check->compat) + 1);
    struct texts texts = {0};
    struct buffer out = {0};
    int rc = report ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < compat_count(check->compat); i++) {
        const struct compat_finding *finding = compat_at(check->compat, i);
        if (finding->breaks || !check->quiet)
            rc = report_finding(check, finding, &texts, report);
    }
    if (rc == 0)
        rc = report_print(report, &out);
    if (rc == 0 && out.size)
        fwrite(out.data, 1, out.size, stderr);
    size_t breaks = compat_breaks(check->compat), others = compat_count(check->compat) - breaks;
    if (rc == 0)
        printf("%s: %zu break%s for %s, %zu warning%s\n", check->after.path, breaks, plural(breaks),
            check->for_whom, others, plural(others));
    report_destroy(&report);
    buffer_destroy(&out);
    buffer_destroy(&texts.path);
    buffer_destroy(&texts.old_path);
    buffer_destroy(&texts.source);
    return rc;
}

// ---- JSON ----

static json_t *place_json(const struct schema_input *input, const char *file, struct model_place place) {
    struct buffer path = {0};
    const char *text = file ? schema_file_path(input, file, &path) : NULL;
    json_t *object = text ? json_pack("{s:s, s:I, s:I}", "file", text, "line", (json_int_t)place.line,
                                "column", (json_int_t)place.column)
                          : json_null();
    buffer_destroy(&path);
    return object;
}

static json_t *breaks_json(unsigned breaks) {
    json_t *list = json_array();
    for (size_t i = 0; i < LEVELS; i++)
        if (breaks & levels[i].one)
            json_array_append_new(list, json_string(levels[i].name));
    return list;
}

static json_t *finding_json(const struct check *check, const struct compat_finding *finding) {
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:o}", "rule", finding->rule->id, "severity",
        finding->breaks ? "break" : "warning", "breaks", breaks_json(finding->rule->breaks), "text",
        finding->text, "right", finding->rule->advice, "place",
        place_json(&check->after, finding->file, finding->place), "was",
        place_json(&check->before, finding->old_file, finding->old_place));
}

static int print_json(const struct check *check) {
    json_t *findings = json_array();
    for (size_t i = 0; i < compat_count(check->compat); i++) {
        const struct compat_finding *finding = compat_at(check->compat, i);
        if (finding->breaks || !check->quiet)
            json_array_append_new(findings, finding_json(check, finding));
    }
    size_t breaks = compat_breaks(check->compat);
    json_t *object = json_pack("{s:s, s:I, s:I, s:o}", "for", check->for_whom, "breaks", (json_int_t)breaks,
        "warnings", (json_int_t)(compat_count(check->compat) - breaks), "findings", findings);
    int rc = object ? json_dumpf(object, stdout, JSON_INDENT(1)) : -1;
    putchar('\n');
    json_decref(object);
    return rc == 0 ? 0 : -ENOMEM;
}

static int print_rules(bool json) {
    json_t *list = json ? json_array() : NULL;
    char whom[WHOM_SIZE];
    for (size_t i = 0; i < compat_rule_count(); i++) {
        const struct compat_rule *rule = compat_rule_at(i);
        if (json)
            json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "rule", rule->id, "breaks",
                                            breaks_json(rule->breaks), "right", rule->advice));
        else
            printf("%-38s %-28s %s\n", rule->id, whom_text(rule->breaks, whom), rule->advice);
    }
    if (json) {
        json_dumpf(list, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(list);
    return EXIT_DONE;
}

// ---- The command ----

static int run(struct check *check, const char *old_path, const char *new_path) {
    struct error error = {0};
    int rc = schema_input_load(old_path, &check->before, &error);
    if (rc == 0)
        rc = schema_input_load(new_path, &check->after, &error);
    if (rc == 0)
        rc = compat_check(check->before.model, check->after.model, check->whom, &check->compat, &error);
    int exit_status = rc == 0 ? EXIT_DONE : cli_wrong("schema check", "%s", error.text);
    if (rc == 0)
        rc = check->json ? print_json(check) : print_text(check);
    if (exit_status == EXIT_DONE && rc != 0)
        exit_status = cli_failed("schema check", "out of memory");
    else if (exit_status == EXIT_DONE && compat_breaks(check->compat))
        exit_status = EXIT_WRONG;
    compat_destroy(&check->compat);
    schema_input_destroy(&check->before);
    schema_input_destroy(&check->after);
    return exit_status;
}

static bool set_whom(struct check *check, const char *name) {
    for (size_t i = 0; i < LEVELS; i++)
        if (strcmp(levels[i].name, name) == 0) {
            check->whom = levels[i].whom;
            check->for_whom = levels[i].name;
            return true;
        }
    return false;
}

int schema_check(int argc, char **argv) {
    static const struct option options[] = {{"for", required_argument, NULL, 'f'},
        {"quiet", no_argument, NULL, 'q'}, {"rules", no_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct check check = {.whom = COMPAT_DEFAULT, .for_whom = "routes"};
    bool rules = false;
    for (int option; (option = getopt_long(argc, argv, "f:qrjh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option == '?')
            return EXIT_WRONG;
        if (option == 'f' && !set_whom(&check, optarg))
            return cli_wrong("schema check", "\"%s\" is not wire, json, routes or source", optarg);
        check.quiet |= option == 'q';
        check.json |= option == 'j';
        rules |= option == 'r';
    }
    if (rules)
        return print_rules(check.json);
    if (argc - optind != 2)
        return cli_wrong("schema check", "the old and the new types are needed; see --help");
    return run(&check, argv[optind], argv[optind + 1]);
}
