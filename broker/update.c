#include "broker/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// Grows an array by one; false without memory.
static bool make_room(void **items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return true;
    size_t larger = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(*items, larger * size);
    if (!grown)
        return false;
    *items = grown;
    *capacity = larger;
    return true;
}

struct outgoing *update_outgoing(struct update *update, uint64_t connection) {
    void *items = update->frames;
    if (!make_room(&items, update->frame_count, &update->frame_capacity, sizeof *update->frames))
        return NULL;
    update->frames = items;
    struct outgoing *outgoing = &update->frames[update->frame_count++];
    *outgoing = (struct outgoing){.connection = connection};
    return outgoing;
}

int update_frame(struct update *update, uint64_t connection, const wire_frame *frame, bool last) {
    struct outgoing *outgoing = update_outgoing(update, connection);
    if (!outgoing)
        return -ENOMEM;
    outgoing->last = last;
    return wire_frame_append(frame, &outgoing->head);
}

int update_load(struct update *update, const struct load_wish *wish) {
    void *items = update->loads;
    if (!make_room(&items, update->load_count, &update->load_capacity, sizeof *update->loads))
        return -ENOMEM;
    update->loads = items;
    update->loads[update->load_count++] = *wish;
    return 0;
}

void update_notice(struct update *update, int kind, const struct session *session, const char *text) {
    void *items = update->notices;
    if (!make_room(&items, update->notice_count, &update->notice_capacity, sizeof *update->notices))
        return;
    update->notices = items;
    struct notice *notice = &update->notices[update->notice_count++];
    *notice = (struct notice){.kind = (unsigned)kind};
    snprintf(notice->system, sizeof notice->system, "%s", session->open ? session->system->address : "");
    snprintf(notice->instance, sizeof notice->instance, "%s", session->open ? session->instance : "");
    snprintf(notice->text, sizeof notice->text, "%s", text);
}

void update_clear(struct update *update) {
    for (size_t i = 0; i < update->frame_count; i++) {
        buffer_destroy(&update->frames[i].head);
        slice_drop(&update->frames[i].body);
    }
    update->frame_count = 0;
    update->load_count = 0;
    update->notice_count = 0;
    update->more = update->drained = update->receivers = false;
    update->deadline_ms = UINT64_MAX;
}

void update_destroy(struct update *update) {
    update_clear(update);
    free(update->frames);
    free(update->loads);
    free(update->notices);
    update->notices = NULL;
    update->notice_capacity = 0;
    update->frames = NULL;
    update->loads = NULL;
    update->frame_capacity = update->load_capacity = 0;
}
