// Publishers and receivers over the SDK: as many unaccepted as the window allows, each message settled
// singly.
#include "bench/clients.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *bench_key(const struct bench_options *options, const char *system, bool secret) {
    static char path[1024];
    if (!options->keys)
        return NULL;
    int start = snprintf(path, sizeof path, "%s/", options->keys);
    snprintf(path + start, sizeof path - (size_t)start, "%s%s", system, secret ? "_secret" : "");
    char *slash = strchr(path + start, '/');
    if (slash)
        *slash = '-';
    return path;
}

static struct hutong *connected(const struct bench_options *options, const char *system, bool receive) {
    char key[1024];
    char broker_key[1024];
    snprintf(key, sizeof key, "%s", options->keys ? bench_key(options, system, true) : "");
    snprintf(broker_key, sizeof broker_key, "%s", options->keys ? bench_key(options, "broker", false) : "");
    struct hutong_options open = {.endpoint = options->endpoint,
        .system = system,
        .key_file = options->keys ? key : NULL,
        .broker_key_file = options->keys ? broker_key : NULL,
        .receive = receive,
        .receive_messages = options->load.window,
        .receive_bytes = 256u << 20,
        .window_messages = options->load.window,
        .window_bytes = 256u << 20,
        .software = "hutong-bench"};
    struct hutong *hutong = NULL;
    struct hutong_error error = {0};
    if (hutong_open(&open, &hutong, &error) != HUTONG_OK ||
        hutong_wait_connected(hutong, 10000) != HUTONG_OK) {
        struct hutong_status status = {0};
        if (hutong)
            hutong_status(hutong, &status);
        fprintf(stderr, "hutong-bench: %s: %s%s\n", system, error.text, status.text);
        hutong_close(&hutong, 0);
    }
    return hutong;
}

static size_t split(const char *text, char texts[][NAME_SIZE], size_t capacity) {
    size_t count = 0;
    while (*text && count < capacity) {
        size_t length = strcspn(text, ",");
        snprintf(texts[count++], NAME_SIZE, "%.*s", (int)length, text);
        text += length + (text[length] == ',');
    }
    return count;
}

bool clients_open(struct clients *clients, const struct bench_options *options, bool receive) {
    clients->count = split(options->systems, clients->systems, CLIENTS_MAX);
    for (size_t i = 0; i < clients->count; i++) {
        clients->items[i] = connected(options, clients->systems[i], receive);
        if (!clients->items[i])
            return false;
        clients->polls[i] = (struct pollfd){.fd = hutong_fd(clients->items[i]), .events = POLLIN};
    }
    return clients->count > 0;
}

void clients_close(struct clients *clients) {
    for (size_t i = 0; i < clients->count; i++)
        hutong_close(&clients->items[i], 2000);
}

size_t clients_dispatch(struct clients *clients, uint32_t timeout_ms) {
    if (clients->count == 1)
        return hutong_dispatch(clients->items[0], timeout_ms);
    size_t ran = 0;
    if (poll(clients->polls, clients->count, (int)timeout_ms) > 0)
        for (size_t i = 0; i < clients->count; i++)
            if (clients->polls[i].revents)
                ran += hutong_dispatch(clients->items[i], 0);
    return ran;
}

// ---- Publishing ----

struct publisher {
    const struct bench_options *options;
    struct clients clients;
    struct buffer payloads[DIVISIONS_MAX];
    size_t payload_count;
    struct load load;
    uint64_t decided;
    uint64_t refused;
};

static void on_outcome(void *context, const struct hutong_outcome *outcome) {
    struct publisher *publisher = context;
    publisher->decided++;
    if (!outcome->accepted)
        publisher->refused++;
}

static bool make_payloads(struct publisher *publisher) {
    char divisions[DIVISIONS_MAX][NAME_SIZE];
    publisher->payload_count = split(publisher->options->divisions, divisions, DIVISIONS_MAX);
    for (size_t i = 0; i < publisher->payload_count; i++)
        if (payload_make(publisher->options->catalogue, divisions[i], publisher->options->size,
                &publisher->payloads[i]) != 0)
            return false;
    return publisher->payload_count > 0;
}

static enum hutong_code publish_one(
    struct publisher *publisher, int64_t intended_us, struct hutong_error *error) {
    struct hutong_publish_options how = {.callback = on_outcome, .context = publisher};
    uint64_t n = publisher->load.sent + publisher->options->first;
    char subject[] = "330106199000000000";
    char *digit = subject + sizeof subject - 1;
    for (uint64_t rest = (n * 7919) % publisher->options->subjects; rest; rest /= 10)
        *--digit = (char)('0' + rest % 10);
    const struct buffer *payload = &publisher->payloads[n % publisher->payload_count];
    struct hutong_message message = {.type = "gov.public_security.v1.ResidenceRegistered",
        .subject = subject,
        .time_us = intended_us,
        .payload = payload->data,
        .payload_size = payload->size};
    return hutong_publish(
        publisher->clients.items[n % publisher->clients.count], &message, &how, NULL, error);
}

