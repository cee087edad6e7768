#include "test/sim/publisher.h"

#include "test/sim/run.h"

#include <stdio.h>
#include <stdlib.h>

static struct sim_publisher *of(struct client *client) {
    return (struct sim_publisher *)client;
}

static void greet(struct client *client, Hutong__Bus__V1__Hello *hello) {
    struct sim_publisher *publisher = of(client);
    hello->stream.data = publisher->stream;
    hello->stream.len = publisher->durable ? WIRE_STREAM_SIZE : 0;
}

static uint64_t wire_sequence(const struct sim_publisher *publisher, size_t item) {
    return publisher->durable ? publisher->items[item].sequence : item - publisher->base + 1;
}

// ---- Sending ----

static void append(struct sim_publisher *publisher, size_t item, struct buffer *body) {
    const struct spooled *spooled = &publisher->items[item];
    struct buffer raw = {0};
    message_pack(spooled->message, spooled->subject, &spooled->making, &raw);
    if (wire_body_append(body, buffer_bytes(&raw)) != 0)
        abort();
    buffer_destroy(&raw);
    if (publisher->durable && spooled->sequence <= publisher->history->publishers[publisher->index].told)
        world_count(publisher->client.world, COUNT_REPEATS, 1);
    history_sent(publisher->history, spooled->message, publisher->durable ? spooled->sequence : 0);
}

// One frame with what has consecutive sequences.
static bool send_some(struct sim_publisher *publisher) {
    struct world *world = publisher->client.world;
    size_t first = publisher->next;
    size_t most = 1 + (size_t)world_below(world, publisher->batch_most);
    uint64_t credit = publisher->credit_messages - publisher->sent_messages;
    most = most < credit ? most : (size_t)credit;
    struct buffer body = {0};
    while (publisher->next < publisher->count && publisher->next - first < most &&
           wire_sequence(publisher, publisher->next) ==
               wire_sequence(publisher, first) + publisher->next - first)
        append(publisher, publisher->next++, &body);
    Hutong__Bus__V1__Publish publish = HUTONG__BUS__V1__PUBLISH__INIT;
    publish.first_sequence = wire_sequence(publisher, first);
    publish.count = (uint32_t)(publisher->next - first);
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_PUBLISH;
    frame.publish = &publish;
    publisher->sent_messages += publish.count;
    publisher->sent_bytes += body.size;
    world_note(world, "publish", publisher->index, publish.first_sequence, publish.count);
    return client_send(&publisher->client, &frame, &body);
}

static void pump(struct sim_publisher *publisher) {
    while (publisher->client.phase == CLIENT_SESSION && publisher->next < publisher->count &&
           publisher->sent_messages < publisher->credit_messages &&
           publisher->sent_bytes < publisher->credit_bytes)
        if (!send_some(publisher))
            return;
}

static void welcomed(struct client *client, const Hutong__Bus__V1__Welcome *welcome) {
    struct sim_publisher *publisher = of(client);
    publisher->sent_messages = publisher->sent_bytes = 0;
    publisher->credit_messages = welcome->credit ? welcome->credit->messages : 0;
    publisher->credit_bytes = welcome->credit ? welcome->credit->bytes : 0;
    if (welcome->limits && welcome->limits->batch_messages < publisher->batch_most)
        publisher->batch_most = welcome->limits->batch_messages;
    publisher->base = publisher->next = publisher->decided;
    if (publisher->durable && publisher->trusting)
        while (publisher->next < publisher->count &&
               publisher->items[publisher->next].sequence <= welcome->last_sequence)
            publisher->decided = ++publisher->next;
    else if (publisher->durable) // what it repeats counts as accepted
        publisher->next -= world_below(client->world, publisher->next + 1 < 20 ? publisher->next + 1 : 20);
    pump(publisher);
}

// ---- What becomes of it ----

static bool is_refused(const Hutong__Bus__V1__Accepted *accepted, uint64_t sequence) {
    for (size_t i = 0; i < accepted->n_refusals; i++)
        if (accepted->refusals[i]->sequence == sequence)
            return true;
    return false;
}

static void accepted(struct client *client, const Hutong__Bus__V1__Accepted *accepted) {
    struct sim_publisher *publisher = of(client);
    world_note(client->world, "told", publisher->index, accepted->sequence, accepted->n_refusals);
    while (publisher->decided < publisher->next &&
           wire_sequence(publisher, publisher->decided) <= accepted->sequence) {
        bool refused = is_refused(accepted, wire_sequence(publisher, publisher->decided));
        history_told(publisher->history, publisher->items[publisher->decided++].message, refused);
    }
    // The spool forgets now and then only: a crash between makes it send again what was accepted.
    if (world_chance(client->world, 300))
        publisher->kept = publisher->decided;
    if (accepted->credit) {
        publisher->credit_messages = accepted->credit->messages;
        publisher->credit_bytes = accepted->credit->bytes;
    }
    pump(publisher);
}

