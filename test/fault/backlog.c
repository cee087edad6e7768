// Gathers a backlog in a spool as fast as it can, while no broker is there, and then lets it drain.
//   fault-backlog ENDPOINT SPOOL-FOLDER COUNT SUBJECTS [visits]
// Message n (from 0) is the (n / SUBJECTS + 1)-th of subject "s-(n % SUBJECTS)". Killed and started again, it
// goes on behind what its spool has. `visits`: of a kind that no route of the tests takes. On standard
// output, when each phase is over: "filled SECONDS MESSAGES", "drained SECONDS MESSAGES".
#include "sdk/hutong.h"

#include "core/base/clock.h"

#include "gov/public_security/v1/residence.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPOOL_LIMIT (1ull << 40)

static size_t pack(
    uint64_t n, uint64_t subjects, bool visit, char subject[32], uint8_t *payload, size_t size) {
    Gov__PublicSecurity__V1__ResidenceRegistered message =
        GOV__PUBLIC_SECURITY__V1__RESIDENCE_REGISTERED__INIT;
    Gov__Common__V1__Person resident = GOV__COMMON__V1__PERSON__INIT;
    Gov__Common__V1__StructuredAddress address = GOV__COMMON__V1__STRUCTURED_ADDRESS__INIT;
    char number[24];
    snprintf(subject, 32, "s-%" PRIu64, n % subjects);
    snprintf(number, sizeof number, "%" PRIu64, n / subjects + 1);
    resident.citizen_number = subject;
    address.unit_code = number;
    message.resident = &resident;
    message.address = &address;
    message.kind = visit ? GOV__PUBLIC_SECURITY__V1__RESIDENCE_REGISTERED__KIND__VISIT
                         : GOV__PUBLIC_SECURITY__V1__RESIDENCE_REGISTERED__KIND__MOVE_IN;
    message.entry_number = number;
    if (gov__public_security__v1__residence_registered__get_packed_size(&message) > size)
        abort();
    return gov__public_security__v1__residence_registered__pack(&message, payload);
}

static void publish(struct hutong *bus, uint64_t n, uint64_t subjects, bool visit) {
    uint8_t payload[512];
    char subject[32];
    uint64_t position = n + 1;
    struct hutong_error error;
    struct hutong_message message = {.type = "gov.public_security.v1.ResidenceRegistered",
        .subject = subject,
        .payload = payload,
        .payload_size = pack(n, subjects, visit, subject, payload, sizeof payload)};
    struct hutong_publish_options options = {.position = &position, .position_size = sizeof position};
    enum hutong_code code;
    while ((code = hutong_publish(bus, &message, &options, NULL, &error)) == HUTONG_FULL)
        usleep(500); // the disk is slower than this loop
    if (code != HUTONG_OK) {
        fprintf(stderr, "fault-backlog: %s\n", error.text);
        exit(1);
    }
}

static void tell(const char *what, uint64_t since, uint64_t count) {
    printf("%s %.3f %llu\n", what, (double)(clock_monotonic_ns() - since) / 1e9, (unsigned long long)count);
    fflush(stdout);
}

static void fill(struct hutong *bus, uint64_t count, uint64_t subjects, bool visit) {
    uint64_t from = 0;
    uint64_t since = clock_monotonic_ns();
    struct hutong_error error;
    hutong_position(bus, &from, sizeof from);
    for (uint64_t n = from; n < count; n++)
        publish(bus, n, subjects, visit);
    if (hutong_flush(bus, UINT32_MAX, &error) != HUTONG_OK) {
        fprintf(stderr, "fault-backlog: %s\n", error.text);
        exit(1);
    }
    tell("filled", since, count - from);
}

static void drain(struct hutong *bus) {
    struct hutong_status status;
    while (hutong_wait_connected(bus, 1000) != HUTONG_OK)
        ;
    uint64_t since = clock_monotonic_ns();
    hutong_status(bus, &status);
    uint64_t before = status.spooled;
    while (status.spooled) {
        usleep(2000);
        hutong_status(bus, &status);
    }
    if (status.refused) {
        fprintf(stderr, "fault-backlog: %llu were refused\n", (unsigned long long)status.refused);
        exit(1);
    }
    tell("drained", since, before);
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 6) {
        fputs("usage: fault-backlog ENDPOINT SPOOL-FOLDER COUNT SUBJECTS [visits]\n", stderr);
        return 2;
    }
    struct hutong_options options = {.endpoint = argv[1],
        .system = "public_security/population",
        .instance = "backlog",
        .spool_folder = argv[2],
        .spool_limit = SPOOL_LIMIT};
    struct hutong *bus;
    struct hutong_error error;
    if (hutong_open(&options, &bus, &error) != HUTONG_OK) {
        fprintf(stderr, "fault-backlog: %s\n", error.text);
        return 1;
    }
    uint64_t subjects = strtoull(argv[4], NULL, 10);
    fill(bus, strtoull(argv[3], NULL, 10), subjects ? subjects : 1, argc == 6);
    drain(bus);
    return hutong_close(&bus, 10000) == HUTONG_OK ? 0 : 1;
}
