// The readers of delimited and fixed-width files on any bytes. The first byte chooses encoding, delimiter and
// layout. What one pass reads, a second one that starts at any record's place must read too.
#include "adapters/connectors/file/file_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_same(struct file_reader *again, const struct record *record, int rc) {
    struct record second = {0};
    struct error error = {0};
    file_reader_seek(again, record->at);
    if (file_reader_next(again, &second, &error) != rc || second.next.offset != record->next.offset ||
        second.count != record->count || !bytes_equal(second.raw, record->raw))
        fail("reading from the middle differs");
    for (size_t i = 0; i < record->count; i++)
        if (!bytes_equal(second.values[i], record->values[i]))
            fail("a value differs");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const size_t widths[] = {4, 1, 3};
    char path[64];
    if (size < 1)
        return 0;
    struct format format = {.name = data[0] & 4 ? FORMAT_FIXED : FORMAT_CSV,
        .charset = (enum charset_name)(data[0] % 3),
        .dialect = {.delimiter = data[0] & 8 ? '|' : ',', .quotes = !(data[0] & 16)},
        .record_limit = 64,
        .widths = widths,
        .width_count = 3};
    snprintf(path, sizeof path, "/dev/shm/hutong-csv-fuzz-%d", (int)getpid());
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data + 1, 1, size - 1, file) != size - 1)
        fail("no file");
    fclose(file);
    struct file_reader *reader = NULL;
    struct file_reader *again = NULL;
    struct record record = {0};
    struct error error = {0};
    struct place_in_file start = {.line = 1};
    if (file_reader_open(&format, path, start, &reader, &error) ||
        file_reader_open(&format, path, start, &again, &error))
        fail(error.text);
    uint64_t last = 0;
    for (int rc; (rc = file_reader_next(reader, &record, &error)) == 0 || rc == READER_BAD;) {
        if (record.next.offset <= last)
            fail("no progress");
        last = record.next.offset;
        check_same(again, &record, rc);
    }
    if (last > size - 1)
        fail("beyond the end");
    file_reader_destroy(&reader);
    file_reader_destroy(&again);
    unlink(path);
    return 0;
}
