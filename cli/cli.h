// hutong(1): one program, a command a file. Exit status of every command: 0 done, 1 it failed or found
// something, 2 wrong input or usage.
#pragma once

#include "core/base/error.h"
#include "core/schema/catalogue.h"

#include <stdio.h>

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_WRONG = 2,
};

// Each takes its own name as argv[0] and parses the rest with getopt_long().
int command_check(int argc, char **argv);
int command_dead(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_journal(int argc, char **argv);
int command_keys(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_routes(int argc, char **argv);
int command_schema(int argc, char **argv);
int command_send(int argc, char **argv);
int command_status(int argc, char **argv);
int command_tail(int argc, char **argv);
int command_test(int argc, char **argv);

// "hutong COMMAND: …" on standard error; returns EXIT_WRONG.
int cli_wrong(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same, returns EXIT_FAILED.
int cli_failed(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The catalogue of `path`, or without one the one that was built or installed with this program. 0 or
// negative. Owned.
int cli_catalogue(const char *path, struct catalogue **out, struct error *error);
// Where the one without a path is; false: nowhere.
bool cli_catalogue_path(char *out, size_t size);

// How a command connects to the bus; shared by send and tail.
struct cli_bus {
    const char *endpoint;
    const char *system;
    const char *instance;
    const char *key;
    const char *broker_key;
    const char *catalogue;
};
#define CLI_BUS_HELP                                                                                         \
    "  -b, --bus ENDPOINT     the broker, such as tcp://127.0.0.1:7400\n"                                    \
    "  -s, --system SYSTEM    who to be, \"agency/system\"\n"                                                \
    "  -k, --key FILE         own secret key (hutong keys); none: no CURVE\n"                                \
    "  -B, --broker-key FILE  the broker's public key\n"                                                     \
    "      --instance NAME    of several with one key (default: cli)\n"                                      \
    "      --catalogue FILE   message types (default: the one that came with this program)\n"
#define CLI_BUS_SHORT "b:s:k:B:"
#define CLI_BUS_OPTIONS                                                                                      \
    {"bus", required_argument, NULL, 'b'}, {"system", required_argument, NULL, 's'},                         \
        {"key", required_argument, NULL, 'k'}, {"broker-key", required_argument, NULL, 'B'},                 \
        {"instance", required_argument, NULL, 1000}, {"catalogue", required_argument, NULL, 1001}
// Takes one of the options above; false when `option` is none of them.
bool cli_bus_option(struct cli_bus *bus, int option, const char *value);

struct hutong;
struct hutong_options;
// Opens a session and waits for it. EXIT_DONE with `*out`, or prints why not and returns the exit status.
int cli_connect(const char *command, const struct cli_bus *bus, bool receive, struct hutong **out);
