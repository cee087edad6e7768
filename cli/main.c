#include "cli/cli.h"

#include <string.h>

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"check", "check all of conf/ and routes/, and say everything that is wrong", command_check},
    {"dead", "dead letters: list, show, replay, drop", command_dead},
    {"explain", "say what the routes do with a message, and why", command_explain},
    {"journal", "list, show and verify the records of a journal", command_journal},
    {"keys", "make and show CURVE keys", command_keys},
    {"reload", "have a running broker check and take its configuration", command_reload},
    {"replay", "send messages of the journal to one system again", command_replay},
    {"routes", "what was in force and when; go back to it", command_routes},
    {"schema", "build a catalogue, look into it, and see what a new one breaks", command_schema},
    {"send", "publish JSON as a system", command_send},
    {"status", "peers, queues and rates of a running broker", command_status},
    {"tail", "receive as a system, as JSON", command_tail},
    {"test", "run the tests of the routes, routes/*.test.yaml", command_test},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(FILE *to) {
    fputs("Usage: hutong COMMAND [OPTION…]\nThe admin's tool for the Hutong message bus.\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\nhutong COMMAND --help says more. Exit status: 0 done; 1 failed or found something; 2 wrong "
          "input or usage.\n",
        to);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EXIT_WRONG;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("hutong " HUTONG_VERSION);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "hutong: there is no command \"%s\"\n\n", argv[1]);
    print_help(stderr);
    return EXIT_WRONG;
}
