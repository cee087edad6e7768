// A page of dead letters, for tools: what the core gives as bytes, as JSON.
#include "broker/loader_internal.h"

#include "core/base/clock.h"
#include "core/schema/json_text.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#define ASK_MS 10000

enum { ASK_AGAIN = 1 }; // bytes of an answer that is none yet

static json_t *base64(struct bytes bytes) {
    struct buffer text = {0};
    json_t *out =
        json_put_base64(&text, bytes) == 0 ? json_stringn((const char *)text.data, text.size) : NULL;
    buffer_destroy(&text);
    return out;
}

// What the adapter said need not be UTF-8 in a journal of an older version.
static json_t *words(const char *text) {
    json_t *out = json_string(text);
    return out ? out : json_string("");
}

static json_t *describe(
    uint64_t position, int64_t time_ns, uint64_t sequence, const Hutong__Bus__V1__DeadRecord *letter) {
    json_t *one = json_pack("{s:I, s:I, s:I, s:I, s:s, s:I}", "position", (json_int_t)position, "time_us",
        (json_int_t)(time_ns / 1000), "sequence", (json_int_t)sequence, "queue_position",
        (json_int_t)letter->position, "reason", wire_reason_name((wire_reason)letter->reason), "attempts",
        (json_int_t)letter->attempts);
    if (!one)
        return NULL;
    json_object_set_new(one, "route", words(letter->route));
    json_object_set_new(one, "text", words(letter->text));
    json_object_set_new(one, "source", words(letter->source));
    json_object_set_new(one, "item",
        letter->element ? json_integer((json_int_t)letter->element - 1) : json_null()); // from 0
    json_object_set_new(one, "envelope", base64(bytes_of(letter->envelope.data, letter->envelope.len)));
    return one;
}

// One that is whole on the disk and yet can't be taken apart: it can be dropped.
static json_t *describe_undecodable(uint64_t position, int64_t time_ns, uint64_t sequence) {
    Hutong__Bus__V1__DeadRecord nothing = HUTONG__BUS__V1__DEAD_RECORD__INIT;
    nothing.reason = HUTONG__BUS__V1__REASON__REASON_DAMAGED;
    nothing.text = (char *)(uintptr_t)"its record can't be decoded";
    return describe(position, time_ns, sequence, &nothing);
}

// Takes one letter off the page's front. False: it is cut, or there is no memory.
static bool take(struct bytes *page, json_t *all) {
    if (page->size < 28 || load_u32(page->data + 24) > page->size - 28)
        return false;
    size_t size = load_u32(page->data + 24);
    Hutong__Bus__V1__DeadRecord *letter = hutong__bus__v1__dead_record__unpack(NULL, size, page->data + 28);
    uint64_t position = load_u64(page->data);
    int64_t time_ns = (int64_t)load_u64(page->data + 8);
    uint64_t sequence = load_u64(page->data + 16);
    json_t *one = letter ? describe(position, time_ns, sequence, letter)
                         : describe_undecodable(position, time_ns, sequence);
    if (letter)
        hutong__bus__v1__dead_record__free_unpacked(letter, NULL);
    *page = bytes_of(page->data + 28 + size, page->size - 28 - size);
    return one && json_array_append_new(all, one) == 0;
}

static void say_page(struct bytes page, const char *system, struct answer *answer) {
    json_t *all = json_array();
    size_t said = load_u32(page.data + 24);
    struct bytes rest = bytes_of(page.data + DAEMON_LETTERS_HEAD, page.size - DAEMON_LETTERS_HEAD - said);
    answer->status = 200;
    answer->body =
        json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "system", system, "next", (json_int_t)load_u64(page.data),
            "waiting", (json_int_t)load_u64(page.data + 8), "end", (json_int_t)load_u64(page.data + 16),
            "letters", all, "damage", json_stringn((const char *)rest.data + rest.size, said));
    if (answer->body && load_u64(page.data + 16) == INT64_MAX) // of places no last one can be told
        json_object_set_new(answer->body, "now_us", json_integer(clock_realtime_ns() / 1000));
    while (answer->body && rest.size)
        if (!take(&rest, all)) {
            answer_problem(answer, 503, "out of memory");
            return;
        }
}

// On a cluster they are read when somebody asks, which takes some seconds.
static int ask_letters(struct loader *loader, const char *request, struct buffer *page) {
    int rc = control_ask(loader->core, bytes_of_string(request), page, ASK_MS);
    for (int waited = 0; rc == 0 && page->size == ASK_AGAIN && waited < LOADER_LETTERS_MS;
        waited += LOADER_AGAIN_MS) {
        poll(NULL, 0, LOADER_AGAIN_MS);
        buffer_clear(page);
        rc = control_ask(loader->core, bytes_of_string(request), page, ASK_MS);
    }
    return rc;
}

void loader_letters(struct loader *loader, const json_t *request, struct answer *answer) {
    const char *system = json_string_value(json_object_get(request, "system"));
    json_int_t from = json_integer_value(json_object_get(request, "from"));
    struct buffer page = {0};
    char text[256];
    if (!system || !wire_address_valid(bytes_of_string(system)) || from < 0) {
        answer_problem(answer, 400, "whose dead letters? system=agency/system");
        return;
    }
    snprintf(text, sizeof text, "letters %" PRIu64 " %s", (uint64_t)(from ? from : 1), system);
    int rc = ask_letters(loader, text, &page);
    if (rc)
        answer_problem(answer, 503, "the core does not answer");
    else if (page.size == ASK_AGAIN)
        answer_problem(answer, 503,
            "the cluster doesn't give the dead letters of %s: it is slow, or another broker has them, whose "
            "operator looks at them; ask again in a minute",
            system);
    else if (page.size < DAEMON_LETTERS_HEAD)
        answer_problem(answer, 404, "there is no system \"%s\", and there never was", system);
    else
        say_page(buffer_bytes(&page), system, answer);
    buffer_destroy(&page);
}
