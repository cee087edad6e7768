#include "broker/admin/admin.h"

#include <errno.h>
#include <jansson.h>

struct metric {
    const char *object; // in the status; NULL: the status itself
    const char *key;
    const char *name;
    const char *type;
    const char *help;
};

static const struct metric metrics[] = {
    {NULL, "uptime_s", "hutong_uptime_seconds", "gauge", "Since the broker started."},
    {"journal", "full", "hutong_journal_full", "gauge", "1 while the journal has no room and intake pauses."},
    {"journal", "damaged", "hutong_journal_damaged", "gauge",
        "1 while an old segment can't be read, so that it and all behind it stay past their retention."},
    {"journal", "unreadable", "hutong_journal_unreadable_total", "counter",
        "Records of deliveries that damage kept from being read."},
    {"journal", "read_failures", "hutong_journal_read_failures_total", "counter",
        "Readings of deliveries at which the disk failed."},
    {"counters", "accepted", "hutong_accepted_total", "counter", "Messages accepted, each durable."},
    {"counters", "repeats", "hutong_repeats_total", "counter", "Messages that publishers sent again."},
    {"counters", "refused", "hutong_refused_total", "counter", "Messages refused with a reason."},
    {"counters", "unrouted", "hutong_unrouted_total", "counter", "Messages that no route matched."},
    {"counters", "deliveries", "hutong_deliveries_total", "counter", "Deliveries that routes made."},
    {"counters", "settled", "hutong_settled_total", "counter", "Deliveries settled."},
    {"counters", "dead", "hutong_dead_total", "counter", "Dead letters."},
    {"counters", "peer_news_dropped", "hutong_peer_news_dropped_total", "counter",
        "Sessions that began, or ended before hello, and were too many to be logged and recorded."},
    {"counters", "session_errors", "hutong_session_errors_total", "counter", "Sessions ended for an error."},
    {"journal", "segments", "hutong_journal_segments", "gauge", "Segments on disk."},
    {"journal", "bytes", "hutong_journal_bytes", "gauge", "Bytes on disk."},
    {"journal", "written_bytes", "hutong_journal_written_bytes_total", "counter",
        "Bytes written since start."},
    {"journal", "payload_bytes", "hutong_journal_payload_bytes_total", "counter",
        "Bytes of records since start."},
    {"journal", "syncs", "hutong_journal_syncs_total", "counter", "Syncs since start."},
    {"net", "denied_keys", "hutong_denied_keys_total", "counter",
        "Connections with a key that no system owns."},
    {"net", "received_bytes", "hutong_received_bytes_total", "counter", "Bytes received."},
    {"net", "sent_bytes", "hutong_sent_bytes_total", "counter", "Bytes sent."},
};

static const struct metric queue_metrics[] = {
    {NULL, "waiting", "hutong_queue_waiting", "gauge", "Deliveries not yet settled."},
    {NULL, "bytes", "hutong_queue_bytes", "gauge", "Bytes of them."},
    {NULL, "in_flight", "hutong_queue_in_flight", "gauge", "Sent and not yet settled."},
    {NULL, "receivers", "hutong_queue_receivers", "gauge", "Sessions that share it."},
    {NULL, "held", "hutong_queue_held", "gauge", "Deliveries that wait in memory (limits.queue_held)."},
    {NULL, "retrying", "hutong_queue_retrying", "gauge", "Of them: to be tried again."},
    {NULL, "routed", "hutong_queue_routed_total", "counter", "Deliveries that entered the queue."},
    {NULL, "settled", "hutong_queue_settled_total", "counter", "Deliveries settled."},
    {NULL, "retried", "hutong_queue_retried_total", "counter", "Deliveries to be tried again."},
    {NULL, "read_failures", "hutong_queue_read_failures", "gauge",
        "How often in a row the disk failed to read its next deliveries."},
    {NULL, "parked", "hutong_queue_parked", "gauge", "Publishers that wait for room in it."},
    {NULL, "parked_total", "hutong_queue_parked_total", "counter", "How often one began to wait."},
    {NULL, "expired", "hutong_queue_expired_total", "counter",
        "Of the dead letters: expired before they were handled."},
    {NULL, "dead", "hutong_queue_dead_total", "counter", "Deliveries that became dead letters."},
};

static int append_head(const struct metric *metric, struct buffer *out) {
    return buffer_append_format(
        out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->type);
}

static int append_queues(const json_t *queues, const struct metric *metric, struct buffer *out) {
    int rc = append_head(metric, out);
    size_t i;
    json_t *queue;
    json_array_foreach(queues, i, queue) {
        // Queue names are addresses: nothing in them needs escaping.
        rc = rc ? rc
                : buffer_append_format(out, "%s{queue=\"%s\"} %lld\n", metric->name,
                      json_string_value(json_object_get(queue, "name")),
                      (long long)json_integer_value(json_object_get(queue, metric->key)));
    }
    return rc;
}

static int append_dead(const json_t *queues, struct buffer *out) {
    static const struct metric metric = {NULL, NULL, "hutong_dead_letters_total", "counter",
        "Deliveries that became dead letters, by reason."};
    int rc = append_head(&metric, out);
    size_t i;
    json_t *queue;
    json_array_foreach(queues, i, queue) {
        const char *reason;
        json_t *count;
        json_object_foreach(json_object_get(queue, "dead_by"), reason, count) {
            rc = rc ? rc
                    : buffer_append_format(out, "%s{queue=\"%s\",reason=\"%s\"} %lld\n", metric.name,
                          json_string_value(json_object_get(queue, "name")), reason,
                          (long long)json_integer_value(count));
        }
    }
    return rc;
}

int admin_metrics(struct bytes status_json, struct buffer *out) {
    json_t *status = json_loadb((const char *)status_json.data, status_json.size, 0, NULL);
    if (!status)
        return -EBADMSG;
    int rc = 0;
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0] && rc == 0; i++) {
        const json_t *from = metrics[i].object ? json_object_get(status, metrics[i].object) : status;
        rc = append_head(&metrics[i], out);
        rc = rc ? rc
                : buffer_append_format(out, "%s %lld\n", metrics[i].name,
                      (long long)json_integer_value(json_object_get(from, metrics[i].key)));
    }
    rc = rc ? rc
            : buffer_append_format(out,
                  "# HELP hutong_peers Sessions.\n# TYPE hutong_peers gauge\nhutong_peers %zu\n",
                  json_array_size(json_object_get(status, "peers")));
    for (size_t i = 0; i < sizeof queue_metrics / sizeof queue_metrics[0] && rc == 0; i++)
        rc = append_queues(json_object_get(status, "queues"), &queue_metrics[i], out);
    rc = rc ? rc : append_dead(json_object_get(status, "queues"), out);
    json_decref(status);
    return rc;
}
