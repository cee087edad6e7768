// Shared by loader.c (the thread, reload), history.c (what was in force) and rollback.c (going back); for
// nobody else.
#pragma once

#include "broker/daemon.h"
#include "broker/loader.h"

#include <jansson.h>
#include <pthread.h>

struct loader {
    struct loader_options options;
    struct configuration *active; // owned
    uint64_t number;              // of its activation; 0: not known yet
    struct mailbox *mailbox;
    struct control *core;
    pthread_t thread;
    bool running;
};

// An answer in the making: an HTTP status, and an object that the caller owns (NULL: no memory).
struct answer {
    unsigned status;
    json_t *body;
};
void answer_problem(struct answer *answer, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Loads what is on the disk and has it take over. True when it is in force now, or was already.
bool loader_reload(struct loader *loader, const char *who, const char *why, struct answer *answer);

// ---- history.c ----
// A record of an activation, with its position.
struct activated {
    uint64_t position;
    Hutong__Bus__V1__ActivatedRecord *record; // owned
};
struct history { // in order of position; zero-initialised it is empty
    struct activated *items;
    size_t count;
    uint64_t next; // the position behind the last one of all
};
void history_destroy(struct history *history);
// Those at [from, until) that are still there. 0, negative, ROUTER_CLOSED.
int history_read(struct loader *loader, uint64_t from, uint64_t until, struct history *out);
// The newest that `accept` takes, in a history of its own (count 0: there is none).
int history_find(struct loader *loader,
    bool (*accept)(void *context, const Hutong__Bus__V1__ActivatedRecord *), void *context,
    struct history *out);
// The newest one with this number or beginning of a digest.
int history_named(struct loader *loader, const char *name, struct history *out);
// {"added": […], "removed": […], "changed": […]}: names of routes. Owned, or NULL.
json_t *history_changes(
    const Hutong__Bus__V1__ActivatedRecord *before, const Hutong__Bus__V1__ActivatedRecord *after);
Hutong__Bus__V1__ActivatedRecord *history_record_of(
    const struct configuration *configuration); // owned, or NULL
void loader_history(struct loader *loader, const json_t *request, struct answer *answer);
void loader_files(struct loader *loader, const json_t *request, struct answer *answer);

// ---- letters.c, operator.c ----
#define LOADER_LETTERS_MS 25000 // how long dead letters on a cluster are waited for
#define LOADER_AGAIN_MS 100
void loader_letters(struct loader *loader, const json_t *request, struct answer *answer);
void loader_operate(
    struct loader *loader, enum operation_act act, const json_t *request, struct answer *answer);

// ---- erasure.c ----
void loader_erase(struct loader *loader, const json_t *request, struct answer *answer);

// ---- rollback.c ----
void loader_rollback(struct loader *loader, const json_t *request, struct answer *answer);
