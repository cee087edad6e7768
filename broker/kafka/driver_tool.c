// For test/scenario/test_kafka_journal.py: does with the library what its standard input says, a command a
// line, and answers each with a line: "ok …", or "error CODE TEXT". Usage: kafka-journal-driver BROKERS
// PREFIX NAME
#include "broker/kafka/bus.h"
#include "broker/kafka/follow.h"
#include "broker/kafka/group.h"
#include "broker/kafka/shorten.h"
#include "broker/kafka/transactions.h"
#include "core/base/buffer.h"
#include "core/base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS 32

static struct cluster cluster;
static struct transactions *transactions;
static struct gathered *batch;
static struct group *group;
static struct follow *follow;
static struct buffer kept; // a token

static void say_log(void *context, int level, const char *facility, const char *text) {
    (void)context;
    fprintf(stderr, "%d %s %s\n", level, facility, text);
}

static void answer(int rc, const struct error *error, const char *text) {
    if (rc)
        printf("error %d %s\n", rc, error ? error->text : text);
    else
        printf("ok%s%s\n", *text ? " " : "", text);
}

static int number(const char *text) {
    return (int)strtol(text, NULL, 10);
}

// ---- Topics: make|describe|check|agree PARTITIONS REPLICATION DESTINATION… ----

static int plan(char **words, struct topics *out, struct error *error) {
    struct topics_wanted wanted = {.destinations = (const char *const *)&words[3],
        .partitions = number(words[1]),
        .replication = number(words[2]),
        .retention_ms = 3600000};
    while (words[3 + wanted.destination_count])
        wanted.destination_count++;
    return topics_plan(cluster.prefix, &wanted, out, error);
}

