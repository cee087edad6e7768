#include "test/sim/net.h"

#include "test/sim/client.h"

#include <stdlib.h>

void net_init(struct net *net, struct world *world) {
    *net = (struct net){.world = world, .next_number = 1};
    list_init(&net->connections);
    list_init(&net->arrived);
    net->slowest = world_skewed(world, MS_NS / 2, 200 * MS_NS);
    net->high_water = world_chance(world, 300) ? 8 : 1000;
}

void frame_free(struct frame *frame) {
    list_remove(&frame->link);
    buffer_destroy(&frame->head);
    buffer_destroy(&frame->body);
    slice_drop(&frame->slice);
    free(frame);
}

static void drop_all(struct list *frames) {
    struct list *next;
    for (struct list *node = frames->next; node != frames; node = next) {
        next = node->next;
        frame_free(LIST_ITEM(node, struct frame, link));
    }
}

static void direction_clear(struct direction *direction) {
    drop_all(&direction->frames);
    direction->count = 0;
}

void net_destroy(struct net *net) {
    drop_all(&net->arrived);
    struct list *next;
    for (struct list *node = net->connections.next; node != &net->connections; node = next) {
        next = node->next;
        struct connection *connection = LIST_ITEM(node, struct connection, link);
        direction_clear(&connection->up);
        direction_clear(&connection->down);
        list_remove(&connection->link);
        free(connection);
    }
    number_map_destroy(&net->by_number);
}

// ---- Frames on their way ----

static void take_front(struct direction *direction, struct frame *frame) {
    list_remove(&frame->link);
    direction->count--;
}

// Delivers the frame in front; each frame has its own moment, and they come in order.
static void arrive_up(void *context, uint64_t serial) {
    struct connection *connection = context;
    (void)serial;
    if (list_empty(&connection->up.frames))
        return;
    struct frame *frame = LIST_ITEM(connection->up.frames.next, struct frame, link);
    take_front(&connection->up, frame);
    if (connection->broker_end)
        list_append(&connection->net->arrived, &frame->link);
    else
        frame_free(frame);
}

static void arrive_down(void *context, uint64_t serial) {
    struct connection *connection = context;
    (void)serial;
    if (list_empty(&connection->down.frames))
        return;
    struct frame *frame = LIST_ITEM(connection->down.frames.next, struct frame, link);
    take_front(&connection->down, frame);
    if (connection->client)
        client_frame(connection->client, connection, buffer_bytes(&frame->head), frame->slice.bytes);
    frame_free(frame);
}

static uint64_t arrival(struct connection *connection, struct direction *direction) {
    struct world *world = connection->net->world;
    uint64_t at = world->now + connection->delay + world_skewed(world, 0, connection->delay + MS_NS / 10);
    // A lost segment is sent again: it and all behind it come later.
    if (!world->healed && world_chance(world, 5))
        at += world_between(world, 20, 400) * MS_NS;
    at = at > direction->last ? at : direction->last;
    at = at > direction->held ? at : direction->held;
    direction->last = at;
    return at;
}

static struct frame *frame_new(struct connection *connection, struct buffer *head) {
    struct frame *frame = calloc(1, sizeof *frame);
    if (!frame)
        abort();
    frame->connection = connection;
    list_init(&frame->link);
    frame->head = *head;
    *head = (struct buffer){0};
    return frame;
}

static void put(
    struct direction *direction, struct frame *frame, void (*arrive)(void *context, uint64_t serial)) {
    struct connection *connection = frame->connection;
    if (direction->hole) {
        frame_free(frame);
        return;
    }
    list_append(&direction->frames, &frame->link);
    direction->count++;
    world_at(connection->net->world, arrival(connection, direction), arrive, connection, connection->serial);
}

// ---- The client's end ----

static void tell_open(void *context, uint64_t serial) {
    struct connection *connection = context;
    (void)serial;
    if (!connection->client)
        return;
    connection->open = connection->broker_end;
    if (connection->open)
        client_open(connection->client, connection);
    else
        client_cut(connection->client, connection);
}

static void reach_broker(void *context, uint64_t serial) {
    struct connection *connection = context;
    (void)serial;
    connection->broker_end = connection->net->listening && connection->client;
    connection->broker_told = false;
    world_at(
        connection->net->world, connection->net->world->now + connection->delay, tell_open, connection, 0);
}

struct connection *net_connect(struct net *net, struct client *client) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    connection->net = net;
    connection->client = client;
    connection->owner = client;
    connection->serial = ++net->next_serial;
    connection->delay = world_skewed(net->world, MS_NS / 20, net->slowest);
    list_init(&connection->up.frames);
    list_init(&connection->down.frames);
    list_append(&net->connections, &connection->link);
    world_at(net->world, net->world->now + connection->delay, reach_broker, connection, 0);
    return connection;
}

