// Records of any bytes in each format. The first byte chooses the format, and whether the value is a
// structured event; what is decoded is written again in each format and read back.
#include "adapters/connectors/kafka/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct catalogue *catalogue;
static struct schema_entry entry = {.id = 7, .depth = 1};
static struct schema_table schemas = {.items = &entry, .count = 1};

static void load(void) {
    if (catalogue)
        return;
    if (catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &catalogue, NULL))
        abort();
    entry.type = catalogue_message(catalogue, bytes_of_string("gov.housing.v1.TenancyMarked"));
}

static struct decoder decoder_of(enum format format) {
    return (struct decoder){.format = format,
        .catalogue = catalogue,
        .schemas = &schemas,
        .type = format == FORMAT_PROTOBUF || format == FORMAT_JSON ? entry.type : NULL};
}

// Written as a structured event with its bytes, it must come back as it is.
static void check_back(const struct decoded *decoded) {
    struct encoded encoded = {0};
    struct decoded again = {0};
    struct encoder encoder = {.format = FORMAT_CLOUDEVENTS, .structured = true};
    struct connector_delivery delivery = {.id = bytes_of_string("1"),
        .source = bytes_of_string("x"),
        .type = decoded->type,
        .payload = decoded->payload,
        .time_us = 1};
    struct decoder decoder = decoder_of(FORMAT_CLOUDEVENTS);
    if (kafka_record_encode(&encoder, &delivery, &encoded, NULL))
        abort();
    struct record record = {.value = buffer_bytes(&encoded.value),
        .headers = encoded.headers,
        .header_count = encoded.header_count};
    if (kafka_record_decode(&decoder, &record, &again, NULL) ||
        !bytes_equal(again.payload, decoded->payload) || again.type != decoded->type)
        abort();
    encoded_destroy(&encoded);
    decoded_destroy(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct header structured = {
        "content-type", {(const uint8_t *)"application/cloudevents+json", 28}};
    if (size < 2)
        return 0;
    load();
    struct header headers[] = {structured, {"ce_extra", bytes_of(data + 1, size - 1 < 40 ? size - 1 : 40)}};
    struct decoded decoded = {0};
    struct decoder decoder = decoder_of((enum format)(data[0] % 4));
    struct record record = {.value = bytes_of(data + 1, size - 1),
        .headers = headers,
        .header_count = data[0] & 4   ? 0
                        : data[0] & 8 ? 2
                                      : 1};
    if (kafka_record_decode(&decoder, &record, &decoded, NULL) == 0)
        check_back(&decoded);
    decoded_destroy(&decoded);
    return 0;
}
