#include "core/wire/wire.h"

// Bytes of a sequence with this first byte, and the range of its second byte; 0 for a byte that starts none.
static size_t sequence(uint8_t lead, uint8_t *low, uint8_t *high) {
    *low = 0x80;
    *high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef) {
        *low = lead == 0xe0 ? 0xa0 : 0x80;
        *high = lead == 0xed ? 0x9f : 0xbf;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        *low = lead == 0xf0 ? 0x90 : 0x80;
        *high = lead == 0xf4 ? 0x8f : 0xbf;
        return 4;
    }
    return 0;
}

// How many bytes from `at` on are ASCII without NUL, in steps of eight.
static size_t plain_run(const uint8_t *at, size_t size) {
    size_t n = 0;
    while (size - n >= 8) {
        uint64_t word;
        memcpy(&word, at + n, sizeof word);
        // With no high bit set, a zero byte borrows from 0x80 and leaves its high bit set.
        if ((word | (word - 0x0101010101010101u)) & 0x8080808080808080u)
            break;
        n += 8;
    }
    return n;
}

static bool tail_valid(const uint8_t *at, size_t length) {
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return false;
    return true;
}

bool wire_text_valid(struct bytes text) {
    const uint8_t *at = text.data;
    size_t left = text.size;
    while (left) {
        size_t n = plain_run(at, left);
        at += n;
        left -= n;
        if (!left)
            return true;
        if (*at < 0x80) {
            if (*at == 0)
                return false;
            at++;
            left--;
            continue;
        }
        uint8_t low;
        uint8_t high;
        n = sequence(*at, &low, &high);
        if (n == 0 || n > left || at[1] < low || at[1] > high || !tail_valid(at, n))
            return false;
        at += n;
        left -= n;
    }
    return true;
}
