// What hutong dead was asked, between dead.c (options), dead_list.c (looking) and dead_act.c (doing).
#pragma once

#include "cli/letters.h"

struct dead {
    const char *admin;
    const char *system; // NULL: all
    const char *why;
    const char *catalogue_path;
    struct catalogue *catalogue; // owned
    struct cli_filter filter;
    uint64_t limit; // of a list; 0: none
    bool json;
    bool dry;
    int count; // of what stands behind the options
    char **rest;
};

int dead_list(struct dead *dead);
int dead_show(struct dead *dead);
int dead_act(struct dead *dead, bool drop);
