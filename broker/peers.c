// Sessions begin, speak and end.
#include "broker/internal.h"

#include <errno.h>

#define PUBLISHER_ROOM ((size_t)1024) // of the record of a new stream
#define KEY_LEFT "the key of this connection belongs to its system no more"

static int send_error(uint64_t connection, wire_reason reason, const char *text, struct update *update) {
    Hutong__Bus__V1__Error problem = HUTONG__BUS__V1__ERROR__INIT;
    problem.reason = reason;
    problem.text = (char *)(uintptr_t)text; // only read
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_ERROR;
    frame.error = &problem;
    return update_frame(update, connection, &frame, true);
}

// Whoever comes and goes all the time, or sends what ends its session, must not fill the journal and the log.
static bool may_say(struct broker *broker, struct peer_news *news) {
    uint64_t seconds = (broker->now_ms - news->since_ms) / 1000;
    news->since_ms += seconds * 1000;
    news->spent -= seconds < news->spent ? seconds : news->spent;
    if (news->spent >= PEER_NEWS) {
        broker->counters.unsaid++;
        return false;
    }
    news->spent++;
    return true;
}

static int record_peer(
    struct broker *broker, const struct session *session, bool up, const char *text, struct update *update) {
    Hutong__Bus__V1__PeerRecord peer = HUTONG__BUS__V1__PEER_RECORD__INIT;
    peer.system = (char *)(uintptr_t)session->system->address;
    peer.instance = (char *)(uintptr_t)session->instance;
    peer.up = up;
    peer.text = (char *)(uintptr_t)text;
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_PEER, &peer.base, NULL);
    return rc == JOURNAL_BATCH_FULL ? 0 : rc; // news of a peer is worth no wait
}

static int forget(
    struct broker *broker, struct session *session, int kind, const char *text, struct update *update) {
    int rc = 0;
    bool welcomed = session->since_us != 0;
    bool say = welcomed ? session->said : may_say(broker, &broker->strangers);
    if (say)
        update_notice(update, kind, session, text);
    if (session->publisher)
        session->publisher->users--;
    if (welcomed && say)
        rc = record_peer(broker, session, false, text, update);
    if (session->receiver) {
        queue_detach(session->queue, &session->receiver);
        update->receivers = true;
    }
    number_map_remove(&broker->by_connection, session->connection);
    parking_forget(broker, session);
    session_destroy(&session);
    broker->session_count--;
    return rc;
}

int peers_end(struct broker *broker, struct session *session, struct update *update, wire_reason reason,
    const char *text) {
    broker->counters.errors++;
    int rc = send_error(session->connection, reason, text, update);
    return rc ? rc : forget(broker, session, NOTICE_ENDED, text, update);
}

// The peer said so itself: nothing is answered, the connection is only forgotten.
static int leave(struct broker *broker, struct session *session, const char *text, struct update *update) {
    struct outgoing *outgoing = update_outgoing(update, session->connection);
    if (!outgoing)
        return -ENOMEM;
    outgoing->last = true;
    return forget(broker, session, NOTICE_DOWN, text, update);
}

int peers_gone(struct broker *broker, uint64_t connection, const char *why, struct update *update) {
    struct session *session = number_map_get(&broker->by_connection, connection);
    return session ? forget(broker, session, NOTICE_DOWN, why, update) : 0;
}

// Another broker may have taken in what came since it was here last.
static void catch_up(struct publisher *publisher, uint64_t last_sequence) {
    if (publisher->sequence < last_sequence)
        publisher->sequence = publisher->marked = publisher->durable = last_sequence;
}

static int find_publisher(
    struct broker *broker, struct session *session, struct bytes stream, struct update *update) {
    const char *system = session->system->address;
    session->publisher = publishers_find(&broker->publishers, system, stream);
    if (session->publisher)
        session->publisher->last_us = broker->now_us;
    if (session->publisher || stream.size == 0)
        return 0;
    if (journal_batch_size(update->batch) + PUBLISHER_ROOM > broker->batch_hard)
        return JOURNAL_BATCH_FULL; // before it is known in memory
    int rc = publishers_add(&broker->publishers, 0, system, stream, broker->now_us, &session->publisher);
    if (rc)
        return rc;
    Hutong__Bus__V1__PublisherRecord record = HUTONG__BUS__V1__PUBLISHER_RECORD__INIT;
    record.publisher = session->publisher->id;
    record.system = (char *)(uintptr_t)system;
    record.stream.data = session->publisher->stream;
    record.stream.len = WIRE_STREAM_SIZE;
    return broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_PUBLISHER, &record.base, NULL);
}

