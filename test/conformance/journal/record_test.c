#include "cli/record.h"
#include "core/wire/wire.h"

#include "hutong/bus/v1/journal.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *line_of(uint8_t kind, struct bytes body) {
    struct journal_record record = {
        .sequence = 7, .time_ns = 1795518355123456789, .kind = kind, .body = body};
    json_t *description = record_describe(&record);
    assert_non_null(description);
    char *line = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&line, &size);
    record_print(description, to);
    fclose(to);
    json_decref(description);
    return line;
}

static void assert_line(uint8_t kind, const ProtobufCMessage *message, const char *expected) {
    uint8_t packed[1000];
    size_t size = protobuf_c_message_pack(message, packed);
    char *line = line_of(kind, bytes_of(packed, size));
    const char *rest = strstr(line, " bytes=");
    assert_non_null(rest);
    rest = strchr(rest + 1, ' ');
    assert_string_equal(rest, expected);
    free(line);
}

static void a_message_is_told_without_the_person(void **state) {
    (void)state;
    struct wire_envelope parts = {.id = bytes_of_string("m-1"),
        .type = bytes_of_string("gov.public_security.v1.ResidenceRegistered"),
        .subject = bytes_of_string("330106199001011234"),
        .payload = bytes_of_string("secret")};
    struct buffer envelope = {0};
    assert_int_equal(wire_envelope_append(&parts, &envelope), 0);
    Hutong__Bus__V1__Delivery delivery;
    hutong__bus__v1__delivery__init(&delivery);
    delivery.queue = 2;
    delivery.position = 9;
    delivery.route = (char[]){"residence-to-housing"};
    delivery.agreement = (char[]){"PS-1"};
    Hutong__Bus__V1__Delivery *deliveries[] = {&delivery};
    Hutong__Bus__V1__MessageRecord record;
    hutong__bus__v1__message_record__init(&record);
    record.source = (char[]){"public_security/population"};
    record.publisher = 1;
    record.sequence = 5;
    record.n_deliveries = 1;
    record.deliveries = deliveries;
    record.envelope.data = envelope.data;
    record.envelope.len = envelope.size;
    assert_line(1, &record.base,
        " source=public_security/population id=m-1 type=gov.public_security.v1.ResidenceRegistered "
        "payload_bytes=6 publisher=1"
        " publisher_sequence=5 "
        "deliveries=[{\"queue\":2,\"position\":9,\"route\":\"residence-to-housing\",\"agreement\":\"PS-1\"}]"
        "\n");
    buffer_destroy(&envelope);
}

static void small_records_are_told(void **state) {
    (void)state;
    Hutong__Bus__V1__PositionSpan span;
    hutong__bus__v1__position_span__init(&span);
    span.first = 3;
    span.count = 4;
    Hutong__Bus__V1__PositionSpan *spans[] = {&span};
    Hutong__Bus__V1__SettledRecord settled;
    hutong__bus__v1__settled_record__init(&settled);
    settled.queue = 2;
    settled.n_spans = 1;
    settled.spans = spans;
    assert_line(2, &settled.base, " queue=2 spans=[{\"first\":3,\"count\":4}]\n");
    Hutong__Bus__V1__QueueRecord queue;
    hutong__bus__v1__queue_record__init(&queue);
    queue.queue = 3;
    queue.name = (char[]){"dead:housing/tenancy"};
    assert_line(5, &queue.base, " queue=3 name=dead:housing/tenancy\n");
    Hutong__Bus__V1__PeerRecord peer;
    hutong__bus__v1__peer_record__init(&peer);
    peer.system = (char[]){"housing/tenancy"};
    peer.up = 1;
    assert_line(8, &peer.base, " system=housing/tenancy up=true\n");
    Hutong__Bus__V1__RefusedRecord refused;
    hutong__bus__v1__refused_record__init(&refused);
    refused.source = (char[]){"a/b"};
    refused.reason = HUTONG__BUS__V1__REASON__REASON_UNKNOWN_TYPE;
    assert_line(3, &refused.base, " source=a/b reason=unknown_type publisher=0 publisher_sequence=0\n");
    Hutong__Bus__V1__DeadRecord dead;
    hutong__bus__v1__dead_record__init(&dead);
    dead.reason = HUTONG__BUS__V1__REASON__REASON_REJECTED;
    dead.route = (char[]){"r"};
    assert_line(4, &dead.base,
        " queue=0 position=0 dead_queue=0 dead_position=0 route=r reason=rejected attempts=0\n");
    uint8_t digest[] = {0xab, 0x01};
    Hutong__Bus__V1__ActivatedRecord activated;
    hutong__bus__v1__activated_record__init(&activated);
    activated.digest.data = digest;
    activated.digest.len = 2;
    activated.who = (char[]){"the admin"};
    assert_line(7, &activated.base, " digest=ab01 who=\"the admin\"\n");
    activated.number = 4;
    activated.why = (char[]){"new rules"};
    activated.files_size = 99;
    assert_line(7, &activated.base,
        " digest=ab01 who=\"the admin\" why=\"new rules\" number=4 routes=0 files_bytes=99\n");
    activated.number = 4;
    activated.why = (char[]){"new rules"};
    activated.files_size = 99;
    assert_line(7, &activated.base,
        " digest=ab01 who=\"the admin\" why=\"new rules\" number=4 routes=0 files_bytes=99\n");
    Hutong__Bus__V1__PublisherRecord publisher;
    hutong__bus__v1__publisher_record__init(&publisher);
    publisher.publisher = 4;
    publisher.system = (char[]){"a/b"};
    assert_line(6, &publisher.base, " publisher=4 system=a/b\n");
}

static void what_can_not_be_read_is_told(void **state) {
    (void)state;
    char *line = line_of(2, bytes_of_string("\xff\xff\xff"));
    assert_string_equal(line, "7 2026-11-24T11:05:55.123456Z settled bytes=3 unreadable=true\n");
    free(line);
    line = line_of(99, bytes_of_string("x"));
    assert_string_equal(line, "7 2026-11-24T11:05:55.123456Z 99 bytes=1\n");
    free(line);
    line = line_of(1, (struct bytes){0});
    assert_string_equal(line, "7 2026-11-24T11:05:55.123456Z message bytes=0 erased=true\n");
    free(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_told_without_the_person),
        cmocka_unit_test(small_records_are_told),
        cmocka_unit_test(what_can_not_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
