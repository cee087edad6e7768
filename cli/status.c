#include "cli/cli.h"

#include "core/base/buffer.h"

#include <curl/curl.h>
#include <getopt.h>
#include <jansson.h>
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

static size_t take(char *data, size_t size, size_t count, void *context) {
    return buffer_append(context, data, size * count) == 0 ? size * count : 0;
}

static json_t *fetch(const char *admin, char *problem) {
    struct buffer body = {.limit = 64u << 20};
    char url[256] = "http://localhost/status";
    CURL *curl = curl_easy_init();
    if (!curl)
        return NULL;
    if (strchr(admin, '/') || !strchr(admin, ':'))
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, admin);
    else
        snprintf(url, sizeof url, "http://%s/status", admin);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    json_t *status = NULL;
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_COULDNT_CONNECT)
        snprintf(problem, CURL_ERROR_SIZE,
            "nobody listens there; is the broker running, and is this what broker.yaml names as admin?");
    if (code == CURLE_OK) {
        json_error_t error;
        status = json_loadb((const char *)body.data, body.size, 0, &error);
        if (!status)
            snprintf(problem, CURL_ERROR_SIZE, "the answer is no JSON: %s", error.text);
    }
    curl_easy_cleanup(curl);
    buffer_destroy(&body);
    return status;
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
    printf("broker %s  %s  %s  up %llds  %lld routes\n", text(status, "version"), text(status, "listen"),
        text(status, "state"), number(status, "uptime_s"), number(status, "routes"));
    printf("accepted %lld (%.0f/s)  refused %lld  repeats %lld  unrouted %lld  settled %lld (%.0f/s)  dead "
           "%lld  denied keys %lld\n",
        number(now, "accepted"), rate(now, then, "accepted", seconds), number(now, "refused"),
        number(now, "repeats"), number(now, "unrouted"), number(now, "settled"),
        rate(now, then, "settled", seconds), number(now, "dead"),
        number(json_object_get(status, "net"), "denied_keys"));
    printf("journal %lld segments  %.1f MiB  records %lld to %lld\n\n", number(journal, "segments"),
        (double)number(journal, "bytes") / 1048576, number(journal, "first"), number(journal, "last"));
}

static void print_peers(const json_t *status) {
    printf("%-34s %-12s %9s %9s %9s %9s %9s  %s\n", "PEER", "INSTANCE", "ACCEPTED", "REFUSED", "DELIVERED",
        "SETTLED", "FAILED", "SOFTWARE");
    size_t i;
    json_t *peer;
    json_array_foreach(json_object_get(status, "peers"), i, peer) printf(
        "%-34s %-12s %9lld %9lld %9lld %9lld %9lld  %s\n", text(peer, "system"), text(peer, "instance"),
        number(peer, "accepted"), number(peer, "refused"), number(peer, "delivered"), number(peer, "settled"),
        number(peer, "failed"), text(peer, "software"));
}

static void print_queues(const json_t *status, const json_t *before, double seconds) {
    printf("\n%-42s %9s %9s %9s %10s %9s %9s  %s\n", "QUEUE", "WAITING", "IN FLIGHT", "ROUTED", "SETTLED/s",
        "RETRIED", "DEAD", "RECEIVER");
    size_t i;
    json_t *queue;
    json_array_foreach(json_object_get(status, "queues"), i, queue) {
        bool dead = strncmp(text(queue, "name"), "dead:", 5) == 0;
        if (dead && number(queue, "waiting") == 0)
            continue;
        const json_t *then = same_named(json_object_get(before, "queues"), text(queue, "name"));
        printf("%-42s %9lld %9lld %9lld %10.0f %9lld %9lld  %s\n", text(queue, "name"),
            number(queue, "waiting"), number(queue, "in_flight"), number(queue, "routed"),
            rate(queue, then, "settled", seconds), number(queue, "retried"), number(queue, "dead"),
            dead                                                ? ""
            : json_is_true(json_object_get(queue, "receiving")) ? "connected"
                                                                : "away");
    }
}

static int show(const char *admin, double interval) {
    char problem[CURL_ERROR_SIZE] = "";
    json_t *before = interval > 0 ? fetch(admin, problem) : NULL;
    if (before)
        nanosleep(&(struct timespec){.tv_sec = (time_t)interval,
                      .tv_nsec = (long)((interval - (double)(time_t)interval) * 1e9)},
            NULL);
    json_t *status = fetch(admin, problem);
    if (!status)
        return cli_failed("status", "%s: %s", admin, problem);
    double seconds = before ? (double)(number(status, "time_us") - number(before, "time_us")) / 1e6 : 0;
    print_counters(status, before, seconds);
    print_peers(status);
    print_queues(status, before, seconds);
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
    char problem[CURL_ERROR_SIZE] = "";
    json_t *status = fetch(admin, problem);
    if (!status)
        return cli_failed("status", "%s: %s", admin, problem);
    json_dumpf(status, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(status);
    return EXIT_DONE;
}
