#include "broker/internal.h"

#include <jansson.h>

// What a session that receives has of its queue.
static int add_share(json_t *peer, const struct session *session) {
    const struct receiver *receiver = session->receiver;
    if (!receiver)
        return json_object_set_new(peer, "receives", json_false());
    uint64_t left = receiver->granted_messages > receiver->sent_messages
                        ? receiver->granted_messages - receiver->sent_messages
                        : 0;
    json_t *share = json_pack("{s:b, s:I, s:I, s:I}", "receives", 1, "in_flight",
        (json_int_t)receiver->in_flight, "credit", (json_int_t)(left < INT64_MAX ? left : INT64_MAX),
        "share_percent", (json_int_t)(100 / session->queue->receiver_count));
    return json_object_update_new(peer, share);
}

static json_t *describe_parked(const struct session *session) {
    return json_pack(
        "{s:s, s:I}", "queue", session->parked_by->name, "since_us", (json_int_t)session->parked_us);
}

static json_t *describe_session(const struct broker *broker, const struct session *session) {
    json_t *peer = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "system",
        session->system->address, "instance", session->instance, "software", session->software, "connected_s",
        (json_int_t)((broker->now_us - (int64_t)session->since_us) / 1000000), "silent_ms",
        (json_int_t)(broker->now_ms - session->heard_ms), "accepted", (json_int_t)session->counters.accepted,
        "refused", (json_int_t)session->counters.refused, "repeats", (json_int_t)session->counters.repeats,
        "delivered", (json_int_t)session->counters.delivered, "settled",
        (json_int_t)session->counters.settled, "failed", (json_int_t)session->counters.failed);
    if (peer && session->parked_by)
        json_object_set_new(peer, "parked", describe_parked(session));
    if (peer && add_share(peer, session) != 0) {
        json_decref(peer);
        peer = NULL;
    }
    return peer;
}

static json_t *describe_limits(const struct queue *queue) {
    return json_pack("{s:I, s:I, s:I, s:s}", "count", (json_int_t)queue->limits.count, "bytes",
        (json_int_t)queue->limits.bytes, "age_us", (json_int_t)queue->limits.age_us, "when_full",
        queue->limits.park ? "park" : "dead_letter");
}

// Of a queue that a system has.
static void describe_parking(const struct queue *queue, json_t *out) {
    json_object_set_new(out, "limits", describe_limits(queue));
    json_object_set_new(out, "parked", json_integer((json_int_t)queue->parking.publishers));
    json_object_set_new(out, "parked_total", json_integer((json_int_t)queue->parking.count));
    if (queue->parking.publishers)
        json_object_set_new(out, "parked_since_us", json_integer((json_int_t)queue->parking.since_us));
}

// By their names; those that are not zero.
static json_t *describe_reasons(const uint64_t counts[64]) {
    json_t *reasons = json_object();
    for (size_t i = 0; i < 64; i++)
        if (counts[i])
            json_object_set_new(
                reasons, wire_reason_name((wire_reason)i), json_integer((json_int_t)counts[i]));
    return reasons;
}

static json_t *describe_queue(const struct queue *queue) {
    json_t *out =
        json_pack("{s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
            "name", queue->name, "waiting", (json_int_t)queue->unsettled, "bytes", (json_int_t)queue->bytes,
            "in_flight", (json_int_t)queue->in_flight, "receiving", queue->receiver_count > 0, "receivers",
            (json_int_t)queue->receiver_count, "held", (json_int_t)queue->held, "retrying",
            (json_int_t)queue->retries.size, "next_position", (json_int_t)queue->next_position, "settled_to",
            (json_int_t)queue->settled_durable, "routed", (json_int_t)queue->counters.pushed, "sent",
            (json_int_t)queue->counters.sent, "settled", (json_int_t)queue->counters.settled, "retried",
            (json_int_t)queue->counters.retried, "expired", (json_int_t)queue->counters.expired, "dead",
            (json_int_t)queue->counters.dead, "dead_by", describe_reasons(queue->counters.dead_by));
    json_object_set_new(out, "read_failures", json_integer(queue->unread.tries));
    json_object_set_new(out, "id", json_integer(queue->id)); // by which the journal's records name it
    if (!strchr(queue->name, ':'))
        describe_parking(queue, out);
    return out;
}

static json_t *describe_counters(const struct broker_counters *counters) {
    return json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted",
        (json_int_t)counters->accepted, "repeats", (json_int_t)counters->repeats, "refused",
        (json_int_t)counters->refused, "refused_by", describe_reasons(counters->refused_by), "unrouted",
        (json_int_t)counters->unrouted, "deliveries", (json_int_t)counters->deliveries, "settled",
        (json_int_t)counters->settled, "dead", (json_int_t)counters->dead, "sessions",
        (json_int_t)counters->sessions, "session_errors", (json_int_t)counters->errors, "peer_news_dropped",
        (json_int_t)counters->unsaid);
}

static json_t *describe_active(const struct broker *broker) {
    char hex[2 * DIGEST_SIZE + 1];
    digest_hex(broker->active.digest, hex);
    return json_pack("{s:I, s:s, s:s, s:s, s:I}", "number", (json_int_t)broker->active.number, "digest", hex,
        "who", broker->active.who, "why", broker->active.why, "since_us", (json_int_t)broker->active.time_us);
}

struct json_t *broker_describe(const struct broker *broker) {
    json_t *peers = json_array();
    LIST_EACH(node, &broker->sessions) {
        const struct session *session = LIST_ITEM(node, const struct session, link);
        if (session->open)
            json_array_append_new(peers, describe_session(broker, session));
    }
    json_t *queues = json_array();
    for (size_t i = 0; i < broker->queue_count; i++)
        if (broker->queues[i] && broker->queues[i] != broker->activations)
            json_array_append_new(queues, describe_queue(broker->queues[i]));
    return json_pack("{s:s, s:I, s:I, s:b, s:I, s:o, s:o, s:o, s:o}", "version", HUTONG_VERSION, "uptime_s",
        (json_int_t)((broker->now_us - broker->started_us) / 1000000), "time_us", (json_int_t)broker->now_us,
        "draining", broker->draining, "routes", (json_int_t)routes_count(broker->routes), "configuration",
        describe_active(broker), "peers", peers, "queues", queues, "counters",
        describe_counters(&broker->counters));
}
