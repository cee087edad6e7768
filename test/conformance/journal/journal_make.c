// Makes journals for verify_test.py: journal_make make FOLDER SEED [sm3], journal_make verify FOLDER,
// journal_make erase FOLDER SEQUENCE.
#include "core/crypto/digest.h"
#include "core/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint32_t pick(uint32_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static int checkpoint(void *context, struct buffer *out) {
    (void)context;
    return buffer_append_string(out, "the state of some owner");
}

static int append_some(
    struct journal *journal, struct journal_batch *batch, uint64_t next[4], struct error *error) {
    static uint8_t body[9000];
    int rc = 0;
    for (uint32_t i = 1 + pick(9); i > 0 && !rc; i--) {
        struct journal_entry entries[4];
        size_t count = pick(4);
        for (uint32_t e = 0; e < count; e++)
            entries[e] = (struct journal_entry){.queue = 7 * e, .position = ++next[e]};
        memset(body, (int)pick(256), sizeof body);
        struct bytes part = {body, pick(8) ? pick(300) : pick(sizeof body)};
        rc = journal_batch_add(batch, (uint8_t)pick(9), entries, count, &part, 1);
    }
    return rc ? rc : journal_append(journal, batch, error);
}

static int make(const char *folder, const char *seed, bool sm3, struct error *error) {
    struct journal_options options = {.folder = folder, .segment_size = 64 << 10, .sm3 = sm3};
    struct journal_owner owner = {.checkpoint = checkpoint};
    struct journal_batch *batch = journal_batch_new(1 << 20);
    struct journal *journal = NULL;
    state = strtoull(seed, NULL, 10);
    uint64_t next[4] = {0};
    int rc = batch ? journal_file_open(&options, &owner, &journal, error) : -1;
    for (uint32_t i = 20 + pick(40); i > 0 && !rc; i--)
        rc = append_some(journal, batch, next, error);
    journal_close(&journal);
    journal_batch_destroy(&batch);
    return rc;
}

static int verify(const char *folder, struct error *error) {
    struct journal_verdict v;
    char chain[2 * DIGEST_SIZE + 1];
    int rc = journal_verify(folder, &v, error);
    if (rc)
        return rc;
    digest_hex(v.chain, chain);
    printf("{\"segments\": %llu, \"batches\": %llu, \"records\": %llu, \"erased\": %llu, \"torn_bytes\": "
           "%llu, \"chain\": \"%s\"}\n",
        (unsigned long long)v.segments, (unsigned long long)v.batches, (unsigned long long)v.records,
        (unsigned long long)v.erased, (unsigned long long)v.torn_bytes, chain);
    return 0;
}

static int erase(const char *folder, const char *sequence, struct error *error) {
    struct journal_options options = {.folder = folder, .ownerless = true};
    struct journal_owner owner = {0};
    struct journal *journal = NULL;
    int rc = journal_file_open(&options, &owner, &journal, error);
    if (!rc)
        rc = journal_erase(journal, strtoull(sequence, NULL, 10), error);
    journal_close(&journal);
    return rc;
}

int main(int argc, char **argv) {
    struct error error = {0};
    int rc = 2;
    if (argc >= 4 && strcmp(argv[1], "make") == 0)
        rc = make(argv[2], argv[3], argc > 4, &error);
    else if (argc == 3 && strcmp(argv[1], "verify") == 0)
        rc = verify(argv[2], &error);
    else if (argc == 4 && strcmp(argv[1], "erase") == 0)
        rc = erase(argv[2], argv[3], &error);
    if (rc)
        fprintf(stderr, "%s\n", error.text);
    return rc != 0;
}
