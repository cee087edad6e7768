#include "test/sim/host.h"

#include "test/sim/publisher.h"
#include "test/sim/receiver.h"
#include "test/sim/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TURNS_MOST 3000000 // of the daemon in one simulation: beyond it turns in circles

struct host *the_host;

static void disk_called(void *context) {
    host_called(context);
}

void host_init(struct host *host, struct world *world, struct net *net, struct tap *tap,
    const struct settings *settings) {
    *host = (struct host){.world = world, .net = net, .tap = tap, .settings = settings};
    host->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (host->stop_fd < 0)
        abort();
    disk_init(&host->disk, world, &host->dying);
    host->disk.called = disk_called;
    host->disk.pass = thread_pass;
    host->threaded = world_chance(world, 500);
    thread_init(world, &host->dying);
    world_note(world, "writer", host->threaded, 0, 0);
    host->disk.context = host;
    the_host = host;
}

void host_destroy(struct host *host) {
    close(host->stop_fd);
    disk_destroy(&host->disk);
    the_host = NULL;
}

// ---- Its end ----

void host_kill(struct host *host, bool power) {
    if (!host->up || host->dying)
        return;
    world_note(host->world, power ? "POWER CUT" : "KILL", host->turns, 0, 0);
    world_count(host->world, power ? COUNT_POWER_CUTS : COUNT_KILLS, 1);
    world_count(host->world, COUNT_FLIGHTS_CUT, thread_busy());
    if (power)
        disk_power_cut(&host->disk);
    host->dying = true;
    host->calls_left = 0;
}

void host_kill_in(struct host *host, size_t calls, bool power) {
    host->calls_left = calls;
    host->calls_power = power;
}

void host_called(struct host *host) {
    if (host->calls_left == 1)
        host_kill(host, host->calls_power);
    else if (host->calls_left)
        host->calls_left--;
    if (host->world->failed)
        host->dying = true; // enough was seen
}

void host_turns(struct host *host, bool listening) {
    host_called(host);
    if (!listening)
        world_count(host->world, COUNT_PAUSES, 1);
    if (++host->turns == TURNS_MOST)
        world_fail(host->world, "the broker turns in circles");
}

void host_stop(struct host *host) {
    uint64_t one = 1;
    if (!host->up || host->stopping)
        return;
    world_note(host->world, "SIGTERM", 0, 0, 0);
    world_count(host->world, COUNT_DRAINS, 1);
    host->stopping = true;
    if (write(host->stop_fd, &one, sizeof one) != (ssize_t)sizeof one)
        abort();
}

// ---- Requests of other threads ----

unsigned host_sets(const struct host *host) {
    return 1u << host->set | 1u << host->files;
}

void host_swap(struct host *host) {
    if (host->taking)
        return;
    host->files = 1 - host->set;
    if (!host->up || host->dying || host->request)
        return; // the next start takes the files as they are
    host->takeover = (struct takeover){
        .activation = {.configuration = host->settings->sets[host->files], .who = "sim", .why = ""}};
    snprintf(host->request_room, sizeof host->request_room, "activate %p", (void *)&host->takeover);
    host->request = host->request_room;
    host->taking = true;
}

void host_ask_status(struct host *host) {
    if (host->up && !host->dying && !host->request && !host->taking)
        host->request = "status";
}

void host_answered(struct host *host, struct bytes answer) {
    if (!host->taking) {
        if (answer.size < 2 || answer.data[0] != '{')
            world_fail(host->world, "the status is no JSON");
        return;
    }
    host->taking = false;
    if (host->takeover.taken)
        host->set = host->files;
    else
        host->files = host->set; // refused: the old files come back
    world_note(host->world, "takeover", host->takeover.taken, host->takeover.recorded, host->set);
    world_count(host->world, COUNT_SWAPS, host->takeover.taken);
}

// ---- What leaves ----