static void no_delivery(struct client *client, const Hutong__Bus__V1__Deliver *deliver, struct bytes body) {
    (void)deliver;
    (void)body;
    world_fail(client->world, "a delivery to a publisher that receives nothing");
}

static void ended(struct client *client) {
    struct sim_publisher *publisher = of(client);
    if (publisher->durable)
        return;
    publisher->decided = publisher->next; // nobody knows what became of these: they are not sent again
}

static const struct client_role role = {
    .greet = greet, .welcomed = welcomed, .accepted = accepted, .deliver = no_delivery, .ended = ended};

// ---- The source ----

static void make_one(struct sim_publisher *publisher) {
    struct world *world = publisher->client.world;
    publisher->items =
        world_grow(publisher->items, &publisher->capacity, publisher->count, sizeof *publisher->items);
    struct spooled *item = &publisher->items[publisher->count];
    unsigned subject = (unsigned)world_below(world, publisher->subjects);
    *item = (struct spooled){.making = {.kind = 1 + (unsigned)world_below(world, 6),
                                 .unmappable = world_chance(world, 30),
                                 .invalid = world_chance(world, 20)}};
    snprintf(item->subject, sizeof item->subject, "p%zu-%u", publisher->index, subject);
    publisher->next_sequence += 1 + (world_chance(world, 20) ? world_below(world, 5) : 0); // gaps are allowed
    item->sequence = publisher->next_sequence;
    struct fact_message facts = {.publisher = publisher->index,
        .subject = subject,
        .unmapped = message_unmapped(0, &item->making) | message_unmapped(1, &item->making),
        .invalid = item->making.invalid};
    item->message = history_publish(publisher->history, &facts);
    unsigned sets = run_sets(the_run);
    for (size_t set = 0; set < ROUTE_SETS; set++)
        if (sets & 1u << set)
            history_may_go(publisher->history, item->message, message_destinations(set, &item->making));
    publisher->count++;
}

static void source(void *context, uint64_t unused) {
    struct sim_publisher *publisher = context;
    struct world *world = publisher->client.world;
    (void)unused;
    size_t burst = world_chance(world, 100) ? 1 + (size_t)world_below(world, 40) : 1;
    if (publisher->client.phase == CLIENT_DOWN)
        burst = 0; // the source waits for its sidecar
    for (size_t i = 0; i < burst && publisher->to_make > 0; i++, publisher->to_make--)
        make_one(publisher);
    pump(publisher);
    if (publisher->to_make)
        world_at(world, world->now + world_skewed(world, MS_NS, publisher->pace), source, publisher, 0);
}

void sim_publisher_may_go(struct sim_publisher *publisher, size_t set) {
    for (size_t i = publisher->kept; i < publisher->count; i++) {
        const struct spooled *item = &publisher->items[i];
        if (!publisher->history->messages[item->message].recorded)
            history_may_go(publisher->history, item->message, message_destinations(set, &item->making));
    }
}

// The process starts: what it has is what its disk has.
static void begin(struct sim_publisher *publisher) {
    publisher->decided = publisher->durable ? publisher->kept : publisher->decided;
}

void sim_publisher_crash(struct sim_publisher *publisher, uint64_t back_after) {
    client_crash(&publisher->client, back_after);
    begin(publisher);
}

void sim_publisher_init(struct sim_publisher *publisher, size_t index, struct world *world, struct net *net,
    struct history *history, bool durable, size_t to_make) {
    *publisher = (struct sim_publisher){
        .client = {.world = world,
            .net = net,
            .role = &role,
            .system = index % 2 ? "public_security/vehicles" : "public_security/population",
            .index = index},
        .history = history,
        .index = index,
        .durable = durable,
        .to_make = to_make,
        .trusting = world_chance(world, 500),
        .batch_most = (size_t)world_skewed(world, 1, 64),
        .subjects = 1 + (unsigned)world_below(world, world_chance(world, 500) ? 4 : SUBJECTS),
        .pace = world_skewed(world, 20 * MS_NS, 2 * S_NS)};
    snprintf(publisher->client.instance, sizeof publisher->client.instance, "p%zu", index);
    for (size_t i = 0; i < WIRE_STREAM_SIZE; i++)
        publisher->stream[i] = (uint8_t)world_random(world);
}

void sim_publisher_destroy(struct sim_publisher *publisher) {
    free(publisher->items);
    publisher->items = NULL;
}

void sim_publisher_start(struct sim_publisher *publisher) {
    struct world *world = publisher->client.world;
    client_start(&publisher->client, world_below(world, 500) * MS_NS);
    world_at(world, world->now + world_below(world, 1000) * MS_NS, source, publisher, 0);
}

bool sim_publisher_done(const struct sim_publisher *publisher) {
    return publisher->to_make == 0 && publisher->decided == publisher->count;
}
