// Arbitrary bytes as a journal's only segment: open, read, scan and verify must report, never crash. The
// first byte says whether the CRCs of the head and of the batches are made right first, so that the fuzzer
// gets behind them.
#include "core/crypto/crc32c.h"
#include "core/journal/format.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_HERE ((size_t)256 << 10)

static char folder[64];

static void clean(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command)) // NOLINT: a fixed command over a folder that mkdtemp() named
        perror(folder);
}

static int make_folder(void) {
    // In memory where the machine has such a place: each input is a file, written, synced and read.
    snprintf(folder, sizeof folder, "%s/hutong-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    return mkdtemp(folder) ? atexit(clean) : -1;
}

static void mend_records(uint8_t *batch, size_t room) {
    size_t at = BATCH_SIZE;
    for (uint32_t i = load_u32(batch + 12); i > 0 && at + RECORD_SIZE <= room; i--) {
        size_t length = load_u32(batch + at);
        if (length < RECORD_SIZE || length > room - at)
            return;
        store_u32(batch + at + 4, crc32c(0, batch + at + 8, length - 8));
        at += length;
    }
}

static void mend(uint8_t *image, size_t size) {
    if (size < HEAD_SIZE)
        return;
    size_t head = load_u32(image + 8);
    store_u32(image + 12, 0);
    if (head >= HEAD_SIZE && head <= size)
        store_u32(image + 12, crc32c(0, image, head));
    for (size_t at = JOURNAL_BLOCK; at + BATCH_SIZE <= size; at += JOURNAL_BLOCK) {
        bool foot = memcmp(image + at, "HTJF", 4) == 0;
        size_t length = foot ? load_u32(image + at + 8) : BATCH_SIZE;
        size_t hole = foot ? 88 : 104;
        if (length < BATCH_SIZE || length > size - at)
            continue;
        if (!foot)
            mend_records(image + at, size - at);
        store_u32(image + at + hole, 0);
        store_u32(image + at + hole, crc32c(0, image + at, length));
    }
}

static int write_segment(const uint8_t *data, size_t size, bool mended) {
    char path[128];
    snprintf(path, sizeof path, "%s/00000000000000000001.segment", folder);
    uint8_t *image = malloc(size + 1);
    if (!image)
        return -1;
    memcpy(image, data, size);
    if (mended)
        mend(image, size);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, image, size);
    if (fd >= 0)
        close(fd);
    free(image);
    return n == (ssize_t)size ? 0 : -1;
}

static int visit(void *context, const struct journal_record *record, uint64_t position) {
    *(uint64_t *)context += record->body.size + position;
    return 0;
}

static int see(void *context, const struct journal_record *record) {
    return visit(context, record, 0);
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    (void)error;
    return see(context, record);
}

static void use(void) {
    uint64_t sum = 0;
    struct error error;
    struct journal_verdict verdict;
    struct journal *journal = NULL;
    struct journal_options options = {.folder = folder, .segment_size = 64 << 10, .buffered = true};
    struct journal_owner owner = {.context = &sum, .replay = replay};
    (void)journal_verify(folder, &verdict, &error);
    (void)journal_scan(folder, 2, see, &sum, &error);
    if (journal_file_open(&options, &owner, &journal, &error) == 0)
        for (uint32_t queue = 0; queue < 4; queue++)
            (void)journal_read_queue(journal, queue, 1, 100, 1 << 20, visit, &sum, &error);
    journal_close(&journal);
    char path[128];
    snprintf(path, sizeof path, "%s/00000000000000000002.segment", folder);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > SIZE_MAX_HERE || (!folder[0] && make_folder()))
        return 0;
    if (write_segment(data + 1, size - 1, data[0] & 1) == 0)
        use();
    return 0;
}