static int agree(struct admin *admin, struct topics *topics, char *text, struct error *error) {
    uint8_t id[BUS_ID_SIZE];
    int rc = topics_describe(admin, topics, error);
    rc = rc ? rc : bus_agree(admin, topics, id, error);
    for (size_t i = 0; i < sizeof id && rc == 0; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    return rc;
}

static void do_topics(char **words) {
    struct topics topics = {0};
    struct admin *admin = NULL;
    struct error error = {0};
    char text[2 * BUS_ID_SIZE + 1] = "";
    int rc = plan(words, &topics, &error);
    rc = rc ? rc : topics_open(&cluster, 30000, &admin, &error);
    if (rc == 0 && strcmp(words[0], "make") == 0)
        rc = topics_make(admin, &topics, &error);
    else if (rc == 0 && strcmp(words[0], "check") == 0)
        rc = topics_check(admin, &topics, &error);
    else if (rc == 0)
        rc = agree(admin, &topics, text, &error);
    answer(rc, &error, text);
    topics_close(&admin);
    topics_destroy(&topics);
}

static void do_delete(char **words) {
    struct admin *admin = NULL;
    struct error error = {0};
    int64_t first = 0;
    char text[32];
    int rc = topics_open(&cluster, 30000, &admin, &error);
    rc = rc ? rc : topics_delete_before(admin, words[1], number(words[2]), number(words[3]), &error);
    rc = rc ? rc : topics_deleted(admin, 30000, &first, &error);
    snprintf(text, sizeof text, "%lld", (long long)first);
    answer(rc, &error, text);
    topics_close(&admin);
}

// shorten UNTIL_MS TOPIC:PARTITION:BEFORE…: waits until the look is over
static void do_shorten(char **words) {
    struct admin *admin = NULL;
    struct shortening *shortening = NULL;
    struct error error = {0};
    int rc = topics_open(&cluster, 30000, &admin, &error);
    rc = rc ? rc : shortening_open(admin, &shortening, &error);
    for (size_t i = 2; rc == 0 && words[i]; i++) {
        const char *topic = strtok(words[i], ":");
        const char *partition = strtok(NULL, ":");
        rc = shortening_add(shortening, topic, number(partition), number(strtok(NULL, ":")));
    }
    if (rc == 0)
        shortening_start(shortening, strtoll(words[1], NULL, 10));
    while (rc == 0 && shortening_busy(shortening))
        poll(NULL, 0, 10);
    answer(rc, &error, "");
    shortening_close(&shortening);
    topics_close(&admin);
}

// ---- Transactions ----

static void do_open(char **words) {
    const struct transactions_options options = {.transaction_ms = words[1] ? number(words[1]) : 0};
    struct error error = {0};
    int rc = transactions_open(&cluster, &options, &transactions, &error);
    if (rc == 0)
        batch = transactions_batch(transactions);
    answer(rc, &error, "");
}

// put TOPIC PARTITION KEY VALUE [PART]; the value "-" is absent
static void do_put(char **words) {
    struct put put = {.partition = number(words[2]),
        .key = bytes_of_string(words[3]),
        .value = bytes_of_string(words[4]),
        .part = words[5] ? (uint32_t)number(words[5]) : 0};
    const struct put_header header = {"by", bytes_of_string(cluster.name)};
    put.headers = &header;
    put.header_count = 1;
    if (strcmp(words[4], "-") == 0)
        put.value = (struct bytes){0};
    int rc = transactions_topic(transactions, words[1], &put.topic);
    rc = rc ? rc : gathered_put(batch, &put);
    answer(rc, NULL, "");
}

static void do_keep(char **words) {
    (void)words;
    buffer_clear(&kept);
    answer(buffer_append_bytes(&kept, group_token(group)), NULL, "");
}

// part now|kept
static void do_part(char **words) {
    uint32_t part = 0;
    char text[16];
    struct bytes token = strcmp(words[1], "kept") == 0 ? buffer_bytes(&kept) : group_token(group);
    int rc = gathered_part(batch, token, &part);
    snprintf(text, sizeof text, "%u", part);
    answer(rc, NULL, text);
}

// offset PART TOPIC PARTITION NEXT
static void do_offset(char **words) {
    answer(gathered_offset(batch, (uint32_t)number(words[1]), words[2], number(words[3]), number(words[4])),
        NULL, "");
}

static void do_start(char **words) {
    struct error error = {0};
    (void)words;
    int rc = transactions_start(transactions, &batch, &error);
    batch = batch ? batch : transactions_batch(transactions);
    answer(rc, &error, "");
}

// collect: waits; the answer is COMMITTED AGAIN and the parts that were refused. Or "again", how often it
// began anew so far
static void do_collect(char **words) {
    struct error error = {0};
    struct gathered *done = NULL;
    struct transactions_status status;
    struct buffer text = {0};
    int rc = transactions_collect(transactions, strcmp(words[0], "collect") == 0, &done, &error);
    transactions_status(transactions, &status);
    buffer_append_format(&text, "%s%llu %llu", done ? "" : "busy ", (unsigned long long)status.committed,
        (unsigned long long)status.again);
    for (uint32_t i = 1; done && i <= gathered_parts(done); i++)
        if (gathered_refused(done, i))
            buffer_append_format(&text, " %u", i);
    answer(rc, &error, buffer_text(&text));
    gathered_destroy(&done);
    buffer_destroy(&text);
}

// ---- A group ----

static void do_join(char **words) {
    const struct group_options options = {.name = words[1], .topic = words[1]};
    struct error error = {0};
    answer(group_open(&cluster, &options, &group, &error), &error, "");
}

static void wait_for(int fd, uint64_t until_ns) {
    uint64_t now = clock_monotonic_ns();
    struct pollfd one = {.fd = fd, .events = POLLIN};
    if (now < until_ns)
        poll(&one, 1, (int)((until_ns - now) / CLOCK_MILLISECOND_NS % 100 + 1));
}

static void describe(const struct group_event *event, struct buffer *out) {
    static const char *const kinds[] = {"nothing", "assigned", "revoked", "record", "end", "trouble", "left"};
    struct bytes by = {0};
    buffer_append_string(out, kinds[event->kind]);
    for (size_t i = 0; i < event->partition_count; i++)
        buffer_append_format(
            out, " %d:%lld", event->partitions[i].partition, (long long)event->partitions[i].offset);
    if (event->kind == GROUP_REVOKED)
        buffer_append_string(out, event->lost ? " lost" : "");
    if (event->kind == GROUP_END || event->kind == GROUP_RECORD)
        buffer_append_format(out, " %d %lld", event->partition, (long long)event->offset);
    if (event->kind == GROUP_RECORD) {
        group_header(group, "by", &by);
        buffer_append_format(
            out, " %.*s %.*s %.*s", BYTES_ARGS(event->key), BYTES_ARGS(event->value), BYTES_ARGS(by));
    }
    if (event->text)
        buffer_append_format(out, " %s", event->text);
}

// next MS
static void do_next(char **words) {
    uint64_t until = clock_monotonic_ns() + (uint64_t)number(words[1]) * (uint64_t)CLOCK_MILLISECOND_NS;
    struct error error = {0};
    struct group_event event;
    struct buffer text = {0};
    int rc;
    while ((rc = group_next(group, &event, &error)) == 0 && event.kind == GROUP_NOTHING &&
           clock_monotonic_ns() < until)
        wait_for(group_fd(group), until);
    if (rc == 0)
        describe(&event, &text);
    answer(rc, &error, rc ? "" : buffer_text(&text));
    buffer_destroy(&text);
}

// begin PARTITION:OFFSET…
static void do_begin(char **words) {
    struct group_partition from[WORDS];
    struct error error = {0};
    size_t count = 0;
    for (; words[count + 1]; count++) {
        const char *colon = strchr(words[count + 1], ':');
        from[count] = (struct group_partition){number(words[count + 1]), colon ? number(colon + 1) : 0};
    }
    answer(group_start(group, from, count, &error), &error, "");
}

static void do_release(char **words) {
    struct error error = {0};
    (void)words;
    answer(group_release(group, &error), &error, "");
}

// pause|resume PARTITION
static void do_pause(char **words) {
    struct error error = {0};
    answer(group_pause(group, number(words[1]), *words[0] == 'p', &error), &error, "");
}

static void do_seek(char **words) {
    struct error error = {0};
    answer(group_seek(group, number(words[1]), number(words[2]), &error), &error, "");
}

static void do_leave(char **words) {
    struct error error = {0};
    (void)words;
    answer(group_leave(group, &error), &error, "");
}

// ---- Following ----

// follow TOPIC PARTITIONS [LIMIT]
static void do_follow(char **words) {
    const struct follow_options options = {
        .topic = words[1], .partitions = number(words[2]), .limit = words[3] ? (size_t)number(words[3]) : 0};
    struct error error = {0};
    answer(follow_open(&cluster, &options, &follow, &error), &error, "");
}

// ask PARTITION TOKEN
static void do_ask(char **words) {
    answer(follow_ask(follow, number(words[1]), (uint64_t)number(words[2])), NULL, "");
}

// work MS: until a question is answered; its token, or "nothing"
static void do_work(char **words) {
    uint64_t until = clock_monotonic_ns() + (uint64_t)number(words[1]) * (uint64_t)CLOCK_MILLISECOND_NS;
    struct error error = {0};
    uint64_t token = 0;
    char text[32] = "nothing";
    bool more = false;
    int rc;
    while ((rc = follow_work(follow, &more, &error)) == 0) {
        if (follow_answered(follow, &token)) {
            snprintf(text, sizeof text, "%llu", (unsigned long long)token);
            break;
        }
        if (clock_monotonic_ns() >= until)
            break;
        if (!more)
            wait_for(follow_fd(follow), until);
    }
    answer(rc, &error, text);
}

static void do_get(char **words) {
    struct bytes value = follow_get(follow, bytes_of_string(words[1]));
    char text[256];
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(value));
    answer(0, NULL, value.data ? text : "-");
}

