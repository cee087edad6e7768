// A record of a destination's topic, on its way to the core.
#include "broker/kafka/exported.h"
#include "broker/kafka/journal_internal.h"

#include "broker/delivery/record.h"

#include <errno.h>

static struct lane_origin origin_of(const struct group *group) {
    struct bytes header;
    if (!group_header(group, KAFKA_ORIGIN, &header) || header.size != KAFKA_ORIGIN_SIZE)
        return (struct lane_origin){0};
    return (struct lane_origin){.stream = bytes_of(header.data, LANE_STREAM_SIZE),
        .sequence = load_u64(header.data + 16),
        .element = load_u32(header.data + 24)};
}

// Bytes of the envelope that goes out. 0 or -EBADMSG.
static int envelope_size(struct bytes value, size_t *size) {
    struct record_message message;
    struct record_delivery delivery;
    int rc = record_message_only(value, &message, &delivery);
    rc = rc ? rc : record_own_size(&delivery, size);
    if (rc == 0 && *size == 0)
        *size = message.envelope.size;
    return rc;
}

static int replay_failure(
    struct kafka_journal *journal, const Hutong__Bus__V1__FailedRecord *failed, struct error *error) {
    struct buffer packed = {0};
    uint8_t *at = buffer_extend(&packed, hutong__bus__v1__failed_record__get_packed_size(failed));
    if (!at)
        return error_no_memory(error);
    hutong__bus__v1__failed_record__pack(failed, at);
    const struct journal_record record = {
        .kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_FAILED, .body = buffer_bytes(&packed)};
    int rc = journal->owner.replay(journal->owner.context, &record, error);
    buffer_destroy(&packed);
    return rc;
}

// What an owner before kept of its failures, as the core reads it at a recovery.
static int tell_failure(struct kafka_journal *journal, const struct part *part, uint64_t number,
    uint64_t position, struct error *error) {
    const struct buffer *kept = lane_failure(&part->lane, number);
    if (!kept)
        return 0;
    Hutong__Bus__V1__FailedDelivery *one =
        hutong__bus__v1__failed_delivery__unpack(NULL, kept->size, kept->data);
    if (!one)
        return error_set(error, -EBADMSG, "a failure that the cluster keeps can't be read");
    Hutong__Bus__V1__FailedRecord failed = HUTONG__BUS__V1__FAILED_RECORD__INIT;
    one->position = position;
    failed.queue = part->destination->id;
    failed.n_failures = 1;
    failed.failures = &one;
    int rc = replay_failure(journal, &failed, error);
    hutong__bus__v1__failed_delivery__free_unpacked(one, NULL);
    return rc;
}

// Where it was before it was exported from a journal of files; 0: it wasn't.
static uint64_t former_of(const struct group *group) {
    struct bytes header;
    return group_header(group, KAFKA_FORMER, &header) && header.size == 8 ? load_u64(header.data) : 0;
}

// What it had failed by there, until this bus knows more of it. 0 or -ENOMEM.
static int take_failure(struct part *part, uint64_t number) {
    struct bytes header;
    if (lane_failure(&part->lane, number) || !group_header(part->destination->group, KAFKA_FAILED, &header))
        return 0;
    Hutong__Bus__V1__FailedDelivery *failed =
        hutong__bus__v1__failed_delivery__unpack(NULL, header.size, header.data);
    int rc = failed ? lane_fail(&part->lane, number, failed) : 0;
    if (failed)
        hutong__bus__v1__failed_delivery__free_unpacked(failed, NULL);
    return rc;
}

static int arrive(struct kafka_journal *journal, struct part *part, uint64_t number, size_t size,
    struct bytes value, struct error *error) {
    struct destination *destination = part->destination;
    const struct arrival own = {
        .part = part, .number = number, .former = former_of(destination->group), .size = size, .time_ms = -1};
    const struct journal_arrival arrival = {.queue = destination->id,
        .position = destination_next(destination),
        .size = size,
        .maybe_sent = !part->caught_up || own.former};
    int rc = take_failure(part, number);
    rc = rc ? rc : destination_arrive(destination, &own, value);
    rc = rc ? rc : journal->owner.arrived(journal->owner.context, &arrival);
    return rc ? rc : tell_failure(journal, part, number, arrival.position, error);
}

// What nobody can read goes by, and the log has where it lies.
int arriving_pass_by(struct kafka_journal *journal, struct part *part, uint64_t number) {
    cluster_tell(&journal->options.cluster, 3, "journal",
        "%s, partition %d, offset %llu holds nothing that can be read: it is passed by",
        part->destination->name, part->partition, (unsigned long long)number - 1);
    part->news = true;
    return lane_settle(&part->lane, number);
}

int arriving_take(struct kafka_journal *journal, struct destination *destination,
    const struct group_event *event, struct error *error) {
    struct part *part = destination_part(destination, event->partition);
    if (!part || part->question)
        return 0; // it comes again
    if (destination->letters)
        return letters_arrive(journal, part, event);
    const struct lane_origin origin = origin_of(destination->group);
    uint64_t number = (uint64_t)event->offset + 1;
    size_t size;
    int rc = lane_look(&part->lane, number, &origin);
    if (rc != LANE_NEW)
        return rc == LANE_OVER ? 0 : rc;
    if (envelope_size(event->value, &size) != 0)
        return arriving_pass_by(journal, part, number);
    return arrive(journal, part, number, size, event->value, error);
}
