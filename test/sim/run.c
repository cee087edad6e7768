#include "test/sim/run.h"

#include <inttypes.h>
#include <string.h>

#define QUIET_EVERY (200 * MS_NS)
#define PATIENCE (3000 * S_NS) // after the faults ended

struct run *the_run;

unsigned run_sets(const struct run *run) {
    return host_sets(&run->host);
}

void run_swap(struct run *run) {
    size_t next = 1 - run->host.set;
    for (size_t i = 0; i < run->publisher_count; i++)
        sim_publisher_may_go(&run->publishers[i], next);
    host_swap(&run->host);
}

// ---- The end ----

static bool is_quiet(const struct run *run) {
    for (size_t i = 0; i < run->publisher_count; i++)
        if (!sim_publisher_done(&run->publishers[i]))
            return false;
    return tap_quiet(&run->tap);
}

static void complain(struct run *run) {
    size_t undecided = 0;
    uint64_t unsettled = 0;
    for (size_t i = 0; i < run->publisher_count; i++)
        undecided += run->publishers[i].count - run->publishers[i].decided + run->publishers[i].to_make;
    for (size_t i = 0; i < DESTINATIONS; i++)
        unsettled += run->tap.entered[i] - run->tap.settled[i];
    world_fail(&run->world,
        "no end: %" PRIu64 " s after the last fault %zu messages are undecided and %" PRIu64
        " deliveries unsettled",
        (run->world.now - run->heal_at) / S_NS, undecided, unsettled);
}

static void watch(void *context, uint64_t unused) {
    struct run *run = context;
    struct world *world = &run->world;
    (void)unused;
    if (!world->healed && world->now >= run->heal_at) {
        world_note(world, "HEALED", 0, 0, 0);
        world->healed = true;
        net_heal(&run->net);
        disk_heal(&run->host.disk);
        run->host.unlimited = true;
        if (run->settings->size_limit)
            host_stop(&run->host);
    }
    if (world->healed && run->host.up && is_quiet(run)) {
        run->over = true;
        host_stop(&run->host);
        return;
    }
    if (world->now >= run->give_up_at)
        complain(run);
    if (!world->failed)
        world_at(world, world->now + QUIET_EVERY, watch, run, 0);
}

// What the disk has in the end must be whole, from the first record that was kept to the last.
static void verify(struct run *run) {
    const char *folder = policy_settings(run->settings->sets[0]->policy)->journal;
    struct journal_verdict verdict;
    struct error error = {0};
    int rc = journal_verify(folder, &verdict, &error);
    if (rc)
        world_fail(&run->world, "promise 7: the journal does not verify: %s", error.text);
    else if (verdict.torn_bytes && run->host.clean)
        world_fail(&run->world, "the journal has a torn tail after a clean stop");
    world_note(&run->world, "verified", verdict.segments, verdict.batches, verdict.records);
}

// ---- The beginning ----

static void make_adapters(struct run *run) {
    struct world *world = &run->world;
    run->publisher_count = 1 + (size_t)world_below(world, PUBLISHERS);
    for (size_t i = 0; i < run->publisher_count; i++) {
        bool durable = !world_chance(world, 150);
        sim_publisher_init(&run->publishers[i], i, world, &run->net, &run->history, durable,
            (size_t)world_between(world, 10, 120));
        sim_publisher_start(&run->publishers[i]);
    }
    for (size_t queue = 0; queue < DESTINATIONS; queue++) {
        static const unsigned retries[DESTINATIONS] = {4, 6, 3, 3};
        size_t instances =
            run->receiver_count < RECEIVERS - DESTINATIONS + queue && world_chance(world, 350) ? 2 : 1;
        run->history.queues[queue].retries = retries[queue];
        run->history.queues[queue].may_expire = queue == 3;
        for (size_t i = 0; i < instances; i++) {
            struct sim_receiver *receiver = &run->receivers[run->receiver_count++];
            sim_receiver_init(receiver, queue, i, &run->inboxes[queue], world, &run->net, &run->history);
            client_start(&receiver->client, world_below(world, 3000) * MS_NS);
        }
    }
}

static void begin(struct run *run, uint64_t seed, bool trace) {
    world_init(&run->world, seed, trace);
    the_run = run;
    run->settings = settings_at((size_t)world_below(&run->world, settings_count()));
    world_note(&run->world, run->settings->name, seed, 0, 0);
    net_init(&run->net, &run->world);
    history_init(&run->history, &run->world);
    run->history.may_overflow = run->settings->may_overflow;
    tap_init(&run->tap, &run->world, &run->history);
    host_init(&run->host, &run->world, &run->net, &run->tap, run->settings);
    make_adapters(run);
    run->heal_at = run->world.now + world_between(&run->world, 5, 40) * S_NS;
    run->give_up_at = run->heal_at + PATIENCE;
    run->storm = world_skewed(&run->world, 300 * MS_NS, 8 * S_NS);
    world_at(&run->world, run->world.now, watch, run, 0);
    faults_begin(run);
}

void run_play(struct run *run, uint64_t seed, bool trace) {
    memset(run, 0, sizeof *run);
    begin(run, seed, trace);
    struct world *world = &run->world;
    while (!run->over && !world->failed) {
        host_run(&run->host);
        if (run->over)
            break;
        run->start_at = world->now + world_skewed(world, 50 * MS_NS, 5 * S_NS);
        while (!world->failed && world_next(world, run->start_at))
            ;
    }
    if (!world->failed)
        verify(run);
    if (!world->failed)
        history_finish(&run->history);
}

void run_destroy(struct run *run) {
    for (size_t i = 0; i < run->publisher_count; i++)
        sim_publisher_destroy(&run->publishers[i]);
    for (size_t i = 0; i < run->receiver_count; i++)
        sim_receiver_destroy(&run->receivers[i]);
    for (size_t i = 0; i < DESTINATIONS; i++)
        inbox_destroy(&run->inboxes[i]);
    host_destroy(&run->host);
    tap_destroy(&run->tap);
    history_destroy(&run->history);
    net_destroy(&run->net);
    world_destroy(&run->world);
    the_run = NULL;
}