// ---- The loop ----

static const struct {
    const char *name;
    int words; // at least
    void (*run)(char **words);
} commands[] = {{"make", 3, do_topics}, {"check", 3, do_topics}, {"agree", 3, do_topics},
    {"delete", 4, do_delete}, {"shorten", 3, do_shorten}, {"open", 1, do_open}, {"put", 5, do_put},
    {"keep", 1, do_keep}, {"part", 2, do_part}, {"offset", 5, do_offset}, {"start", 1, do_start},
    {"collect", 1, do_collect}, {"again", 1, do_collect}, {"join", 2, do_join}, {"next", 2, do_next},
    {"begin", 1, do_begin}, {"release", 1, do_release}, {"pause", 2, do_pause}, {"resume", 2, do_pause},
    {"seek", 3, do_seek}, {"leave", 1, do_leave}, {"follow", 3, do_follow}, {"ask", 3, do_ask},
    {"work", 2, do_work}, {"get", 2, do_get}};

static void run(char *line) {
    char *words[WORDS + 1] = {NULL};
    char *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(line, " \n", &rest); word && count < WORDS;
        word = strtok_r(NULL, " \n", &rest))
        words[count++] = word;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (count && strcmp(commands[i].name, words[0]) == 0 && count >= commands[i].words) {
            commands[i].run(words);
            fflush(stdout);
            return;
        }
    printf("error 0 no such command\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    static char line[65536];
    static const struct cluster_setting quick[] = {{"metadata.max.age.ms", "2000"},
        {"reconnect.backoff.max.ms", "500"}, {"session.timeout.ms", "6000"},
        {"heartbeat.interval.ms", "300"}};
    if (argc != 4)
        return 2;
    cluster = (struct cluster){.brokers = argv[1],
        .prefix = argv[2],
        .name = argv[3],
        .settings = quick,
        .setting_count = sizeof quick / sizeof *quick,
        .tell = say_log};
    while (fgets(line, sizeof line, stdin))
        run(line);
    group_close(&group);
    follow_close(&follow);
    gathered_destroy(&batch);
    transactions_close(&transactions);
    buffer_destroy(&kept);
    return 0;
}
