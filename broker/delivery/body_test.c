// What goes out is the same whichever way; what these tell apart is whether it was copied.
#include "broker/delivery/body.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ENVELOPE = 1000, LAID = ENVELOPE + 2, MOST = 128 };

// A chunk as a publisher's frame brings it, with what is delivered of it.
struct batch {
    struct chunk *chunk;
    struct delivery deliveries[MOST];
};

// As it gets its bytes in a queue.
static struct delivery delivery_of(struct chunk *chunk, struct bytes envelope) {
    return (struct delivery){.chunk = chunk, .envelope = envelope, .laid = body_laid(chunk, envelope)};
}

static struct batch batch_of(size_t count, uint8_t first) {
    struct buffer buffer = {0};
    uint8_t envelope[ENVELOPE];
    for (size_t i = 0; i < count; i++) {
        memset(envelope, (int)(first + i), sizeof envelope);
        assert_int_equal(wire_body_append(&buffer, bytes_of(envelope, sizeof envelope)), 0);
    }
    struct batch batch = {.chunk = chunk_take(&buffer)};
    assert_non_null(batch.chunk);
    for (size_t i = 0; i < count; i++)
        batch.deliveries[i] =
            delivery_of(batch.chunk, bytes_of(batch.chunk->bytes.data + i * LAID + 2, ENVELOPE));
    return batch;
}

static void add(struct body *body, const struct batch *batch, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        assert_int_equal(body_add(body, &batch->deliveries[i], 0), 0);
}

// Whether it is a slice of the batch's chunk; it has to hold the envelopes of these numbers.
static bool finish(struct body *body, const struct batch *batch, const char *numbers) {
    struct slice slice;
    assert_int_equal(body_finish(body, &slice), 0);
    assert_int_equal(body_size(body), 0);
    struct bytes rest = slice.bytes;
    struct bytes raw;
    for (; *numbers; numbers++) {
        assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
        assert_int_equal(raw.size, ENVELOPE);
        assert_int_equal(raw.data[0], *numbers);
        assert_int_equal(raw.data[ENVELOPE - 1], *numbers);
    }
    assert_int_equal(rest.size, 0);
    bool sliced = slice.chunk == batch->chunk;
    slice_drop(&slice);
    return sliced;
}

static void what_stands_side_by_side_goes_as_it_is(void **state) {
    (void)state;
    struct batch batch = batch_of(4, 'a');
    struct body body = {0};
    add(&body, &batch, 0, 4);
    assert_true(finish(&body, &batch, "abcd"));
    add(&body, &batch, 1, 3);
    assert_true(finish(&body, &batch, "bc"));
    add(&body, &batch, 0, 2);
    add(&body, &batch, 3, 4); // one between is for somebody else
    assert_false(finish(&body, &batch, "abd"));
    assert_int_equal(batch.chunk->references, 1);
    chunk_unref(&batch.chunk);
}

// Mapped ones have no lengths between them; another's length may stand where theirs would.
static void what_stands_without_its_length_is_copied(void **state) {
    (void)state;
    struct batch batch = batch_of(2, 'a');
    struct chunk *chunk = chunk_copy(batch.deliveries[0].envelope);
    assert_non_null(chunk);
    struct delivery bare = delivery_of(chunk, chunk->bytes);
    struct body body = {0};
    assert_int_equal(body_add(&body, &bare, 0), 0);
    assert_false(finish(&body, &batch, "a"));
    struct bytes longer_bytes = batch.deliveries[0].envelope;
    longer_bytes.size++;
    struct delivery longer = delivery_of(batch.chunk, longer_bytes);
    assert_int_equal(body_add(&body, &longer, 0), 0);
    struct slice slice;
    assert_int_equal(body_finish(&body, &slice), 0);
    assert_int_equal(slice.bytes.size, LAID + 1);
    assert_ptr_not_equal(slice.chunk, batch.chunk);
    slice_drop(&slice);
    chunk_unref(&chunk);
    chunk_unref(&batch.chunk);
}

// Else a few small messages in a slow receiver's socket would hold much more than they count.
static void a_small_part_of_a_chunk_is_copied(void **state) {
    (void)state;
    struct batch batch = batch_of(64, 0);
    struct body body = {0};
    add(&body, &batch, 10, 41);
    struct slice slice;
    assert_int_equal(body_finish(&body, &slice), 0);
    assert_ptr_not_equal(slice.chunk, batch.chunk);
    assert_int_equal(slice.bytes.size, 31 * LAID);
    slice_drop(&slice);
    assert_int_equal(batch.chunk->references, 1);
    chunk_unref(&batch.chunk);
}

static void a_frame_ends_where_a_slice_does(void **state) {
    (void)state;
    struct batch first = batch_of(48, 'A');
    struct batch second = batch_of(32, 'A');
    struct body body = {0};
    add(&body, &first, 0, 26);
    assert_int_equal(body_add(&body, &first.deliveries[27], 0), BODY_ENDS);
    assert_true(finish(&body, &first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    add(&body, &first, 1, 18); // worth a frame of its own, before a chunk that is one
    add(&body, &first, 20, 21);
    assert_int_equal(body_add(&body, &second.deliveries[0], 0), BODY_ENDS);
    assert_int_equal(body_add(&body, &second.deliveries[1], 0), 0); // not at its beginning
    assert_false(finish(&body, &first, "BCDEFGHIJKLMNOPQRUB"));
    chunk_unref(&first.chunk);
    chunk_unref(&second.chunk);
}

static void small_chunks_become_one_frame(void **state) {
    (void)state;
    struct batch batches[40];
    struct body body = {0};
    for (uint8_t i = 0; i < 40; i++) {
        batches[i] = batch_of(1, 'A' + i);
        add(&body, &batches[i], 0, 1);
    }
    assert_false(finish(&body, &batches[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh"));
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(batches[i].chunk->references, 1);
        chunk_unref(&batches[i].chunk);
    }
}

static void a_lack_of_memory_is_said(void **state) {
    (void)state;
    struct batch batch = batch_of(3, 'a');
    for (size_t n = 0; n < 3; n++) {
        struct body body = {0};
        struct slice slice = {0};
        alloc_fail_after(n);
        int rc = body_add(&body, &batch.deliveries[0], 0);
        rc = rc ? rc : body_add(&body, &batch.deliveries[2], LAID);
        rc = rc ? rc : body_finish(&body, &slice);
        alloc_fail_never();
        assert_int_equal(rc, n < 2 ? -ENOMEM : 0); // the copy, and its chunk
        assert_int_equal(slice.chunk != NULL, rc == 0);
        slice_drop(&slice);
        body_destroy(&body);
        assert_int_equal(batch.chunk->references, 1);
    }
    chunk_unref(&batch.chunk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_side_by_side_goes_as_it_is),
        cmocka_unit_test(what_stands_without_its_length_is_copied),
        cmocka_unit_test(a_small_part_of_a_chunk_is_copied),
        cmocka_unit_test(a_frame_ends_where_a_slice_does),
        cmocka_unit_test(small_chunks_become_one_frame),
        cmocka_unit_test(a_lack_of_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
