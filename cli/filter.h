// Which messages are meant, for commands that act on many: by type, subject, source, route, reason, time, and
// an expression over the message.
#pragma once

#include "cli/cli.h"
#include "core/base/buffer.h"
#include "core/cel/cel.h"

struct policy;

struct cli_filter {
    const char *type;
    const char *when;   // CEL over msg, of --type
    const char *config; // whose code lists it may read; NULL: the usual one
    const char *subject;
    const char *source;
    const char *route;
    const char *reason;
    int64_t since_us; // 0: from the first
    int64_t until_us; // before; 0: to the last
    bool all;         // it is said that all are meant
    unsigned given;   // which options there were
    // Made by cli_filter_open():
    const struct schema_message *message;
    struct policy *policy; // for its codes; owned, as what follows; NULL: there are none
    struct paths *paths;
    struct cel_env *env;
    struct cel_program *program;
    struct scan *scan;
    struct cel_activation *activation;
    size_t variable;
    struct buffer words; // the options, but for what may name a person, for the journal
    uint64_t failures;   // of the expression
};

#define CLI_FILTER_HELP                                                                                      \
    "      --type TYPE          only messages of this type (full protobuf name)\n"                           \
    "      --when CEL           only those of --type for which this is true, such as\n"                      \
    "                           'msg.unit_code.startsWith(\"330106\")'\n"                                    \
    "      --config BROKER_YAML whose code lists codes() and in_codes() of --when read\n"                    \
    "                           (default: conf/broker.yaml here, else /etc/hutong/broker.yaml)\n"            \
    "      --subject TEXT       only those about this\n"                                                     \
    "      --source SYSTEM      only those that this system published\n"                                     \
    "      --since TIME         only from then on: 2026-03-01 or 2026-03-01T08:00:00+08:00\n"                \
    "      --until TIME         only before then\n"
#define CLI_FILTER_OPTIONS                                                                                   \
    {"type", required_argument, NULL, 1100}, {"when", required_argument, NULL, 1101},                        \
        {"subject", required_argument, NULL, 1102}, {"source", required_argument, NULL, 1103},               \
        {"since", required_argument, NULL, 1104}, {"until", required_argument, NULL, 1105},                  \
        {"config", required_argument, NULL, 1109}
// For dead letters only.
#define CLI_FILTER_DEAD_OPTIONS                                                                              \
    {"route", required_argument, NULL, 1106}, {"reason", required_argument, NULL, 1107},                     \
        {"all", no_argument, NULL, 1108}

// Takes one of the options above. EXIT_DONE; EXIT_WRONG with what was told; -1: it is none of them.
int cli_filter_option(const char *command, struct cli_filter *filter, int option, const char *value);
bool cli_filter_empty(const struct cli_filter *filter); // it takes everything
// Compiles the expression. EXIT_DONE, or what was told, with its place.
int cli_filter_open(const char *command, const struct catalogue *catalogue, struct cli_filter *filter);
void cli_filter_close(struct cli_filter *filter);

struct cli_candidate {
    int64_t time_us;
    struct bytes type, subject, source, payload;
    const char *route;  // of a dead letter
    const char *reason; // of a dead letter
};
// An expression that fails on a message doesn't take it, and is counted.
bool cli_filter_takes(struct cli_filter *filter, const struct cli_candidate *candidate);
// Tells how often the expression failed, if it did.
void cli_filter_tell(const char *command, const struct cli_filter *filter);
