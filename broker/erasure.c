// An erasure that an admin asks for: handed to the core, and its answer told.
#include "broker/loader_internal.h"
#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define WHY_LIMIT 256 // bytes

static void say(const struct erasing *erasing, struct answer *answer) {
    char who[256];
    char why[600];
    answer->status = 200;
    answer->body =
        json_pack("{s:I, s:b}", "sequence", (json_int_t)erasing->sequence, "erased", erasing->done);
    if (erasing->done)
        log_event(LOG_INFO, "journal.erased", "sequence=%llu who=%s why=%s",
            (unsigned long long)erasing->sequence, log_quote(erasing->who, who, sizeof who),
            log_quote(erasing->why, why, sizeof why));
}

static void hand_over(struct loader *loader, struct erasing *erasing, struct answer *answer) {
    struct buffer nothing = {0};
    char request[64];
    snprintf(request, sizeof request, "erase %p", (void *)erasing);
    int rc = control_ask(loader->core, bytes_of_string(request), &nothing, -1);
    buffer_destroy(&nothing);
    if (rc)
        answer_problem(answer, 503, "the core does not answer");
    else if (erasing->problem[0])
        answer_problem(answer, erasing->gone ? 410 : 409, "%s", erasing->problem);
    else
        say(erasing, answer);
}

static const char *text_of(const json_t *request, const char *key) {
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

void loader_erase(struct loader *loader, const json_t *request, struct answer *answer) {
    json_int_t sequence = json_integer_value(json_object_get(request, "sequence"));
    struct erasing *erasing = calloc(1, sizeof *erasing);
    if (!erasing) {
        answer_problem(answer, 503, "out of memory");
        return;
    }
    *erasing = (struct erasing){.sequence = (uint64_t)sequence,
        .check = json_is_true(json_object_get(request, "check")),
        .who = text_of(request, "who"),
        .why = text_of(request, "why")};
    if (sequence <= 0)
        answer_problem(answer, 400, "which record? \"sequence\" is a number from 1");
    else if (!erasing->check && (!erasing->why[0] || strlen(erasing->why) > WHY_LIMIT))
        answer_problem(answer, 400, "why? The journal keeps it: \"why\" has 1 to 256 bytes");
    else
        hand_over(loader, erasing, answer);
    free(erasing);
}
