#include "cli/letters.h"

#include "core/schema/json_text.h"

#include <inttypes.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static uint64_t number_of(const json_t *object, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

// `raw` holds the envelope as long as the letter is used.
static int read_letter(const json_t *object, struct buffer *raw, struct letter *out) {
    const json_t *item = json_object_get(object, "item");
    *out = (struct letter){.position = number_of(object, "position"),
        .sequence = number_of(object, "sequence"),
        .time_us = (int64_t)number_of(object, "time_us"),
        .attempts = number_of(object, "attempts"),
        .item = json_is_integer(item) ? json_integer_value(item) : -1,
        .route = text_of(object, "route"),
        .reason = text_of(object, "reason"),
        .text = text_of(object, "text"),
        .source = bytes_of_string(text_of(object, "source"))};
    buffer_clear(raw);
    int rc = json_read_base64(bytes_of_string(text_of(object, "envelope")), raw);
    out->readable = rc == 0 && wire_envelope_parse(buffer_bytes(raw), &out->envelope, NULL) == 0;
    if (!out->source.size)
        out->source = out->envelope.source;
    return rc;
}

// What all that there was at the first page has below it, or before it.
struct beginning {
    uint64_t end;
    int64_t now_us; // where positions don't rise with time: the broker's clock; 0: they do
};

static void note_beginning(struct beginning *beginning, const json_t *page) {
    if (beginning->end)
        return;
    beginning->end = number_of(page, "end");
    beginning->now_us = (int64_t)number_of(page, "now_us");
}

static int take_letter(const struct letters *letters, const struct letter *letter, int64_t now_us) {
    return now_us && letter->time_us > now_us ? EXIT_DONE : letters->take(letters->context, letter);
}

static int take_page(
    const struct letters *letters, const json_t *page, const struct beginning *beginning, uint64_t *next) {
    struct buffer raw = {0};
    size_t i;
    json_t *object;
    int rc = EXIT_DONE;
    *next = number_of(page, "next");
    json_array_foreach(json_object_get(page, "letters"), i, object) {
        struct letter letter;
        if (rc != EXIT_DONE)
            break;
        if (number_of(object, "position") >= beginning->end)
            *next = 0; // it died after this began
        else if (read_letter(object, &raw, &letter) != 0)
            rc = cli_failed(letters->command, "an answer can't be read");
        else
            rc = take_letter(letters, &letter, beginning->now_us);
    }
    buffer_destroy(&raw);
    return rc;
}

static int ask_page(const struct letters *letters, uint64_t from, json_t **out) {
    char path[256];
    long status = 0;
    snprintf(path, sizeof path, "/dead?system=%s&from=%" PRIu64, letters->system, from);
    json_t *page = admin_ask(letters->command, letters->admin, path, NULL, 60, &status);
    if (!page)
        return EXIT_FAILED;
    int rc = status == 200                    ? EXIT_DONE
             : status == 400 || status == 404 ? cli_wrong(letters->command, "%s", text_of(page, "error"))
                                              : cli_failed(letters->command, "%s", text_of(page, "error"));
    if (rc)
        json_decref(page);
    else
        *out = page;
    return rc;
}

int letters_each(const struct letters *letters, uint64_t from) {
    struct beginning beginning = {0};
    int rc = EXIT_DONE;
    while (from && rc == EXIT_DONE) {
        json_t *page = NULL;
        rc = ask_page(letters, from, &page);
        if (rc)
            return rc;
        note_beginning(&beginning, page);
        if (letters->gaps)
            *letters->gaps = beginning.now_us != 0;
        rc = take_page(letters, page, &beginning, &from);
        if (rc == EXIT_DONE && letters->page_end)
            rc = letters->page_end(letters->context);
        if (rc == EXIT_DONE && text_of(page, "damage")[0])
            rc = cli_failed(letters->command,
                "the dead letters of %s go on, but the next one can't be read: %s", letters->system,
                text_of(page, "damage"));
        json_decref(page);
    }
    return rc;
}

json_t *letters_systems(const char *command, const char *admin) {
    long status = 0;
    json_t *answer = admin_ask(command, admin, "/status", NULL, 30, &status);
    json_t *names = answer ? json_array() : NULL;
    size_t i;
    json_t *queue;
    json_array_foreach(json_object_get(answer, "queues"), i, queue) {
        const char *name = text_of(queue, "name");
        if (strncmp(name, "dead:", 5) == 0)
            json_array_append_new(names, json_string(name + 5));
    }
    json_decref(answer);
    return names;
}

bool letter_taken(struct cli_filter *filter, const struct letter *letter) {
    const struct cli_candidate candidate = {.time_us = letter->time_us,
        .type = letter->envelope.type,
        .subject = letter->envelope.subject,
        .source = letter->source,
        .payload = letter->envelope.payload,
        .route = letter->route,
        .reason = letter->reason};
    return cli_filter_takes(filter, &candidate);
}
