#include "core/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROOM 64u

// All ways of asking must agree; what they say.
static bool valid(const uint8_t *p, size_t size) {
    bool portable = utf8_valid_portable(p, size);
    assert_int_equal(utf8_valid_long(p, size), portable);
    assert_int_equal(utf8_valid(p, size), portable);
    if (size < 16) {
        uint8_t copy[ROOM] = {0};
        memset(copy, 0xFF, sizeof copy); // what follows a text must not matter
        memcpy(copy, p, size);
        assert_int_equal(utf8_valid_within(copy, size, copy + sizeof copy - 16), portable);
        assert_int_equal(utf8_valid_short(copy, size), portable);
    }
    return portable;
}

static void texts_by_rfc_3629(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"330106", true},
        {"\xC2\x80", true},
        {"\xC1\xBF", false},
        {"\xDF\xBF", true},
        {"\xE0\xA0\x80", true},
        {"\xE0\x9F\xBF", false},
        {"\xED\x9F\xBF", true},
        {"\xED\xA0\x80", false},
        {"\xEE\x80\x80", true},
        {"\xF0\x90\x80\x80", true},
        {"\xF0\x8F\xBF\xBF", false},
        {"\xF4\x8F\xBF\xBF", true},
        {"\xF4\x90\x80\x80", false},
        {"\xF5\x80\x80\x80", false},
        {"\xFF", false},
        {"\x80", false},
        {"\xE8\xA5", false},
        {"\xE8\xA5\xBF\xBF", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(valid((const uint8_t *)cases[i].text, strlen(cases[i].text)), cases[i].valid);
}

static void each_character_is_valid_and_nothing_shorter(void **state) {
    (void)state;
    uint8_t text[4] = {0};
    for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 7) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        size_t size = utf8_put(c, text);
        assert_true(valid(text, size));
        for (size_t cut = 1; cut < size; cut++)
            assert_false(valid(text, cut));
    }
}

// A sequence at every place of texts of every length, ASCII and Chinese.
static void place(const uint8_t *sequence, size_t size) {
    static const char *const around[] = {"0123456789012345678901234567890123456789",
        "\xE8\xA5\xBF\xE6\xBA\xAA\xE8\xA1\x97\xE9\x81\x93\xE8\xA5\xBF\xE6\xBA\xAA\xE8\xA1\x97\xE9\x81\x93"
        "\xE8\xA5\xBF\xE6\xBA\xAA\xE8\xA1\x97\xE9\x81\x93"};
    uint8_t text[ROOM] = {0};
    for (size_t kind = 0; kind < 2; kind++)
        for (size_t before = 0; before <= 18; before++)
            for (size_t after = 0; after <= 18; after += 3) {
                size_t step = kind ? 3 : 1;
                size_t lead = before / step * step;
                memcpy(text, around[kind], lead);
                memcpy(text + lead, sequence, size);
                memcpy(text + lead + size, around[kind], after);
                valid(text, lead + size + after);
            }
}

static void mistakes_are_found_at_every_place(void **state) {
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0,
        0xE8, 0xED, 0xF0, 0xF4, 0xF5, 0xFF};
    const size_t count = sizeof bytes;
    uint8_t sequence[4] = {0};
    for (size_t i = 0; i < count * count * count; i++) {
        sequence[0] = bytes[i % count];
        sequence[1] = bytes[i / count % count];
        sequence[2] = bytes[i / count / count];
        sequence[3] = 0x80;
        place(sequence, 3);
        if (sequence[0] >= 0xF0)
            place(sequence, 4);
    }
}

// Runs of ASCII are passed over in long steps: what stands before, between and behind them must still show.
static void mistakes_are_found_around_long_runs_of_ascii(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "\xE8\xA5\xBF", "\xC3\xA9", "\xF0\x90\x80\x80", "\xE8\xA5", "\xBF", "\xF0\x90\x80", "\xC3", "\xFF"};
    uint8_t text[512] = {0};
    for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++)
        for (size_t size = 16; size <= 240; size += 7)
            for (size_t at = 0; at + 4 <= size; at++) {
                size_t length = strlen(pieces[piece]);
                memset(text, 'x', size);
                memcpy(text + at, pieces[piece], length);
                assert_int_equal(valid(text, size), piece < 3);
                assert_int_equal(valid(text, at + length), piece < 3); // it ends with it
                memcpy(text + size, pieces[7 - piece], 2);             // a second one behind
                valid(text, size + 2);
            }
}

// Long texts of pieces drawn at random, cut anywhere.
static void random_texts_are_judged_alike(void **state) {
    (void)state;
    static const char *const pieces[] = {"x",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
        "\xE8\xA5\xBF\xE6\xBA\xAA\xE8\xA1\x97\xE9\x81\x93\xE8\xA5\xBF\xE6\xBA\xAA", "\xC3\xA9",
        "\xF0\x90\x80\x80", "\xE0\xA0\x80", "0123456789012345", "\x80"};
    uint8_t text[2048] = {0};
    uint64_t random = 88172645463325252u;
    size_t good = 0;
    for (size_t round = 0; round < 20000; round++) {
        size_t size = 0;
        for (size_t left = 1 + round % 24; left > 0; left--) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            // The wrong one is rare, so that most texts are right or wrong in one place.
            const char *piece = pieces[random % 100 == 0 ? 7 : random % 7];
            while (*piece)
                text[size++] = (uint8_t)*piece++;
        }
        good += valid(text, size);
        valid(text, size - random % size);
    }
    assert_in_range(good, 10000, 19999); // both kinds came
}

static void all_sequences_of_three_bytes(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 1u << 24; i++) {
        uint8_t text[16] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
        if (utf8_valid_short(text, 3) != utf8_valid_portable(text, 3))
            fail_msg("%02x %02x %02x", text[0], text[1], text[2]);
    }
}

static void cut_characters_are_taken_away(void **state) {
    (void)state;
    static const char text[] = "aé换\xF0\x90\x80\x80z";
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t size = 0; size < sizeof kept / sizeof *kept; size++) {
        char copy[sizeof text + 1];
        memset(copy, 'x', sizeof copy);
        utf8_copy(copy, size + 1, text);
        assert_int_equal(strlen(copy), kept[size]);
        assert_memory_equal(copy, text, kept[size]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_by_rfc_3629),
        cmocka_unit_test(each_character_is_valid_and_nothing_shorter),
        cmocka_unit_test(mistakes_are_found_at_every_place),
        cmocka_unit_test(mistakes_are_found_around_long_runs_of_ascii),
        cmocka_unit_test(random_texts_are_judged_alike),
        cmocka_unit_test(all_sequences_of_three_bytes),
        cmocka_unit_test(cut_characters_are_taken_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