static int welcome(struct broker *broker, struct session *session, struct update *update) {
    const struct session_limits *most = &broker->session_limits;
    session->granted_messages = broker->draining ? 0 : most->credit_messages;
    session->granted_bytes = broker->draining ? 0 : most->credit_bytes;
    session->told = session->publisher ? session->publisher->durable : 0;
    Hutong__Bus__V1__Limits limits = HUTONG__BUS__V1__LIMITS__INIT;
    limits.message_bytes = most->message_bytes;
    limits.batch_bytes = most->batch_bytes;
    limits.batch_messages = most->batch_messages;
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = session->granted_messages;
    credit.bytes = session->granted_bytes;
    Hutong__Bus__V1__Welcome answer = HUTONG__BUS__V1__WELCOME__INIT;
    answer.protocol = WIRE_PROTOCOL;
    answer.system = (char *)(uintptr_t)session->system->address;
    answer.bus.data = broker->bus;
    answer.bus.len = sizeof broker->bus;
    answer.last_sequence = session->publisher ? session->publisher->durable : 0;
    answer.credit = &credit;
    answer.limits = &limits;
    answer.heartbeat_ms = most->heartbeat_ms;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_WELCOME;
    frame.welcome = &answer;
    return update_frame(update, session->connection, &frame, false);
}

// An older session of the same system and instance, or of the same stream, is ended by the newer one.
static int supersede(struct broker *broker, const struct session *session, struct update *update) {
    struct list *next;
    for (struct list *node = broker->sessions.next; node != &broker->sessions; node = next) {
        next = node->next;
        struct session *other = LIST_ITEM(node, struct session, link);
        if (other == session || !other->open || other->system != session->system)
            continue;
        bool same_stream = session->publisher && other->publisher == session->publisher;
        if (!same_stream && strcmp(other->instance, session->instance) != 0)
            continue;
        int rc = peers_end(broker, other, update, HUTONG__BUS__V1__REASON__REASON_SUPERSEDED,
            "a newer session of this system and instance began");
        if (rc)
            return rc;
    }
    return 0;
}

// It takes its share of the queue from now on. 0, a wire_reason, -ENOMEM.
static int start_receiving(struct broker *broker, struct session *session, struct update *update) {
    struct queue *queue = broker->of_system[session->system->index];
    if (queue->receiver_count == QUEUE_RECEIVERS)
        return HUTONG__BUS__V1__REASON__REASON_TOO_MANY;
    session->receiver = queue_attach(queue, session->connection,
        hash_bytes_with(bytes_of_string(session->instance), broker->subject_seed), session->grant_messages,
        session->grant_bytes);
    if (!session->receiver)
        return -ENOMEM;
    session->queue = queue;
    update->receivers = true;
    return 0;
}

static int on_hello(struct broker *broker, struct session *session, const Hutong__Bus__V1__Hello *hello,
    const struct event *event, struct update *update) {
    struct error error = {0};
    int rc = session_hello(session, hello, event->proved, broker->policy, &error);
    if (rc > 0)
        return peers_end(broker, session, update, (wire_reason)rc, error.text);
    rc = shares_open(broker, session);
    if (rc)
        return rc;
    rc = find_publisher(broker, session, bytes_of(hello->stream.data, hello->stream.len), update);
    if (rc == PUBLISHERS_TOO_MANY)
        return peers_end(broker, session, update, HUTONG__BUS__V1__REASON__REASON_TOO_MANY,
            "this system has too many streams; remove unused spools or wait for old ones to be forgotten");
    if (rc == JOURNAL_BATCH_FULL)
        return peers_end(
            broker, session, update, HUTONG__BUS__V1__REASON__REASON_INTERNAL, "the broker is busy");
    session->key = event->key;
    if (session->publisher) {
        session->publisher->users++;
        catch_up(session->publisher, event->last_sequence);
    }
    rc = rc ? rc : supersede(broker, session, update);
    if (rc == 0 && hello->receive)
        rc = start_receiving(broker, session, update);
    if (rc > 0)
        return peers_end(
            broker, session, update, (wire_reason)rc, "as many instances of this system receive as may");
    session->since_us = (uint64_t)broker->now_us;
    broker->counters.sessions++;
    session->said = may_say(broker, &session->account->news);
    if (session->said)
        update_notice(update, NOTICE_UP, session, session->software);
    if (rc == 0 && session->said)
        rc = record_peer(broker, session, true, session->software, update);
    return rc ? rc : welcome(broker, session, update);
}

