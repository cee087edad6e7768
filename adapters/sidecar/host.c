// What the sidecar offers to its connector, on the SDK.
#include "adapters/sidecar/sidecar.h"
#include "core/journal/journal.h"
#include "core/schema/view.h"

#include <errno.h>

#define POSITION_SIZE 4096
#define ROOM_MS 1000 // a fast source waits for the disk here, and for a full spool with the runtime's pauses

// What an SDK failure means to a connector.
static int code_of(enum hutong_code code, const struct hutong_error *failure, struct error *error) {
    if (code == HUTONG_NO_MEMORY)
        return error_no_memory(error);
    bool again = code == HUTONG_FULL || code == HUTONG_TIMEOUT || failure->retriable;
    return error_set(error, again ? CONNECTOR_RETRY : -EIO, "%s", failure->text);
}

// A text with its NUL, in `out`; NULL without memory.
static const char *text_of(struct buffer *out, struct bytes bytes) {
    buffer_clear(out);
    return buffer_append_bytes(out, bytes) ? NULL : buffer_text(out);
}

static int publish_event(
    void *runtime, const struct connector_event *event, struct bytes position, struct error *error) {
    struct sidecar *sidecar = runtime;
    struct hutong_error failure = {0};
    if (view_check(event->type, event->payload, &view_default_limits, error))
        return error ? error->code = CONNECTOR_BAD_ROW : CONNECTOR_BAD_ROW;
    struct hutong_message message = {.type = event->type->full_name,
        .subject = text_of(&sidecar->subject, event->subject),
        .id = text_of(&sidecar->id, event->id),
        .time_us = event->time_us,
        .payload = event->payload.data,
        .payload_size = event->payload.size,
        .attributes = event->attributes};
    if (!message.subject || !message.id)
        return error_no_memory(error);
    if (event->id.size == 0)
        message.id = NULL;
    struct hutong_publish_options options = {
        .position = position.data, .position_size = position.size, .room_ms = ROOM_MS};
    enum hutong_code code = hutong_publish(sidecar->hutong, &message, &options, NULL, &failure);
    if (code == HUTONG_INVALID) // too large, a subject that can't be one
        return error_set(error, CONNECTOR_BAD_ROW, "%s", failure.text);
    return code == HUTONG_OK ? 0 : code_of(code, &failure, error);
}

static int publish(void *runtime, const struct schema_message *type, struct bytes subject, int64_t time_us,
    struct bytes payload, struct bytes position, struct error *error) {
    struct connector_event event = {.type = type, .subject = subject, .time_us = time_us, .payload = payload};
    return publish_event(runtime, &event, position, error);
}

static struct bytes position(void *runtime) {
    struct sidecar *sidecar = runtime;
    buffer_clear(&sidecar->position);
    uint8_t *room = buffer_extend(&sidecar->position, POSITION_SIZE);
    size_t size = room ? hutong_position(sidecar->hutong, room, POSITION_SIZE) : 0;
    return bytes_of(sidecar->position.data, size);
}

static int store_position(void *runtime, struct bytes bytes, struct error *error) {
    struct sidecar *sidecar = runtime;
    struct hutong_error failure = {0};
    enum hutong_code code = hutong_store_position(sidecar->hutong, bytes.data, bytes.size, &failure);
    return code == HUTONG_OK ? 0 : code_of(code, &failure, error);
}

static void refused(void *runtime, const char *place, const char *reason) {
    struct sidecar *sidecar = runtime;
    char quoted_place[256], quoted_reason[512];
    sidecar->counts.refused_rows++;
    log_event(LOG_WARNING, "source.refused", "place=%s reason=%s",
        log_quote(place, quoted_place, sizeof quoted_place),
        log_quote(reason, quoted_reason, sizeof quoted_reason));
}

static bool is_done(void *runtime, uint64_t at) {
    struct sidecar *sidecar = runtime;
    return sidecar->inbox && inbox_has(sidecar->inbox, sidecar->bus, at);
}

static int mark_done(void *runtime, const uint64_t *positions, size_t count, struct error *error) {
    struct sidecar *sidecar = runtime;
    if (!sidecar->inbox)
        return error_set(error, -EINVAL, "this adapter keeps no inbox");
    int rc = inbox_add(sidecar->inbox, sidecar->bus, positions, count, error);
    return rc > 0 ? (error ? error->code = CONNECTOR_RETRY : CONNECTOR_RETRY) : rc;
}

static uint32_t patience_ms(void *runtime, uint32_t most_ms) {
    return sidecar_patience_ms(runtime, most_ms);
}

void sidecar_host(struct sidecar *sidecar) {
    sidecar->host = (struct connector_host){
        .runtime = sidecar,
        .catalogue = sidecar->catalogue,
        .codes = sidecar->codes,
        .state_folder = sidecar->config->state,
        .base_folder = sidecar->config->base_folder,
        .zone = sidecar->config->zone,
        .publish = publish,
        .publish_event = publish_event,
        .position = position,
        .store_position = store_position,
        .refused = refused,
        .is_done = is_done,
        .mark_done = mark_done,
        .patience_ms = patience_ms,
    };
}
