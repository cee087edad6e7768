// hutong dead list and show.
#include "cli/dead.h"
#include "cli/mask.h"

#include "core/schema/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENOUGH = 1000 };

struct listing {
    struct dead *dead;
    const char *system;
    uint64_t printed;
};

static void time_text(int64_t time_us, char out[40]) {
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    out[0] = '\0';
    if (gmtime_r(&seconds, &tm))
        strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

// What was said of it. `all`: also what may name a person. NULL: out of memory.
static json_t *words_of(const struct letter *letter, bool all) {
    struct buffer masked = {0};
    if (all || !mask_needed(letter->reason))
        return json_string(letter->text);
    json_t *words =
        mask_quoted(letter->text, &masked) == 0 ? json_stringn((const char *)masked.data, masked.size) : NULL;
    buffer_destroy(&masked);
    return words;
}

// Without `all` nothing that may name a person: no subject, no payload, no value of it.
static json_t *json_of(const char *system, const struct letter *letter, bool all) {
    char when[40];
    time_text(letter->time_us, when);
    json_t *one = json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:o, s:I}", "system", system, "position",
        (json_int_t)letter->position, "time", when, "route", letter->route, "reason", letter->reason,
        "attempts", (json_int_t)letter->attempts, "text", words_of(letter, all), "sequence",
        (json_int_t)letter->sequence);
    if (!one)
        return NULL;
    if (letter->item >= 0)
        json_object_set_new(one, "item", json_integer(letter->item));
    if (!letter->readable) {
        json_object_set_new(one, "unreadable", json_true());
        return one;
    }
    const struct wire_envelope *envelope = &letter->envelope;
    json_object_set_new(one, "id", json_stringn((const char *)envelope->id.data, envelope->id.size));
    json_object_set_new(one, "type", json_stringn((const char *)envelope->type.data, envelope->type.size));
    json_object_set_new(one, "source", json_stringn((const char *)letter->source.data, letter->source.size));
    json_object_set_new(one, "payload_bytes", json_integer((json_int_t)envelope->payload.size));
    return one;
}

// One line, and nothing that a terminal would obey: the words are an adapter's.
static void print_words(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool control = *at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0);
        if (control && *at == 0xc2)
            at++; // U+0080 to U+009F
        putchar(control ? ' ' : *at);
    }
    putchar('\n');
}

static void print_line(const char *system, const struct letter *letter) {
    char when[40];
    time_text(letter->time_us, when);
    printf("%-28s %8" PRIu64 "  %s  %-12s %8" PRIu64 "  %-20s %.*s  ", system, letter->position, when,
        letter->reason, letter->attempts, letter->route, BYTES_ARGS(letter->envelope.type));
    json_t *words = words_of(letter, false);
    print_words(words ? json_string_value(words) : "");
    json_decref(words);
}

static int print_json(json_t *object) {
    int rc = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;
    putchar('\n');
    json_decref(object);
    return rc ? cli_failed("dead", "it can't be printed") : EXIT_DONE;
}

static int list_one(void *context, const struct letter *letter) {
    struct listing *listing = context;
    struct dead *dead = listing->dead;
    if (!letter_taken(&dead->filter, letter))
        return EXIT_DONE;
    if (dead->limit && listing->printed == dead->limit)
        return ENOUGH;
    if (!dead->json && listing->printed == 0)
        printf("%-28s %8s  %-20s  %-12s %8s  %-20s %s\n", "SYSTEM", "POSITION", "TIME", "REASON", "ATTEMPTS",
            "ROUTE", "TYPE, WORDS");
    listing->printed++;
    if (dead->json)
        return print_json(json_of(listing->system, letter, false));
    print_line(listing->system, letter);
    return EXIT_DONE;
}

static int list_system(struct listing *listing) {
    const struct letters letters = {.command = "dead",
        .admin = listing->dead->admin,
        .system = listing->system,
        .take = list_one,
        .context = listing};
    return letters_each(&letters, 1);
}

