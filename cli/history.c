// hutong routes: what was in force, and the way back.
#include "cli/reload.h"
#include "core/base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
    "Usage: hutong routes history --admin SOCKET [OPTION…]           the activations, newest first\n"
    "       hutong routes show --admin SOCKET [OPTION…] WHICH        the routes' files of one\n"
    "       hutong routes diff --admin SOCKET WHICH [WHICH]          what changed (the second: what is in "
    "force)\n"
    "       hutong routes rollback --admin SOCKET [OPTION…] [WHICH]  go back (to the one before)\n"
    "\n"
    "Each time a configuration takes over, the broker's journal gets a record: when, by whom, why, and the\n"
    "routes' files. WHICH is the number of an activation, or eight or more digits of its digest. A rollback "
    "puts\n"
    "the files of that activation back into the routes' folder, all at one point, and reloads; where they "
    "don't\n"
    "fit today's agreements any more it is refused, and the files are as before.\n"
    "\n" ADMIN_HELP "      --count N        history: so many at most (default: 20; 0: all)\n"
    "  -o, --output FOLDER  show: write the files into this new folder instead\n"
    "      --why TEXT       rollback: a reason, for the journal's record of it\n"
    "      --force          rollback: also when files on the disk are not as they are in force (they are "
    "lost)\n"
    "      --json           JSON\n"
    "  -h, --help           this text\n\n"
    "Exit status: 0 done; 1 it can't be done; 2 errors in a configuration, or wrong usage. Of diff, as of\n"
    "diff(1): 0 no differences; 1 differences; 2 it can't be done.\n";

struct arguments {
    const char *admin;
    const char *output;
    const char *why;
    const char *which[2];
    unsigned long long count;
    bool force;
    bool json;
};

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static long long number(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

// True when the broker did what it was asked; otherwise the answer is said and gone.
static bool went_well(json_t *answer, long status) {
    if (answer && status == 200)
        return true;
    if (answer)
        cli_failed("routes", "%s", text(answer, "error"));
    json_decref(answer);
    return false;
}

// ---- history ----

static void print_change(const json_t *changes, const char *key, char sign) {
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(changes, key), i, name) {
        if (i == 3 && json_array_size(json_object_get(changes, key)) > 4) {
            printf(" %c…(%zu)", sign, json_array_size(json_object_get(changes, key)) - i);
            return;
        }
        printf(" %c%s", sign, json_string_value(name));
    }
}

static void print_activation(const json_t *one, int who_width) {
    const json_t *changes = json_object_get(one, "changes");
    printf("%6lld  %-20s  %.12s  %6lld  %-*s ", number(one, "number"), text(one, "time"), text(one, "digest"),
        number(one, "routes"), who_width, text(one, "who"));
    print_change(changes, "added", '+');
    print_change(changes, "removed", '-');
    print_change(changes, "changed", '~');
    if (text(one, "why")[0])
        printf("  \"%s\"", text(one, "why"));
    putchar('\n');
}

// Takes pages until there are enough. The list (owned), or NULL.
static json_t *fetch_history(const struct arguments *arguments) {
    json_t *all = json_array();
    long long before = 0;
    bool more = true;
    while (all && more && (arguments->count == 0 || json_array_size(all) < arguments->count)) {
        char path[80];
        long status = 0;
        snprintf(path, sizeof path, "/routes/history?before=%lld&count=%llu", before,
            arguments->count ? arguments->count - json_array_size(all) : 0);
        json_t *page = admin_ask("routes", arguments->admin, path, NULL, 30, &status);
        if (!went_well(page, status)) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(page, "activations"));
        before = number(page, "before");
        more = json_is_true(json_object_get(page, "more"));
        json_decref(page);
    }
    return all;
}

static void print_history(const json_t *all) {
    size_t i;
    json_t *one;
    size_t width = strlen("WHO");
    json_array_foreach(all, i, one) width =
        strlen(text(one, "who")) > width ? strlen(text(one, "who")) : width;
    int who_width = width > 40 ? 40 : (int)width;
    printf("%6s  %-20s  %-12s  %6s  %-*s  %s\n", "NUMBER", "TIME", "DIGEST", "ROUTES", who_width, "WHO",
        "ROUTES ADDED + REMOVED - CHANGED ~, WHY");
    json_array_foreach(all, i, one) print_activation(one, who_width);
}