static void delivers(struct host *host, const struct sim_receiver *receiver,
    const Hutong__Bus__V1__Deliver *deliver, struct bytes body) {
    const struct client **last = &host->receivers[receiver->queue];
    world_count(host->world, COUNT_TAKEOVERS, *last && *last != &receiver->client);
    *last = &receiver->client;
    for (size_t i = 0; i < deliver->n_runs; i++)
        for (uint32_t k = 0; k < deliver->runs[i]->count; k++) {
            struct bytes raw;
            struct wire_envelope envelope;
            if (wire_body_next(&body, &raw, NULL) != 0 || wire_envelope_parse(raw, &envelope, NULL) != 0) {
                world_fail(host->world, "the body of a delivery can't be read");
                return;
            }
            world_note(host->world, "deliver", receiver->client.index, deliver->runs[i]->first_position + k,
                deliver->runs[i]->attempt);
            history_delivered(receiver->history, receiver->queue, deliver->runs[i]->first_position + k,
                message_of(envelope.id), deliver->runs[i]->attempt);
        }
    history_settled_told(receiver->history, receiver->queue, deliver->settled);
}

void host_sends(struct host *host, uint64_t number, struct bytes head, struct bytes body) {
    const struct connection *connection = number_map_get(&host->net->by_number, number);
    wire_frame *frame = NULL;
    struct error error = {0};
    if (!connection)
        return;
    if (wire_frame_parse(head, &frame, &error) != 0) {
        world_fail(host->world, "the broker sends what can't be read: %s", error.text);
        return;
    }
    bool publishes = connection->owner->index < PUBLISHERS;
    const struct sim_publisher *publisher = (const struct sim_publisher *)connection->owner;
    if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_DELIVER && !publishes)
        delivers(host, (const struct sim_receiver *)connection->owner, frame->deliver, body);
    if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_ACCEPTED && publishes && publisher->durable)
        history_accepted(publisher->history, publisher->index, frame->accepted->sequence);
    if (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_WELCOME && publishes && publisher->durable)
        history_welcomed(publisher->history, publisher->index, frame->welcome->last_sequence);
    wire_frame_free(&frame);
}

// ---- Its life ----

#define INLINE_BYTES 512 // as small for its batches as the daemon's is for its own

static int open_journal(const struct journal_options *options, const struct journal_owner *owner,
    struct journal **out, struct error *error) {
    struct host *host = the_host;
    struct journal_options ours = *options;
    struct journal_owner tapped = tap_owner(host->tap, owner);
    ours.segment_size = host->settings->segment_size;
    ours.size_limit = host->unlimited ? 0 : host->settings->size_limit;
    ours.background = host->threaded;
    ours.inline_bytes = host->world->seed % 4 == 0 ? INLINE_BYTES : 0;
    int rc = journal_file_open(&ours, &tapped, out, error);
    if (rc)
        return rc;
    struct journal_status status;
    journal_status(*out, &status);
    world_count(host->world, COUNT_TORN_TAILS, status.torn_bytes > 0);
    world_note(host->world, "recovered", journal_last(*out), status.torn_bytes, status.segments);
    tap_recovered(host->tap, journal_last(*out));
    return 0;
}

static uint64_t faults_of_disk(const struct world *world) {
    return world->counts[COUNT_DISK_ERRORS] + world->counts[COUNT_DISK_FULL] +
           world->counts[COUNT_SHORT_WRITES];
}

static void come_down(struct host *host, bool graceful) {
    uint64_t nothing;
    daemon_destroy(&host->daemon);
    if (!disk_idle(&host->disk))
        world_fail(host->world, "the process ended with files open");
    disk_leave(&host->disk);
    net_broker_down(host->net, graceful);
    host->up = host->dying = host->stopping = host->taking = false;
    host->request = NULL;
    host->calls_left = 0;
    if (read(host->stop_fd, &nothing, sizeof nothing) < 0 && errno != EAGAIN)
        abort();
}

static const struct broker_journals journals = {.open_file = open_journal};

void host_run(struct host *host) {
    struct error error = {0};
    uint64_t faults = faults_of_disk(host->world);
    host->up = true;
    host->set = host->files;
    struct daemon_options options = {
        .configuration = host->settings->sets[host->files], .journals = &journals};
    world_note(host->world, "broker starts", host->set, 0, 0);
    int rc = daemon_new(&options, &host->daemon, &error);
    if (rc == 0)
        rc = daemon_run(host->daemon, host->stop_fd, &error);
    bool explained = host->dying || (host->stopping && rc == 0) ||
                     ((rc == -EIO || rc == -ENOSPC) && faults_of_disk(host->world) > faults);
    if (!explained)
        world_fail(host->world, "the broker ended by itself with %d: %s", rc, error.text);
    world_note(host->world, "broker ends", (uint64_t)(unsigned)rc, 0, 0);
    host->clean = rc == 0 && !host->dying;
    come_down(host, rc == 0);
}
