// What goes out to one receiver.
#include "broker/delivery/body.h"
#include "broker/delivery/queue_internal.h"
#include "core/base/varint.h"

#include <errno.h>

#define RUNS_LIMIT 4096 // in one frame
#define LANES_LIMIT 64  // of which it says how far they are settled

// The runs of a frame while it fills.
struct runs {
    Hutong__Bus__V1__DeliveryRun items[RUNS_LIMIT];
    Hutong__Bus__V1__DeliveryRun *pointers[RUNS_LIMIT];
    size_t count;
};

static bool extends_run(const Hutong__Bus__V1__DeliveryRun *run, const struct delivery *delivery) {
    return delivery->place == run->first_position + run->count && delivery->attempt == run->attempt &&
           delivery->replay == (run->replay != 0) && strcmp(delivery->rule.route, run->route) == 0;
}

static void runs_add(struct runs *runs, const struct delivery *delivery) {
    if (runs->count && extends_run(&runs->items[runs->count - 1], delivery)) {
        runs->items[runs->count - 1].count++;
        return;
    }
    Hutong__Bus__V1__DeliveryRun *run = &runs->items[runs->count];
    hutong__bus__v1__delivery_run__init(run);
    run->first_position = delivery->place;
    run->count = 1;
    run->attempt = delivery->attempt;
    run->replay = delivery->replay;
    run->route = (char *)(uintptr_t)delivery->rule.route; // only read
    runs->pointers[runs->count++] = run;
}

static void mark_sent(struct queue *queue, struct delivery *delivery, struct receiver *receiver) {
    receiver->sent_messages++;
    // As both sides count: bytes of the body, with the length that stands before each envelope.
    receiver->sent_bytes += varint_size(delivery->envelope.size) + delivery->envelope.size;
    queue->counters.sent++;
    delivery_send(queue, delivery, receiver);
}

static struct delivery *first_of(const struct list *list) {
    return list_empty(list) ? NULL : LIST_ITEM(list->next, struct delivery, link);
}

static struct delivery *first_ready(const struct share *share) {
    struct delivery *loaded = first_of(&share->loaded);
    return loaded ? loaded : first_of(&share->fresh);
}

// Whether the first of a share that lacks its bytes comes again after a lost session: before what is newer.
// Not where there is no room to load it, since nothing would go then; and a retry that became due holds up
// nobody.
static bool goes_before(const struct queue *queue, const struct share *share, const struct receiver *receiver,
    const struct delivery *other) {
    const struct delivery *first = first_of(&share->lacking);
    return first && delivery_comes_again(first) && first->position < other->position &&
           share_room(queue, share, receiver) > 0;
}

static bool may_go(const struct delivery *delivery, uint64_t durable) {
    return delivery && delivery->record <= durable;
}

// The next that goes to the receiver: its own or a common one, the older first.
static struct delivery *next_of(
    const struct queue *queue, const struct receiver *receiver, uint64_t durable) {
    struct delivery *own = first_ready(&receiver->share);
    struct delivery *common = first_ready(&queue->common);
    if (!may_go(own, durable))
        own = NULL;
    if (!may_go(common, durable))
        common = NULL;
    struct delivery *next = !own || (common && common->position < own->position) ? common : own;
    if (!next || goes_before(queue, &receiver->share, receiver, next) ||
        goes_before(queue, &queue->common, NULL, next))
        return NULL;
    return next;
}

// What a frame is filled with.
struct filling {
    const struct queue_batch_limits *limits;
    struct runs *runs;
    struct body body;
    size_t count;
};

static bool is_full(const struct filling *filling, const struct delivery *next) {
    return filling->count == filling->limits->messages || filling->runs->count == RUNS_LIMIT ||
           (filling->count && body_size(&filling->body) + next->envelope.size > filling->limits->bytes);
}

// Bytes that the next one and those behind it may have, if they are alike.
static size_t bytes_ahead(
    const struct queue *queue, const struct receiver *receiver, const struct delivery *next, size_t limit) {
    size_t count = receiver->share.ready_count + queue->common.ready_count;
    uint64_t credit = receiver->granted_messages - receiver->sent_messages;
    size_t each = varint_size(next->envelope.size) + next->envelope.size;
    if (count > credit)
        count = credit;
    return count < limit / each ? count * each : limit;
}

