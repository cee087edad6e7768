#include "test/sim/client.h"

#include <stdio.h>

#define GIVE_UP (10 * S_NS)
#define PAUSE_FIRST (100 * MS_NS)
#define PAUSE_MOST (10 * S_NS)
#define LASTED (2 * S_NS) // a session of this length makes pauses begin anew

static void tick(void *context, uint64_t epoch);

static void enter(struct client *client, enum client_phase phase, uint64_t wake) {
    client->phase = phase;
    client->epoch++;
    if (wake)
        world_at(client->world, client->world->now + wake, tick, client, client->epoch);
}

static void connect_now(struct client *client) {
    enter(client, CLIENT_CONNECTING, GIVE_UP);
    client->connection = net_connect(client->net, client);
}

static uint64_t pause_of(struct client *client, bool slow) {
    uint64_t pause = PAUSE_FIRST;
    for (unsigned i = 1; i < client->attempts && pause < PAUSE_MOST; i++)
        pause *= 2;
    pause = slow || pause > PAUSE_MOST ? PAUSE_MOST : pause;
    return pause / 2 + world_below(client->world, pause / 2 + 1);
}

static void leave(struct client *client, bool crashed) {
    struct connection *connection = client->connection;
    bool had = client->phase == CLIENT_SESSION;
    client->connection = NULL;
    if (connection)
        net_close(connection, crashed);
    if (had)
        client->role->ended(client);
}

static void end(struct client *client, bool crashed, bool slow) {
    bool lasted = client->phase == CLIENT_SESSION && client->world->now - client->since >= LASTED;
    client->attempts = lasted ? 1 : client->attempts + 1;
    leave(client, crashed);
    enter(client, CLIENT_WAITING, pause_of(client, slow));
}

void client_end(struct client *client, bool crashed) {
    if (client->phase > CLIENT_WAITING)
        end(client, crashed, false);
}

static void come_up(void *context, uint64_t life) {
    struct client *client = context;
    if (client->phase != CLIENT_DOWN || client->lives != life)
        return;
    client->attempts = 0;
    client->frozen = false;
    connect_now(client);
}

void client_start(struct client *client, uint64_t after) {
    client->phase = CLIENT_DOWN;
    world_at(client->world, client->world->now + after, come_up, client, client->lives);
}

void client_stop(struct client *client) {
    leave(client, true);
    enter(client, CLIENT_DOWN, 0);
    client->lives++;
}

void client_crash(struct client *client, uint64_t back_after) {
    world_note(client->world, "adapter crashes", client->index, client->lives, 0);
    world_count(client->world, COUNT_ADAPTER_CRASHES, 1);
    client_stop(client);
    client_start(client, back_after);
}

void client_bye(struct client *client) {
    Hutong__Bus__V1__Bye bye = HUTONG__BUS__V1__BYE__INIT;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_BYE;
    frame.bye = &bye;
    if (client->phase == CLIENT_SESSION && client_send(client, &frame, NULL))
        end(client, false, false);
}

bool client_send(struct client *client, const wire_frame *frame, struct buffer *body) {
    struct buffer head = {0};
    bool can = client->connection && client->phase >= CLIENT_GREETING;
    if (can && wire_frame_append(frame, &head) != 0) {
        world_fail(client->world, "a frame of %s could not be packed", client->system);
        can = false;
    }
    if (!can) {
        if (body)
            buffer_destroy(body);
        return false;
    }
    client->spoke = client->world->now;
    net_send(client->connection, &head, body);
    return true;
}

static void heartbeat(struct client *client) {
    Hutong__Bus__V1__Heartbeat beat = HUTONG__BUS__V1__HEARTBEAT__INIT;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT;
    frame.heartbeat = &beat;
    client_send(client, &frame, NULL);
}

static void in_session(struct client *client) {
    uint64_t now = client->world->now;
    if (!client->frozen && now - client->heard >= 3 * client->heartbeat) {
        world_note(client->world, "silence", client->index, 0, 0);
        world_count(client->world, COUNT_SILENCES, 1);
        end(client, false, false);
        return;
    }
    if (!client->frozen && now - client->spoke >= client->heartbeat)
        heartbeat(client);
    world_at(client->world, now + client->heartbeat / 2, tick, client, client->epoch);
}

static void tick(void *context, uint64_t epoch) {
    struct client *client = context;
    if (epoch != client->epoch)
        return;
    switch (client->phase) {
    case CLIENT_DOWN:
        break;
    case CLIENT_WAITING:
        connect_now(client);
        break;
    case CLIENT_CONNECTING:
    case CLIENT_GREETING: // nobody answered
        end(client, false, false);
        break;
    case CLIENT_SESSION:
        in_session(client);
        break;
    }
}

