// hutong-bench-hotpath BROKER_YAML PUBLISHER MESSAGES DIVISION…
// Runs the broker's step with its journal on a file, as the daemon does, for so many messages in process;
// without sockets. Under callgrind bench/gate counts hotpath_counted() alone.
#include "bench/hotpath.h"

#include "bench/bench.h"
#include "core/config/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

// A loaded broker's turn: so many frames came since the last sync, each with so many messages.
#define FRAMES_A_TURN 8
#define MESSAGES_A_FRAME 64
#define A_TURN ((uint64_t)FRAMES_A_TURN * MESSAGES_A_FRAME)
#define WARM_TURNS 8
#define DIVISIONS_MAX 16

// In place of the system's: maps are seeded by it, and where a seed has a type's name collide with others,
// each message takes some hundred instructions more. So any two runs are alike.
ssize_t getrandom(void *buffer, size_t size, unsigned flags) {
    static uint64_t state;
    uint8_t *to = buffer;
    (void)flags;
    for (size_t done = 0; done < size; done += sizeof state) { // eight at a time, to cost little
        size_t left = size - done;
        state += 0x9E3779B97F4A7C15u;
        memcpy(to + done, &state, left < sizeof state ? left : sizeof state);
    }
    return (ssize_t)size;
}

static void must(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "hutong-bench-hotpath: %s\n", what);
    exit(2);
}

// The journal's clock: a figure that two runs make alike.
static int64_t now_ns(void *context) {
    const struct hotpath *hotpath = context;
    return (int64_t)hotpath->now_ms * 1000000;
}

static int step(struct hotpath *hotpath, struct event event) {
    event.now_ms = hotpath->now_ms;
    event.now_us = (int64_t)hotpath->now_ms * 1000;
    return broker_step(hotpath->broker, &event, &hotpath->update);
}

struct visit {
    struct hotpath *hotpath;
    uint32_t queue;
};

static int visit_record(void *context, const struct journal_record *record, uint64_t position) {
    struct visit *visit = context;
    return step(visit->hotpath,
        (struct event){.kind = EVENT_RECORD, .queue = visit->queue, .position = position, .record = record});
}

static int load(struct hotpath *hotpath, struct error *error) {
    size_t count = hotpath->update.load_count;
    hotpath->update.load_count = 0;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct load_wish wish = hotpath->update.loads[i];
        struct visit visit = {.hotpath = hotpath, .queue = wish.queue};
        rc = journal_read_queue(hotpath->journal, wish.queue, wish.load.from, wish.load.count,
            wish.load.bytes, visit_record, &visit, error);
        hotpath->update.more = true;
    }
    return rc;
}

static int turn(struct hotpath *hotpath) {
    struct error error = {0};
    hotpath->update.more = false;
    int rc = step(hotpath, (struct event){.kind = EVENT_TURN});
    if (rc == 0 && journal_batch_count(hotpath->batch)) {
        rc = journal_append(hotpath->journal, hotpath->batch, &error);
        if (rc == 0)
            rc = step(
                hotpath, (struct event){.kind = EVENT_DURABLE, .durable = journal_durable(hotpath->journal)});
    }
    rc = rc ? rc : load(hotpath, &error);
    if (rc)
        fprintf(stderr, "hutong-bench-hotpath: %s\n", error.text);
    return rc;
}

int hotpath_serve(struct hotpath *hotpath, struct hotpath_frame *frames, size_t count) {
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = step(hotpath, (struct event){.kind = EVENT_FRAME,
                               .connection = frames[i].connection,
                               .proved = frames[i].proved,
                               .head = buffer_bytes(&frames[i].head),
                               .body = frames[i].body});
        chunk_unref(&frames[i].body);
    }
    do
        rc = rc ? rc : turn(hotpath);
    while (rc == 0 && hotpath->update.more);
    return rc;
}

__attribute__((noinline)) int hotpath_counted(
    struct hotpath *hotpath, struct hotpath_frame *frames, size_t count) {
    return hotpath_serve(hotpath, frames, count);
}