static int fill(struct queue *queue, struct receiver *receiver, uint64_t durable, int64_t now_us,
    struct filling *filling) {
    for (struct delivery *next;
        receiver_has_credit(queue, receiver) && (next = next_of(queue, receiver, durable)) != NULL;) {
        if (delivery_expired(next, now_us)) {
            queue->counters.expired++;
            delivery_die(queue, next, HUTONG__BUS__V1__REASON__REASON_EXPIRED, NULL);
            continue;
        }
        if (is_full(filling, next))
            return 0;
        size_t ahead = bytes_ahead(queue, receiver, next, filling->limits->bytes - body_size(&filling->body));
        int rc = body_add(&filling->body, next, ahead);
        if (rc)
            return rc == BODY_ENDS ? 0 : rc;
        next->attempt++;
        runs_add(filling->runs, next);
        filling->count++;
        mark_sent(queue, next, receiver);
    }
    return 0;
}

// How far the lanes of the runs are settled, each once. They are few, and stand together.
struct floors {
    Hutong__Bus__V1__PositionRange items[LANES_LIMIT];
    Hutong__Bus__V1__PositionRange *pointers[LANES_LIMIT];
    size_t count;
};

static void floors_add(struct floors *floors, const struct queue *queue, uint64_t lane) {
    uint64_t floor = (uint64_t)(uintptr_t)number_map_get(&queue->floors, lane);
    for (size_t i = 0; i < floors->count; i++)
        if (floors->items[i].last == floor)
            return;
    if (!floor || floors->count == LANES_LIMIT)
        return; // nothing is settled; or some are told the next time
    Hutong__Bus__V1__PositionRange *range = &floors->items[floors->count];
    hutong__bus__v1__position_range__init(range);
    range->first = lane << JOURNAL_LANE_SHIFT | 1;
    range->last = floor;
    floors->pointers[floors->count++] = range;
}

static void fill_floors(struct floors *floors, const struct queue *queue, const struct runs *runs) {
    uint64_t last = UINT64_MAX;
    for (size_t i = 0; i < runs->count; i++) {
        uint64_t lane = runs->items[i].first_position >> JOURNAL_LANE_SHIFT;
        if (lane != last)
            floors_add(floors, queue, lane);
        last = lane;
    }
}

static int append_head(const struct queue *queue, struct runs *runs, struct buffer *out) {
    Hutong__Bus__V1__Deliver deliver = HUTONG__BUS__V1__DELIVER__INIT;
    struct floors floors = {.count = 0};
    if (queue->shared)
        fill_floors(&floors, queue, runs);
    deliver.n_settled_ranges = floors.count;
    deliver.settled_ranges = floors.pointers;
    deliver.n_runs = runs->count;
    deliver.runs = runs->pointers;
    deliver.settled = queue->shared ? 0 : queue->settled_durable;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_DELIVER;
    frame.deliver = &deliver;
    return wire_frame_append(&frame, out);
}

int queue_fill(struct queue *queue, struct receiver *receiver, uint64_t durable, int64_t now_us,
    const struct queue_batch_limits *limits, struct queue_frame *out) {
    *out = (struct queue_frame){0};
    if (receiver->share.ready_count + queue->common.ready_count == 0 || !receiver_has_credit(queue, receiver))
        return 0;
    static _Thread_local struct runs runs; // too large for the stack
    runs.count = 0;
    struct filling filling = {.limits = limits, .runs = &runs};
    int rc = fill(queue, receiver, durable, now_us, &filling);
    if (rc == 0 && filling.count)
        rc = append_head(queue, &runs, &out->head);
    if (rc == 0 && filling.count)
        rc = body_finish(&filling.body, &out->body);
    out->count = rc ? 0 : filling.count;
    body_destroy(&filling.body);
    if (rc)
        buffer_destroy(&out->head);
    return rc;
}
