#include "cli/admin.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "Usage: hutong status --admin SOCKET [OPTION…]\n"
    "Peers, queues and rates of a running broker.\n\n"
    "  -a, --admin SOCKET      what broker.yaml names as admin: a socket's path, or 127.0.0.1:PORT\n"
    "  -i, --interval SECONDS  measure rates over so long (default: 1; 0: no rates)\n"
    "      --json              the whole status as JSON\n"
    "  -h, --help              this text\n\n"
    "Exit status: 0; 1 the broker does not answer; 2 wrong usage.\n";

static json_t *fetch(const char *admin) {
    long status = 0;
    return admin_ask("status", admin, "/status", NULL, 10, &status);
}

static long long number(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

// The object of `list` with the same name; the lists of two samples need not be alike.
static const json_t *same_named(const json_t *list, const char *name) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) if (strcmp(text(item, "name"), name) == 0) return item;
    return NULL;
}

static double rate(const json_t *now, const json_t *before, const char *key, double seconds) {
    return before && seconds > 0 ? (double)(number(now, key) - number(before, key)) / seconds : 0;
}

static void print_counters(const json_t *status, const json_t *before, double seconds) {
    const json_t *now = json_object_get(status, "counters");
    const json_t *then = json_object_get(before, "counters");
    const json_t *journal = json_object_get(status, "journal");
    const json_t *configuration = json_object_get(status, "configuration");
    printf("broker %s  %s  %s  up %llds  %lld routes\n", text(status, "version"), text(status, "listen"),
        text(status, "state"), number(status, "uptime_s"), number(status, "routes"));
    printf("accepted %lld (%.0f/s)  refused %lld  repeats %lld  unrouted %lld  settled %lld (%.0f/s)  dead "
           "%lld  denied keys %lld\n",
        number(now, "accepted"), rate(now, then, "accepted", seconds), number(now, "refused"),
        number(now, "repeats"), number(now, "unrouted"), number(now, "settled"),
        rate(now, then, "settled", seconds), number(now, "dead"),
        number(json_object_get(status, "net"), "denied_keys"));
    printf("configuration %lld  digest %.12s  by %s\n", number(configuration, "number"),
        text(configuration, "digest"), text(configuration, "who"));
    printf("journal %lld segment%s  %.1f MiB  records %lld to %lld\n", number(journal, "segments"),
        number(journal, "segments") == 1 ? "" : "s", (double)number(journal, "bytes") / 1048576,
        number(journal, "first"), number(journal, "last"));
    if (number(journal, "damaged"))
        printf("journal DAMAGED, nothing retires: %s\n", text(journal, "damage"));
    if (number(journal, "read_failures"))
        printf("journal CAN'T BE READ, %lld times so far, the last: %s\n", number(journal, "read_failures"),
            text(journal, "read_failure"));
    printf("\n");
}

// "12 (33 %)": what it has in flight, and its share of the subjects; "-": it doesn't receive.
static const char *in_flight_of(const json_t *peer, char out[48]) {
    if (json_is_true(json_object_get(peer, "receives")))
        snprintf(out, 48, "%lld (%lld %%)", number(peer, "in_flight"), number(peer, "share_percent"));
    else
        snprintf(out, 48, "-");
    return out;
}

static void print_peers(const json_t *status) {
    printf("%-34s %-12s %9s %9s %9s %9s %9s %14s  %s\n", "PEER", "INSTANCE", "ACCEPTED", "REFUSED",
        "DELIVERED", "SETTLED", "FAILED", "IN FLIGHT", "SOFTWARE");
    size_t i;
    json_t *peer;
    char in_flight[48];
    json_array_foreach(json_object_get(status, "peers"), i, peer) printf(
        "%-34s %-12s %9lld %9lld %9lld %9lld %9lld %14s  %s\n", text(peer, "system"), text(peer, "instance"),
        number(peer, "accepted"), number(peer, "refused"), number(peer, "delivered"), number(peer, "settled"),
        number(peer, "failed"), in_flight_of(peer, in_flight), text(peer, "software"));
}

