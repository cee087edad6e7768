// What an operator asks the core for: the dead letters that wait, and a part of an act on what the journal
// holds. Both in bounded portions, so that messages pass on between them.
#include "broker/daemon_internal.h"
#include "broker/reading.h"
#include "core/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LETTERS_BYTES ((size_t)1 << 20)
#define PART_BYTES ((size_t)4 << 20)

enum { ENOUGH = 1000 }; // ends a reading

// ---- letters ----

static int append_letter(void *context, const struct journal_record *record, uint64_t position) {
    struct buffer *out = context;
    uint8_t head[28];
    if (!record->body.data)
        return 0; // erased
    store_u64(head, position);
    store_u64(head + 8, (uint64_t)record->time_ns);
    store_u64(head + 16, record->sequence);
    store_u32(head + 24, (uint32_t)record->body.size);
    int rc = buffer_append(out, head, sizeof head);
    return rc ? rc : buffer_append_bytes(out, record->body);
}

static void log_unreadable(const struct error *error) {
    char quoted[ERROR_TEXT_SIZE];
    log_event(LOG_ERROR, "journal.unreadable", "reason=%s", log_quote(error->text, quoted, sizeof quoted));
}

static int read_page(
    struct daemon *daemon, const struct broker_dead *dead, uint64_t from, struct buffer *out) {
    struct error error = {0};
    struct reading reading = {.broker = daemon->broker,
        .journal = daemon->journal,
        .queue = dead->queue,
        .last = UINT64_MAX,
        .count = DAEMON_LETTERS,
        .bytes = LETTERS_BYTES,
        .visit = append_letter,
        .context = out};
    if (!buffer_extend(out, DAEMON_LETTERS_HEAD))
        return -ENOMEM;
    int rc = reading_run(&reading, from, &error);
    if (rc == -ENOMEM)
        return rc;
    if (rc) // damage in an old segment: what is behind it can't be told, and the bus goes on
        log_unreadable(&error);
    store_u64(out->data, rc ? 0 : reading.next);
    store_u64(out->data + 8, dead->waiting);
    store_u64(out->data + 16, journal_shared(daemon->journal) ? INT64_MAX : dead->next_position);
    store_u32(out->data + 24, rc ? (uint32_t)strlen(error.text) : 0);
    return rc ? buffer_append_bytes(out, bytes_of_string(error.text)) : 0;
}

// In a shared journal they are read when somebody asks. 0; JOURNAL_BUSY: not yet; negative.
static int have_letters(struct daemon *daemon, uint32_t queue, struct error *error) {
    int rc = journal_shared(daemon->journal) ? journal_letters(daemon->journal, queue, error) : 0;
    return rc == JOURNAL_REFUSED ? 0 : rc; // which the reading says
}

static int read_letters(
    struct daemon *daemon, const struct broker_dead *dead, uint64_t from, struct buffer *out) {
    struct error error = {0};
    int rc = have_letters(daemon, dead->queue, &error);
    if (rc == JOURNAL_BUSY)
        return buffer_append_byte(out, 0);
    return rc ? rc : read_page(daemon, dead, from, out);
}

int perform_letters(struct daemon *daemon, const char *argument) {
    struct buffer page = {0};
    struct broker_dead dead;
    char *system = NULL;
    uint64_t from = strtoull(argument, &system, 10);
    int rc = 0;
    if (*system == ' ' && broker_dead(daemon->broker, system + 1, &dead))
        rc = read_letters(daemon, &dead, from, &page);
    rc = rc ? rc : router_control_answer(daemon->router, buffer_bytes(&page));
    buffer_destroy(&page);
    return rc;
}

// ---- operate ----

static int refuse_part(struct daemon *daemon, struct part *part, const char *why) {
    snprintf(part->problem, sizeof part->problem, "%s", why);
    return router_control_answer(daemon->router, bytes_of(NULL, 0));
}

struct visit {
    struct daemon *daemon;
    struct part *part;
    uint64_t looked; // items that were looked at
    size_t bytes;
    int failed; // the core; otherwise it is the journal that can't be read
};