#define RECEIPTS_US 500   // between two looks at what was received
#define LONGEST_US 100000 // without a look at the clock
#define SHORTEST_US 5     // less is over before it has slept

// Until what it waits for may have come. Decisions wake it; of receipts and of the time nobody tells. Looking
// again and again would take a core away from the bus.
static void wait_for(struct publisher *publisher, enum load_next next, int64_t intended_us) {
    struct clients *clients = &publisher->clients;
    int64_t us = LONGEST_US; // FULL, or GO: the connection's window was full
    if (next == LOAD_BEHIND)
        us = RECEIPTS_US;
    else if (next == LOAD_EARLY)
        us = intended_us - publisher->load.now_us;
    if (us < SHORTEST_US)
        return;
    us = us < LONGEST_US ? us : LONGEST_US;
    struct timespec time = {.tv_nsec = us * 1000};
    if (ppoll(clients->polls, clients->count, &time, NULL) > 0)
        clients_dispatch(clients, 0);
}

// Sends the next message or waits for what it waits for. False: the bus failed.
static bool publish_next(struct publisher *publisher) {
    int64_t intended_us;
    enum load_next next = load_next(&publisher->load, publisher->decided, &intended_us);
    struct hutong_error error;
    enum hutong_code code = next == LOAD_GO ? publish_one(publisher, intended_us, &error) : HUTONG_FULL;
    if (code == HUTONG_OK) {
        if (++publisher->load.sent % 256 == 0)
            clients_dispatch(&publisher->clients, 0);
    } else if (code != HUTONG_FULL) {
        fprintf(stderr, "hutong-bench: %s\n", error.text);
        return false;
    } else {
        wait_for(publisher, next, intended_us);
    }
    return true;
}

static bool wait_for_decisions(struct publisher *publisher) {
    int64_t end = load_now_us() + 60000000;
    while (publisher->decided < publisher->load.sent && load_now_us() < end)
        clients_dispatch(&publisher->clients, 100);
    return publisher->decided == publisher->load.sent;
}

int bench_publish(const struct bench_options *options) {
    static struct publisher publisher;
    publisher.options = options;
    if (!make_payloads(&publisher) || !clients_open(&publisher.clients, options, false))
        return 1;
    fputs("ready\n", stderr);
    load_start(&publisher.load, &options->load);
    bool fine = true;
    while (fine && !load_done(&publisher.load) && !load_stopped())
        fine = publish_next(&publisher);
    bool whole = fine && wait_for_decisions(&publisher) && publisher.refused == 0;
    printf("{\"sent\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"refused\": %" PRIu64
           ", \"whole\": %s, \"seconds\": %.3f}\n",
        publisher.load.sent, publisher.decided - publisher.refused, publisher.refused,
        whole ? "true" : "false", (double)(load_now_us() - publisher.load.started_us) / 1e6);
    clients_close(&publisher.clients);
    for (size_t i = 0; i < publisher.payload_count; i++)
        buffer_destroy(&publisher.payloads[i]);
    return whole ? 0 : 1;
}

// ---- Receiving ----

#define LANE_SHIFT 48
#define LANES_MAX 64

struct receiver {
    struct tally *tally;
    bool lanes;
    uint64_t last_positions[LANES_MAX];
};

// Positions of a queue rise by one: that shows a loss and a repeat. Those of a lane have holes: there a loss
// shows only in how many came.
static void on_delivery(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct receiver *receiver = context;
    uint64_t *last =
        &receiver->last_positions[receiver->lanes ? (delivery->position >> LANE_SHIFT) % LANES_MAX : 0];
    (void)settlement;
    if (delivery->position <= *last)
        receiver->tally->repeated++;
    else if (!receiver->lanes)
        receiver->tally->gaps += delivery->position - *last - 1;
    if (delivery->position > *last)
        *last = delivery->position;
    tally_receipt(receiver->tally, delivery->time_us);
}

int bench_receive(const struct bench_options *options) {
    static struct tally tally;
    static struct clients clients;
    static struct receiver receivers[CLIENTS_MAX];
    tally.progress = load_progress(options->load.progress);
    tally.warm_s = options->warm_s;
    tally.count_s = options->count_s;
    if (!clients_open(&clients, options, true))
        return 1;
    for (size_t i = 0; i < clients.count; i++) {
        receivers[i].tally = &tally;
        receivers[i].lanes = options->lanes;
        if (hutong_handle(clients.items[i], NULL, on_delivery, &receivers[i], NULL) != HUTONG_OK)
            return 1;
    }
    fputs("ready\n", stderr);
    while (!load_stopped() && (!options->load.messages || tally.total < options->load.messages)) {
        clients_dispatch(&clients, 100);
        tally_tell(&tally);
    }
    while (clients_dispatch(&clients, 200) > 0) {
    }
    clients_close(&clients);
    tally_print(&tally);
    return 0;
}
