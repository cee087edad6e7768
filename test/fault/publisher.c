// Publishes numbered messages of many subjects until SIGTERM, and writes down each that the broker has
// accepted: the promise that the checker holds it to.
//   fault-publisher ENDPOINT INSTANCE LOG SPOOL-FOLDER SUBJECTS RATE
// FAULT_KEY and FAULT_BROKER_KEY in the environment name the key files, where the bus has CURVE.
// Subject i of instance a is "a-i"; its messages are numbered from 1. A line of LOG: "a-i NUMBER". Killed and
// started again, it goes on behind what its spool has: the spool's position is the count of what was
// published.
#include "sdk/hutong.h"

#include "core/base/clock.h"

#include "gov/public_security/v1/residence.pb-c.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW 4000     // unaccepted messages at most
#define SLOTS 8192      // more than WINDOW: a slot is free when it comes round again
#define LAST_WAIT_S 60u // for the outcomes, after SIGTERM

struct slot {
    struct publisher *publisher;
    char subject[32];
    unsigned long number;
};

struct publisher {
    struct hutong *bus;
    const char *instance;
    unsigned long subjects;
    uint64_t published; // ever
    uint64_t undecided; // of this process
    unsigned long refused;
    int log;
    struct slot slots[SLOTS];
};

static volatile sig_atomic_t stopping;

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

// What is written is with the kernel: it survives the kill of any process, and no machine is killed here.
static void on_outcome(void *context, const struct hutong_outcome *outcome) {
    const struct slot *slot = context;
    struct publisher *publisher = slot->publisher;
    char line[64];
    publisher->undecided--;
    if (!outcome->accepted) {
        publisher->refused++;
        fprintf(stderr, "refused %s %lu: %s\n", slot->subject, slot->number, outcome->error.text);
        return;
    }
    int size = snprintf(line, sizeof line, "%s %lu\n", slot->subject, slot->number);
    if (write(publisher->log, line, (size_t)size) != size) {
        perror("fault-publisher: log");
        exit(1);
    }
}

// A move of resident `subject` to dwelling `number`. Returns its size.
static size_t pack(const struct slot *slot, uint8_t *payload, size_t size) {
    Gov__PublicSecurity__V1__ResidenceRegistered message =
        GOV__PUBLIC_SECURITY__V1__RESIDENCE_REGISTERED__INIT;
    Gov__Common__V1__Person resident = GOV__COMMON__V1__PERSON__INIT;
    Gov__Common__V1__StructuredAddress address = GOV__COMMON__V1__STRUCTURED_ADDRESS__INIT;
    char subject[sizeof slot->subject];
    char number[24];
    snprintf(subject, sizeof subject, "%s", slot->subject);
    snprintf(number, sizeof number, "%lu", slot->number);
    resident.citizen_number = subject;
    address.unit_code = number;
    message.resident = &resident;
    message.address = &address;
    message.kind = GOV__PUBLIC_SECURITY__V1__RESIDENCE_REGISTERED__KIND__MOVE_IN;
    if (gov__public_security__v1__residence_registered__get_packed_size(&message) > size)
        return 0;
    return gov__public_security__v1__residence_registered__pack(&message, payload);
}

static enum hutong_code publish(struct publisher *publisher) {
    struct slot *slot = &publisher->slots[publisher->published % SLOTS];
    slot->publisher = publisher;
    slot->number = (unsigned long)(publisher->published / publisher->subjects + 1);
    snprintf(slot->subject, sizeof slot->subject, "%s-%lu", publisher->instance,
        (unsigned long)(publisher->published % publisher->subjects));
    uint8_t payload[256];
    struct hutong_message message = {.type = "gov.public_security.v1.ResidenceRegistered",
        .subject = slot->subject,
        .payload = payload,
        .payload_size = pack(slot, payload, sizeof payload)};
    uint64_t position = publisher->published + 1;
    struct hutong_publish_options options = {
        .callback = on_outcome, .context = slot, .position = &position, .position_size = sizeof position};
    struct hutong_error error = {0};
    enum hutong_code code = hutong_publish(publisher->bus, &message, &options, NULL, &error);
    if (code == HUTONG_OK) {
        publisher->published++;
        publisher->undecided++;
    } else if (code != HUTONG_FULL) {
        fprintf(stderr, "fault-publisher: %s\n", error.text);
    }
    return code;
}

static uint64_t left(const struct publisher *publisher) {
    struct hutong_status status;
    hutong_status(publisher->bus, &status);
    return publisher->undecided > status.spooled ? publisher->undecided : status.spooled;
}

// 0 when the broker has accepted everything, also what an earlier process left in the spool.
static int wait_for_outcomes(struct publisher *publisher) {
    uint64_t until = clock_monotonic_ns() + LAST_WAIT_S * CLOCK_SECOND_NS;
    while (left(publisher) > 0 && clock_monotonic_ns() < until)
        hutong_dispatch(publisher->bus, 20);
    if (left(publisher) > 0)
        fprintf(stderr, "fault-publisher: %llu undecided\n", (unsigned long long)left(publisher));
    return left(publisher) == 0 && publisher->refused == 0 ? 0 : 1;
}

// A steady rate, in portions of what a few milliseconds need; while the broker is away the window fills.
static int run(struct publisher *publisher, unsigned long rate) {
    uint64_t started = clock_monotonic_ns();
    unsigned long due = 0;
    while (!stopping) {
        unsigned long now_due = (unsigned long)((clock_monotonic_ns() - started) / 1000 * rate / 1000000);
        unsigned long count = now_due - due;
        due = now_due;
        while (count-- > 0 && publisher->undecided < WINDOW) {
            enum hutong_code code = publish(publisher);
            if (code == HUTONG_FULL)
                break;
            if (code != HUTONG_OK)
                return 1;
        }
        hutong_dispatch(publisher->bus, 2);
    }
    return wait_for_outcomes(publisher);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "Usage: fault-publisher ENDPOINT INSTANCE LOG SPOOL-FOLDER SUBJECTS RATE\n");
        return 2;
    }
    static struct publisher publisher;
    publisher.instance = argv[2];
    publisher.subjects = strtoul(argv[5], NULL, 10);
    unsigned long rate = strtoul(argv[6], NULL, 10);
    publisher.log = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct hutong_options options = {.endpoint = argv[1],
        .system = "public_security/population",
        .instance = argv[2],
        .spool_folder = argv[4],
        .key_file = getenv("FAULT_KEY"),
        .broker_key_file = getenv("FAULT_BROKER_KEY"),
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 100};
    struct hutong_error error = {0};
    if (publisher.log < 0 || publisher.subjects == 0 || rate == 0 ||
        hutong_open(&options, &publisher.bus, &error) != HUTONG_OK) {
        fprintf(stderr, "fault-publisher: %s\n",
            error.text[0] ? error.text : "a log, subjects and a rate are needed");
        return 2;
    }
    if (hutong_position(publisher.bus, &publisher.published, sizeof publisher.published) == 0)
        publisher.published = 0;
    signal(SIGTERM, on_signal);
    int rc = run(&publisher, rate);
    hutong_close(&publisher.bus, 1000);
    close(publisher.log);
    return rc;
}
