// hutong dead: dead letters of a running broker.
#include "cli/dead.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hutong dead list   --admin SOCKET [OPTION…]\n"
    "       hutong dead show   --admin SOCKET --system SYSTEM POSITION…\n"
    "       hutong dead replay --admin SOCKET --system SYSTEM --why TEXT {FILTER… | --all | POSITION…}\n"
    "       hutong dead drop   --admin SOCKET --system SYSTEM --why TEXT {FILTER… | --all | POSITION…}\n"
    "What could not be delivered: looked at, sent again, given up. Only show prints personal data.\n\n"
    "replay puts letters into their system's queue again, behind what is there, if an agreement of today "
    "still\n"
    "covers them; what could not be mapped goes by the routes of today. Each is either replayed or dead at "
    "any\n"
    "time, also when the command or the broker is killed: give the command again. The receiver learns that "
    "it\n"
    "is a replay. POSITION is a number; of replay and drop FIRST-LAST too.\n\n" ADMIN_HELP
    "      --system SYSTEM      whose letters, \"agency/system\"\n"
    "      --route NAME         only those of this route\n"
    "      --reason REASON      only those that died of it: rejected, retries, unmapped, filter, expired, "
    "…\n" CLI_FILTER_HELP "      --all                all of the system\n"
    "      --why TEXT           a reason, for the journal's record of it and the log: without personal data\n"
    "      --dry-run            say how many it would be, and do nothing\n"
    "      --limit N            list no more\n"
    "      --catalogue FILE     message types (default: the one that came with this program)\n"
    "      --json               JSON: a letter a line, or what came of it\n"
    "  -h, --help               this text\n\n"
    "Exit status: 0 done; 1 the broker does not answer, or something was left as it was; 2 wrong input or "
    "usage.\n";

static int take_own(struct dead *dead, int option, const char *value) {
    char *end = NULL;
    switch (option) {
    case 'a':
        dead->admin = value;
        return EXIT_DONE;
    case 's':
        dead->system = value;
        return EXIT_DONE;
    case 'w':
        dead->why = value;
        return EXIT_DONE;
    case 'c':
        dead->catalogue_path = value;
        return EXIT_DONE;
    case 'n':
        errno = 0;
        dead->limit = strtoull(value, &end, 10);
        return *end || end == value || *value == '-' || errno || dead->limit == 0
                   ? cli_wrong("dead", "--limit is a number from 1, not \"%s\"", value)
                   : EXIT_DONE;
    case 'j':
        dead->json = true;
        return EXIT_DONE;
    case 'd':
        dead->dry = true;
        return EXIT_DONE;
    default:
        return cli_wrong("dead", "an option is unknown or lacks its value; see --help");
    }
}

// -1: it was help.
static int parse(struct dead *dead, int argc, char **argv) {
    static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
        {"system", required_argument, NULL, 's'}, {"why", required_argument, NULL, 'w'},
        {"catalogue", required_argument, NULL, 'c'}, {"limit", required_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'}, {"dry-run", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'}, CLI_FILTER_OPTIONS, CLI_FILTER_DEAD_OPTIONS, {0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "a:h", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        int rc = cli_filter_option("dead", &dead->filter, option, optarg);
        rc = rc < 0 ? take_own(dead, option, optarg) : rc;
        if (rc)
            return rc;
    }
    dead->count = argc - optind;
    dead->rest = argv + optind;
    return EXIT_DONE;
}

static int check(const struct dead *dead) {
    if (!dead->admin)
        return cli_wrong("dead", "--admin SOCKET is needed; see --help");
    if (dead->system && !wire_address_valid(bytes_of_string(dead->system)))
        return cli_wrong("dead", "--system \"%s\" is no address; write agency/system", dead->system);
    return EXIT_DONE;
}

// An option that a verb doesn't know must not be passed over: what it meant to spare would be dropped.
static int check_verb(const struct dead *dead, const char *verb) {
    bool list = strcmp(verb, "list") == 0;
    bool act = strcmp(verb, "replay") == 0 || strcmp(verb, "drop") == 0;
    if (!list && !act && strcmp(verb, "show") != 0)
        return cli_wrong("dead", "it takes list, show, replay or drop; see --help");
    if (dead->limit && !list)
        return cli_wrong("dead", "--limit is for list only; %s takes a filter, or positions", verb);
    if ((dead->why || dead->dry) && !act)
        return cli_wrong("dead", "--why and --dry-run are for replay and drop, not for %s", verb);
    return EXIT_DONE;
}

static int run(struct dead *dead) {
    const char *verb = dead->count ? dead->rest[0] : "";
    struct error error = {0};
    int rc = check(dead);
    rc = rc ? rc : check_verb(dead, verb);
    if (rc)
        return rc;
    if (cli_catalogue(dead->catalogue_path, &dead->catalogue, &error) != 0)
        return cli_wrong("dead", "%s", error.text);
    rc = cli_filter_open("dead", dead->catalogue, &dead->filter);
    if (rc)
        return rc;
    dead->count--;
    dead->rest++;
    if (strcmp(verb, "list") == 0)
        return dead_list(dead);
    if (strcmp(verb, "show") == 0)
        return dead_show(dead);
    return dead_act(dead, verb[0] == 'd');
}

int command_dead(int argc, char **argv) {
    struct dead dead = {0};
    int rc = parse(&dead, argc, argv);
    rc = rc ? rc : run(&dead);
    cli_filter_close(&dead.filter);
    catalogue_destroy(&dead.catalogue);
    if (fflush(stdout) || ferror(stdout))
        return cli_failed("dead", "standard output: %s", strerror(errno));
    return rc < 0 ? EXIT_DONE : rc;
}
