#include "core/journal/journal_testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- The witness ----

static uint64_t mix(uint64_t sum, const void *data, size_t size) {
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ p[i]) * 0x100000001b3u;
    return sum;
}

void witness_see(struct witness *witness, uint8_t kind, const struct journal_entry *entries,
    size_t entry_count, struct bytes body) {
    witness->count++;
    witness->sum = mix(witness->sum, &kind, 1);
    for (size_t i = 0; i < entry_count; i++) {
        witness->sum = mix(witness->sum, &entries[i].queue, 4);
        witness->sum = mix(witness->sum, &entries[i].position, 8);
        witness->next[entries[i].queue % 8] = entries[i].position + 1;
    }
    witness->sum = mix(witness->sum, body.data, body.size);
}

bool witness_equal(const struct witness *a, const struct witness *b) {
    return a->count == b->count && a->sum == b->sum && memcmp(a->next, b->next, sizeof a->next) == 0;
}

static int restore(void *context, struct bytes checkpoint, struct error *error) {
    struct witness *witness = context;
    if (checkpoint.size == 0)
        return 0;
    if (checkpoint.size != sizeof *witness)
        return error_set(error, -EINVAL, "a checkpoint of %zu bytes", checkpoint.size);
    memcpy(witness, checkpoint.data, sizeof *witness);
    return 0;
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    struct witness *witness = context;
    if (record->sequence != witness->count + 1)
        return error_set(error, -EINVAL, "sequence %llu after %llu", (unsigned long long)record->sequence,
            (unsigned long long)witness->count);
    witness_see(witness, record->kind, record->entries, record->entry_count, record->body);
    return 0;
}

static int checkpoint(void *context, struct buffer *out) {
    struct witness *witness = context;
    witness->checkpoints++;
    return buffer_append(out, witness, sizeof *witness);
}

struct journal_owner witness_owner(struct witness *witness) {
    return (struct journal_owner){
        .context = witness, .restore = restore, .replay = replay, .checkpoint = checkpoint};
}

// ---- The fixture ----

int testing_setup(void **state) {
    struct testing *t = calloc(1, sizeof *t);
    char folder[] = "/tmp/hutong-journal-XXXXXX";
    if (!t || !mkdtemp(folder)) {
        free(t);
        return -1;
    }
    snprintf(t->folder, sizeof t->folder, "%s/journal", folder);
    t->options = (struct journal_options){
        .folder = t->folder, .segment_size = 64 << 10, .background = getenv("JOURNAL_BACKGROUND") != NULL};
    t->batch = journal_batch_new(1 << 20);
    *state = t;
    return t->batch ? 0 : -1;
}

int testing_teardown(void **state) {
    struct testing *t = *state;
    testing_close(t);
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%.*s'", (int)(strrchr(t->folder, '/') - t->folder), t->folder);
    int rc = system(command); // NOLINT: a fixed command over a folder that mkdtemp() named
    journal_batch_destroy(&t->batch);
    free(t);
    return rc;
}

int testing_open(struct testing *t) {
    t->witness = (struct witness){.sum = 0xcbf29ce484222325u};
    for (size_t i = 0; i < 8; i++)
        t->witness.next[i] = 1;
    struct journal_owner owner = witness_owner(&t->witness);
    return journal_file_open(&t->options, &owner, &t->journal, &t->error);
}

void testing_close(struct testing *t) {
    journal_close(&t->journal);
}

int testing_add(struct testing *t, uint32_t queue, size_t size) {
    uint8_t *body = malloc(size ? size : 1);
    if (!body)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)(i * 7 + t->witness.count);
    struct journal_entry entry = {.queue = queue, .position = t->witness.next[queue % 8]};
    int rc = journal_batch_add(t->batch, 3, &entry, 1, &(struct bytes){body, size}, 1);
    if (!rc)
        witness_see(&t->witness, 3, &entry, 1, bytes_of(body, size));
    free(body);
    return rc;
}

int testing_append(struct testing *t) {
    int rc = journal_append(t->journal, t->batch, &t->error);
    return rc ? rc : journal_collect(t->journal, true, &t->error);
}

int testing_append_new(struct testing *t, uint32_t queue, size_t size, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int rc = testing_add(t, queue, size);
        if (rc)
            return rc;
    }
    return testing_append(t);
}

void testing_path(const struct testing *t, const char *name, char out[256]) {
    snprintf(out, 256, "%s/%s", t->folder, name);
}

uint8_t *testing_read(const struct testing *t, const char *name, size_t *size) {
    char path[256];
    testing_path(t, name, path);
    FILE *file = fopen(path, "rb");
    struct stat st;
    if (!file)
        return NULL;
    uint8_t *data = fstat(fileno(file), &st) ? NULL : malloc((size_t)st.st_size + 1);
    *size = data ? fread(data, 1, (size_t)st.st_size, file) : 0;
    fclose(file);
    return data;
}

void testing_write(const struct testing *t, const char *name, const uint8_t *data, size_t size) {
    char path[256];
    testing_path(t, name, path);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size)
        abort();
    fclose(file);
}