static int on_frame(struct broker *broker, struct session *session, const wire_frame *frame,
    const struct event *event, struct update *update) {
    struct error error = {0};
    int rc = 0;
    if (!session->open && frame->kind_case != HUTONG__BUS__V1__FRAME__KIND_HELLO)
        return peers_end(broker, session, update, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
            "the first frame of a session is hello");
    switch (frame->kind_case) {
    case HUTONG__BUS__V1__FRAME__KIND_HELLO:
        return on_hello(broker, session, frame->hello, event, update);
    case HUTONG__BUS__V1__FRAME__KIND_PUBLISH:
        rc = session_publish(session, frame->publish, event->body, &broker->session_limits, &error);
        if (rc == 0)
            shares_enter(broker, session);
        return rc > 0 ? peers_end(broker, session, update, (wire_reason)rc, error.text) : rc;
    case HUTONG__BUS__V1__FRAME__KIND_SETTLE:
        return outflow_settle(broker, session, frame->settle, update);
    case HUTONG__BUS__V1__FRAME__KIND_CREDIT:
        session->grant_messages = frame->credit->messages;
        session->grant_bytes = frame->credit->bytes;
        if (session->receiver)
            queue_grant(session->queue, session->receiver, session->grant_messages, session->grant_bytes);
        return 0;
    case HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT:
        return 0;
    case HUTONG__BUS__V1__FRAME__KIND_BYE:
        return leave(broker, session, "bye", update);
    case HUTONG__BUS__V1__FRAME__KIND_ERROR:
        return leave(broker, session, frame->error->text, update);
    default:
        return peers_end(broker, session, update, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
            "this frame is the broker's to send");
    }
}

static struct session *session_of(struct broker *broker, uint64_t connection) {
    struct session *session = number_map_get(&broker->by_connection, connection);
    if (session)
        return session;
    session = session_new(connection, broker->now_ms);
    if (!session || number_map_put(&broker->by_connection, connection, session) != 0) {
        session_destroy(&session);
        return NULL;
    }
    list_append(&broker->sessions, &session->link);
    broker->session_count++;
    return session;
}

static int refuse_key(struct broker *broker, uint64_t connection, struct update *update) {
    struct session *session = number_map_get(&broker->by_connection, connection);
    if (session)
        return peers_end(broker, session, update, HUTONG__BUS__V1__REASON__REASON_IDENTITY, KEY_LEFT);
    broker->counters.errors++;
    return send_error(connection, HUTONG__BUS__V1__REASON__REASON_IDENTITY, KEY_LEFT, update);
}

// Whom the session's proof stands for now.
static const struct policy_system *owner_of(const struct session *session, const struct policy *policy) {
    const char *address = session->system->address;
    const struct policy_system *system = session->key ? policy_system_by_key(policy, session->key)
                                                      : policy_system_named(policy, bytes_of_string(address));
    return system && strcmp(system->address, address) == 0 ? system : NULL;
}

