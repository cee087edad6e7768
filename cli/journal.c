#include "cli/cli.h"
#include "cli/erase.h"
#include "cli/export.h"
#include "cli/record.h"
#include "core/crypto/digest.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hutong journal list [OPTION…] FOLDER           print records, one a line\n"
    "       hutong journal show [--json] SEQUENCE FOLDER   print one record\n"
    "       hutong journal verify [--json] FOLDER          check all of it\n"
    "       hutong journal erase --sequence N --why TEXT [--admin SOCKET] [--dry-run] FOLDER\n"
    "       hutong journal export --config FILE FOLDER     change over to a Kafka cluster (its own --help)\n"
    "\n"
    "Reads a journal's folder; the broker may be running. Ids, types, routes and sizes are printed, never a\n"
    "subject or a payload. verify recomputes every CRC, digest and link, and exits with 1 when anything was\n"
    "altered, removed or reordered; keep the chain that it prints, and it proves later that all up to there "
    "is\n"
    "as it was.\n"
    "\n"
    "erase overwrites the body of one message's record, and of every record that holds a copy of it: "
    "carried\n"
    "ones, dead letters, replays. The chain still verifies. What is not settled yet is not erased. With a\n"
    "running broker give --admin: what broker.yaml names as admin, a socket's path.\n"
    "\n"
    "      --from N      start at the record with this sequence\n"
    "      --count N     stop after so many\n"
    "      --kind KIND   only message, settled, refused, dead, queue, publisher, activated, peer,\n"
    "                    failed, operated, erased or carried\n"
    "      --json        print JSON, one value a line\n";

struct arguments {
    unsigned long long from;
    unsigned long long count;
    uint8_t kind;                // 0: all
    unsigned long long sequence; // erase
    const char *why;
    const char *admin;
    bool dry;
    bool json;
    bool help;
};

// The whole of `text`, a decimal number.
static bool parse_number(const char *text, unsigned long long *out) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno)
        return false;
    *out = number;
    return true;
}

static int take_option(int option, struct arguments *arguments) {
    switch (option) {
    case 'f':
        if (!parse_number(optarg, &arguments->from))
            return cli_wrong("journal", "--from is a number, not \"%s\"", optarg);
        return EXIT_DONE;
    case 'c':
        if (!parse_number(optarg, &arguments->count))
            return cli_wrong("journal", "--count is a number, not \"%s\"", optarg);
        return EXIT_DONE;
    case 'k':
        if (!record_kind_parse(optarg, &arguments->kind))
            return cli_wrong("journal", "there is no kind \"%s\"; see --help", optarg);
        return EXIT_DONE;
    case 's':
        if (!parse_number(optarg, &arguments->sequence) || arguments->sequence == 0)
            return cli_wrong("journal", "--sequence is a number from 1, not \"%s\"", optarg);
        return EXIT_DONE;
    case 'w':
        arguments->why = optarg;
        return EXIT_DONE;
    case 'a':
        arguments->admin = optarg;
        return EXIT_DONE;
    case 'n':
        arguments->dry = true;
        return EXIT_DONE;
    case 'j':
        arguments->json = true;
        return EXIT_DONE;
    case 'h':
        arguments->help = true;
        return EXIT_DONE;
    default:
        return cli_wrong("journal", "an option is unknown or lacks its value; see --help");
    }
}

static int parse(int argc, char **argv, struct arguments *arguments) {
    static const struct option options[] = {{"from", required_argument, NULL, 'f'},
        {"count", required_argument, NULL, 'c'}, {"kind", required_argument, NULL, 'k'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'},
        {"sequence", required_argument, NULL, 's'}, {"why", required_argument, NULL, 'w'},
        {"admin", required_argument, NULL, 'a'}, {"dry-run", no_argument, NULL, 'n'}, {0}};
    *arguments = (struct arguments){.from = 1, .count = UINT64_MAX};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "ha:", options, NULL)) != -1;) {
        int code = take_option(option, arguments);
        if (code)
            return code;
    }
    return EXIT_DONE;
}

static void print_description(const json_t *description, bool json) {
    if (!json) {
        record_print(description, stdout);
        return;
    }
    json_dumpf(description, stdout, JSON_COMPACT);
    putchar('\n');
}

// ---- list and show ----

enum { ENOUGH = 1000 }; // stops a scan

