#include "cli/record.h"

#include "cli/mask.h"
#include "core/wire/wire.h"

#include "hutong/bus/v1/journal.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const kinds[] = {[1] = "message",
    [2] = "settled",
    [3] = "refused",
    [4] = "dead",
    [5] = "queue",
    [6] = "publisher",
    [7] = "activated",
    [8] = "peer",
    [9] = "failed",
    [10] = "operated",
    [11] = "erased",
    [12] = "carried"};

#define KIND_COUNT (sizeof kinds / sizeof *kinds)

const char *record_kind_name(uint8_t kind) {
    return kind < KIND_COUNT ? kinds[kind] : NULL;
}

bool record_kind_parse(const char *name, uint8_t *kind) {
    for (size_t i = 1; i < KIND_COUNT; i++)
        if (kinds[i] && strcmp(kinds[i], name) == 0)
            return *kind = (uint8_t)i, true;
    return false;
}

// ---- Values ----

static void put(json_t *to, const char *key, json_t *value) {
    json_object_set_new(to, key, value ? value : json_null());
}

static void put_number(json_t *to, const char *key, uint64_t value) {
    put(to, key, json_integer((json_int_t)value));
}

static void put_text(json_t *to, const char *key, const char *text) {
    if (text && text[0])
        put(to, key, json_string(text)); // null where it is not UTF-8
}

static void put_bytes(json_t *to, const char *key, struct bytes text) {
    if (text.size > 0)
        put(to, key, json_stringn((const char *)text.data, text.size));
}

static void put_hex(json_t *to, const char *key, const ProtobufCBinaryData *data) {
    char hex[2 * 64 + 1] = "";
    for (size_t i = 0; i < data->len && i < 64; i++)
        snprintf(hex + 2 * i, 3, "%02x", data->data[i]);
    put_text(to, key, hex);
}

static json_t *time_text(int64_t time_ns) {
    char text[40];
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        return NULL;
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + size, sizeof text - size, ".%06dZ", (int)(time_ns / 1000 % 1000000));
    return json_string(text);
}

static void put_reason(json_t *to, uint32_t reason) {
    put_text(to, "reason", wire_reason_name((wire_reason)reason));
}

// The attributes that name no person: a subject may be a citizen number.
static void put_envelope(json_t *to, const ProtobufCBinaryData *data) {
    struct wire_envelope envelope;
    if (data->len == 0)
        return;
    if (wire_envelope_parse(bytes_of(data->data, data->len), &envelope, NULL)) {
        put(to, "unreadable", json_true());
        return;
    }
    put_bytes(to, "id", envelope.id);
    put_bytes(to, "type", envelope.type);
    put_number(to, "payload_bytes", envelope.payload.size);
}

// ---- Kinds. Each takes the unpacked record and describes it. ----

// Its own envelope, whole.
static void put_sent(
    json_t *to, const Hutong__Bus__V1__Delivery *delivery, const ProtobufCBinaryData *original) {
    const struct wire_spliced spliced = {.own = bytes_of(delivery->envelope.data, delivery->envelope.len),
        .copies = delivery->copies,
        .count = delivery->n_copies / 3};
    ProtobufCBinaryData whole = {.len = wire_spliced_size(&spliced)};
    whole.data = malloc(whole.len);
    json_t *sent = json_object();
    if (whole.data && wire_spliced_put(&spliced, bytes_of(original->data, original->len), whole.data) == 0)
        put_envelope(sent, &whole);
    else
        put(sent, "unreadable", json_true());
    put(to, "sent", sent);
    free(whole.data);
}

static void describe_delivery(
    json_t *list, const Hutong__Bus__V1__Delivery *delivery, const ProtobufCBinaryData *original) {
    json_t *one = json_object();
    put_number(one, "queue", delivery->queue);
    put_number(one, "position", delivery->position);
    put_text(one, "route", delivery->route);
    put_text(one, "agreement", delivery->agreement);
    if (delivery->replay)
        put(one, "replay", json_true());
    if (delivery->envelope.len > 0)
        put_sent(one, delivery, original);
    json_array_append_new(list, one);
}