static void open_broker(struct hotpath *hotpath, const char *broker_yaml) {
    struct error error = {0};
    struct report *report = report_new(0);
    hotpath->configuration = report ? configuration_load(broker_yaml, NULL, report) : NULL;
    if (!hotpath->configuration) {
        struct buffer text = {0};
        must(report && report_print(report, &text) == 0, "no memory");
        must(false, buffer_text(&text));
    }
    report_destroy(&report);
    const struct policy_settings *settings = policy_settings(hotpath->configuration->policy);
    hotpath->broker = broker_new(hotpath->configuration);
    hotpath->batch = hotpath->update.batch = journal_batch_new(settings->journal_batch_limit);
    must(hotpath->broker && hotpath->batch, "no memory");
    struct journal_options options = {.folder = settings->journal,
        .segment_size = settings->segment_size,
        .now_ns = now_ns,
        .now_context = hotpath};
    struct journal_owner owner = broker_journal_owner(hotpath->broker);
    must(journal_file_open(&options, &owner, &hotpath->journal, &error) == 0, error.text);
    must(broker_start(hotpath->broker, hotpath->journal, (int64_t)hotpath->now_ms * 1000, &hotpath->update,
             &error) == 0,
        error.text);
    must(hotpath_serve(hotpath, NULL, 0) == 0, "the broker didn't start");
}

static void close_broker(struct hotpath *hotpath) {
    journal_close(&hotpath->journal);
    update_destroy(&hotpath->update);
    journal_batch_destroy(&hotpath->batch);
    broker_destroy(&hotpath->broker);
    configuration_destroy(&hotpath->configuration);
}

typedef int serve_function(struct hotpath *hotpath, struct hotpath_frame *frames, size_t count);

static void run_turn(
    struct hotpath *hotpath, struct hotpath_peers *peers, size_t publishes, serve_function *serve) {
    struct hotpath_frame frames[FRAMES_A_TURN + DIVISIONS_MAX] = {0};
    size_t count =
        hotpath_peers_speak(peers, publishes, MESSAGES_A_FRAME, frames, sizeof frames / sizeof frames[0]);
    hotpath->now_ms++;
    must(serve(hotpath, frames, count) == 0, "the broker failed");
    for (size_t i = 0; i < count; i++)
        buffer_destroy(&frames[i].head);
    hotpath_peers_hear(peers, &hotpath->update);
}

static void run(struct hotpath *hotpath, struct hotpath_peers *peers, uint64_t messages) {
    run_turn(hotpath, peers, 0, hotpath_serve); // hello
    for (int i = 0; i < WARM_TURNS; i++)
        run_turn(hotpath, peers, FRAMES_A_TURN, hotpath_serve);
    for (uint64_t n = 0; n < messages; n += A_TURN)
        run_turn(hotpath, peers, FRAMES_A_TURN, hotpath_counted);
    run_turn(hotpath, peers, 0, hotpath_serve); // the last settlements
}

static void print_result(const struct hotpath *hotpath, const struct hotpath_peers *peers) {
    uint64_t warm = WARM_TURNS * A_TURN;
    struct journal_status status;
    journal_status(hotpath->journal, &status);
    must(hotpath_peers_accepted(peers) == hotpath_peers_published(peers), "not all was accepted");
    must(hotpath_peers_delivered(peers) >= hotpath_peers_published(peers), "not all was delivered");
    printf(
        "{\"messages\": %llu, \"deliveries_per_message\": %.2f, \"bytes_per_payload_byte\": %.3f, \"syncs\": "
        "%llu}\n",
        (unsigned long long)(hotpath_peers_published(peers) - warm),
        (double)hotpath_peers_delivered(peers) / (double)hotpath_peers_published(peers),
        (double)status.appended_bytes / (double)status.payload_bytes, (unsigned long long)status.syncs);
}

int main(int argc, char **argv) {
    if (argc < 5 || argc > 4 + DIVISIONS_MAX) {
        fputs("Usage: hutong-bench-hotpath BROKER_YAML PUBLISHER MESSAGES DIVISION...\n", stderr);
        return 2;
    }
    struct hotpath hotpath = {.now_ms = 1764201600000};
    open_broker(&hotpath, argv[1]);
    struct buffer payloads[DIVISIONS_MAX] = {0};
    struct bytes bytes[DIVISIONS_MAX];
    size_t count = (size_t)argc - 4;
    for (size_t i = 0; i < count; i++) {
        const char *catalogue = policy_settings(hotpath.configuration->policy)->catalogue;
        must(payload_make(catalogue, argv[4 + i], 1024, &payloads[i]) == 0, "no payload");
        bytes[i] = buffer_bytes(&payloads[i]);
    }
    struct hotpath_peers *peers = hotpath_peers_new(hotpath.configuration, argv[2], bytes, count);
    run(&hotpath, peers, strtoull(argv[3], NULL, 10));
    print_result(&hotpath, peers);
    hotpath_peers_destroy(&peers);
    for (size_t i = 0; i < count; i++)
        buffer_destroy(&payloads[i]);
    close_broker(&hotpath);
    return 0;
}
