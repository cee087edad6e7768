// Whose turn it is: a fair share of what is taken in, by bytes, for each system whatever the number of its
// sessions, and within a system for each session. Deficit round robin: a turn adds a quantum to what may be
// taken; what was taken beyond it is missing in the next turns. docs/decisions/0019-parking.md
#include "broker/internal.h"

#include <errno.h>
#include <stdlib.h>

#define SYSTEM_QUANTUM ((int64_t)64 * 1024)
#define SESSION_QUANTUM ((int64_t)16 * 1024)
// What one turn adds to the batch: then the loop looks whether the disk is free again, which must not wait
// until the whole batch has gathered.
#define TURN_BYTES ((size_t)256 * 1024)
#define MESSAGE_COST 256 // what a message costs besides its bytes

static struct account *account_new(struct broker *broker, const char *system) {
    struct account *account = calloc(1, sizeof *account);
    if (!account)
        return NULL;
    list_init(&account->link);
    list_init(&account->sessions);
    if (map_put(broker->accounts, bytes_of_string(system), account) != 0) {
        free(account);
        return NULL;
    }
    return account;
}

int shares_open(struct broker *broker, struct session *session) {
    const char *system = session->system->address;
    session->account = map_get(broker->accounts, bytes_of_string(system));
    if (!session->account)
        session->account = account_new(broker, system);
    return session->account ? 0 : -ENOMEM;
}

void shares_destroy(struct map **accounts) {
    size_t cursor = 0;
    void *account;
    while (*accounts && map_next(*accounts, &cursor, NULL, &account))
        free(account);
    map_destroy(accounts);
}

void shares_enter(struct broker *broker, struct session *session) {
    struct account *account = session->account;
    if (!list_empty(&session->turn))
        return; // it has its place, or is parked
    list_append(&account->sessions, &session->turn);
    if (list_empty(&account->link))
        list_append(&broker->turns, &account->link);
}

void shares_charge(struct session *session, size_t bytes) {
    int64_t cost = (int64_t)bytes + MESSAGE_COST;
    session->deficit -= cost;
    session->account->deficit -= cost;
}

// What was left of a turn is not saved up for later; what is missing stays so.
static void forfeit(int64_t *deficit) {
    if (*deficit > 0)
        *deficit = 0;
}

// A turn that a full batch cut short goes on where it stopped: it gets no new quantum.
static void begin_turn(int64_t *deficit, int64_t quantum) {
    if (*deficit <= 0)
        *deficit += quantum;
}

static int serve_session(
    struct broker *broker, struct account *account, struct session *session, struct update *update) {
    begin_turn(&session->deficit, SESSION_QUANTUM);
    while (session->deficit > 0) {
        if (journal_batch_size(update->batch) >= broker->turn_until)
            return JOURNAL_BATCH_FULL;
        int rc = intake_one(broker, session, update);
        if (rc == INTAKE_ENDED || rc == INTAKE_PARKED)
            return 0; // it has no place here any more
        if (rc == SESSION_EMPTY) {
            list_remove(&session->turn);
            forfeit(&session->deficit);
            return 0;
        }
        if (rc)
            return rc;
    }
    list_remove(&session->turn);
    list_append(&account->sessions, &session->turn);
    return 0;
}

static int serve_system(struct broker *broker, struct account *account, struct update *update) {
    begin_turn(&account->deficit, SYSTEM_QUANTUM);
    while (account->deficit > 0 && !list_empty(&account->sessions)) {
        int rc =
            serve_session(broker, account, LIST_ITEM(account->sessions.next, struct session, turn), update);
        if (rc)
            return rc;
    }
    list_remove(&account->link);
    if (list_empty(&account->sessions))
        forfeit(&account->deficit);
    else
        list_append(&broker->turns, &account->link);
    return 0;
}

int intake_run(struct broker *broker, struct update *update) {
    parking_retry(broker, false);
    size_t until = journal_batch_size(update->batch) + TURN_BYTES;
    broker->turn_until = until < broker->batch_soft ? until : broker->batch_soft;
    while (!list_empty(&broker->turns)) {
        int rc = serve_system(broker, LIST_ITEM(broker->turns.next, struct account, link), update);
        if (rc == JOURNAL_BATCH_FULL)
            update->more = true;
        if (rc)
            return rc == JOURNAL_BATCH_FULL ? 0 : rc;
    }
    return 0;
}
