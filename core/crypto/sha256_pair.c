#include "core/crypto/sha256_pair.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#define BLOCK ((size_t)64)
#define WITH_SHA __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE __attribute__((always_inline)) static inline

static const _Alignas(16) uint32_t rounds[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
    0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74,
    0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3,
    0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354,
    0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3,
    0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
    0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// SHA-NI has the state's eight words as ABEF and CDGH.
struct state {
    __m128i abef, cdgh;
};

// A state within a block, in registers.
struct work {
    __m128i abef, cdgh;
    __m128i words[4];
};

// One message on its way.
struct lane {
    struct state state;
    const uint8_t *next;
    uint8_t tail[2 * BLOCK]; // the last bytes, padded
    size_t whole;            // blocks before the tail
    size_t ends;             // blocks of the tail
};

WITH_SHA INLINE __m128i load_words(const uint8_t *at) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)at), big_endian);
}

WITH_SHA INLINE struct work load_block(const struct state *state, const uint8_t *block) {
    return (struct work){.abef = state->abef,
        .cdgh = state->cdgh,
        .words = {load_words(block), load_words(block + 16), load_words(block + 32), load_words(block + 48)}};
}

WITH_SHA INLINE void add_work(struct state *state, const struct work *work) {
    state->abef = _mm_add_epi32(state->abef, work->abef);
    state->cdgh = _mm_add_epi32(state->cdgh, work->cdgh);
}

// Rounds 4i to 4i+3.
WITH_SHA INLINE void four_rounds(struct work *work, size_t i) {
    __m128i *w = work->words;
    if (i >= 4) {
        __m128i sum = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
        sum = _mm_add_epi32(sum, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
        w[i & 3] = _mm_sha256msg2_epu32(sum, w[(i + 3) & 3]);
    }
    __m128i message =
        _mm_add_epi32(w[i & 3], _mm_load_si128((const __m128i *)(const void *)(rounds + 4 * i)));
    work->cdgh = _mm_sha256rnds2_epu32(work->cdgh, work->abef, message);
    work->abef = _mm_sha256rnds2_epu32(work->abef, work->cdgh, _mm_shuffle_epi32(message, 0x0e));
}

// Written out, so that each round's place in the words is known when it is compiled.
#define EACH_FOUR(step)                                                                                      \
    step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)        \
        step(12) step(13) step(14) step(15)

WITH_SHA static void one_block(struct state *state, const uint8_t *block) {
    struct work work = load_block(state, block);
#define STEP(i) four_rounds(&work, i);
    EACH_FOUR(STEP)
#undef STEP
    add_work(state, &work);
}

WITH_SHA static void two_blocks(
    struct state *a, const uint8_t *block_a, struct state *b, const uint8_t *block_b) {
    struct work work_a = load_block(a, block_a);
    struct work work_b = load_block(b, block_b);
#define STEP(i) four_rounds(&work_a, i), four_rounds(&work_b, i);
    EACH_FOUR(STEP)
#undef STEP
    add_work(a, &work_a);
    add_work(b, &work_b);
}

WITH_SHA static void begin(struct lane *lane, struct bytes message) {
    size_t rest = message.size % BLOCK;
    lane->state.abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c);
    lane->state.cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
    lane->next = message.data;
    lane->whole = message.size / BLOCK;
    lane->ends = rest < BLOCK - 8 ? 1 : 2;
    memset(lane->tail, 0, sizeof lane->tail);
    if (rest)
        memcpy(lane->tail, message.data + message.size - rest, rest);
    lane->tail[rest] = 0x80;
    uint64_t bits = __builtin_bswap64((uint64_t)message.size * 8);
    memcpy(lane->tail + lane->ends * BLOCK - 8, &bits, 8);
}

// The block that comes next, in the message or its tail; NULL: there is none.
static const uint8_t *take_block(struct lane *lane) {
    const uint8_t *block = lane->next;
    if (lane->whole == 0) {
        if (lane->ends == 0)
            return NULL;
        block = lane->tail;
        lane->whole = lane->ends;
        lane->ends = 0;
    }
    lane->whole--;
    lane->next = block + BLOCK;
    return block;
}

WITH_SHA static void finish(const struct lane *lane, uint8_t out[DIGEST_SIZE]) {
    uint32_t abef[4];
    uint32_t cdgh[4];
    _mm_storeu_si128((__m128i *)(void *)abef, lane->state.abef);
    _mm_storeu_si128((__m128i *)(void *)cdgh, lane->state.cdgh);
    const uint32_t state[] = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
    for (size_t i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(state[i]);
        memcpy(out + 4 * i, &word, 4);
    }
}

void sha256_pair(struct bytes a, struct bytes b, uint8_t out_a[DIGEST_SIZE], uint8_t out_b[DIGEST_SIZE]) {
    struct lane l;
    struct lane m;
    begin(&l, a);
    begin(&m, b);
    const uint8_t *block_a = take_block(&l);
    const uint8_t *block_b = take_block(&m);
    for (; block_a && block_b; block_a = take_block(&l), block_b = take_block(&m))
        two_blocks(&l.state, block_a, &m.state, block_b);
    for (; block_a; block_a = take_block(&l))
        one_block(&l.state, block_a);
    for (; block_b; block_b = take_block(&m))
        one_block(&m.state, block_b);
    finish(&l, out_a);
    finish(&m, out_b);
}

bool sha256_pair_usable(void) {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (!__builtin_cpu_supports("sse4.1") || !__builtin_cpu_supports("ssse3"))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

#else

bool sha256_pair_usable(void) {
    return false;
}

void sha256_pair(struct bytes a, struct bytes b, uint8_t out_a[DIGEST_SIZE], uint8_t out_b[DIGEST_SIZE]) {
    (void)a, (void)b, (void)out_a, (void)out_b;
}

#endif
