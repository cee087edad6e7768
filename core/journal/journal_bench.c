// How fast the journal appends and reads back: journal_bench FOLDER [records in a batch] [bytes in a body]
// [seconds] [sm3]. And how long it takes to open when it is large, after a stop and after a kill:
// journal_bench open FOLDER GIGABYTES
#include "core/base/clock.h"
#include "core/journal/journal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

// ---- open ----

static int take_record(void *context, const struct journal_record *record, struct error *error) {
    (void)record, (void)error;
    ++*(uint64_t *)context;
    return 0;
}

static int give_state(void *context, struct buffer *out) {
    return buffer_append(out, context, 8);
}

// So many bytes of records of 1 KiB, in batches of 1 MiB; then it ends, or is killed.
static int grow(const char *folder, double bytes, bool killed) {
    static uint8_t body[1024];
    uint64_t replayed = 0;
    struct journal_options options = {.folder = folder};
    struct journal_owner owner = {.context = &replayed, .replay = take_record, .checkpoint = give_state};
    struct journal_batch *batch = journal_batch_new((size_t)16 << 20);
    struct journal *journal = NULL;
    struct error error = {0};
    int rc = journal_file_open(&options, &owner, &journal, &error);
    uint64_t position = rc ? 0 : journal_last(journal);
    for (uint64_t done = 0; !rc && (double)done < bytes; done += 1u << 20) {
        for (int i = 0; i < 1024 && !rc; i++) {
            struct journal_entry entry = {.queue = 1, .position = ++position};
            rc = journal_batch_add(batch, 1, &entry, 1, &(struct bytes){body, sizeof body}, 1);
        }
        rc = rc ? rc : journal_append(journal, batch, &error);
    }
    if (rc)
        return fprintf(stderr, "%s\n", error.text), 1;
    if (killed)
        raise(SIGKILL);
    journal_close(&journal);
    journal_batch_destroy(&batch);
    return 0;
}

static int grow_apart(const char *folder, double bytes, bool killed) {
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(grow(folder, bytes, killed));
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return 1;
    return killed ? !WIFSIGNALED(status) : status != 0;
}

static uint64_t bytes_read(void) {
    char line[64] = "";
    FILE *file = fopen("/proc/self/io", "r");
    bool known = file && fgets(line, sizeof line, file) && strncmp(line, "rchar: ", 7) == 0;
    if (file)
        fclose(file);
    return known ? strtoull(line + 7, NULL, 10) : 0;
}

static int time_open(const char *folder, const char *what) {
    uint64_t replayed = 0;
    struct journal_options options = {.folder = folder};
    struct journal_owner owner = {.context = &replayed, .replay = take_record, .checkpoint = give_state};
    struct journal *journal = NULL;
    struct error error = {0};
    struct journal_status status;
    uint64_t read = bytes_read();
    uint64_t start = clock_monotonic_ns();
    if (journal_file_open(&options, &owner, &journal, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    double took = (double)(clock_monotonic_ns() - start) / 1e6;
    read = bytes_read() - read;
    journal_status(journal, &status);
    printf("%s: %.2f GB in %llu segments opened in %.0f ms; %.1f MB read, %llu records replayed of %llu\n",
        what, (double)status.bytes / 1e9, (unsigned long long)status.segments, took, (double)read / 1e6,
        (unsigned long long)replayed, (unsigned long long)status.last);
    journal_close(&journal);
    return 0;
}

static int bench_open(const char *folder, double gigabytes) {
    // What is behind the last whole segment is as much as there can be: 52 MB of 56.
    int rc = grow_apart(folder, gigabytes * 1e9, false);
    rc = rc ? rc : grow_apart(folder, 20e6, false);
    rc = rc ? rc : time_open(folder, "after a stop");
    rc = rc ? rc : grow_apart(folder, 20e6, true);
    rc = rc ? rc : time_open(folder, "after kill -9");
    return rc ? rc : time_open(folder, "again");
}

int main(int argc, char **argv) {
    if (argc < 2)
        return fprintf(stderr, "journal_bench FOLDER [records in a batch] [bytes] [seconds] [sm3]\n"
                               "journal_bench open FOLDER GIGABYTES\n"),
               2;
    if (argc == 4 && strcmp(argv[1], "open") == 0)
        return bench_open(argv[2], strtod(argv[3], NULL));
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