struct listing {
    const struct arguments *arguments;
    unsigned long long printed;
};

static int print_record(void *context, const struct journal_record *record) {
    struct listing *listing = context;
    const struct arguments *arguments = listing->arguments;
    if (arguments->kind && record->kind != arguments->kind)
        return 0;
    json_t *description = record_describe(record);
    if (!description)
        return -ENOMEM;
    print_description(description, arguments->json);
    json_decref(description);
    return ++listing->printed == arguments->count || ferror(stdout) ? ENOUGH : 0;
}

static int list(const char *folder, const struct arguments *arguments, unsigned long long *printed) {
    struct listing listing = {.arguments = arguments};
    struct error error = {.text = "out of memory"};
    int rc = arguments->count ? journal_scan(folder, arguments->from, print_record, &listing, &error) : 0;
    *printed = listing.printed;
    return rc == 0 || rc == ENOUGH ? EXIT_DONE : cli_failed("journal", "%s", error.text);
}

static int show(const char *sequence, const char *folder, struct arguments *arguments) {
    unsigned long long printed = 0;
    if (!parse_number(sequence, &arguments->from) || arguments->from == 0)
        return cli_wrong("journal", "a sequence is a number from 1, not \"%s\"", sequence);
    arguments->count = 1;
    arguments->kind = 0;
    int code = list(folder, arguments, &printed);
    return code || printed ? code : cli_failed("journal", "no record %s is there", sequence);
}

// ---- verify ----

static int verify(const char *folder, bool json) {
    struct journal_verdict verdict;
    struct error error = {0};
    char chain[2 * DIGEST_SIZE + 1];
    if (journal_verify(folder, &verdict, &error))
        return cli_failed("journal", "%s", error.text);
    digest_hex(verdict.chain, chain);
    json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "segments", (json_int_t)verdict.segments,
        "batches", (json_int_t)verdict.batches, "records", (json_int_t)verdict.records, "erased",
        (json_int_t)verdict.erased, "torn_bytes", (json_int_t)verdict.torn_bytes, "chain", chain);
    if (!object)
        return cli_failed("journal", "out of memory");
    if (!json)
        fputs("whole: ", stdout);
    print_description(object, json);
    json_decref(object);
    return EXIT_DONE;
}

// ---- erase ----

static int erase(const char *folder, const struct arguments *arguments) {
    if (!arguments->sequence)
        return cli_wrong("journal", "erase needs --sequence N; see: hutong journal list FOLDER");
    if (!arguments->dry && (!arguments->why || !arguments->why[0]))
        return cli_wrong("journal", "erase needs --why TEXT: the journal keeps who did it and why");
    if (arguments->why && strlen(arguments->why) > 256)
        return cli_wrong("journal", "--why has at most 256 bytes");
    const struct erase wanted = {.folder = folder,
        .admin = arguments->admin,
        .why = arguments->why,
        .sequence = arguments->sequence,
        .dry = arguments->dry,
        .json = arguments->json};
    return erase_run(&wanted);
}

static int run(int argc, char **argv) {
    struct arguments arguments;
    unsigned long long printed = 0;
    if (argc > 1 && strcmp(argv[1], "export") == 0)
        return export_become(argc - 2, argv + 2);
    int code = parse(argc, argv, &arguments);
    if (code)
        return code;
    if (arguments.help)
        return fputs(help, stdout) < 0;
    const char *verb = optind < argc ? argv[optind] : "";
    int rest = argc - optind - 1;
    if (strcmp(verb, "list") == 0 && rest == 1)
        return list(argv[optind + 1], &arguments, &printed);
    if (strcmp(verb, "show") == 0 && rest == 2)
        return show(argv[optind + 1], argv[optind + 2], &arguments);
    if (strcmp(verb, "verify") == 0 && rest == 1)
        return verify(argv[optind + 1], arguments.json);
    if (strcmp(verb, "erase") == 0 && rest == 1)
        return erase(argv[optind + 1], &arguments);
    return cli_wrong("journal",
        "it takes list FOLDER, show SEQUENCE FOLDER, verify FOLDER, erase FOLDER or export FOLDER; "
        "see --help");
}

int command_journal(int argc, char **argv) {
    int code = run(argc, argv);
    if (fflush(stdout) || ferror(stdout)) // what was printed into a full disk was not printed
        return cli_failed("journal", "standard output: %s", strerror(errno));
    return code;
}
