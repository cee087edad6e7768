// What comes from the cluster: which partitions are this process's, what is known of them, and what of the
// last batch was committed.
#include "broker/kafka/journal_internal.h"

#include "core/base/clock.h"

#include <errno.h>
#include <poll.h>

#define EVENTS_A_RUN 4096 // of one destination

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
}

static bool is_under_way(const struct kafka_journal *journal) {
    return journal->batch == NULL;
}

// ---- Partitions come and go ----

static int withdraw(struct kafka_journal *journal, struct destination *destination) {
    int rc = 0;
    for (struct arrival *arrival; rc == 0 && (arrival = destination_from(destination, 0));) {
        if (!destination->letters)
            rc = journal->owner.withdrawn(
                journal->owner.context, destination->id, arrival->position, arrival->size);
        destination_forget(destination, arrival);
    }
    struct list *next;
    for (struct list *node = destination->parts.next; node != &destination->parts; node = next) {
        next = node->next;
        destination_drop_part(LIST_ITEM(node, struct part, link));
    }
    destination->held = false;
    return rc;
}

static int ask_state(struct kafka_journal *journal, struct part *part, struct error *error) {
    part->question = ++journal->last_token;
    int rc = follow_ask(journal->state, lane_home(journal, part), part->question);
    return rc ? error_set(error, rc < 0 ? rc : -ENOSPC, "too many questions about the state of lanes") : 0;
}

static int assign(struct kafka_journal *journal, struct destination *destination,
    const struct group_event *event, struct error *error) {
    for (size_t i = 0; i < event->partition_count; i++) {
        struct part *part = destination_add_part(destination, event->partitions[i].partition);
        if (!part)
            return error_no_memory(error);
        part->offset = event->partitions[i].offset;
        int rc = ask_state(journal, part, error);
        if (rc)
            return rc;
    }
    if (destination->letters)
        letters_assigned(journal, destination);
    return 0;
}

static int restore(struct part *part, bool streams, struct bytes value) {
    return streams ? lane_restore_streams(&part->lane, value) : lane_restore_state(&part->lane, value);
}

// What nobody can read is as if it weren't there: then more is read again than has to be.
static int restore_lane(struct kafka_journal *journal, struct part *part, bool streams) {
    struct buffer key = {0};
    int rc = lane_key(part, streams, &key);
    struct bytes value = rc ? bytes_of(NULL, 0) : follow_get(journal->state, buffer_bytes(&key));
    rc = rc ? rc : restore(part, streams, value);
    buffer_destroy(&key);
    if (rc != -EBADMSG)
        return rc;
    cluster_tell(&journal->options.cluster, 3, "journal",
        "what the cluster has of %s, partition %d (%s) can't be read: it is read again from %s",
        part->destination->name, part->partition, streams ? "its streams" : "its state",
        streams ? "the beginning" : "the group's offset");
    return restore(part, streams, bytes_of(NULL, 0));
}

static int open_lane(struct kafka_journal *journal, struct part *part, struct error *error) {
    int rc = lane_init(&part->lane, part->offset > 0 ? (uint64_t)part->offset : 0);
    rc = rc ? rc : restore_lane(journal, part, false);
    if (rc == 0 && !part->destination->letters)
        rc = restore_lane(journal, part, true);
    part->question = 0;
    part->told = part->lane.settled;
    part->noted = part->lane.streams_upto;
    return rc ? error_set(error, rc, "what the cluster has of %s, partition %d can't be read",
                    part->destination->name, part->partition)
              : 0;
}

static bool is_waiting(const struct destination *destination) {
    LIST_EACH(node, &destination->parts) {
        if (LIST_ITEM(node, const struct part, link)->question)
            return true;
    }
    return false;
}

// The state of all its lanes is known: they are read from where repeats are still to be told.
static int start(struct destination *destination, struct error *error) {
    struct group_partition from[1024];
    size_t count = 0;
    LIST_EACH(node, &destination->parts) {
        const struct part *part = LIST_ITEM(node, const struct part, link);
        uint64_t first = lane_start(&part->lane);
        if (count == sizeof from / sizeof *from)
            return error_set(error, -ENOSPC, "%s has more than 1,024 partitions", destination->name);
        from[count++] = (struct group_partition){
            .partition = part->partition, .offset = first > 1 ? (int64_t)first - 1 : GROUP_NO_OFFSET};
    }
    return group_start(destination->group, from, count, error);
}

