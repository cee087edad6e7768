// Receives what the publishers sent, as an adapter of a system with transactions would: an effect is a line
// of a log together with the delivery's position; the round's lines are on disk before any of it is settled;
// a position that is there already has had its effect.
//   fault-receiver ENDPOINT LOG [SYSTEM [INSTANCE]]
// In the environment: FAULT_KEY and FAULT_BROKER_KEY, key files; FAULT_SLOW_US, what each effect takes;
// FAULT_POISON, a message ("SUBJECT NUMBER") that it does not survive: it rejects it when it comes for the
// FAULT_POISON_TRIES-th time.
// A line of LOG: "POSITION SUBJECT NUMBER", and a fourth column for the relation, where the notice has one.
#include "sdk/hutong.h"
#include "sdk/ranges.h"

#include "gov/housing/v1/tenancy.pb-c.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct receiver {
    const char *poison;
    unsigned long poison_tries;
    useconds_t slow_us;
    FILE *log;
    struct ranges seen; // positions
};

static volatile sig_atomic_t stopping;

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

// Whether the position is new; from now on it is known.
static bool remember(struct receiver *receiver, uint64_t position) {
    if (ranges_has(&receiver->seen, position))
        return false;
    if (ranges_add(&receiver->seen, position, position) != 0)
        abort();
    return true;
}

// Whether it is the message that ends this process, and came too often to be tried again.
static bool is_refused_poison(const struct receiver *receiver,
    const Gov__Housing__V1__OccupancyNotice *notice, const struct hutong_delivery *delivery) {
    char name[128];
    snprintf(name, sizeof name, "%s %s", notice->citizen_number, notice->unit_code);
    if (!receiver->poison || strcmp(name, receiver->poison) != 0)
        return false;
    if (delivery->attempt < receiver->poison_tries)
        abort();
    return true;
}

static void on_notice(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct receiver *receiver = context;
    Gov__Housing__V1__OccupancyNotice *notice =
        gov__housing__v1__occupancy_notice__unpack(NULL, delivery->payload_size, delivery->payload);
    if (!notice) {
        settlement->verdict = HUTONG_REJECT;
        snprintf(settlement->text, sizeof settlement->text, "not an OccupancyNotice");
        return;
    }
    if (is_refused_poison(receiver, notice, delivery)) {
        settlement->verdict = HUTONG_REJECT;
        snprintf(settlement->text, sizeof settlement->text, "it ended this process %u times",
            delivery->attempt - 1);
        gov__housing__v1__occupancy_notice__free_unpacked(notice, NULL);
        return;
    }
    if (receiver->slow_us)
        usleep(receiver->slow_us);
    ranges_raise(&receiver->seen, delivery->settled);
    if (remember(receiver, delivery->position))
        fprintf(receiver->log, "%llu %s %s%s%s\n", (unsigned long long)delivery->position,
            notice->citizen_number, notice->unit_code, notice->relation[0] ? " " : "", notice->relation);
    gov__housing__v1__occupancy_notice__free_unpacked(notice, NULL);
}

static void commit(void *context, size_t deliveries, struct hutong_settlement *settlement) {
    struct receiver *receiver = context;
    (void)deliveries;
    (void)settlement;
    if (fflush(receiver->log) == 0 && fdatasync(fileno(receiver->log)) == 0)
        return;
    perror("fault-receiver: log");
    exit(1);
}

// What an earlier process did. A kill may have left half a line: it was not settled, and comes again.
static int recover(struct receiver *receiver, const char *path) {
    FILE *log = fopen(path, "r+e");
    char line[128];
    long whole = 0;
    if (!log)
        return 0;
    while (fgets(line, sizeof line, log) && strchr(line, '\n')) {
        remember(receiver, strtoull(line, NULL, 10));
        whole = ftell(log);
    }
    int rc = ftruncate(fileno(log), whole);
    fclose(log);
    return rc;
}

static unsigned long number_from(const char *name) {
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

static int run(struct receiver *receiver, const char *endpoint, const char *system, const char *instance) {
    struct hutong *bus = NULL;
    struct hutong_options options = {.endpoint = endpoint,
        .system = system,
        .instance = instance,
        .key_file = getenv("FAULT_KEY"),
        .broker_key_file = getenv("FAULT_BROKER_KEY"),
        .receive = true,
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 100};
    struct hutong_error error = {0};
    if (hutong_open(&options, &bus, &error) != HUTONG_OK) {
        fprintf(stderr, "fault-receiver: %s\n", error.text);
        return 1;
    }
    hutong_handle(bus, "gov.housing.v1.OccupancyNotice", on_notice, receiver, NULL);
    hutong_on_round_end(bus, commit, receiver);
    while (!stopping)
        hutong_dispatch(bus, 50);
    hutong_close(&bus, 2000);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "Usage: fault-receiver ENDPOINT LOG [SYSTEM [INSTANCE]]\n");
        return 2;
    }
    struct receiver receiver = {.poison = getenv("FAULT_POISON"),
        .poison_tries = number_from("FAULT_POISON_TRIES"),
        .slow_us = (useconds_t)number_from("FAULT_SLOW_US")};
    signal(SIGTERM, on_signal);
    int rc = recover(&receiver, argv[2]);
    receiver.log = rc ? NULL : fopen(argv[2], "ae");
    if (receiver.log) {
        rc = run(&receiver, argv[1], argc > 3 ? argv[3] : "housing/tenancy", argc > 4 ? argv[4] : NULL);
        rc = fclose(receiver.log) == 0 ? rc : 1;
    } else {
        perror(argv[2]);
        rc = 1;
    }
    ranges_destroy(&receiver.seen);
    return rc;
}
