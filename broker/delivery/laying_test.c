// Where envelopes are laid: side by side, in chunks that fit what there is, and what happens without memory.
#include "broker/delivery/laying.h"
#include "core/base/varint.h"
#include "test/support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t *add(struct laying *laying, size_t size) {
    uint8_t *at = laying_add(laying, size);
    assert_non_null(at);
    memset(at, 'e', size);
    return at;
}

static void they_stand_side_by_side(void **state) {
    (void)state;
    struct laying laying = {0};
    uint8_t *first = add(&laying, 500);
    const struct chunk *chunk = laying.chunk;
    assert_ptr_equal(add(&laying, 100), first + 500 + varint_size(100));
    assert_int_equal(first[500], 100); // the length before it
    assert_ptr_equal(laying.chunk, chunk);
    laying_end(&laying);
    assert_null(laying.chunk);
    laying_end(&laying);
}

// One that is held outlives the laying, and the next turn begins a chunk of its own.
static void a_chunk_lives_as_long_as_it_is_held(void **state) {
    (void)state;
    struct laying laying = {0};
    uint8_t *at = add(&laying, 500);
    struct chunk *held = chunk_ref(laying.chunk);
    laying_end(&laying);
    add(&laying, 500);
    assert_ptr_not_equal(laying.chunk, held);
    assert_int_equal(at[499], 'e');
    chunk_unref(&held);
    laying_end(&laying);
}

static void chunks_are_as_large_as_a_turn_needs(void **state) {
    (void)state;
    struct laying laying = {0};
    size_t chunks = 0;
    const struct chunk *last = NULL;
    for (size_t i = 0; i < 100; i++, last = laying.chunk) {
        add(&laying, 1000);
        chunks += laying.chunk != last;
    }
    assert_in_range(chunks, 2, 8); // each twice as large as the one before
    laying_end(&laying);
    add(&laying, 1000);
    assert_in_range(laying.chunk->bytes.size, 100000, 110000); // what the turn before needed
    laying_end(&laying);
    add(&laying, 10);
    assert_in_range(laying.chunk->bytes.size, 1000, 4096);
    laying_end(&laying);
    add(&laying, 3000000); // one that no chunk has room for has its own
    assert_int_equal(laying.chunk->bytes.size, 3000000 + varint_size(3000000));
    laying_end(&laying);
    add(&laying, 10);
    assert_in_range(laying.chunk->bytes.size, 4096, 1 << 20); // and the next are bounded again
    laying_end(&laying);
}

static void without_memory_what_was_laid_stays(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct laying laying = {0};
        add(&laying, 500);
        struct chunk *chunk = laying.chunk;
        alloc_fail_after(i);
        assert_null(laying_add(&laying, 5000));
        alloc_fail_never();
        assert_ptr_equal(laying.chunk, chunk);
        add(&laying, 500);
        assert_ptr_equal(laying.chunk, chunk);
        laying_end(&laying);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_stand_side_by_side),
        cmocka_unit_test(a_chunk_lives_as_long_as_it_is_held),
        cmocka_unit_test(chunks_are_as_large_as_a_turn_needs),
        cmocka_unit_test(without_memory_what_was_laid_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
