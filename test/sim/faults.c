// What goes wrong, and when: one fault after the other, by chance, until the world is healed.
#include "test/sim/run.h"

static void cut_one(struct run *run) {
    struct connection *connection = net_pick(&run->net);
    if (!connection)
        return;
    world_note(&run->world, "cut", connection->serial, 0, 0);
    world_count(&run->world, COUNT_CUTS, 1);
    net_cut(connection);
}

static void half_open_one(struct run *run) {
    struct connection *connection = net_pick(&run->net);
    if (!connection)
        return;
    world_note(&run->world, "half-open", connection->serial, 0, 0);
    world_count(&run->world, COUNT_HALF_OPENS, 1);
    net_half_open(connection);
}

static void stall_one(struct run *run) {
    struct connection *connection = net_pick(&run->net);
    if (!connection)
        return;
    world_note(&run->world, "stall", connection->serial, 0, 0);
    world_count(&run->world, COUNT_STALLS, 1);
    net_stall(connection, world_skewed(&run->world, 100 * MS_NS, 6 * S_NS));
}

static void crash_adapter(struct run *run) {
    struct world *world = &run->world;
    uint64_t after = world_skewed(world, MS_NS, 8 * S_NS); // also at once: another was ready
    size_t which = (size_t)world_below(world, run->publisher_count + run->receiver_count);
    if (which < run->publisher_count)
        sim_publisher_crash(&run->publishers[which], after);
    else
        sim_receiver_crash(&run->receivers[which - run->publisher_count], after);
}

static void leave_adapter(struct run *run) {
    size_t which = (size_t)world_below(&run->world, run->publisher_count + run->receiver_count);
    struct client *client = which < run->publisher_count
                                ? &run->publishers[which].client
                                : &run->receivers[which - run->publisher_count].client;
    client_bye(client);
}

static void jump_clock(struct run *run) {
    struct world *world = &run->world;
    int64_t by = (int64_t)world_below(world, 6000) - 3000;
    world->skew += by * (int64_t)MS_NS;
    world_note(world, "clock jumps", (uint64_t)by, 0, 0);
    world_count(world, COUNT_CLOCK_JUMPS, 1);
}

static void room_again(void *context, uint64_t unused) {
    struct run *run = context;
    (void)unused;
    run->host.disk.room = run->host.disk.capacity;
}

// Others take the disk's room; they give it back after a while.
static void fill_disk(struct run *run) {
    struct world *world = &run->world;
    run->host.disk.room = disk_used(&run->host.disk) + world_skewed(world, 0, 300 << 10);
    world_note(world, "disk fills", run->host.disk.room, 0, 0);
    world_at(world, world->now + world_skewed(world, 100 * MS_NS, 10 * S_NS), room_again, run, 0);
}

static void kill_broker(struct run *run) {
    struct world *world = &run->world;
    bool power = world_chance(world, 600);
    if (world_chance(world, 300))
        host_kill(&run->host, power);
    else
        host_kill_in(&run->host, 1 + (size_t)world_skewed(world, 0, 400), power);
}

static void strike(void *context, uint64_t unused) {
    struct run *run = context;
    struct world *world = &run->world;
    (void)unused;
    if (world->healed)
        return;
    static const struct {
        unsigned weight;
        void (*happen)(struct run *run);
    } kinds[] = {{20, cut_one}, {10, half_open_one}, {12, stall_one}, {12, crash_adapter}, {5, leave_adapter},
        {25, kill_broker}, {8, run_swap}, {5, jump_clock}, {6, fill_disk}};
    unsigned total = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        total += kinds[i].weight;
    unsigned roll = (unsigned)world_below(world, total + 6);
    size_t i = 0;
    for (; i < sizeof kinds / sizeof kinds[0] && roll >= kinds[i].weight; i++)
        roll -= kinds[i].weight;
    if (i < sizeof kinds / sizeof kinds[0])
        kinds[i].happen(run);
    else if (roll < 3)
        host_ask_status(&run->host);
    else
        host_stop(&run->host);
    world_at(world, world->now + world_skewed(world, MS_NS, 2 * run->storm), strike, run, 0);
}

void faults_begin(struct run *run) {
    world_at(&run->world, run->world.now + world_below(&run->world, 5 * S_NS), strike, run, 0);
}
