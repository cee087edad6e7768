#include "test/sim/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMMON                                                                                               \
    "listen: tcp://127.0.0.1:0\ncurve: false\nheartbeat: 500ms\ndrain: 2s\n"                                 \
    "catalogue: " HUTONG_BUILD_DIR "/catalogue.binpb\n"                                                      \
    "agencies: " HUTONG_SOURCE_DIR "/test/sim/conf/agencies\n"                                               \
    "agreements: " HUTONG_SOURCE_DIR "/test/sim/conf/agreements\n"                                           \
    "codes: " HUTONG_SOURCE_DIR "/test/sim/conf/codes\n"
#define JOURNAL "journal: { folder: journal, segment_size: 1MiB, batch_limit: 128KiB, retention: 10s, batch: "

static struct settings all[] = {
    {.name = "roomy",
        .text = COMMON JOURNAL "64KiB }\nlimits: { message: 4KiB }\n",
        .segment_size = 128 << 10},
    {.name = "small segments",
        .text = COMMON JOURNAL "64KiB }\nlimits: { message: 4KiB }\n",
        .segment_size = 64 << 10},
    {.name = "little credit, small batches",
        .text = COMMON JOURNAL
        "4KiB }\nlimits: { message: 4KiB, batch_messages: 4, credit_messages: 8, queue_window: 16 }\n",
        .segment_size = 64 << 10},
    {.name = "narrow window",
        .text = COMMON JOURNAL "64KiB }\nlimits: { message: 4KiB, queue_window: 3 }\n",
        .segment_size = 64 << 10},
    {.name = "short queues",
        .text = COMMON JOURNAL "64KiB }\nlimits: { message: 4KiB, queue_count: 12 }\n",
        .segment_size = 64 << 10,
        .may_overflow = true},
    {.name = "few connections",
        .text = COMMON JOURNAL "64KiB }\nlimits: { message: 4KiB, connections: 12 }\n",
        .segment_size = 64 << 10},
    {.name = "small journal",
        .text = COMMON JOURNAL "64KiB }\nlimits: { message: 4KiB }\n",
        .segment_size = 64 << 10,
        .size_limit = 400 << 10},
};

static void fail(const char *what) {
    fprintf(stderr, "sim: %s\n", what);
    exit(2);
}

static struct configuration *load(const char *folder, const struct settings *settings, size_t set) {
    char path[160];
    snprintf(path, sizeof path, "%s/broker.yaml", folder);
    FILE *file = fopen(path, "w");
    if (!file ||
        fprintf(file, "%sroutes: " HUTONG_SOURCE_DIR "/test/sim/conf/routes-%zu\n", settings->text, set) <
            0 ||
        fclose(file) != 0)
        fail("broker.yaml can't be written");
    struct report *report = report_new(0);
    struct configuration *configuration = configuration_load(path, NULL, report);
    if (!configuration) {
        struct buffer text = {0};
        report_print(report, &text);
        fail(buffer_text(&text));
    }
    report_destroy(&report);
    unlink(path);
    return configuration;
}

void settings_load(void) {
    char folder[] = "/tmp/hutong-sim-XXXXXX";
    if (!mkdtemp(folder))
        fail("no temporary folder");
    for (size_t i = 0; i < settings_count(); i++)
        for (size_t set = 0; set < ROUTE_SETS; set++)
            all[i].sets[set] = load(folder, &all[i], set);
    rmdir(folder);
}

void settings_unload(void) {
    for (size_t i = 0; i < settings_count(); i++)
        for (size_t set = 0; set < ROUTE_SETS; set++)
            configuration_destroy(&all[i].sets[set]);
}

size_t settings_count(void) {
    return sizeof all / sizeof all[0];
}

const struct settings *settings_at(size_t index) {
    return &all[index];
}
