// hutong replay: messages of the journal go to one system again, by the routes and agreements of today.
#include "cli/act.h"
#include "cli/again.h"
#include "cli/filter.h"
#include "cli/own.h"
#include "core/config/report.h"
#include "core/journal/journal.h"
#include "core/wire/wire.h"

#include "hutong/bus/v1/journal.pb-c.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hutong replay --admin SOCKET --to SYSTEM --why TEXT {FILTER… | --all} [OPTION…] FOLDER\n"
    "Sends messages that the broker accepted once to one system again: those that the filters choose of the\n"
    "journal in FOLDER, the running broker's, in its order, behind what waits for that system already. They "
    "go\n"
    "by the routes and agreements of today: what none gives to the system is left out, and said. The "
    "receiver\n"
    "learns that each is a replay.\n\n" ADMIN_HELP
    "      --to SYSTEM          who receives, \"agency/system\"\n"
    "      --from N             begin at the record with this sequence\n" CLI_FILTER_HELP
    "      --all                every message of the journal\n"
    "      --why TEXT           a reason, for the journal's record of it and the log: without personal data\n"
    "      --dry-run            say how many the filters choose, and do nothing\n"
    "      --catalogue FILE     message types (default: the one that came with this program)\n"
    "      --json               what came of it as JSON\n"
    "  -h, --help               this text\n\n"
    "Exit status: 0 done; 1 the broker does not answer, or something was left out; 2 wrong input or usage.\n";

enum { ENOUGH = 1000, STOPPED = 1001 };

struct replay {
    const char *admin;
    const char *to;
    const char *why;
    const char *catalogue_path;
    const char *folder;
    struct catalogue *catalogue; // owned
    struct cli_filter filter;
    bool json;
    bool dry;
    uint64_t from;
    uint64_t last; // what is behind came after this began
    uint64_t seen; // the last record that was looked at
    int rc;        // where a part could not be done
    struct act act;
    struct again again;
};

// ---- Options ----

static int take_own(struct replay *replay, int option, const char *value) {
    char *end = NULL;
    switch (option) {
    case 'a':
        replay->admin = value;
        return EXIT_DONE;
    case 't':
        replay->to = value;
        return EXIT_DONE;
    case 'w':
        replay->why = value;
        return EXIT_DONE;
    case 'c':
        replay->catalogue_path = value;
        return EXIT_DONE;
    case 'f':
        errno = 0;
        replay->from = strtoull(value, &end, 10);
        return *end || end == value || *value == '-' || errno || replay->from == 0
                   ? cli_wrong("replay", "--from is a number from 1, not \"%s\"", value)
                   : EXIT_DONE;
    case 'j':
        replay->json = true;
        return EXIT_DONE;
    case 'd':
        replay->dry = true;
        return EXIT_DONE;
    default:
        return cli_wrong("replay", "an option is unknown or lacks its value; see --help");
    }
}

// -1: it was help.
static int parse(struct replay *replay, int argc, char **argv) {
    static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
        {"to", required_argument, NULL, 't'}, {"why", required_argument, NULL, 'w'},
        {"catalogue", required_argument, NULL, 'c'}, {"from", required_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'}, {"dry-run", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'}, CLI_FILTER_OPTIONS, {"all", no_argument, NULL, 1108}, {0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "a:h", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        int rc = cli_filter_option("replay", &replay->filter, option, optarg);
        rc = rc < 0 ? take_own(replay, option, optarg) : rc;
        if (rc)
            return rc;
    }
    if (argc - optind != 1)
        return cli_wrong("replay", "it takes one FOLDER, the broker's journal; see --help");
    replay->folder = argv[optind];
    return EXIT_DONE;
}

static int check(const struct replay *replay) {
    if (!replay->admin || !replay->to)
        return cli_wrong("replay", "--admin SOCKET and --to SYSTEM are needed; see --help");
    if (!wire_address_valid(bytes_of_string(replay->to)))
        return cli_wrong("replay", "--to \"%s\" is no address; write agency/system", replay->to);
    if (!replay->dry && (!replay->why || !replay->why[0]))
        return cli_wrong("replay", "--why TEXT is needed: the journal keeps who did it and why");
    if (replay->why && strlen(replay->why) > 256)
        return cli_wrong("replay", "--why has at most 256 bytes");
    if (cli_filter_empty(&replay->filter) && !replay->filter.all && replay->from == 1)
        return cli_wrong("replay", "which messages? Give a filter, or --all; see --help");
    return EXIT_DONE;
}

// ---- The broker as it is ----

static int check_system(struct replay *replay, const json_t *status) {
    const char *names[1000];
    size_t count = 0;
    size_t i;
    json_t *queue;
    json_array_foreach(json_object_get(status, "queues"), i, queue) {
        const char *name = json_string_value(json_object_get(queue, "name"));
        if (!name || strchr(name, ':'))
            continue;
        if (strcmp(name, replay->to) == 0) {
            replay->again.queue = (uint32_t)json_integer_value(json_object_get(queue, "id"));
            return EXIT_DONE;
        }
        if (count < sizeof names / sizeof names[0])
            names[count++] = name;
    }
    const char *nearest = report_nearest(bytes_of_string(replay->to), names, count);
    return cli_wrong("replay", "--to: no system \"%s\"%s%s%s", replay->to, nearest ? "; did you mean \"" : "",
        nearest ? nearest : "", nearest ? "\"?" : "");
}

