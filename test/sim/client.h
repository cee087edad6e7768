// The session of a simulated adapter, written from docs/protocol.md: connect, hello, welcome, credit,
// heartbeats, pauses. What an adapter does with it stands in publisher.c and receiver.c.
#pragma once

#include "core/wire/wire.h"
#include "test/sim/net.h"

enum client_phase {
    CLIENT_DOWN,    // the process is not there
    CLIENT_WAITING, // between two attempts
    CLIENT_CONNECTING,
    CLIENT_GREETING,
    CLIENT_SESSION,
};

struct client_role {
    void (*greet)(struct client *client, Hutong__Bus__V1__Hello *hello); // fills stream, receive, credit
    void (*welcomed)(struct client *client, const Hutong__Bus__V1__Welcome *welcome);
    void (*accepted)(struct client *client, const Hutong__Bus__V1__Accepted *accepted);
    void (*deliver)(struct client *client, const Hutong__Bus__V1__Deliver *deliver, struct bytes body);
    void (*ended)(struct client *client); // the session, or the attempt
};

struct client {
    struct world *world;
    struct net *net;
    const struct client_role *role;
    const char *system;
    char instance[16];
    uint64_t index; // for notes
    enum client_phase phase;
    struct connection *connection; // NULL: none
    uint64_t epoch;                // rises with each phase: timers of an older one do nothing
    unsigned attempts;
    uint64_t since; // of the session
    uint64_t heard, spoke;
    uint64_t heartbeat;
    bool frozen;    // a stopped process: takes nothing in
    uint64_t lives; // rises with each crash: what an earlier life planned does nothing
    uint8_t bus[16];
    Hutong__Bus__V1__Credit *credit; // scratch for greet()
    Hutong__Bus__V1__Credit credit_room;
};

void client_start(struct client *client, uint64_t after);      // the process starts
void client_crash(struct client *client, uint64_t back_after); // all in memory is gone; it starts again
void client_stop(struct client *client);                       // for good, without a word
bool client_send(struct client *client, const wire_frame *frame, struct buffer *body); // takes the body
void client_end(struct client *client, bool crashed); // ends the session; the next one comes after a pause
void client_bye(struct client *client);               // leaves well, and comes again

// Called by the net.
void client_open(struct client *client, struct connection *connection);
void client_cut(struct client *client, struct connection *connection);
void client_frame(struct client *client, struct connection *connection, struct bytes head, struct bytes body);