void net_send(struct connection *connection, struct buffer *head, struct buffer *body) {
    struct frame *frame = frame_new(connection, head);
    if (body) {
        frame->body = *body;
        frame->has_body = true;
        *body = (struct buffer){0};
    }
    put(&connection->up, frame, arrive_up);
}

// Of what is on its way only a part arrives, from the oldest on.
static void lose_some(struct world *world, struct direction *direction) {
    size_t lost = (size_t)world_below(world, direction->count + 1);
    struct list *previous;
    for (struct list *node = direction->frames.previous; lost > 0; node = previous, lost--) {
        previous = node->previous;
        direction->count--;
        frame_free(LIST_ITEM(node, struct frame, link));
    }
}

static void tell_broker(void *context, uint64_t serial) {
    struct connection *connection = context;
    (void)serial;
    connection->broker_told = true;
}

void net_close(struct connection *connection, bool crashed) {
    struct world *world = connection->net->world;
    connection->client = NULL;
    if (crashed)
        lose_some(world, &connection->up);
    uint64_t at = connection->up.last > world->now ? connection->up.last : world->now;
    if (!connection->up.hole)
        world_at(world, at + connection->delay, tell_broker, connection, 0);
}

// ---- The broker's end ----

void net_listen(struct net *net) {
    net->listening = true;
}

static void tell_client(void *context, uint64_t serial) {
    struct connection *connection = context;
    (void)serial;
    if (connection->client)
        client_cut(connection->client, connection);
}

static void cut_from_broker(struct connection *connection, bool graceful) {
    struct world *world = connection->net->world;
    if (!connection->broker_end)
        return;
    connection->broker_end = false;
    if (!graceful)
        lose_some(world, &connection->down);
    uint64_t at = connection->down.last > world->now ? connection->down.last : world->now;
    if (!connection->down.hole) // otherwise it learns from silence
        world_at(world, at + connection->delay, tell_client, connection, 0);
}

void net_broker_down(struct net *net, bool graceful) {
    net->listening = false;
    drop_all(&net->arrived);
    LIST_EACH(node, &net->connections)
    cut_from_broker(LIST_ITEM(node, struct connection, link), graceful);
    number_map_destroy(&net->by_number);
}

struct frame *net_receive(struct net *net) {
    if (list_empty(&net->arrived))
        return NULL;
    struct frame *frame = LIST_ITEM(net->arrived.next, struct frame, link);
    list_remove(&frame->link);
    struct connection *connection = frame->connection;
    if (connection->number == 0) {
        connection->number = net->next_number++;
        if (number_map_put(&net->by_number, connection->number, connection) != 0)
            abort();
    }
    return frame;
}

bool net_reply(struct net *net, uint64_t number, struct buffer *head, struct slice *body) {
    struct connection *connection = number_map_get(&net->by_number, number);
    bool overflow = connection && connection->down.count >= net->high_water;
    if (overflow)
        world_count(net->world, COUNT_OVERFLOWS, 1);
    if (!connection || connection->broker_told || overflow)
        return false;
    struct frame *frame = frame_new(connection, head);
    frame->slice = *body;
    *body = (struct slice){0};
    put(&connection->down, frame, arrive_down);
    return true;
}

void net_forget(struct net *net, uint64_t number) {
    struct connection *connection = number_map_remove(&net->by_number, number);
    if (connection)
        connection->number = 0;
}

// ---- Faults ----

struct connection *net_pick(struct net *net) {
    size_t count = 0;
    struct connection *picked = NULL;
    LIST_EACH(node, &net->connections) {
        struct connection *connection = LIST_ITEM(node, struct connection, link);
        if (connection->client && connection->broker_end && world_below(net->world, ++count) == 0)
            picked = connection;
    }
    return picked;
}

void net_cut(struct connection *connection) {
    struct world *world = connection->net->world;
    lose_some(world, &connection->up);
    cut_from_broker(connection, false);
    connection->up.hole = connection->down.hole = true;
    // ROUTER notices only when it sends.
    world_at(world, world->now + world_below(world, 2000) * MS_NS, tell_broker, connection, 0);
}

void net_half_open(struct connection *connection) {
    struct world *world = connection->net->world;
    uint64_t which = world_below(world, 3);
    if (which != 0) {
        lose_some(world, &connection->up);
        connection->up.hole = true;
    }
    if (which != 1) {
        lose_some(world, &connection->down);
        connection->down.hole = true;
    }
}

void net_stall(struct connection *connection, uint64_t ns) {
    struct world *world = connection->net->world;
    connection->up.held = connection->down.held = world->now + ns;
}

void net_heal(struct net *net) {
    LIST_EACH(node, &net->connections) {
        struct connection *connection = LIST_ITEM(node, struct connection, link);
        bool hole = connection->up.hole || connection->down.hole;
        if (connection->client && connection->broker_end && hole)
            net_cut(connection);
    }
}
