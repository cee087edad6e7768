// Formats, both ways: what is written is read back; what is wrong is refused with its reason.
#include "adapters/connectors/kafka/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct catalogue *catalogue;
static const struct schema_message *type;
static struct schema_entry entries[3];
static struct schema_table schemas = {.items = entries, .count = 3};
static const uint8_t wire[] = {0x0a, 2, 'L', '1'}; // lease_number

static int set_up(void **state) {
    struct error error = {0};
    (void)state;
    assert_int_equal(catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &catalogue, &error), 0);
    type = catalogue_message(catalogue, bytes_of_string("gov.housing.v1.TenancyMarked"));
    assert_non_null(type);
    entries[0] = (struct schema_entry){.id = 7, .depth = 1, .type = type};
    entries[1] = (struct schema_entry){.id = 0x01020304, .index = {2, 300}, .depth = 2, .type = type};
    entries[2] = (struct schema_entry){.id = 9, .index = {1}, .depth = 1, .type = type};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    catalogue_destroy(&catalogue);
    return 0;
}

static struct decoder decoder_of(enum format format) {
    return (struct decoder){.format = format,
        .catalogue = catalogue,
        .schemas = &schemas,
        .type = format == FORMAT_PROTOBUF || format == FORMAT_JSON ? type : NULL};
}

static const char *const attributes[] = {"office", "7", "note", "\xe8\xa5\xbf\xe6\xb9\x96", NULL};

static struct connector_delivery delivery(void) {
    return (struct connector_delivery){.id = bytes_of_string("id-1"),
        .source = bytes_of_string("housing/tenancy"),
        .subject = bytes_of_string("a \"subject\""),
        .time_us = 1795512600123456,
        .type = type,
        .payload = bytes_of(wire, sizeof wire),
        .attributes = attributes};
}

static void check_back(const struct encoder *encoder, bool event) {
    struct encoded encoded = {0};
    struct decoded decoded = {0};
    struct error error = {0};
    struct connector_delivery from = delivery();
    struct decoder decoder = decoder_of(encoder->format);
    assert_int_equal(kafka_record_encode(encoder, &from, &encoded, &error), 0);
    struct record record = {.value = buffer_bytes(&encoded.value),
        .headers = encoded.headers,
        .header_count = encoded.header_count,
        .time_us = 5};
    int rc = kafka_record_decode(&decoder, &record, &decoded, &error);
    if (rc)
        fprintf(stderr, "%s\n", error.text);
    assert_int_equal(rc, 0);
    assert_ptr_equal(decoded.type, type);
    assert_true(bytes_equal(decoded.payload, from.payload));
    assert_int_equal(decoded.time_us, event ? from.time_us : 5);
    assert_int_equal(decoded.attribute_count, event ? 3 : 2);
    assert_true(bytes_equal_string(buffer_bytes(&decoded.id), event ? "id-1" : ""));
    if (event)
        assert_true(bytes_equal(buffer_bytes(&decoded.subject), from.subject));
    assert_string_equal(decoded.attributes[event ? 2 : 0], "office");
    assert_string_equal(decoded.attributes[event ? 5 : 3], attributes[3]);
    encoded_destroy(&encoded);
    decoded_destroy(&decoded);
}

static void test_what_is_written_is_read(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        check_back(
            &(struct encoder){.format = FORMAT_CLOUDEVENTS, .structured = i & 1, .json_data = i & 2}, true);
    check_back(&(struct encoder){.format = FORMAT_PROTOBUF}, false);
    check_back(&(struct encoder){.format = FORMAT_CONFLUENT, .schemas = &schemas}, false);
    check_back(&(struct encoder){.format = FORMAT_JSON}, false);
}

