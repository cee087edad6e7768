#include "cli/reload.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
    "Usage: hutong reload --admin SOCKET [OPTION…]\n"
    "Has a running broker check the whole configuration on its disk and, if there is no error, change to it\n"
    "between two messages. A configuration with an error changes nothing, and every error is "
    "printed.\n\n" ADMIN_HELP "      --why TEXT       a reason, for the journal's record of it\n"
    "      --json           the answer as JSON\n"
    "  -h, --help           this text\n\n"
    "Exit status: 0 it is in force; 1 the broker does not answer or can't; 2 errors, or wrong usage.\n"
    "See also: hutong routes history, hutong routes rollback\n";

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static long long number(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_names(const json_t *changes, const char *key) {
    const json_t *names = json_object_get(changes, key);
    size_t count = json_array_size(names);
    if (count == 0)
        return;
    printf("  %s:", key);
    for (size_t i = 0; i < count && i < 20; i++)
        printf(" %s", json_string_value(json_array_get(names, i)));
    if (count > 20)
        printf(" and %zu more", count - 20);
    putchar('\n');
}

static void print_taken(const json_t *answer) {
    bool activated = strcmp(text(answer, "result"), "activated") == 0;
    if (activated)
        printf("activation %lld is in force", number(answer, "number"));
    else
        printf("nothing changed: this configuration is in force already");
    printf(" (%lld systems, %lld agreements, %lld routes, digest %.12s)\n", number(answer, "systems"),
        number(answer, "agreements"), number(answer, "routes"), text(answer, "digest"));
    const json_t *changes = json_object_get(answer, "changes");
    print_names(changes, "added");
    print_names(changes, "removed");
    print_names(changes, "changed");
    size_t i;
    json_t *key;
    json_array_foreach(json_object_get(answer, "restart"), i, key)
        printf("  needs a restart, and stays as it was until then: %s\n", json_string_value(key));
    if (activated && json_is_false(json_object_get(answer, "recorded")))
        printf("  the journal is full: its record is written when there is room\n");
}

int reload_print(const char *command, json_t *answer, bool as_json) {
    const char *result = text(answer, "result");
    bool refused = strcmp(result, "refused") == 0;
    bool failed = strcmp(result, "failed") == 0;
    if (as_json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (failed) {
        cli_failed(command, "%s", text(answer, "error"));
    } else {
        fputs(text(answer, "text"), stderr);
        if (refused)
            cli_failed(command, "%lld error%s; nothing was changed", number(answer, "errors"),
                number(answer, "errors") == 1 ? "" : "s");
        else
            print_taken(answer);
    }
    json_decref(answer);
    return failed ? EXIT_FAILED : refused ? EXIT_WRONG : EXIT_DONE;
}

int command_reload(int argc, char **argv) {
    const char *admin = NULL;
    const char *why = "";
    bool as_json = false;
    static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
        {"why", required_argument, NULL, 'w'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "a:h", options, NULL)) != -1;) {
        switch (option) {
        case 'a':
            admin = optarg;
            break;
        case 'w':
            why = optarg;
            break;
        case 'j':
            as_json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_DONE;
        default:
            return EXIT_WRONG;
        }
    }
    if (!admin || optind != argc)
        return cli_wrong("reload", "--admin SOCKET is needed, and no argument; see --help");
    json_t *body = json_pack("{s:s}", "why", why);
    if (!body)
        return cli_wrong("reload", "--why is UTF-8 text");
    long status = 0;
    json_t *answer = admin_ask("reload", admin, "/reload", body, 0, &status);
    json_decref(body);
    return answer ? reload_print("reload", answer, as_json) : EXIT_FAILED;
}
