#include "cli/trace.h"

#include "core/journal/journal.h"
#include "core/wire/wire.h"

#include "hutong/bus/v1/journal.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ENOUGH = 1000 }; // ends the scan

struct scan {
    struct trace *trace;
    uint64_t sequence;
};

void trace_free(struct trace *trace) {
    free(trace->records);
    free(trace->places);
    free(trace->message.source);
    free(trace->message.id);
    *trace = (struct trace){0};
}

// ---- What is followed ----

static bool is_followed(const struct trace *trace, uint64_t sequence) {
    for (size_t i = 0; i < trace->count; i++)
        if (trace->records[i].sequence == sequence)
            return true;
    return false;
}

static struct trace_place *place_of(const struct trace *trace, uint32_t queue, uint64_t position) {
    for (size_t i = 0; i < trace->place_count; i++)
        if (trace->places[i].queue == queue && trace->places[i].position == position)
            return &trace->places[i];
    return NULL;
}

static int add_place(struct trace *trace, uint32_t queue, uint64_t position) {
    if (place_of(trace, queue, position))
        return 0;
    struct trace_place *places = realloc(trace->places, (trace->place_count + 1) * sizeof *places);
    if (!places)
        return -ENOMEM;
    trace->places = places;
    places[trace->place_count++] = (struct trace_place){.queue = queue, .position = position};
    return 0;
}

static int add_record(
    struct trace *trace, const struct journal_record *record, const Hutong__Bus__V1__MessageRecord *message) {
    struct trace_record *records = realloc(trace->records, (trace->count + 1) * sizeof *records);
    if (!records)
        return -ENOMEM;
    trace->records = records;
    records[trace->count++] = (struct trace_record){.sequence = record->sequence,
        .kind = record->kind,
        .erased = !record->body.data,
        .publisher = message ? message->publisher : 0,
        .publisher_sequence = message ? message->sequence : 0};
    int rc = 0;
    // Of a carried record the place is the one that its delivery always had, and that is known.
    for (size_t i = 0; i < record->entry_count && rc == 0; i++)
        if (record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED)
            rc = add_place(trace, record->entries[i].queue, record->entries[i].position);
    return rc;
}

// ---- Kinds ----

// What a trace owns, GCC's analyzer takes for lost: here, and only here, it isn't asked.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static int remember_identity(struct trace *trace, const char *source, const ProtobufCBinaryData *data) {
    struct wire_envelope envelope;
    if (wire_envelope_parse(bytes_of(data->data, data->len), &envelope, NULL))
        return 0;
    trace->message.source = strdup(source ? source : "");
    trace->message.id = strndup((const char *)envelope.id.data, envelope.id.size);
    return trace->message.source && trace->message.id ? 0 : -ENOMEM;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static bool has_identity(const struct trace *trace, const char *source, const ProtobufCBinaryData *data) {
    struct wire_envelope envelope;
    return trace->message.id && strcmp(trace->message.source, source ? source : "") == 0 &&
           wire_envelope_parse(bytes_of(data->data, data->len), &envelope, NULL) == 0 &&
           bytes_equal_string(envelope.id, trace->message.id);
}

static int see_message(
    struct scan *scan, const struct journal_record *record, const Hutong__Bus__V1__MessageRecord *message) {
    struct trace *trace = scan->trace;
    bool first = record->sequence == scan->sequence;
    if (!first && !(message->replay_of && is_followed(trace, message->replay_of)))
        return 0;
    int rc = first ? remember_identity(trace, message->source, &message->envelope) : 0;
    return rc ? rc : add_record(trace, record, message);
}

static int see_dead(
    struct scan *scan, const struct journal_record *record, const Hutong__Bus__V1__DeadRecord *letter) {
    struct trace *trace = scan->trace;
    bool first = record->sequence == scan->sequence;
    bool known = letter->position ? place_of(trace, letter->queue, letter->position) != NULL
                                  : has_identity(trace, letter->source, &letter->envelope);
    return first || known ? add_record(trace, record, NULL) : 0;
}

static int see_carried(
    struct scan *scan, const struct journal_record *record, const Hutong__Bus__V1__CarriedRecord *carried) {
    bool first = record->sequence == scan->sequence;
    if (!first && !is_followed(scan->trace, carried->sequence))
        return 0;
    int rc = add_record(scan->trace, record, NULL);
    return rc ? rc : add_place(scan->trace, carried->queue, carried->position);
}

static void see_settled(struct trace *trace, const Hutong__Bus__V1__SettledRecord *settled) {
    for (size_t i = 0; i < trace->place_count; i++)
        for (size_t k = 0; k < settled->n_spans && trace->places[i].queue == settled->queue; k++)
            if (trace->places[i].position >= settled->spans[k]->first &&
                trace->places[i].position - settled->spans[k]->first < settled->spans[k]->count)
                trace->places[i].settled = true;
}

static int see_unpacked(struct scan *scan, const struct journal_record *record, const void *body) {
    switch (record->kind) {
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE:
        return see_message(scan, record, body);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD:
        return see_dead(scan, record, body);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED:
        return see_carried(scan, record, body);
    default:
        see_settled(scan->trace, body);
        return 0;
    }
}

static const ProtobufCMessageDescriptor *type_of(uint8_t kind) {
    switch (kind) {
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE:
        return &hutong__bus__v1__message_record__descriptor;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD:
        return &hutong__bus__v1__dead_record__descriptor;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED:
        return &hutong__bus__v1__carried_record__descriptor;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED:
        return &hutong__bus__v1__settled_record__descriptor;
    default:
        return NULL;
    }
}

static int see(void *context, const struct journal_record *record) {
    struct scan *scan = context;
    const ProtobufCMessageDescriptor *type = type_of(record->kind);
    bool first = record->sequence == scan->sequence;
    if (scan->trace->count == 0 && !first)
        return ENOUGH; // it isn't there
    if (first && (!type || record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED)) {
        scan->trace->refused = "it holds no message: only messages, dead letters and carried ones are erased";
        return ENOUGH;
    }
    if (!type)
        return 0;
    if (!record->body.data) // its copies are still found by its deliveries
        return first ? add_record(scan->trace, record, NULL) : 0;
    ProtobufCMessage *body = protobuf_c_message_unpack(type, NULL, record->body.size, record->body.data);
    if (!body)
        return -ENOMEM;
    int rc = see_unpacked(scan, record, body);
    protobuf_c_message_free_unpacked(body, NULL);
    return rc;
}

int trace_follow(const char *folder, uint64_t sequence, struct trace *out, struct error *error) {
    struct scan scan = {.trace = out, .sequence = sequence};
    *out = (struct trace){0};
    int rc = journal_scan(folder, sequence, see, &scan, error);
    if (rc == -ENOMEM)
        error_no_memory(error);
    return rc == ENOUGH ? 0 : rc;
}