static void describe_message(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__MessageRecord *record = unpacked;
    put_text(to, "source", record->source);
    put_envelope(to, &record->envelope);
    put_number(to, "publisher", record->publisher);
    put_number(to, "publisher_sequence", record->sequence);
    if (record->replay_of)
        put_number(to, "replay_of", record->replay_of);
    json_t *list = json_array();
    for (size_t i = 0; i < record->n_deliveries; i++)
        describe_delivery(list, record->deliveries[i], &record->envelope);
    put(to, "deliveries", list);
}

static void describe_settled(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__SettledRecord *record = unpacked;
    put_number(to, "queue", record->queue);
    json_t *list = json_array();
    for (size_t i = 0; i < record->n_spans; i++)
        json_array_append_new(list, json_pack("{s:I, s:I}", "first", (json_int_t)record->spans[i]->first,
                                        "count", (json_int_t)record->spans[i]->count));
    put(to, "spans", list);
}

static void describe_refused(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__RefusedRecord *record = unpacked;
    put_text(to, "source", record->source);
    put_text(to, "id", record->id);
    put_text(to, "type", record->type);
    put_reason(to, record->reason);
    put_number(to, "publisher", record->publisher);
    put_number(to, "publisher_sequence", record->sequence);
}

static void describe_dead(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__DeadRecord *record = unpacked;
    put_number(to, "queue", record->queue);
    put_number(to, "position", record->position);
    put_number(to, "dead_queue", record->dead_queue);
    put_number(to, "dead_position", record->dead_position);
    put_text(to, "route", record->route);
    put_reason(to, record->reason);
    put_number(to, "attempts", record->attempts);
    if (record->element)
        put_number(to, "item", record->element - 1); // from 0, as everywhere else that people read
    put_envelope(to, &record->envelope);
}

static void describe_queue(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__QueueRecord *record = unpacked;
    put_number(to, "queue", record->queue);
    put_text(to, "name", record->name);
}

static void describe_publisher(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__PublisherRecord *record = unpacked;
    put_number(to, "publisher", record->publisher);
    put_text(to, "system", record->system);
    put_hex(to, "stream", &record->stream);
}

static void describe_activated(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__ActivatedRecord *record = unpacked;
    put_hex(to, "digest", &record->digest);
    put_text(to, "who", record->who);
    put_text(to, "software", record->software);
    put_text(to, "why", record->why);
    if (record->number == 0)
        return; // an older version wrote it
    put_number(to, "number", record->number);
    put_hex(to, "routes_digest", &record->routes_digest);
    put_number(to, "routes", record->n_routes);
    put_number(to, "files_bytes", record->files_size);
}

static void describe_peer(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__PeerRecord *record = unpacked;
    put_text(to, "system", record->system);
    put_text(to, "instance", record->instance);
    put(to, "up", json_boolean(record->up));
    put_text(to, "text", record->text);
}

// Without the adapter's words, which may name a person in spite of all.
static void describe_failed(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__FailedRecord *record = unpacked;
    put_number(to, "queue", record->queue);
    json_t *list = json_array();
    for (size_t i = 0; i < record->n_failures; i++) {
        const Hutong__Bus__V1__FailedDelivery *from = record->failures[i];
        json_t *one = json_object();
        put_number(one, "position", from->position);
        put_number(one, "attempt", from->attempt);
        put_number(one, "failures", from->failures);
        if (from->reason)
            put_reason(one, from->reason);
        else
            put(one, "due", time_text(from->due_us * 1000));
        json_array_append_new(list, one);
    }
    put(to, "failures", list);
}

static void describe_carried(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__CarriedRecord *record = unpacked;
    const char *kind = record_kind_name((uint8_t)record->kind);
    put_number(to, "queue", record->queue);
    put_number(to, "position", record->position);
    put(to, "was", kind ? json_string(kind) : json_integer(record->kind));
    put_number(to, "first_sequence", record->sequence);
}

// What stands in quotes may name a person.
static void put_masked(json_t *to, const char *key, const char *text) {
    struct buffer out = {0};
    int rc = mask_quoted(text, &out);
    put_text(to, key, rc ? NULL : buffer_text(&out));
    buffer_destroy(&out);
}