static int history(const struct arguments *arguments) {
    json_t *all = fetch_history(arguments);
    if (!all)
        return EXIT_FAILED;
    if (arguments->json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_history(all);
    }
    json_decref(all);
    return EXIT_DONE;
}

// ---- show and diff ----

static bool is_plain(const char *which) {
    return which[0] && strspn(which, "0123456789abcdef") == strlen(which) && strlen(which) <= 64;
}

// The description of an activation with its files (owned), or NULL with the problem said.
static json_t *fetch_files(const struct arguments *arguments, const char *which) {
    char path[100];
    long status = 0;
    snprintf(path, sizeof path, "/routes/files?of=%s", which);
    json_t *answer = admin_ask("routes", arguments->admin, path, NULL, 60, &status);
    return went_well(answer, status) ? answer : NULL;
}

// Its time is that of the activation: diff(1) prints it. False with errno.
static bool write_file(const char *path, const json_t *content, const struct timespec *at) {
    FILE *to = fopen(path, "we");
    size_t size = json_string_length(content);
    bool written = to && fwrite(json_string_value(content), 1, size, to) == size;
    if (to && fclose(to) != 0)
        written = false;
    return written && utimensat(AT_FDCWD, path, (struct timespec[]){*at, *at}, 0) == 0;
}

