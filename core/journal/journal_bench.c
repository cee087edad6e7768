// How fast the journal appends and reads back: journal_bench FOLDER [records in a batch] [bytes in a body]
// [seconds] [sm3]
#include "core/base/clock.h"
#include "core/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 1000000

static uint64_t samples[SAMPLES];

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int append_for(
    struct journal *journal, size_t per_batch, size_t size, double seconds, size_t *records) {
    struct journal_batch *batch = journal_batch_new((size_t)16 << 20);
    uint8_t *body = calloc(1, size);
    struct error error = {0};
    size_t appends = 0;
    uint64_t start = clock_monotonic_ns();
    int rc = batch && body ? 0 : 1;
    while (!rc && appends < SAMPLES && (double)(clock_monotonic_ns() - start) < seconds * 1e9) {
        for (size_t i = 0; i < per_batch; i++) {
            struct journal_entry entry = {.queue = 1, .position = ++*records};
            journal_batch_add(batch, 1, &entry, 1, &(struct bytes){body, size}, 1);
        }
        uint64_t before = clock_monotonic_ns();
        rc = journal_append(journal, batch, &error);
        samples[appends++] = clock_monotonic_ns() - before;
    }
    double took = (double)(clock_monotonic_ns() - start) / 1e9;
    if (rc)
        printf("%s\n", error.text);
    qsort(samples, appends, sizeof *samples, by_value);
    uint64_t half = samples[appends / 2];
    uint64_t most = samples[appends * 99 / 100];
    printf("append: %.0f records/s in batches of %zu (%zu bytes); p50 %.0f us, p99 %.0f us, max %.1f ms\n",
        (double)*records / took, per_batch, size, (double)half / 1e3, (double)most / 1e3,
        (double)samples[appends ? appends - 1 : 0] / 1e6);
    journal_batch_destroy(&batch);
    free(body);
    return rc;
}

static int count_one(void *context, const struct journal_record *record, uint64_t position) {
    (void)record;
    *(uint64_t *)context = position;
    return 0;
}

static int read_all(struct journal *journal, size_t records) {
    struct error error = {0};
    uint64_t position = 0;
    uint64_t start = clock_monotonic_ns();
    while (position < records)
        if (journal_read_queue(journal, 1, position + 1, 256, 1 << 20, count_one, &position, &error))
            return printf("%s\n", error.text), 1;
    printf("read: %.0f records/s\n", (double)records * 1e9 / (double)(clock_monotonic_ns() - start));
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2)
        return fprintf(stderr, "journal_bench FOLDER [records in a batch] [bytes] [seconds] [sm3]\n"), 2;
    struct journal_options options = {.folder = argv[1], .sm3 = argc > 5};
    struct journal_owner owner = {0};
    struct journal *journal = NULL;
    struct error error = {0};
    if (journal_file_open(&options, &owner, &journal, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    size_t records = 0;
    int rc = append_for(journal, argc > 2 ? strtoul(argv[2], NULL, 10) : 256,
        argc > 3 ? strtoul(argv[3], NULL, 10) : 1024, argc > 4 ? strtod(argv[4], NULL) : 3, &records);
    if (!rc)
        rc = read_all(journal, records);
    struct journal_status status;
    journal_status(journal, &status);
    printf("written per byte accepted: %.3f; segments %llu\n",
        (double)status.appended_bytes / (double)status.payload_bytes, (unsigned long long)status.segments);
    journal_close(&journal);
    return rc;
}