// The heads as Confluent's documentation writes them.
static void test_confluent_heads(void **state) {
    static const struct {
        size_t entry;
        uint8_t head[12];
        size_t size;
    } cases[] = {
        {0, {0, 0, 0, 0, 7, 0}, 6}, {1, {0, 1, 2, 3, 4, 4, 4, 0xd8, 4}, 9}, {2, {0, 0, 0, 0, 9, 2, 2}, 7}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct buffer out = {0};
        struct schema_table one = {.items = &entries[cases[i].entry], .count = 1};
        const struct schema_message *found = NULL;
        assert_int_equal(confluent_write(&one, type, &out, NULL), 0);
        assert_true(bytes_equal(buffer_bytes(&out), bytes_of(cases[i].head, cases[i].size)));
        struct bytes rest = buffer_bytes(&out);
        assert_int_equal(confluent_read(&schemas, &rest, &found, NULL), 0);
        assert_ptr_equal(found, type);
        assert_int_equal(rest.size, 0);
        for (size_t size = 0; size < out.size; size++) { // cut
            rest = bytes_of(out.data, size);
            assert_int_equal(confluent_read(&schemas, &rest, &found, NULL), CONNECTOR_BAD_ROW);
        }
        buffer_destroy(&out);
    }
    static const uint8_t spelled[] = {0, 0, 0, 0, 7, 2, 0}; // [0], written out
    static const uint8_t negative[] = {0, 0, 0, 0, 7, 1, 0};
    static const uint8_t deep[] = {0, 0, 0, 0, 7, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const struct schema_message *found = NULL;
    assert_int_equal(confluent_read(&schemas, &(struct bytes){spelled, 7}, &found, NULL), 0);
    assert_int_equal(confluent_read(&schemas, &(struct bytes){negative, 7}, &found, NULL), CONNECTOR_BAD_ROW);
    assert_int_equal(confluent_read(&schemas, &(struct bytes){deep, 15}, &found, NULL), CONNECTOR_BAD_ROW);
}

// ---- What is wrong ----

static void refuse(
    enum format format, const struct header *headers, size_t count, const char *value, const char *expected) {
    struct decoded decoded = {0};
    struct error error = {0};
    struct decoder decoder = decoder_of(format);
    struct record record = {
        .value = bytes_of_string(value), .headers = headers, .header_count = count, .time_us = 1};
    assert_int_equal(kafka_record_decode(&decoder, &record, &decoded, &error), CONNECTOR_BAD_ROW);
    if (!strstr(error.text, expected))
        fprintf(stderr, "\"%s\" has no \"%s\"\n", error.text, expected);
    assert_non_null(strstr(error.text, expected));
    decoded_destroy(&decoded);
}

#define TEXT(s) {(const uint8_t *)(s), sizeof(s) - 1}

static void test_broken_events(void **state) {
    static const struct header structured[] = {
        {"Content-Type", TEXT("application/cloudevents+json; charset=utf-8")}};
    static const char *const cases[][2] = {
        {"", "empty"},
        {"[1]", "expected"},
        {"{\"specversion\":\"0.3\"}", "specversion: expected 1.0"},
        {"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"x\",\"type\":\"t\"}", "has no data"},
        {"{\"specversion\":\"1.0\",\"source\":\"x\",\"type\":\"t\",\"data\":{}}", "no CloudEvent"},
        {"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"x\",\"type\":\"no.such\",\"data\":{}}",
            "no.such"},
        {"{\"specversion\":\"1.0\",\"id\":\"1\",\"ext\":{\"a\":1}}", "ext: expected a text"},
        {"{\"specversion\":\"1.0\",\"time\":\"yesterday\"}", "time: expected RFC 3339"},
        {"{\"data_base64\":\"***\"}", "data_base64: no base64"},
        {"{\"data_base64\":7}", "data_base64: expected a text"},
        {"{\"id\":\"1\"} x", "expected"},
        {"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"x\",\"type\":\"gov.housing.v1.TenancyMarked\","
         "\"data\":{\"leaseNumbr\":\"x\"}}",
            "leaseNumbr"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(FORMAT_CLOUDEVENTS, structured, 1, cases[i][0], cases[i][1]);
    static const struct header text[] = {{"content-type", TEXT("text/plain")}};
    refuse(FORMAT_CLOUDEVENTS, text, 1, "x", "content type \"text/plain\"");
    refuse(FORMAT_CLOUDEVENTS, NULL, 0, "{}", "no CloudEvent");
}

static void test_broken_records(void **state) {
    struct header many[WIRE_ATTRIBUTE_LIMIT + 1];
    char names[WIRE_ATTRIBUTE_LIMIT + 1][8];
    (void)state;
    for (size_t i = 0; i <= WIRE_ATTRIBUTE_LIMIT; i++) {
        snprintf(names[i], sizeof names[i], "h%zu", i);
        many[i] = (struct header){names[i], TEXT("1")};
    }
    refuse(FORMAT_PROTOBUF, many, WIRE_ATTRIBUTE_LIMIT + 1, "x", "more than 16 headers");
    static const struct header twice[] = {{"a-b", TEXT("1")}, {"AB", TEXT("2")}};
    refuse(FORMAT_PROTOBUF, twice, 2, "x", "header ab is there twice");
    static const struct header nameless[] = {{"--", TEXT("1")}};
    refuse(FORMAT_PROTOBUF, nameless, 1, "x", "expected a name");
    static const struct header no_text[] = {{"a", TEXT("\xff")}};
    refuse(FORMAT_PROTOBUF, no_text, 1, "x", "UTF-8");
    refuse(FORMAT_JSON, NULL, 0, "{\"mark\": \"NONE\"}", "mark");
    refuse(FORMAT_CONFLUENT, NULL, 0, "{}", "expected a zero byte");
    struct decoded decoded = {0};
    struct decoder decoder = decoder_of(FORMAT_PROTOBUF);
    assert_int_equal(kafka_record_decode(&decoder, &(struct record){0}, &decoded, NULL), CONNECTOR_BAD_ROW);
    decoded_destroy(&decoded);
}

static void test_no_id_for_a_type(void **state) {
    struct encoded encoded = {0};
    struct error error = {0};
    struct connector_delivery from = delivery();
    struct schema_table none = {0};
    (void)state;
    struct encoder encoder = {.format = FORMAT_CONFLUENT, .schemas = &none};
    assert_int_equal(kafka_record_encode(&encoder, &from, &encoded, &error), CONNECTOR_REJECT);
    static const uint8_t broken[] = {0x0a, 200};
    from.payload = bytes_of(broken, 2);
    encoder = (struct encoder){.format = FORMAT_JSON};
    assert_int_equal(kafka_record_encode(&encoder, &from, &encoded, &error), CONNECTOR_REJECT);
    encoded_destroy(&encoded);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_confluent_heads),
        cmocka_unit_test(test_broken_events),
        cmocka_unit_test(test_broken_records),
        cmocka_unit_test(test_no_id_for_a_type),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
