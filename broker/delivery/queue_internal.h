// Between the files of this folder; for nobody else.
#pragma once

#include "broker/delivery/queue.h"

// unread.c
bool unread_bears(const struct queue *queue);               // what can't be read is given up
void unread_read(struct queue *queue, uint64_t position);   // it could
uint64_t unread_tick(struct queue *queue, uint64_t now_ms); // when the next tick is due at the latest

bool queue_over_limit(const struct queue *queue); // its oldest are to become dead letters

// window.c: deliveries that are known, their states and their subjects' chains
// NULL without memory. In no list and no chain, without bytes.
struct delivery *delivery_new(
    const struct queue *queue, const struct record_delivery *from, const char *route, size_t size);
// A new one; `record`: of a push, 0: it was read. `envelope` lies in `chunk`, of which a reference is kept
// only if it is needed now. 0 or -ENOMEM.
int window_add(struct queue *queue, const struct record_delivery *from, const char *route, uint64_t record,
    struct chunk *chunk, struct bytes envelope, struct queue_time now);
// The same of one that is there; takes it.
int window_enter(struct queue *queue, struct delivery *delivery, struct chunk *chunk, struct bytes envelope,
    struct queue_time now);
struct delivery *delivery_at(const struct queue *queue, uint64_t place); // that is known; or NULL
bool window_room(const struct queue *queue);                             // for one more
void window_remove(struct queue *queue, struct delivery *delivery); // frees it; its follower is free to go
void delivery_free(struct delivery *delivery);                      // takes
// Not to DELIVERY_RETRY, which delivery_wait() does.
void delivery_move(struct queue *queue, struct delivery *delivery, enum delivery_state state, bool front);
int delivery_wait(struct queue *queue, struct delivery *delivery, uint64_t due_ms); // 0 or -ENOMEM
void delivery_send(struct queue *queue, struct delivery *delivery, struct receiver *receiver);
void delivery_die(struct queue *queue, struct delivery *delivery, wire_reason reason, const char *why);
void delivery_give_bytes(
    struct queue *queue, struct delivery *delivery, struct chunk *chunk, struct bytes envelope);
void delivery_drop_bytes(struct queue *queue, struct delivery *delivery);
// It was in flight at a session that was lost, or may have been at an earlier process.
bool delivery_comes_again(const struct delivery *delivery);
bool delivery_expired(const struct delivery *delivery, int64_t now_us);
// It may expire while nobody looks at it.
void delivery_watch_expiry(struct queue *queue, const struct delivery *delivery);

// share.c: receivers and what is whose
void share_init(struct share *share);
struct share *share_of(struct queue *queue, const struct delivery *delivery);
struct receiver *share_owner(const struct queue *queue, uint64_t subject_hash); // NULL: whoever has credit
bool receiver_has_credit(const struct queue *queue, const struct receiver *receiver);
bool queue_has_credit(const struct queue *queue);
bool queue_can_take(const struct queue *queue); // some receiver, one more than is ready for it
// Of how many more the share may have the bytes.
uint64_t share_room(const struct queue *queue, const struct share *share, const struct receiver *receiver);
// Whether the share may have the bytes of one more: they are pinned only for what goes out next.
bool share_wants_bytes(const struct queue *queue, const struct share *share, const struct receiver *receiver);
// Those that wait for receivers without credit go to whoever has some.
void share_relieve(struct queue *queue);

// load.c: could take more than there is in memory for it
bool receiver_is_hungry(const struct queue *queue, const struct receiver *receiver);

uint64_t backlog_wanted(const struct queue *queue); // how many of the backlog may enter the window now
uint64_t next_unread(const struct queue *queue);    // the first position of it that isn't settled

// tail.c: the newest of the backlog
// A push that does not enter the window. Without memory it is in the journal only, as the rest.
void tail_keep(struct queue *queue, const struct record_delivery *from, uint64_t record, struct chunk *chunk,
    struct bytes envelope);
uint64_t tail_first(const struct queue *queue); // its first position; next_position: it is empty

// retry.c
// What an earlier process knew of it.
void failure_resume(struct queue *queue, struct delivery *delivery, struct queue_time now, uint64_t *due_ms);
// Why it is to die, in words of their own behind what the adapter said. 0 or -ENOMEM.
int failure_note(struct queue *queue, struct delivery *delivery, wire_reason reason, const char *text);
void failures_destroy(struct queue *queue);
void failure_forget(struct queue *queue, uint64_t position);
void failure_forget_span(struct queue *queue, uint64_t first, uint64_t last);
