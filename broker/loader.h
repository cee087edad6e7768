// The thread that loads configurations, so that the core doesn't wait: it checks a whole set, hands it to the
// core by message, and frees the one that it replaced. One after the other: who asks meanwhile waits in line.
#pragma once

#include "broker/configuration/configuration.h"
#include "broker/net/router.h"

struct loader;

struct loader_options {
    const char *broker_yaml;
    struct configuration *configuration; // in force; taken when it starts
    struct router *router;
    int reload_fd; // a signalfd: each signal asks for a reload; -1: none
};

// 0, or negative with the text.
int loader_start(const struct loader_options *options, struct loader **out, struct error *error);
// Waits for its end (router_close_mailboxes() first) and returns owned the configuration in force.
struct configuration *loader_stop(struct loader **self);

// What it is asked for, at its mailbox: a JSON object with "command" and the arguments below. The answer is
// an HTTP status of three digits, then a JSON object (docs/operations.md).
//   reload {who, why}
//   history {before, count}      activations with a position below `before` (0: all), newest first
//   files {of}                   the routes' files of one, by number or digest
//   rollback {who, why, of, force}
//   letters {system, from}       dead letters that wait, from a position on: a page of them
//   dead-replay, dead-drop {who, why, filter, system, positions: [[first, count], …]}
//   replay {who, why, filter, system, sequences: [[first, count], …]}  messages of the journal
#define LOADER_MAILBOX "loader"