static void describe_operated(json_t *to, const void *unpacked) {
    static const char *const acts[] = {"unknown", "dead-replay", "dead-drop", "replay"};
    const Hutong__Bus__V1__OperatedRecord *record = unpacked;
    put_text(to, "act", acts[record->act > 0 && record->act < 4 ? record->act : 0]);
    put_text(to, "who", record->who);
    put_text(to, "why", record->why);
    put_masked(to, "filter", record->filter);
    put_number(to, "queue", record->queue);
    if (record->dead_queue)
        put_number(to, "dead_queue", record->dead_queue);
    json_t *list = json_array();
    for (size_t i = 0; i < record->n_done; i++)
        json_array_append_new(list, json_pack("{s:I, s:I}", "first", (json_int_t)record->done[i]->first,
                                        "count", (json_int_t)record->done[i]->count));
    put(to, "done", list);
    put_number(to, "refused", record->refused);
}

static void describe_erased(json_t *to, const void *unpacked) {
    const Hutong__Bus__V1__ErasedRecord *record = unpacked;
    put_number(to, "erased_sequence", record->sequence);
    put_text(to, "who", record->who);
    put_text(to, "why", record->why);
}

static const struct {
    const ProtobufCMessageDescriptor *type;
    void (*describe)(json_t *to, const void *unpacked);
} describers[KIND_COUNT] = {
    [1] = {&hutong__bus__v1__message_record__descriptor, describe_message},
    [2] = {&hutong__bus__v1__settled_record__descriptor, describe_settled},
    [3] = {&hutong__bus__v1__refused_record__descriptor, describe_refused},
    [4] = {&hutong__bus__v1__dead_record__descriptor, describe_dead},
    [5] = {&hutong__bus__v1__queue_record__descriptor, describe_queue},
    [6] = {&hutong__bus__v1__publisher_record__descriptor, describe_publisher},
    [7] = {&hutong__bus__v1__activated_record__descriptor, describe_activated},
    [8] = {&hutong__bus__v1__peer_record__descriptor, describe_peer},
    [9] = {&hutong__bus__v1__failed_record__descriptor, describe_failed},
    [10] = {&hutong__bus__v1__operated_record__descriptor, describe_operated},
    [11] = {&hutong__bus__v1__erased_record__descriptor, describe_erased},
    [12] = {&hutong__bus__v1__carried_record__descriptor, describe_carried},
};

static void describe_body(json_t *to, const struct journal_record *record) {
    put_number(to, "bytes", record->body.size);
    if (!record->body.data) {
        put(to, "erased", json_true());
        return;
    }
    if (!record_kind_name(record->kind))
        return;
    ProtobufCMessage *unpacked =
        protobuf_c_message_unpack(describers[record->kind].type, NULL, record->body.size, record->body.data);
    if (!unpacked) {
        put(to, "unreadable", json_true());
        return;
    }
    describers[record->kind].describe(to, unpacked);
    protobuf_c_message_free_unpacked(unpacked, NULL);
}

json_t *record_describe(const struct journal_record *record) {
    json_t *to = json_object();
    if (!to)
        return NULL;
    put_number(to, "sequence", record->sequence);
    put(to, "time", time_text(record->time_ns));
    const char *kind = record_kind_name(record->kind);
    put(to, "kind", kind ? json_string(kind) : json_integer(record->kind));
    describe_body(to, record);
    return to;
}

void record_print(const json_t *description, FILE *to) {
    const char *key = NULL;
    json_t *value = NULL;
    bool first = true;
    json_object_foreach((json_t *)(uintptr_t)description, key, value) {
        bool bare = strcmp(key, "sequence") == 0 || strcmp(key, "time") == 0 || strcmp(key, "kind") == 0;
        if (!first)
            fputc(' ', to);
        if (!bare)
            fprintf(to, "%s=", key);
        if (json_is_string(value) && !strpbrk(json_string_value(value), " \"\\\n\t"))
            fputs(json_string_value(value), to);
        else
            json_dumpf(value, to, JSON_COMPACT | JSON_ENCODE_ANY);
        first = false;
    }
    fputc('\n', to);
}