int peers_move(struct broker *broker, const struct policy *policy, struct update *update) {
    struct list *next;
    for (struct list *node = broker->sessions.next; node != &broker->sessions; node = next) {
        next = node->next;
        struct session *session = LIST_ITEM(node, struct session, link);
        const struct policy_system *system = session->open ? owner_of(session, policy) : NULL;
        if (system)
            session->system = system;
        if (system || !session->open)
            continue;
        int rc = peers_end(broker, session, update, HUTONG__BUS__V1__REASON__REASON_IDENTITY,
            session->key ? KEY_LEFT : "this system left the configuration");
        if (rc)
            return rc;
    }
    return 0;
}

int peers_frame(struct broker *broker, const struct event *event, struct update *update) {
    bool known = number_map_get(&broker->by_connection, event->connection) != NULL;
    if (!known && broker->session_count >= broker->connections)
        return send_error(event->connection, HUTONG__BUS__V1__REASON__REASON_TOO_MANY,
            "this broker has as many connections as it may have", update);
    if (!known && broker->draining)
        return send_error(event->connection, HUTONG__BUS__V1__REASON__REASON_SHUTTING_DOWN,
            "the broker shuts down", update);
    if (event->key && !event->proved) // the connection is older than the configuration
        return refuse_key(broker, event->connection, update);
    struct session *session = session_of(broker, event->connection);
    if (!session)
        return -ENOMEM;
    session->heard_ms = broker->now_ms;
    if (session->publisher)
        session->publisher->last_us = broker->now_us;
    wire_frame *frame = NULL;
    struct error error = {0};
    int rc = wire_frame_parse(event->head, &frame, &error);
    if (rc == WIRE_REFUSED)
        return peers_end(broker, session, update, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, error.text);
    if (rc)
        return rc;
    rc = on_frame(broker, session, frame, event, update);
    wire_frame_free(&frame);
    return rc;
}

static int heartbeat(struct session *session, uint64_t now_ms, struct update *update) {
    Hutong__Bus__V1__Heartbeat beat = HUTONG__BUS__V1__HEARTBEAT__INIT;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT;
    frame.heartbeat = &beat;
    session->spoke_ms = now_ms;
    return update_frame(update, session->connection, &frame, false);
}

// After a stall of our own (a slow disk) what peers sent meanwhile is not read yet: nobody is silent.
static void forgive_stall(struct broker *broker, uint64_t interval) {
    bool stalled = broker->ticked_ms && broker->now_ms - broker->ticked_ms > 2 * interval;
    broker->ticked_ms = broker->now_ms;
    LIST_EACH(node, &broker->sessions) {
        if (stalled)
            LIST_ITEM(node, struct session, link)->heard_ms = broker->now_ms;
    }
}

int peers_tick(struct broker *broker, struct update *update) {
    uint64_t interval = broker->session_limits.heartbeat_ms;
    forgive_stall(broker, interval);
    struct list *next;
    for (struct list *node = broker->sessions.next; node != &broker->sessions; node = next) {
        next = node->next;
        struct session *session = LIST_ITEM(node, struct session, link);
        int rc = 0;
        if (broker->now_ms - session->heard_ms >= 3 * interval) {
            rc = peers_end(broker, session, update, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
                "nothing was heard for three heartbeat intervals");
        } else {
            if (session->open && broker->now_ms - session->spoke_ms >= interval)
                rc = heartbeat(session, broker->now_ms, update);
            uint64_t due = session->heard_ms + 3 * interval;
            if (session->open && session->spoke_ms + interval < due)
                due = session->spoke_ms + interval;
            if (due < update->deadline_ms)
                update->deadline_ms = due;
        }
        if (rc)
            return rc;
    }
    return 0;
}

int peers_keep(struct broker *broker, struct update *update) {
    LIST_EACH(node, &broker->sessions) LIST_ITEM(node, struct session, link)->heard_ms = broker->now_ms;
    return peers_tick(broker, update);
}

int peers_say_bye(struct broker *broker, struct update *update) {
    Hutong__Bus__V1__Bye bye = HUTONG__BUS__V1__BYE__INIT;
    bye.text = (char *)(uintptr_t)"the broker shuts down";
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_BYE;
    frame.bye = &bye;
    LIST_EACH(node, &broker->sessions) {
        int rc = update_frame(update, LIST_ITEM(node, struct session, link)->connection, &frame, true);
        if (rc)
            return rc;
    }
    return 0;
}