static int answered(
    struct kafka_journal *journal, struct destination *destination, uint64_t token, struct error *error) {
    LIST_EACH(node, &destination->parts) {
        struct part *part = LIST_ITEM(node, struct part, link);
        if (part->question != token)
            continue;
        int rc = open_lane(journal, part, error);
        return rc || is_waiting(destination) ? rc : start(destination, error);
    }
    return 0;
}

static int state_answered(struct kafka_journal *journal, uint64_t token, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < journal->destination_count && rc == 0; i++)
        if (journal->destinations[i])
            rc = answered(journal, journal->destinations[i], token, error);
    return rc ? rc : retention_answered(journal, token, error);
}

// ---- A destination's group ----

int inward_join(struct kafka_journal *journal, struct destination *destination, struct error *error) {
    char topic[TOPIC_NAME_SIZE];
    int rc = kafka_topic(journal, destination, topic, error);
    const struct group_options options = {.name = topic, .topic = topic};
    rc = rc ? rc : group_open(&journal->options.cluster, &options, &destination->group, error);
    return rc ? rc : kafka_watch(journal, group_fd(destination->group), error);
}

static int leave(struct kafka_journal *journal, struct destination *destination, struct error *error) {
    int rc = withdraw(journal, destination);
    destination->leave_ms = 0;
    destination->leaving = true;
    if (destination->letters)
        destination->served = destination->yields = false; // until an operator asks again
    return rc ? rc : group_leave(destination->group, error);
}

static int left(struct kafka_journal *journal, struct destination *destination, struct error *error) {
    kafka_unwatch(journal, group_fd(destination->group));
    group_close(&destination->group);
    destination->leaving = destination->releasing = false;
    return destination->served ? inward_join(journal, destination, error) : 0;
}

static bool has_left(struct destination *destination) {
    struct group_event event = {.kind = GROUP_RECORD};
    struct error error;
    while (event.kind != GROUP_LEFT && event.kind != GROUP_NOTHING)
        if (group_next(destination->group, &event, &error) != 0)
            return true; // it is of no use any more
    return event.kind == GROUP_LEFT;
}

void inward_leave_all(struct kafka_journal *journal) {
    enum { LEAVE_MS = 3000, LOOK_MS = 10 };
    uint64_t until = now_ms() + LEAVE_MS;
    struct error error;
    for (size_t i = 0; i < journal->destination_count; i++)
        if (journal->destinations[i] && journal->destinations[i]->group && !journal->destinations[i]->leaving)
            (void)group_leave(journal->destinations[i]->group, &error);
    for (size_t i = 0; i < journal->destination_count; i++) {
        struct destination *destination = journal->destinations[i];
        if (!destination || !destination->group)
            continue;
        while (!has_left(destination) && now_ms() < until)
            poll(NULL, 0, LOOK_MS);
        group_close(&destination->group);
    }
}

int inward_serve(struct kafka_journal *journal, uint32_t queue, bool serve, struct error *error) {
    struct destination *destination = kafka_destination(journal, queue);
    if (!destination || destination->served == serve)
        return 0;
    destination->served = serve;
    destination->leave_ms = serve ? 0 : now_ms() + KAFKA_LEAVE_MS;
    if (!serve)
        retention_note(journal, destination);
    return serve && !destination->group ? inward_join(journal, destination, error) : 0;
}

// A destination that keeps as much as it may is not read for now.
static int hold(struct destination *destination, struct error *error) {
    size_t limit = destination->held ? KAFKA_HELD_BYTES / 2 : KAFKA_HELD_BYTES;
    bool held = destination->bytes > limit;
    int rc = 0;
    if (held == destination->held || is_waiting(destination))
        return 0;
    for (struct list *node = destination->parts.next; node != &destination->parts && rc == 0;
        node = node->next)
        rc =
            group_pause(destination->group, LIST_ITEM(node, const struct part, link)->partition, held, error);
    destination->held = held;
    return rc;
}

