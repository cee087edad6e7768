#include "bench/bench.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "Usage: hutong-bench ROLE --endpoint E [OPTION…]\n"
                            "One process of a benchmark; bench/run starts them.\n"
                            "ROLE: publish receive relay relay-publish relay-receive\n";

static const struct option long_options[] = {{"endpoint", required_argument, NULL, 'e'},
    {"systems", required_argument, NULL, 's'}, {"keys", required_argument, NULL, 'k'},
    {"catalogue", required_argument, NULL, 'c'}, {"copies", required_argument, NULL, 'o'},
    {"messages", required_argument, NULL, 'a'}, {"divisions", required_argument, NULL, 'd'},
    {"size", required_argument, NULL, 'z'}, {"window", required_argument, NULL, 'w'},
    {"subjects", required_argument, NULL, 'j'}, {"rate", required_argument, NULL, 'r'},
    {"warm", required_argument, NULL, 'm'}, {"count", required_argument, NULL, 'n'},
    {"progress", required_argument, NULL, 'p'}, {"unconsumed", required_argument, NULL, 'u'},
    {"lanes", no_argument, NULL, 'l'}, {"first", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'}, {0}};

static int parse(int argc, char **argv, struct bench_options *out) {
    for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        switch (option) {
        case 'e':
            out->endpoint = optarg;
            break;
        case 's':
            out->systems = optarg;
            break;
        case 'k':
            out->keys = optarg;
            break;
        case 'o':
            out->load.copies = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'a':
            out->load.messages = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            out->catalogue = optarg;
            break;
        case 'd':
            out->divisions = optarg;
            break;
        case 'z':
            out->size = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            out->load.window = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'j':
            out->subjects = (uint32_t)strtoul(optarg, NULL, 10);
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
        case 'u':
            out->load.unconsumed = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            out->first = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'l':
            out->lanes = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return 2;
        }
    }
    out->load.seconds = out->load.messages ? 0 : out->warm_s + out->count_s;
    return out->endpoint && out->subjects && out->load.copies && optind == argc - 1 ? 0 : 2;
}

// Frames of 256 KiB come and go: what they lie in is not to go back to the system and come again page by
// page.
#define KEPT_BYTES (32 << 20)

int main(int argc, char **argv) {
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    static const struct {
        const char *name;
        int (*run)(const struct bench_options *options);
    } roles[] = {{"publish", bench_publish}, {"receive", bench_receive}, {"relay", relay_run},
        {"relay-publish", relay_publish}, {"relay-receive", relay_receive}};
    struct bench_options options = {.divisions = "330106",
        .systems = "",
        .size = 1024,
        .subjects = 100000,
        .load = {.window = 10000, .copies = 1},
        .warm_s = 3,
        .count_s = 8};
    load_watch_signals();
    if (parse(argc, argv, &options) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(argv[optind], roles[i].name) == 0)
            return roles[i].run(&options);
    fputs(usage, stderr);
    return 2;
}