// Since when in words: "3h12m", "42s".
static void print_span(long long seconds) {
    if (seconds >= 86400)
        printf("%lldd%lldh", seconds / 86400, seconds % 86400 / 3600);
    else if (seconds >= 3600)
        printf("%lldh%lldm", seconds / 3600, seconds % 3600 / 60);
    else if (seconds >= 60)
        printf("%lldm%llds", seconds / 60, seconds % 60);
    else
        printf("%llds", seconds < 0 ? 0 : seconds);
}

// Publishers that wait, each with what it waits for.
static void print_parked(const json_t *status) {
    size_t i;
    json_t *peer;
    json_array_foreach(json_object_get(status, "peers"), i, peer) {
        const json_t *parked = json_object_get(peer, "parked");
        if (!parked)
            continue;
        printf("\nparked: %s %s has waited ", text(peer, "system"), text(peer, "instance"));
        print_span((number(status, "time_us") - number(parked, "since_us")) / 1000000);
        printf(" for room in %s\n", text(parked, "queue"));
    }
}

static void print_queues(const json_t *status, const json_t *before, double seconds) {
    printf("\n%-42s %9s %9s %9s %10s %9s %9s %9s  %s\n", "QUEUE", "WAITING", "IN FLIGHT", "ROUTED",
        "SETTLED/s", "RETRIED", "RETRYING", "DEAD", "RECEIVERS");
    size_t i;
    json_t *queue;
    json_array_foreach(json_object_get(status, "queues"), i, queue) {
        bool dead = strncmp(text(queue, "name"), "dead:", 5) == 0;
        if (dead && number(queue, "waiting") == 0)
            continue;
        const json_t *then = same_named(json_object_get(before, "queues"), text(queue, "name"));
        char receivers[24];
        snprintf(receivers, sizeof receivers, "%lld", number(queue, "receivers"));
        printf("%-42s %9lld %9lld %9lld %10.0f %9lld %9lld %9lld  %s\n", text(queue, "name"),
            number(queue, "waiting"), number(queue, "in_flight"), number(queue, "routed"),
            rate(queue, then, "settled", seconds), number(queue, "retried"), number(queue, "retrying"),
            number(queue, "dead"),
            dead                              ? ""
            : number(queue, "receivers") == 0 ? "away"
                                              : receivers);
    }
}

static int show(const char *admin, double interval) {
    json_t *before = interval > 0 ? fetch(admin) : NULL;
    if (interval > 0 && !before)
        return EXIT_FAILED;
    if (before)
        nanosleep(&(struct timespec){.tv_sec = (time_t)interval,
                      .tv_nsec = (long)((interval - (double)(time_t)interval) * 1e9)},
            NULL);
    json_t *status = fetch(admin);
    if (!status) {
        json_decref(before);
        return EXIT_FAILED;
    }
    double seconds = before ? (double)(number(status, "time_us") - number(before, "time_us")) / 1e6 : 0;
    print_counters(status, before, seconds);
    print_peers(status);
    print_queues(status, before, seconds);
    print_parked(status);
    json_decref(before);
    json_decref(status);
    return EXIT_DONE;
}

int command_status(int argc, char **argv) {
    const char *admin = NULL;
    double interval = 1;
    bool as_json = false;
    static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
        {"interval", required_argument, NULL, 'i'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "a:i:h", options, NULL)) != -1;) {
        switch (option) {
        case 'a':
            admin = optarg;
            break;
        case 'i':
            interval = strtod(optarg, NULL);
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
    if (!admin || optind != argc || interval < 0)
        return cli_wrong("status", "--admin SOCKET is needed, and nothing else; see --help");
    if (!as_json)
        return show(admin, interval);
    json_t *status = fetch(admin);
    if (!status)
        return EXIT_FAILED;
    json_dumpf(status, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(status);
    return EXIT_DONE;
}