static int write_files(const json_t *activation, const char *folder) {
    if (mkdir(folder, 0777) != 0)
        return cli_failed("routes", "can't make %s: %s", folder, strerror(errno));
    long long time_us = number(activation, "time_us");
    const struct timespec at = {.tv_sec = time_us / 1000000, .tv_nsec = time_us % 1000000 * 1000};
    size_t i;
    json_t *file;
    json_array_foreach(json_object_get(activation, "files"), i, file) {
        struct buffer path = {0};
        bool written = buffer_append_format(&path, "%s/%s", folder, text(file, "name")) == 0 &&
                       write_file(buffer_text(&path), json_object_get(file, "text"), &at);
        if (!written)
            cli_failed(
                "routes", "can't write %s: %s", path.data ? buffer_text(&path) : folder, strerror(errno));
        buffer_destroy(&path);
        if (!written)
            return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int show(const struct arguments *arguments) {
    json_t *activation = fetch_files(arguments, arguments->which[0]);
    if (!activation)
        return EXIT_FAILED;
    int exit_status = EXIT_DONE;
    if (arguments->output) {
        exit_status = write_files(activation, arguments->output);
    } else if (arguments->json) {
        json_dumpf(activation, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        size_t i;
        json_t *file;
        json_array_foreach(json_object_get(activation, "files"), i, file)
            printf("# ---- %s ----\n%s", text(file, "name"), text(file, "text"));
    }
    json_decref(activation);
    return exit_status;
}

// diff(1) in a folder of our own: 0 the same, 1 differences, as it says.
static int run_diff(const char *folder, const char *first, const char *second) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(folder) == 0)
            execlp("diff", "diff", "-ruN", first, second, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1) {
        cli_failed("routes", "diff(1) can't be run");
        return EXIT_WRONG;
    }
    return WEXITSTATUS(status);
}

static void remove_files(const json_t *activation, const char *folder) {
    size_t i;
    json_t *file;
    json_array_foreach(json_object_get(activation, "files"), i, file) {
        struct buffer path = {0};
        if (buffer_append_format(&path, "%s/%s", folder, text(file, "name")) == 0)
            unlink(buffer_text(&path));
        buffer_destroy(&path);
    }
    rmdir(folder);
}

static int diff_two(const json_t *a, const json_t *b) {
    char folder[] = "/tmp/hutong-routes-XXXXXX";
    char names[2][32];
    char paths[2][128];
    if (!mkdtemp(folder)) {
        cli_failed("routes", "can't make a folder in /tmp: %s", strerror(errno));
        return EXIT_WRONG;
    }
    const json_t *both[] = {a, b};
    int exit_status = EXIT_DONE;
    for (int i = 0; i < 2; i++) {
        snprintf(names[i], sizeof names[i], "%lld", number(both[i], "number"));
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
    }
    if (number(a, "number") != number(b, "number")) {
        for (int i = 0; i < 2 && exit_status == EXIT_DONE; i++)
            exit_status = write_files(both[i], paths[i]) == EXIT_DONE ? EXIT_DONE : EXIT_WRONG;
        if (exit_status == EXIT_DONE)
            exit_status = run_diff(folder, names[0], names[1]);
        for (int i = 0; i < 2; i++)
            remove_files(both[i], paths[i]);
    }
    rmdir(folder);
    return exit_status;
}

// The number of what is in force; false with the problem said.
static bool find_active(const struct arguments *arguments, char out[32]) {
    long status = 0;
    json_t *answer = admin_ask("routes", arguments->admin, "/status", NULL, 10, &status);
    if (!went_well(answer, status))
        return false;
    snprintf(out, 32, "%lld", number(json_object_get(answer, "configuration"), "number"));
    json_decref(answer);
    return true;
}

// 1 means differences, so all that fails is 2, as with diff(1).
static int diff(const struct arguments *arguments) {
    char active[32];
    const char *second = arguments->which[1];
    if (!second && !find_active(arguments, active))
        return EXIT_WRONG;
    json_t *a = fetch_files(arguments, arguments->which[0]);
    json_t *b = a ? fetch_files(arguments, second ? second : active) : NULL;
    int exit_status = b ? diff_two(a, b) : EXIT_WRONG;
    json_decref(a);
    json_decref(b);
    return exit_status;
}

// ---- rollback ----

static int rollback(const struct arguments *arguments) {
    json_t *body = json_pack("{s:s, s:s, s:b}", "of", arguments->which[0] ? arguments->which[0] : "", "why",
        arguments->why, "force", arguments->force);
    if (!body)
        return cli_wrong("routes", "--why is UTF-8 text");
    long status = 0;
    json_t *answer = admin_ask("routes", arguments->admin, "/routes/rollback", body, 0, &status);
    json_decref(body);
    return answer ? reload_print("routes rollback", answer, arguments->json) : EXIT_FAILED;
}

// ---- Usage ----

// 0, or the exit status.
static int take_option(int option, struct arguments *arguments) {
    char *end = NULL;
    switch (option) {
    case 'a':
        arguments->admin = optarg;
        return EXIT_DONE;
    case 'o':
        arguments->output = optarg;
        return EXIT_DONE;
    case 'w':
        arguments->why = optarg;
        return EXIT_DONE;
    case 'f':
        arguments->force = true;
        return EXIT_DONE;
    case 'j':
        arguments->json = true;
        return EXIT_DONE;
    case 'c':
        arguments->count = strtoull(optarg, &end, 10);
        if (optarg[0] < '0' || optarg[0] > '9' || *end)
            return cli_wrong("routes", "--count is a number, not \"%s\"", optarg);
        return EXIT_DONE;
    default:
        return EXIT_WRONG;
    }
}

static const struct {
    const char *name;
    int least, most; // arguments
    const char *takes;
    int (*run)(const struct arguments *arguments);
} actions[] = {{"history", 0, 0, "no activation", history}, {"show", 1, 1, "one activation", show},
    {"diff", 1, 2, "one activation or two", diff}, {"rollback", 0, 1, "one activation at most", rollback}};

// `words`: the action, and its arguments.
static int run(struct arguments *arguments, char **words, int count) {
    size_t i = 0;
    while (i < sizeof actions / sizeof actions[0] && strcmp(actions[i].name, words[0]) != 0)
        i++;
    if (i == sizeof actions / sizeof actions[0])
        return cli_wrong("routes", "there is no \"%s\"; see --help", words[0]);
    if (count - 1 < actions[i].least || count - 1 > actions[i].most)
        return cli_wrong("routes", "%s takes %s; see --help", words[0], actions[i].takes);
    if (!arguments->admin)
        return cli_wrong("routes", "--admin SOCKET is needed; see --help");
    for (int k = 1; k < count; k++) {
        if (!is_plain(words[k]))
            return cli_wrong("routes", "\"%s\" is neither a number nor the beginning of a digest", words[k]);
        arguments->which[k - 1] = words[k];
    }
    return actions[i].run(arguments);
}

int command_routes(int argc, char **argv) {
    struct arguments arguments = {.why = "", .count = 20};
    static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
        {"count", required_argument, NULL, 'c'}, {"output", required_argument, NULL, 'o'},
        {"why", required_argument, NULL, 'w'}, {"force", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "a:o:h", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        }
        int exit_status = take_option(option, &arguments);
        if (exit_status != EXIT_DONE)
            return exit_status;
    }
    if (optind == argc)
        return cli_wrong("routes", "history, show, diff or rollback? See --help");
    return run(&arguments, argv + optind, argc - optind);
}
