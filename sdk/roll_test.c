// What a segment of the spool or the inbox starts with: the state behind the very record that filled the one
// before.
#include "sdk/inbox.h"
#include "sdk/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void remove_folder(const char *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a folder of our own making
}

// Stores one message of `size` bytes as sequence `sequence`, with its number as the source's position.
static void store(struct spool *spool, struct block_pool *pool, uint64_t sequence, size_t size) {
    struct error error = {0};
    struct block *block = block_new(pool);
    assert_non_null(block);
    block->first = sequence;
    block->count = 1;
    uint8_t length[4] = {(uint8_t)(size | 0x80), (uint8_t)(size >> 7 | 0x80), (uint8_t)(size >> 14)};
    assert_int_equal(buffer_append(&block->body, length, 3), 0);
    uint8_t *at = buffer_extend(&block->body, size);
    assert_non_null(at);
    memset(at, 'x', size);
    assert_int_equal(buffer_append(&block->position, &sequence, sizeof sequence), 0);
    block->has_position = true;
    size_t stored = 0;
    assert_int_equal(spool_store(spool, block, false, &stored, &error), 0);
    assert_int_equal(stored, 1);
    block_unref(block);
}

// Ends behind each store, so also behind the one that began a new segment.
static void the_spool_keeps_its_last(void **state) {
    (void)state;
    char folder[] = "/tmp/hutong-roll-XXXXXX";
    struct block_pool pool;
    struct error error = {0};
    assert_non_null(mkdtemp(folder));
    block_pool_init(&pool);
    for (uint64_t sequence = 1; sequence <= 40; sequence++) {
        struct spool *spool;
        assert_int_equal(spool_open(folder, 0, &spool, &error), 0);
        assert_int_equal(spool_last(spool), sequence - 1);
        uint64_t position = 0;
        if (spool_position(spool).size)
            memcpy(&position, spool_position(spool).data, sizeof position);
        assert_int_equal(position, sequence - 1);
        store(spool, &pool, sequence, 300000);
        spool_close(&spool);
    }
    block_pool_destroy(&pool);
    remove_folder(folder);
}

static void the_inbox_keeps_its_positions(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    char folder[] = "/tmp/hutong-roll-XXXXXX";
    static const uint8_t bus[INBOX_BUS_SIZE] = {7};
    static uint64_t positions[COUNT];
    struct error error = {0};
    assert_non_null(mkdtemp(folder));
    for (uint64_t round = 0; round < 40; round++) {
        struct inbox *inbox;
        assert_int_equal(inbox_open(folder, &inbox, &error), 0);
        // Each round its own positions, each apart from the next, so that they take room.
        for (size_t i = 0; i < COUNT; i++)
            positions[i] = 2 + 2 * (round * COUNT + i);
        for (size_t i = 0; round && i < COUNT; i += 97)
            assert_true(inbox_has(inbox, bus, positions[i] - (uint64_t)2 * COUNT));
        assert_int_equal(inbox_add(inbox, bus, positions, COUNT, &error), 0);
        inbox_close(&inbox);
    }
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_spool_keeps_its_last),
        cmocka_unit_test(the_inbox_keeps_its_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
