// A complete adapter: it takes occupancy notices into a file, and reports a mark for each on the tenancy.
// About 70 lines.
//   minimal ENDPOINT SYSTEM FILE SPOOL-FOLDER [KEY-FILE BROKER-KEY-FILE]
#include "sdk/hutong.h"

#include "gov/housing/v1/tenancy.pb-c.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct adapter {
    struct hutong *bus;
    FILE *file; // the "legacy system": one line a notice
};

static struct hutong *running;

static void on_signal(int number) {
    (void)number;
    // hutong.h allows it here.
    hutong_stop(running); // NOLINT(bugprone-signal-handler,cert-sig30-c,cert-msc54-cpp)
}

// Reports that the tenant may live elsewhere. The spool has it on disk when this returns.
static enum hutong_code report(struct adapter *adapter, const Gov__Housing__V1__OccupancyNotice *notice) {
    Gov__Housing__V1__TenancyMarked marked = GOV__HOUSING__V1__TENANCY_MARKED__INIT;
    marked.lease_number = notice->unit_code;
    marked.citizen_number = notice->citizen_number;
    marked.mark = GOV__HOUSING__V1__TENANCY_MARKED__MARK__OTHER_OCCUPANT;
    uint8_t payload[512];
    if (gov__housing__v1__tenancy_marked__get_packed_size(&marked) > sizeof payload)
        return HUTONG_INVALID;
    struct hutong_message message = {.type = "gov.housing.v1.TenancyMarked",
        .subject = notice->citizen_number,
        .payload = payload,
        .payload_size = gov__housing__v1__tenancy_marked__pack(&marked, payload)};
    struct hutong_publish_options options = {.wait = true};
    return hutong_publish(adapter->bus, &message, &options, NULL, NULL);
}

// One delivery: its effect is a line on disk; only then is it DONE. One that comes again writes its line
// again: a system with transactions would keep delivery->position beside the line and look there first.
static void on_notice(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct adapter *adapter = context;
    Gov__Housing__V1__OccupancyNotice *notice =
        gov__housing__v1__occupancy_notice__unpack(NULL, delivery->payload_size, delivery->payload);
    if (!notice) {
        settlement->verdict = HUTONG_REJECT; // a dead letter, for a person to look at
        snprintf(settlement->text, sizeof settlement->text, "not an OccupancyNotice");
        return;
    }
    fprintf(adapter->file, "%llu %s %s\n", (unsigned long long)delivery->position, notice->citizen_number,
        notice->unit_code);
    if (fflush(adapter->file) != 0 || fdatasync(fileno(adapter->file)) != 0 ||
        report(adapter, notice) != HUTONG_OK)
        settlement->verdict = HUTONG_RETRY; // the disk may be full: again later
    gov__housing__v1__occupancy_notice__free_unpacked(notice, NULL);
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 7) {
        fprintf(stderr, "Usage: minimal ENDPOINT SYSTEM FILE SPOOL-FOLDER [KEY-FILE BROKER-KEY-FILE]\n");
        return 2;
    }
    struct hutong_options options = {.endpoint = argv[1],
        .system = argv[2],
        .spool_folder = argv[4],
        .key_file = argc == 7 ? argv[5] : NULL,
        .broker_key_file = argc == 7 ? argv[6] : NULL,
        .receive = true};
    struct hutong_error error;
    struct adapter adapter = {.file = fopen(argv[3], "a")};
    if (!adapter.file || hutong_open(&options, &adapter.bus, &error) != HUTONG_OK) {
        fprintf(stderr, "minimal: %s\n", adapter.file ? error.text : argv[3]);
        return 1;
    }
    hutong_handle(adapter.bus, "gov.housing.v1.OccupancyNotice", on_notice, &adapter, NULL);
    running = adapter.bus;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    hutong_run(adapter.bus);
    enum hutong_code code = hutong_close(&adapter.bus, 5000);
    return fclose(adapter.file) == 0 && code == HUTONG_OK ? 0 : 1;
}
