// Fills an adapter's inbox for scenarios, as if it had done every second message of a lane:
//   inbox-fill FOLDER BUS LANE FIRST COUNT    BUS: 32 hex digits; FIRST: the first one's place in the lane
#include "sdk/hutong.h"
#include "sdk/inbox.h"

#include <stdio.h>
#include <stdlib.h>

#define AT_ONCE 8192u

static int fill(
    struct inbox *inbox, const uint8_t *bus, uint64_t first, uint64_t count, struct error *error) {
    static uint64_t positions[AT_ONCE];
    int rc = 0;
    while (count > 0 && rc == 0) {
        size_t now = count < AT_ONCE ? (size_t)count : AT_ONCE;
        for (size_t i = 0; i < now; i++, first += 2)
            positions[i] = first;
        rc = inbox_add(inbox, bus, positions, now, error);
        count -= now;
    }
    return rc;
}

int main(int argc, char **argv) {
    uint8_t bus[INBOX_BUS_SIZE];
    struct inbox *inbox = NULL;
    struct error error = {0};
    for (size_t i = 0; argc == 6 && i < INBOX_BUS_SIZE; i++)
        if (sscanf(argv[2] + 2 * i, "%2hhx", &bus[i]) != 1) // NOLINT(cert-err34-c): two digits
            argc = 0;
    if (argc != 6) {
        fprintf(stderr, "Usage: inbox-fill FOLDER BUS LANE FIRST COUNT\n");
        return 2;
    }
    uint64_t first = strtoull(argv[3], NULL, 10) << HUTONG_LANE_SHIFT | strtoull(argv[4], NULL, 10);
    int rc = inbox_open(argv[1], &inbox, &error);
    rc = rc ? rc : fill(inbox, bus, first, strtoull(argv[5], NULL, 10), &error);
    if (rc)
        fprintf(stderr, "inbox-fill: %s\n", error.text);
    inbox_close(&inbox);
    return rc ? 1 : 0;
}