static int look_at_broker(struct replay *replay) {
    long http = 0;
    json_t *status = admin_ask("replay", replay->admin, "/status", NULL, 30, &http);
    if (!status)
        return EXIT_FAILED;
    replay->last = (uint64_t)json_integer_value(json_object_get(json_object_get(status, "journal"), "last"));
    int rc = check_system(replay, status);
    rc = rc ? rc : own_journal("replay", status, replay->folder);
    json_decref(status);
    return rc;
}

// ---- The journal ----

static bool is_chosen(struct replay *replay, const struct journal_record *record,
    const Hutong__Bus__V1__MessageRecord *message) {
    struct wire_envelope envelope;
    if (message->replay_of ||
        wire_envelope_parse(bytes_of(message->envelope.data, message->envelope.len), &envelope, NULL) != 0)
        return false;
    const struct cli_candidate candidate = {.time_us = record->time_ns / 1000,
        .type = envelope.type,
        .subject = envelope.subject,
        .source = bytes_of_string(message->source),
        .payload = envelope.payload,
        .route = "",
        .reason = ""};
    return cli_filter_takes(&replay->filter, &candidate);
}

static int look_at_record(void *context, const struct journal_record *record) {
    struct replay *replay = context;
    int end = record->sequence >= replay->last ? ENOUGH : 0; // what is behind is being written
    if (record->sequence > replay->last)
        return ENOUGH;
    if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_OPERATED && record->body.data) {
        int rc = again_operated(&replay->again, record);
        return rc ? rc : end;
    }
    if (record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE || !record->body.data)
        return end;
    Hutong__Bus__V1__MessageRecord *message =
        hutong__bus__v1__message_record__unpack(NULL, record->body.size, record->body.data);
    if (!message) {
        replay->act.partial = true;
        fprintf(stderr, "hutong replay: record %llu can't be decoded, and is left out\n",
            (unsigned long long)record->sequence);
        return end;
    }
    int rc = 0;
    if (is_chosen(replay, record, message)) {
        rc = again_choose(&replay->again, record->sequence);
        replay->rc = rc ? replay->rc : act_add(&replay->act, record->sequence);
    }
    hutong__bus__v1__message_record__free_unpacked(message, NULL);
    if (replay->act.count == 0 && replay->rc == EXIT_DONE)
        replay->seen = record->sequence;
    return rc ? rc : replay->rc ? STOPPED : end;
}

// What was done of a part that failed is not to be sent a second time.
static void tell_rest(const struct replay *replay) {
    uint64_t from = replay->act.undone > replay->seen + 1 ? replay->act.undone : replay->seen + 1;
    fprintf(stderr,
        "hutong replay: to go on where it stopped: --from %llu; if the broker gave no answer, see first with "
        "hutong journal list --kind operated whether that part was done\n",
        (unsigned long long)from);
}

static int scan(struct replay *replay) {
    struct error error = {.text = "out of memory"};
    int rc = journal_scan(replay->folder, replay->from, look_at_record, replay, &error);
    if (rc && rc != ENOUGH && rc != STOPPED)
        replay->rc = cli_failed("replay", "%s", error.text);
    if (replay->rc == EXIT_DONE)
        replay->rc = act_flush(&replay->act);
    cli_filter_tell("replay", &replay->filter);
    if (replay->rc && !replay->dry && replay->rc != EXIT_WRONG)
        tell_rest(replay);
    return replay->rc;
}

// A second run sends all of it a second time: that must not pass unseen.
static void tell_again(const struct replay *replay) {
    if (replay->again.before)
        fprintf(stderr, "hutong replay: warning: %s%llu of them %s sent to %s by a replay before\n",
            replay->again.full ? "at least " : "", (unsigned long long)replay->again.before,
            replay->dry ? "were" : "had been", replay->to);
}

static int run(struct replay *replay) {
    struct error error = {0};
    int rc = check(replay);
    if (rc)
        return rc;
    if (cli_catalogue(replay->catalogue_path, &replay->catalogue, &error) != 0)
        return cli_wrong("replay", "%s", error.text);
    rc = cli_filter_open("replay", replay->catalogue, &replay->filter);
    rc = rc ? rc : look_at_broker(replay);
    if (rc)
        return rc;
    const char *filter = buffer_text(&replay->filter.words);
    replay->seen = replay->from - 1;
    replay->act = (struct act){.command = "replay",
        .admin = replay->admin,
        .path = "/replay",
        .list = "sequences",
        .system = replay->to,
        .why = replay->why ? replay->why : "",
        .filter = filter ? filter : "",
        .dry = replay->dry};
    rc = act_check(&replay->act);
    rc = rc ? rc : scan(replay);
    tell_again(replay);
    int told = rc == EXIT_WRONG ? EXIT_DONE : act_tell(&replay->act, "replayed", "message", replay->json);
    return rc ? rc : told;
}

int command_replay(int argc, char **argv) {
    struct replay *replay = calloc(1, sizeof *replay); // large
    if (!replay)
        return cli_failed("replay", "out of memory");
    replay->from = 1;
    int rc = parse(replay, argc, argv);
    rc = rc ? rc : run(replay);
    cli_filter_close(&replay->filter);
    again_destroy(&replay->again);
    catalogue_destroy(&replay->catalogue);
    free(replay);
    if (fflush(stdout) || ferror(stdout))
        return cli_failed("replay", "standard output: %s", strerror(errno));
    return rc < 0 ? EXIT_DONE : rc;
}
