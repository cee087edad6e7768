#include "bench/peers/peer.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 256 // messages between two looks at the socket
#define WAIT_US 200
#define LAST_WAIT_US 60000000
#define MESSAGE_HEAD 16 // number and intended time

static struct tally tally;

void peer_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "hutong-bench-%s: ", peer_driver.name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *peer_calloc(size_t size) {
    void *made = calloc(1, size);
    if (!made)
        peer_fail("no memory");
    return made;
}

void peer_received(size_t queue, struct bytes message) {
    uint64_t number;
    int64_t intended_us;
    if (message.size < MESSAGE_HEAD)
        peer_fail("a message of %zu bytes came", message.size);
    memcpy(&number, message.data, sizeof number);
    memcpy(&intended_us, message.data + sizeof number, sizeof intended_us);
    tally_sequence(&tally, queue, number);
    tally_receipt(&tally, intended_us);
}

// Sends what may go now. Returns how long nothing else has to be done.
static int64_t send_some(struct load *load, uint64_t acknowledged, void *self, struct bytes message) {
    for (int i = 0; i < BURST; i++) {
        int64_t intended_us;
        enum load_next next = load_next(load, acknowledged, &intended_us);
        if (next == LOAD_EARLY)
            return intended_us - load_now_us();
        if (next != LOAD_GO)
            return WAIT_US;
        uint8_t *at = (uint8_t *)(uintptr_t)message.data;
        memcpy(at, &load->sent, sizeof load->sent);
        memcpy(at + sizeof load->sent, &intended_us, sizeof intended_us);
        peer_driver.send(self, message);
        load->sent++;
    }
    return 0;
}

static int publish(const struct peer_options *options) {
    void *self = peer_driver.open(options, false);
    size_t size = options->size < MESSAGE_HEAD ? MESSAGE_HEAD : options->size;
    uint8_t *text = peer_calloc(size);
    memset(text, 'x', size);
    struct bytes message = bytes_of(text, size);
    struct load load;
    uint64_t acknowledged = 0;
    fputs("ready\n", stderr);
    load_start(&load, &options->load);
    while (!load_done(&load) && !load_stopped()) {
        int64_t wait = send_some(&load, acknowledged, self, message);
        acknowledged += peer_driver.pump(self, wait > 1000 ? 1000 : wait);
    }
    for (int64_t end = load_now_us() + LAST_WAIT_US; acknowledged < load.sent && load_now_us() < end;)
        acknowledged += peer_driver.pump(self, WAIT_US);
    printf("{\"sent\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"seconds\": %.3f}\n", load.sent, acknowledged,
        (double)(load_now_us() - load.started_us) / 1e6);
    peer_driver.close(self);
    free(text);
    return acknowledged == load.sent ? 0 : 1;
}

static int receive(const struct peer_options *options) {
    void *self = peer_driver.open(options, true);
    tally.warm_s = options->warm_s;
    tally.count_s = options->count_s;
    tally.progress = load_progress(options->load.progress);
    fputs("ready\n", stderr);
    while (!load_stopped()) {
        peer_driver.pump(self, 1000);
        tally_tell(&tally);
    }
    for (int64_t last = load_now_us(); load_now_us() - last < 500000;)
        if (peer_driver.pump(self, 1000) > 0)
            last = load_now_us();
    tally_print(&tally);
    tally_free(&tally);
    peer_driver.close(self);
    return 0;
}

static int prepare(const struct peer_options *options) {
    peer_driver.prepare(options);
    puts("{}");
    return 0;
}

static const struct option long_options[] = {{"folder", required_argument, NULL, 'f'},
    {"port", required_argument, NULL, 't'}, {"mode", required_argument, NULL, 'o'},
    {"size", required_argument, NULL, 'z'}, {"queues", required_argument, NULL, 'q'},
    {"window", required_argument, NULL, 'w'}, {"unconsumed", required_argument, NULL, 'u'},
    {"rate", required_argument, NULL, 'r'}, {"warm", required_argument, NULL, 'm'},
    {"count", required_argument, NULL, 'n'}, {"progress", required_argument, NULL, 'p'}, {0}};

static int parse(int argc, char **argv, struct peer_options *out) {
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (option) {
        case 'f':
            out->folder = optarg;
            break;
        case 't':
            out->port = (int)strtol(optarg, NULL, 10);
            break;
        case 'o':
            out->mode = optarg;
            break;
        case 'z':
            out->size = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'q':
            out->queues = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            out->load.window = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'u':
            out->load.unconsumed = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            out->load.rate = strtod(optarg, NULL);
            break;
        case 'm':
            out->warm_s = strtod(optarg, NULL);
            break;
        case 'n':
            out->count_s = strtod(optarg, NULL);
            break;
        case 'p':
            out->load.progress = optarg;
            break;
        default:
            return 2;
        }
    }
    out->load.copies = out->queues;
    out->load.seconds = out->warm_s + out->count_s;
    return out->queues && out->load.window && optind == argc - 1 ? 0 : 2;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(const struct peer_options *options);
    } roles[] = {{"prepare", prepare}, {"publish", publish}, {"receive", receive}};
    struct peer_options options = {.mode = "",
        .folder = "",
        .size = 1024,
        .queues = 1,
        .load = {.window = 10000, .unconsumed = 10000},
        .warm_s = 3,
        .count_s = 8};
    load_watch_signals();
    if (parse(argc, argv, &options) == 0)
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
            if (strcmp(argv[optind], roles[i].name) == 0)
                return roles[i].run(&options);
    fprintf(stderr,
        "Usage: hutong-bench-%s prepare|publish|receive [OPTION...]; bench/run --peers starts it\n",
        peer_driver.name);
    return 2;
}
