// Several connections of one process.
#pragma once

#include "bench/bench.h"
#include "sdk/hutong.h"

#include <poll.h>

#define CLIENTS_MAX 256
#define DIVISIONS_MAX 16
#define NAME_SIZE 130

struct clients {
    char systems[CLIENTS_MAX][NAME_SIZE];
    struct hutong *items[CLIENTS_MAX];
    struct pollfd polls[CLIENTS_MAX];
    size_t count;
};

bool clients_open(struct clients *clients, const struct bench_options *options, bool receive);
void clients_close(struct clients *clients);
size_t clients_dispatch(struct clients *clients, uint32_t timeout_ms);