static int take_item(struct visit *visit, const struct journal_record *record, uint64_t item) {
    size_t size = record->body.size;
    if (visit->bytes && visit->bytes + size > PART_BYTES) {
        visit->part->next = item;
        return ENOUGH;
    }
    int rc = daemon_step(visit->daemon,
        (struct event){
            .kind = EVENT_OPERATE, .operation = &visit->part->operation, .position = item, .record = record});
    if (rc == BROKER_NO_ROOM) {
        visit->part->next = item;
        return ENOUGH;
    }
    visit->bytes += size;
    visit->looked++;
    visit->failed = rc;
    return rc;
}

static int take_letter(void *context, const struct journal_record *record, uint64_t position) {
    return take_item(context, record, position);
}

// 0; ENOUGH: no more of this part; negative.
static int take_span(struct visit *visit, uint32_t queue, const struct span *span) {
    struct error error = {0};
    uint64_t count = span->last - span->first + 1;
    struct reading reading = {.broker = visit->daemon->broker,
        .journal = visit->daemon->journal,
        .queue = queue,
        .last = span->last,
        .count = (size_t)count,
        .bytes = SIZE_MAX,
        .visit = take_letter,
        .context = visit};
    visit->looked = 0;
    int rc = reading_run(&reading, span->first, &error);
    if (rc == 0) {
        visit->part->operation.gone += count - visit->looked; // settled before, or never there
        return 0;
    }
    if (rc != ENOUGH && !visit->failed && rc != -ENOMEM) {
        log_unreadable(&error);
        snprintf(visit->part->problem, sizeof visit->part->problem, "%.250s", error.text);
        return ENOUGH;
    }
    return rc;
}

static int take_letters(struct visit *visit) {
    struct part *part = visit->part;
    struct broker_dead dead;
    if (!broker_dead(visit->daemon->broker, part->operation.system, &dead)) {
        snprintf(part->problem, sizeof part->problem, "no queue of dead letters is of %.128s",
            part->operation.system);
        return 0;
    }
    int rc = 0;
    for (size_t i = 0; i < part->position_count && rc == 0; i++)
        rc = take_span(visit, dead.queue, &part->positions[i]);
    return rc;
}

static int take_records(struct visit *visit) {
    struct part *part = visit->part;
    int rc = 0;
    for (size_t i = 0; i < part->record_count && rc == 0; i++)
        rc = take_item(visit, &part->records[i], part->records[i].sequence);
    return rc;
}

static uint64_t letters_lost(const struct daemon *daemon) {
    struct journal_status status;
    journal_status(daemon->journal, &status);
    return status.letters_lost;
}

static bool must_wait(struct daemon *daemon, struct part *part) {
    struct error error = {0};
    struct broker_dead dead;
    part->later = broker_dead(daemon->broker, part->operation.system, &dead) &&
                  have_letters(daemon, dead.queue, &error) != 0;
    return part->later;
}

int perform_part(struct daemon *daemon, struct part *part) {
    if (daemon->draining)
        return refuse_part(daemon, part, "the broker shuts down");
    if (daemon->paused)
        return refuse_part(daemon, part, "the journal has no room for it");
    if (part->operation.act != OPERATION_REPLAY && must_wait(daemon, part))
        return refuse_part(daemon, part, "its dead letters are not read yet");
    struct visit visit = {.daemon = daemon, .part = part};
    part->lost = letters_lost(daemon);
    int rc = part->operation.act == OPERATION_REPLAY ? take_records(&visit) : take_letters(&visit);
    if (rc && rc != ENOUGH)
        return rc;
    rc = daemon_step(daemon, (struct event){.kind = EVENT_OPERATED, .operation = &part->operation});
    part->taken = true;
    daemon->part = part;
    daemon->answer_at = commit_gathered(daemon);
    daemon->update.more = true;
    return rc;
}

int perform_committed(struct daemon *daemon) {
    struct part *part = daemon->part;
    if (!part)
        return 0;
    daemon->part = NULL;
    part->recorded = !daemon->paused;
    if (letters_lost(daemon) != part->lost)
        snprintf(part->problem, sizeof part->problem,
            "another broker took over some of these dead letters before it was written: see which are left, "
            "and give the command again");
    return router_control_answer(daemon->router, bytes_of(NULL, 0));
}
