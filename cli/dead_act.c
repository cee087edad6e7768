// hutong dead replay and drop.
#include "cli/act.h"
#include "cli/dead.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct doing {
    struct dead *dead;
    struct act act;
};

// ---- By filter ----

static int add_letter(void *context, const struct letter *letter) {
    struct doing *doing = context;
    return letter_taken(&doing->dead->filter, letter) ? act_add(&doing->act, letter->position) : EXIT_DONE;
}

static int flush_page(void *context) {
    struct doing *doing = context;
    return act_flush(&doing->act);
}

static int do_filtered(struct doing *doing) {
    const struct letters letters = {.command = "dead",
        .admin = doing->dead->admin,
        .system = doing->dead->system,
        .take = add_letter,
        .page_end = flush_page,
        .context = doing};
    int rc = act_check(&doing->act);
    rc = rc ? rc : letters_each(&letters, 1);
    cli_filter_tell("dead", &doing->dead->filter);
    return rc;
}

// ---- By position ----

// "7" or "7-9", rising.
static int parse_range(const char *text, uint64_t behind, uint64_t *first, uint64_t *last) {
    char *end = NULL;
    *first = strtoull(text, &end, 10);
    *last = *first;
    bool digits = text[0] >= '0' && text[0] <= '9';
    if (digits && *end == '-' && end[1] >= '0' && end[1] <= '9')
        *last = strtoull(end + 1, &end, 10);
    if (!digits || *end || *first == 0 || *last < *first || *last > INT64_MAX)
        return cli_wrong("dead", "\"%s\" is no position; write 7, or 7-9", text);
    if (*first <= behind)
        return cli_wrong("dead", "positions rise: \"%s\" comes too late", text);
    return EXIT_DONE;
}

enum { BEHIND = 1000 }; // the last one of a range

struct range {
    struct doing *doing;
    uint64_t last;
    uint64_t found;
};

static int add_found(void *context, const struct letter *letter) {
    struct range *range = context;
    if (letter->position > range->last)
        return BEHIND;
    range->found++;
    return act_add(&range->doing->act, letter->position);
}

// Those of the range that are there; the rest is gone.
static int do_range(struct doing *doing, uint64_t first, uint64_t last) {
    struct range range = {.doing = doing, .last = last};
    bool gaps = false;
    const struct letters letters = {.command = "dead",
        .admin = doing->dead->admin,
        .system = doing->dead->system,
        .take = add_found,
        .context = &range,
        .gaps = &gaps};
    int rc = letters_each(&letters, first);
    uint64_t missing = gaps ? range.found == 0 : last - first + 1 - range.found;
    if (rc != EXIT_DONE && rc != BEHIND)
        return rc;
    doing->act.asked += missing;
    doing->act.gone += missing;
    return EXIT_DONE;
}

static int read_ranges(const struct dead *dead, struct buffer *words) {
    uint64_t first;
    uint64_t last = 0;
    int rc = EXIT_DONE;
    for (int i = 0; i < dead->count && rc == EXIT_DONE; i++) {
        rc = parse_range(dead->rest[i], last, &first, &last);
        if (rc == EXIT_DONE && buffer_append_format(words, "%s%s", i ? " " : "", dead->rest[i]) != 0)
            rc = cli_failed("dead", "out of memory");
    }
    return rc;
}

static int do_positions(struct doing *doing) {
    struct buffer words = {0};
    uint64_t first;
    uint64_t last;
    int rc = read_ranges(doing->dead, &words); // all are read before any is done
    doing->act.filter = buffer_text(&words);
    rc = rc ? rc : act_check(&doing->act);
    for (int i = 0; i < doing->dead->count && rc == EXIT_DONE; i++) {
        parse_range(doing->dead->rest[i], 0, &first, &last);
        rc = do_range(doing, first, last);
    }
    rc = rc ? rc : act_flush(&doing->act);
    buffer_destroy(&words);
    doing->act.filter = "";
    return rc;
}

// ---- Both ----

static int check(const struct dead *dead) {
    bool filtered = dead->filter.all || !cli_filter_empty(&dead->filter);
    if (!dead->system)
        return cli_wrong("dead", "--system SYSTEM is needed: whose letters? See: hutong dead list");
    if (!dead->dry && (!dead->why || !dead->why[0]))
        return cli_wrong("dead", "--why TEXT is needed: the journal keeps who did it and why");
    if (dead->why && strlen(dead->why) > 256)
        return cli_wrong("dead", "--why has at most 256 bytes");
    if (!filtered && dead->count == 0)
        return cli_wrong("dead", "which letters? Give a filter, positions, or --all; see --help");
    if (filtered && dead->count > 0)
        return cli_wrong("dead", "positions and filters don't go together");
    return EXIT_DONE;
}

int dead_act(struct dead *dead, bool drop) {
    int rc = check(dead);
    if (rc)
        return rc;
    struct doing *doing = calloc(1, sizeof *doing); // large
    if (!doing)
        return cli_failed("dead", "out of memory");
    const char *filter = buffer_text(&dead->filter.words);
    doing->dead = dead;
    doing->act = (struct act){.command = "dead",
        .admin = dead->admin,
        .path = drop ? "/dead/drop" : "/dead/replay",
        .list = "positions",
        .system = dead->system,
        .why = dead->why ? dead->why : "",
        .filter = filter ? filter : "",
        .dry = dead->dry};
    rc = dead->count ? do_positions(doing) : do_filtered(doing);
    int told = rc == EXIT_WRONG
                   ? EXIT_DONE
                   : act_tell(&doing->act, drop ? "dropped" : "replayed", "dead letter", dead->json);
    free(doing);
    return rc ? rc : told;
}