void client_open(struct client *client, struct connection *connection) {
    if (connection != client->connection || client->phase != CLIENT_CONNECTING)
        return;
    enter(client, CLIENT_GREETING, GIVE_UP);
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
    hello.protocol = WIRE_PROTOCOL;
    hello.system = (char *)(uintptr_t)client->system;
    hello.instance = client->instance;
    client->credit_room = credit;
    client->credit = &client->credit_room;
    client->role->greet(client, &hello);
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
    frame.hello = &hello;
    client_send(client, &frame, NULL);
}

void client_cut(struct client *client, struct connection *connection) {
    if (connection == client->connection && client->phase > CLIENT_WAITING)
        end(client, false, false);
}

static void welcomed(struct client *client, const Hutong__Bus__V1__Welcome *welcome) {
    client->heartbeat = welcome->heartbeat_ms ? welcome->heartbeat_ms * MS_NS : 5 * S_NS;
    client->heard = client->since = client->world->now;
    if (welcome->bus.len == sizeof client->bus)
        memcpy(client->bus, welcome->bus.data, sizeof client->bus);
    else
        world_fail(client->world, "a welcome without the bus's 16 bytes");
    enter(client, CLIENT_SESSION, client->heartbeat / 2);
    world_count(client->world, COUNT_SESSIONS, 1);
    world_note(client->world, "session", client->index, welcome->last_sequence, 0);
    client->role->welcomed(client, welcome);
}

static bool is_slow(wire_reason reason) {
    return reason == HUTONG__BUS__V1__REASON__REASON_VERSION ||
           reason == HUTONG__BUS__V1__REASON__REASON_IDENTITY ||
           reason == HUTONG__BUS__V1__REASON__REASON_SUPERSEDED ||
           reason == HUTONG__BUS__V1__REASON__REASON_TOO_MANY;
}

// What a session may bring about: these adapters keep to the protocol, so the broker never complains of it.
static void told_error(struct client *client, const Hutong__Bus__V1__Error *problem) {
    world_note(client->world, "error told", client->index, problem->reason, 0);
    if (client->world->trace)
        printf("            (%s)\n", problem->text);
    if (problem->reason == HUTONG__BUS__V1__REASON__REASON_CREDIT ||
        problem->reason == HUTONG__BUS__V1__REASON__REASON_VERSION ||
        problem->reason == HUTONG__BUS__V1__REASON__REASON_TOO_LARGE)
        world_fail(client->world, "%s %s keeps to the protocol, but was told: %s", client->system,
            client->instance, problem->text);
    end(client, false, is_slow(problem->reason));
}

static void out_of_place(struct client *client, const wire_frame *frame) {
    world_fail(client->world, "the broker sent %s %s a frame of kind %d in phase %d", client->system,
        client->instance, (int)frame->kind_case, (int)client->phase);
}

static void take(struct client *client, const wire_frame *frame, struct bytes body) {
    bool session = client->phase == CLIENT_SESSION;
    switch (frame->kind_case) {
    case HUTONG__BUS__V1__FRAME__KIND_WELCOME:
        if (client->phase != CLIENT_GREETING)
            out_of_place(client, frame);
        else
            welcomed(client, frame->welcome);
        break;
    case HUTONG__BUS__V1__FRAME__KIND_ERROR:
        told_error(client, frame->error);
        break;
    case HUTONG__BUS__V1__FRAME__KIND_BYE:
        end(client, false, false);
        break;
    case HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT:
        break;
    case HUTONG__BUS__V1__FRAME__KIND_ACCEPTED:
    case HUTONG__BUS__V1__FRAME__KIND_CREDIT:
    case HUTONG__BUS__V1__FRAME__KIND_DELIVER:
        if (!session)
            out_of_place(client, frame);
        else if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_ACCEPTED)
            client->role->accepted(client, frame->accepted);
        else if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_DELIVER)
            client->role->deliver(client, frame->deliver, body);
        else {
            Hutong__Bus__V1__Accepted only = HUTONG__BUS__V1__ACCEPTED__INIT; // credit alone
            only.credit = frame->credit;
            client->role->accepted(client, &only);
        }
        break;
    default:
        out_of_place(client, frame);
        break;
    }
}

void client_frame(
    struct client *client, struct connection *connection, struct bytes head, struct bytes body) {
    if (connection != client->connection || client->phase < CLIENT_CONNECTING)
        return;
    wire_frame *frame = NULL;
    struct error error;
    if (wire_frame_parse(head, &frame, &error) != 0) {
        world_fail(client->world, "a frame of the broker can't be read: %s", error.text);
        return;
    }
    client->heard = client->world->now;
    take(client, frame, body);
    wire_frame_free(&frame);
}
