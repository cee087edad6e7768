// The broker's machine and process: the real daemon (broker/daemon.c) on the simulated network, disk and
// clock. It can be killed, lose its power, be told to stop and be given another configuration at any of its
// calls.
#pragma once

#include "broker/daemon.h"
#include "test/sim/disk.h"
#include "test/sim/net.h"
#include "test/sim/settings.h"
#include "test/sim/tap.h"

struct host {
    struct world *world;
    struct net *net;
    struct disk disk;
    struct tap *tap;
    const struct settings *settings;
    struct daemon *daemon;
    bool up;       // from its start to its end
    bool dying;    // whatever the process asks for fails, until it has ended
    bool clean;    // it ended last by a stop, not by a cut or a kill
    bool power;    // it was the machine that failed
    bool stopping; // SIGTERM
    int stop_fd;
    size_t calls_left; // until it is killed; 0: it isn't to be
    bool calls_power;
    uint64_t turns;
    const char *request; // of another thread, not yet taken
    char request_room[64];
    size_t set;   // in force, as far as is known
    size_t files; // what a start would load
    struct takeover takeover;
    bool taking;                                  // asked for, not yet answered
    const struct client *receivers[DESTINATIONS]; // whom each queue went to last
    bool threaded;                                // the journal writes in a thread of its own
    bool unlimited;                               // the operator gave the journal all the room there is
};

extern struct host *the_host;

void host_init(struct host *host, struct world *world, struct net *net, struct tap *tap,
    const struct settings *settings);
void host_destroy(struct host *host);
// Starts the daemon and runs it to its end. False: it failed in a way that no fault explains.
void host_run(struct host *host);

// ---- What may befall it ----
void host_kill(struct host *host, bool power);                  // now
void host_kill_in(struct host *host, size_t calls, bool power); // at one of the calls to come
void host_stop(struct host *host);                              // SIGTERM
void host_swap(struct host *host);                              // hutong reload with the other routes
unsigned host_sets(const struct host *host);                    // that are in force, or may be: bits
void host_ask_status(struct host *host);

// ---- Called by the replacements of sockets and disk ----
void host_called(struct host *host);
void host_turns(struct host *host, bool listening);
void host_sends(struct host *host, uint64_t connection, struct bytes head, struct bytes body);
void host_answered(struct host *host, struct bytes answer);