int dead_list(struct dead *dead) {
    struct listing listing = {.dead = dead, .system = dead->system};
    if (dead->count > 0)
        return cli_wrong("dead", "list takes no \"%s\"; see --help", dead->rest[0]);
    json_t *systems = dead->system ? json_pack("[s]", dead->system) : letters_systems("dead", dead->admin);
    int rc = systems ? EXIT_DONE : EXIT_FAILED;
    for (size_t i = 0; rc == EXIT_DONE && i < json_array_size(systems); i++) {
        listing.system = json_string_value(json_array_get(systems, i));
        rc = list_system(&listing);
    }
    json_decref(systems);
    cli_filter_tell("dead", &dead->filter);
    if (rc == EXIT_DONE && listing.printed == 0 && !dead->json)
        puts("no dead letters");
    return rc == ENOUGH ? EXIT_DONE : rc;
}

// ---- show ----

struct showing {
    struct dead *dead;
    uint64_t position;
    bool found;
};

static void set_data(const struct dead *dead, const struct wire_envelope *envelope, json_t *to) {
    const struct schema_message *type = catalogue_message(dead->catalogue, envelope->type);
    struct buffer text = {0};
    struct error error = {.text = "the catalogue does not have the type"};
    json_t *data = NULL;
    if (type && json_from_message(type, envelope->payload, NULL, &text, &error) == 0)
        data = json_loadb((const char *)text.data, text.size, 0, NULL);
    json_object_set_new(to, "data", data ? data : json_null());
    if (!data)
        json_object_set_new(to, "problem", json_string(error.text));
    buffer_destroy(&text);
}

static int show_one(void *context, const struct letter *letter) {
    struct showing *showing = context;
    if (letter->position != showing->position)
        return ENOUGH;
    showing->found = true;
    json_t *one = json_of(showing->dead->system, letter, true);
    const struct wire_envelope *envelope = &letter->envelope;
    if (one && letter->readable) {
        json_object_set_new(
            one, "subject", json_stringn((const char *)envelope->subject.data, envelope->subject.size));
        set_data(showing->dead, envelope, one);
    }
    if (showing->dead->json)
        print_json(one);
    else {
        int rc = one ? json_dumpf(one, stdout, JSON_INDENT(2)) : -1;
        putchar('\n');
        json_decref(one);
        if (rc)
            return cli_failed("dead", "it can't be printed");
    }
    return ENOUGH;
}

static int read_position(const char *text, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || *out == 0)
        return cli_wrong("dead", "a position is a number from 1, not \"%s\"", text);
    return EXIT_DONE;
}

static int show_position(struct dead *dead, uint64_t position) {
    struct showing showing = {.dead = dead, .position = position};
    const struct letters letters = {.command = "dead",
        .admin = dead->admin,
        .system = dead->system,
        .take = show_one,
        .context = &showing};
    int rc = letters_each(&letters, position);
    if (rc != EXIT_DONE && rc != ENOUGH)
        return rc;
    return showing.found
               ? EXIT_DONE
               : cli_failed("dead", "%s has no dead letter at position %" PRIu64, dead->system, position);
}

int dead_show(struct dead *dead) {
    uint64_t position;
    int rc = EXIT_DONE;
    if (!dead->system || dead->count < 1)
        return cli_wrong("dead", "show takes --system SYSTEM and a POSITION; see --help");
    if (dead->filter.words.size)
        return cli_wrong("dead", "show takes positions, no filter; see: hutong dead list");
    for (int i = 0; i < dead->count && rc == EXIT_DONE; i++) // all are read before any is shown
        rc = read_position(dead->rest[i], &position);
    for (int i = 0; i < dead->count && rc == EXIT_DONE; i++) {
        read_position(dead->rest[i], &position);
        rc = show_position(dead, position);
    }
    return rc;
}
