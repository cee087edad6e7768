#include "core/crypto/crc32c.h"
#include "core/crypto/digest.h"
#include "core/crypto/keys.h"
#include "core/crypto/random.h"
#include "core/crypto/secret.h"
#include "test/support/alloc_fail.h"

#include <czmq.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_digest(enum digest_kind kind, const char *text, const char *hex) {
    uint8_t out[DIGEST_SIZE];
    char got[2 * DIGEST_SIZE + 1];
    assert_int_equal(digest_once(kind, bytes_of_string(text), out), 0);
    digest_hex(out, got);
    assert_string_equal(got, hex);
}

static void digests_match_the_standards_vectors(void **state) {
    (void)state;
    assert_digest(DIGEST_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(DIGEST_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(DIGEST_SM3, "abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    assert_digest(DIGEST_SM3, "abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd",
        "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
}

static void assert_pair(struct digest *digest, struct bytes a, struct bytes b) {
    uint8_t got[2][DIGEST_SIZE];
    uint8_t want[2][DIGEST_SIZE];
    assert_int_equal(digest_pair(digest, a, b, got[0], got[1]), 0);
    assert_int_equal(digest_parts(digest, &a, 1, want[0]), 0);
    assert_int_equal(digest_parts(digest, &b, 1, want[1]), 0);
    assert_memory_equal(got, want, sizeof got);
}

// OpenSSL's digests are the measure; all lengths around the blocks' edges, alike and not.
static void pairs_are_what_each_is_alone(void **state) {
    (void)state;
    static uint8_t data[2][5000];
    struct random_pool pool = {0};
    assert_int_equal(random_fill(&pool, data, sizeof data), 0);
    for (int kind = DIGEST_SHA256; kind <= DIGEST_SM3; kind++) {
        struct digest *digest = digest_new((enum digest_kind)kind);
        for (size_t size = 0; size < 260; size++)
            for (size_t other = 0; other < 260; other += size % 64 < 2 || size % 64 > 54 ? 1 : 37)
                assert_pair(digest, bytes_of(data[0], size), bytes_of(data[1], other));
        for (size_t i = 0; i < 300; i++) {
            uint32_t sizes[2];
            assert_int_equal(random_fill(&pool, sizes, sizeof sizes), 0);
            size_t skip = i % 16; // at any alignment
            assert_pair(
                digest, bytes_of(data[0] + skip, sizes[0] % 4900), bytes_of(data[1] + skip, sizes[1] % 4900));
        }
        digest_destroy(&digest);
    }
}

static void assert_hmac(struct bytes key, const char *message, const char *hex) {
    struct digest *digest = digest_new(DIGEST_SHA256);
    uint8_t out[DIGEST_SIZE];
    char got[2 * DIGEST_SIZE + 1];
    assert_int_equal(digest_hmac(digest, key, bytes_of_string(message), out), 0);
    digest_hex(out, got);
    assert_string_equal(got, hex);
    digest_destroy(&digest);
}

// RFC 4231, test cases 1 and 6; and nothing at all.
static void hmac_matches_rfc_4231(void **state) {
    (void)state;
    uint8_t key[131];
    memset(key, 0x0b, sizeof key);
    assert_hmac(
        bytes_of(key, 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    memset(key, 0xaa, sizeof key);
    assert_hmac(bytes_of(key, sizeof key), "Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_hmac((struct bytes){0}, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void a_digest_in_pieces_is_the_same(void **state) {
    (void)state;
    struct digest *digest = digest_new(DIGEST_SHA256);
    uint8_t whole[DIGEST_SIZE];
    uint8_t pieces[DIGEST_SIZE];
    assert_int_equal(digest_once(DIGEST_SHA256, bytes_of_string("hutong"), whole), 0);
    for (int again = 0; again < 3; again++) {
        digest_begin(digest);
        digest_add(digest, "hu", 2);
        digest_add(digest, NULL, 0);
        digest_add(digest, "tong", 4);
        assert_int_equal(digest_end(digest, pieces), 0);
        assert_memory_equal(whole, pieces, DIGEST_SIZE);
    }
    struct bytes parts[] = {bytes_of_string("hut"), bytes_of_string("ong")};
    assert_int_equal(digest_parts(digest, parts, 2, pieces), 0);
    assert_memory_equal(whole, pieces, DIGEST_SIZE);
    digest_destroy(&digest);
    assert_null(digest);
}

static void digest_survives_no_memory(void **state) {
    (void)state;
    alloc_fail_after(0);
    assert_null(digest_new(DIGEST_SHA256));
    uint8_t out[DIGEST_SIZE];
    assert_int_equal(digest_once(DIGEST_SM3, bytes_of_string("x"), out), -ENOMEM);
    alloc_fail_never();
}

static void crc32c_matches_rfc_3720(void **state) {
    (void)state;
    uint8_t block[32] = {0};
    assert_int_equal(crc32c(0, block, 32), 0x8a9136aa);
    memset(block, 0xff, sizeof block);
    assert_int_equal(crc32c(0, block, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        block[i] = i;
    assert_int_equal(crc32c(0, block, 32), 0x46dd794e);
    assert_int_equal(crc32c_table(0, block, 32), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void crc32c_by_table_and_by_cpu_agree(void **state) {
    (void)state;
    static uint8_t data[5000];
    struct random_pool pool = {0};
    assert_int_equal(random_fill(&pool, data, sizeof data), 0);
    for (size_t size = 0; size < 4000; size += size < 64 ? 1 : 37)
        for (size_t from = 0; from < 9; from++)
            assert_int_equal(crc32c(7, data + from, size), crc32c_table(7, data + from, size));
}

static void random_bytes_do_not_repeat(void **state) {
    (void)state;
    struct random_pool pool = {0};
    static uint8_t a[10000];
    static uint8_t b[10000];
    assert_int_equal(random_fill(&pool, a, sizeof a), 0);
    assert_int_equal(random_fill(&pool, b, sizeof b), 0);
    assert_memory_not_equal(a, b, 16);
    assert_memory_not_equal(a, a + RANDOM_POOL_SIZE, 16);
    static const uint8_t zero[RANDOM_POOL_SIZE];
    assert_memory_equal(pool.bytes, zero, RANDOM_POOL_SIZE - pool.left); // given out is wiped
}

// ---- Keys ----

static char folder[64];
static char path[128];
static char secret_path[160];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/hutong-crypto-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/housing", folder);
    snprintf(secret_path, sizeof secret_path, "%s" KEYS_SECRET_SUFFIX, path);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    unlink(secret_path);
    return rmdir(folder);
}

static void write_file(const char *to, const char *text, mode_t mode) {
    unlink(to);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void keys_come_back_as_made(void **state) {
    (void)state;
    struct error error = {0};
    assert_int_equal(keys_generate(path, "housing/tenancy", &error), 0);
    struct stat st;
    assert_int_equal(stat(secret_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    char public_key[KEYS_TEXT_SIZE];
    char from_secret[KEYS_TEXT_SIZE];
    char secret_key[KEYS_TEXT_SIZE];
    char name[KEYS_NAME_SIZE];
    assert_int_equal(keys_load_public(path, public_key, &error), 0);
    assert_int_equal(keys_load_secret(secret_path, from_secret, secret_key, &error), 0);
    assert_string_equal(public_key, from_secret);
    assert_int_equal(keys_load_name(path, name, &error), 0);
    assert_string_equal(name, "housing/tenancy");

    zcert_t *cert = zcert_load(path); // takes the secret file beside it, as CZMQ does
    assert_non_null(cert);
    assert_string_equal(zcert_public_txt(cert), public_key);
    assert_string_equal(zcert_secret_txt(cert), secret_key);
    assert_string_equal(zcert_meta(cert, "name"), name);
    zcert_destroy(&cert);
    keys_wipe(secret_key);
    assert_int_equal(secret_key[0], 0);
}

static void keys_of_czmq_are_read(void **state) {
    (void)state;
    zcert_t *cert = zcert_new();
    zcert_set_meta(cert, "name", "%s", "by czmq");
    assert_int_equal(zcert_save(cert, path), 0);
    char public_key[KEYS_TEXT_SIZE];
    char secret_key[KEYS_TEXT_SIZE];
    struct error error = {0};
    assert_int_equal(keys_load_secret(secret_path, public_key, secret_key, &error), 0);
    assert_string_equal(secret_key, zcert_secret_txt(cert));
    zcert_destroy(&cert);
}

static void keys_are_never_overwritten(void **state) {
    (void)state;
    struct error error = {0};
    write_file(path, "mine", 0644);
    assert_int_equal(keys_generate(path, "x", &error), -EEXIST);
    assert_int_equal(access(secret_path, F_OK), -1);
    unlink(path);
    write_file(secret_path, "mine", 0600);
    assert_int_equal(keys_generate(path, "x", &error), -EEXIST);
    assert_non_null(strstr(error.text, "not overwritten"));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(keys_generate("/nowhere/at/all", "x", &error), -ENOENT);
    assert_int_equal(keys_generate(path, "a\"b", &error), -EINVAL);
    assert_int_equal(keys_generate(path, "", &error), -EINVAL);
}

#define PUBLIC "l4Ghb-JW^lZY[O*eE0zwmoPbHpUbhoRn5Hq^)[xT"
#define SECRET "551Ka6W:[k=z{q7MHvP:u(qDK8/s>eLdy&RM$ke@"

static void bad_key_files_are_refused_with_their_line(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "has no public-key"},
        {"curve\n    public-key = \"short\"\n", "housing:2: a key is 40 characters"},
        {"curve\n    public-key = \"4Ghb-JW^lZY[O*eE0zwmoPbHpUbhoRn5Hq^)[xT~\"\n",
            "40 bytes, some of them not Z85"},
        {"curve\n    public-key = " PUBLIC "\n", "housing:2: a value stands in double quotes"},
        {"curve\n    public_key = \"" PUBLIC "\"\n", "housing:2: the section curve has"},
        {"curve\n    public-key = \"" PUBLIC "\"\n    public-key = \"" PUBLIC "\"\n",
            "housing:3: the key is there twice"},
        {"    public-key = \"" PUBLIC "\"\n", "housing:1: neither a section"},
        {"-----BEGIN PRIVATE KEY-----\n    abc\n", "housing:2: neither a section"},
        {"metadata\n    public-key = \"" PUBLIC "\"\n", "has no public-key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char public_key[KEYS_TEXT_SIZE] = "untouched";
        struct error error = {0};
        write_file(path, cases[i].text, 0644);
        assert_int_equal(keys_load_public(path, public_key, &error), -EINVAL);
        if (!strstr(error.text, cases[i].says))
            fail_msg("case %zu says: %s", i, error.text);
        assert_string_equal(public_key, "untouched");
    }
}

static void bad_secret_files_are_refused_without_telling(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        const char *says;
    } cases[] = {
        {"curve\n    public-key = \"" PUBLIC "\"\n", 0600, "has no secret-key"},
        {"curve\n    public-key = \"" PUBLIC "\"\n    secret-key = \"" SECRET "\"\n", 0644, "chmod 600"},
        {"curve\n    public-key = \"" SECRET "\"\n    secret-key = \"" SECRET "\"\n", 0600,
            "does not belong"},
        {"curve\n    secret-key = \"" SECRET "\"\n", 0600, "has no public-key"},
        {"curve\n    secret-key = \"" SECRET "x\"\n", 0600, "this has 41 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char keys[2][KEYS_TEXT_SIZE];
        struct error error = {0};
        write_file(secret_path, cases[i].text, cases[i].mode);
        assert_true(keys_load_secret(secret_path, keys[0], keys[1], &error) < 0);
        if (!strstr(error.text, cases[i].says) || strstr(error.text, SECRET))
            fail_msg("case %zu says: %s", i, error.text);
    }
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static void a_secret_is_64_digits_that_others_cannot_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        int code;
        const char *says;
    } cases[] = {
        {HEX, 0640, -EPERM, "chmod 600"},
        {HEX "0", 0600, -EINVAL, "64 hexadecimal digits"},
        {HEX "\n\n", 0600, -EINVAL, "64 hexadecimal digits"},
        {"", 0600, -EINVAL, "64 hexadecimal digits"},
        {"00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg", 0600, -EINVAL, "openssl rand"},
    };
    uint8_t out[SECRET_SIZE] = "untouched";
    struct error error = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(path, cases[i].text, cases[i].mode);
        assert_int_equal(secret_load(path, out, &error), cases[i].code);
        assert_non_null(strstr(error.text, cases[i].says));
        assert_null(strstr(error.text, "eeff"));
        assert_string_equal((const char *)out, "untouched");
    }
    write_file(path, HEX "\n", 0600);
    assert_int_equal(secret_load(path, out, &error), 0);
    assert_int_equal(out[1], 0x11);
    assert_int_equal(out[31], 0xff);
    write_file(path, HEX, 0400);
    assert_int_equal(secret_load(path, out, &error), 0);
    unlink(path);
    assert_int_equal(secret_load(path, out, &error), -ENOENT);
    assert_int_equal(secret_load(folder, out, &error), -EISDIR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_the_standards_vectors),
        cmocka_unit_test(pairs_are_what_each_is_alone),
        cmocka_unit_test(a_digest_in_pieces_is_the_same),
        cmocka_unit_test(hmac_matches_rfc_4231),
        cmocka_unit_test(digest_survives_no_memory),
        cmocka_unit_test(crc32c_matches_rfc_3720),
        cmocka_unit_test(crc32c_by_table_and_by_cpu_agree),
        cmocka_unit_test(random_bytes_do_not_repeat),
        cmocka_unit_test_setup_teardown(keys_come_back_as_made, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(keys_of_czmq_are_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(keys_are_never_overwritten, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            bad_key_files_are_refused_with_their_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            bad_secret_files_are_refused_without_telling, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            a_secret_is_64_digits_that_others_cannot_read, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