static int take_event(struct kafka_journal *journal, struct destination *destination,
    const struct group_event *event, struct error *error) {
    struct part *part;
    switch (event->kind) {
    case GROUP_ASSIGNED:
        return assign(journal, destination, event, error);
    case GROUP_REVOKED:
        destination->releasing = true;
        if (destination->letters)
            letters_revoked(journal, destination);
        return withdraw(journal, destination);
    case GROUP_RECORD:
        return arriving_take(journal, destination, event, error);
    case GROUP_END:
        part = destination_part(destination, event->partition);
        if (part)
            part->caught_up = true;
        return 0;
    case GROUP_TROUBLE:
        cluster_tell(&journal->options.cluster, 4, "journal", "%s: %s", destination->name, event->text);
        return 0;
    case GROUP_LEFT:
        return left(journal, destination, error);
    default:
        return 0;
    }
}

static int read_group(struct kafka_journal *journal, struct destination *destination, struct error *error) {
    struct group_event event = {.kind = GROUP_RECORD};
    int rc = 0;
    for (size_t i = 0; i < EVENTS_A_RUN && rc == 0 && destination->group && event.kind != GROUP_NOTHING;
        i++) {
        rc = group_next(destination->group, &event, error);
        rc = rc ? rc : take_event(journal, destination, &event, error);
        if (rc == 0 && destination->group && !destination->leaving)
            rc = hold(destination, error);
    }
    return rc;
}

// What waits until nothing is under way: settlements are to be committed first.
static int let_go(struct kafka_journal *journal, struct destination *destination, struct error *error) {
    int rc = 0;
    if (!destination->group || is_under_way(journal))
        return 0;
    if (destination->releasing) {
        destination->releasing = false;
        rc = group_release(destination->group, error);
    }
    bool due = destination->leave_ms && destination->leave_ms <= now_ms();
    bool leaves = (due || destination->yields) && !destination->leaving;
    return rc == 0 && leaves ? leave(journal, destination, error) : rc;
}

int inward_let_go(struct kafka_journal *journal, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < journal->destination_count && rc == 0; i++)
        if (journal->destinations[i])
            rc = let_go(journal, journal->destinations[i], error);
    return rc;
}

static int run_destination(
    struct kafka_journal *journal, struct destination *destination, struct error *error) {
    int rc = let_go(journal, destination, error);
    return rc || !destination->group ? rc : read_group(journal, destination, error);
}

static int run_follow(struct kafka_journal *journal, struct follow *follow, struct error *error) {
    uint64_t token;
    bool more = true;
    int rc = 0;
    while (more && rc == 0)
        rc = follow_work(follow, &more, error);
    while (rc == 0 && follow_answered(follow, &token)) {
        if (follow == journal->streams)
            streams_answered(journal, token);
        else
            rc = state_answered(journal, token, error);
    }
    return rc;
}

int inward_run(struct kafka_journal *journal, struct error *error) {
    int rc = run_follow(journal, journal->state, error);
    rc = rc ? rc : run_follow(journal, journal->streams, error);
    for (size_t i = 0; i < journal->destination_count && rc == 0; i++)
        if (journal->destinations[i])
            rc = run_destination(journal, journal->destinations[i], error);
    return rc ? rc : weighing_run(journal, error);
}

// ---- What was committed ----

static int part_committed(struct kafka_journal *journal, struct part *part, const struct gathered *batch) {
    bool took = part->written_as && !gathered_refused(batch, part->written_as);
    bool lost = part->written_as && !took && part->destination->letters;
    journal->counters.letters_lost += lost;
    part->written_as = 0;
    if (!took || part->written <= part->told)
        return 0;
    part->told = part->written;
    if (part->destination->letters)
        return 0;
    return journal->owner.settled(
        journal->owner.context, part->destination->id, part_place(part, part->told));
}

int inward_committed(struct kafka_journal *journal, const struct gathered *batch) {
    int rc = 0;
    for (size_t i = 0; i < journal->destination_count; i++) {
        if (!journal->destinations[i])
            continue;
        struct list *parts = &journal->destinations[i]->parts;
        for (struct list *node = parts->next; node != parts && rc == 0; node = node->next)
            rc = part_committed(journal, LIST_ITEM(node, struct part, link), batch);
    }
    return rc;
}
