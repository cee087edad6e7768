// What the broker says: the welcome, and the frames of a session, one by one.
#include "core/base/clock.h"
#include "sdk/internal.h"

#include <stdio.h>

static uint64_t or_default(uint64_t value, uint64_t otherwise) {
    return value ? value : otherwise;
}

static void take_limits(struct hutong *hutong, const Hutong__Bus__V1__Welcome *welcome) {
    const Hutong__Bus__V1__Limits none = HUTONG__BUS__V1__LIMITS__INIT;
    const Hutong__Bus__V1__Limits *limits = welcome->limits ? welcome->limits : &none;
    hutong->batch_bytes = or_default(limits->batch_bytes, UINT64_MAX);
    hutong->batch_messages = limits->batch_messages ? limits->batch_messages : UINT32_MAX;
    hutong->heartbeat_ns = or_default(welcome->heartbeat_ms, 5000) * CLOCK_MILLISECOND_NS;
    hutong->window.credit_messages = welcome->credit ? welcome->credit->messages : 0;
    hutong->window.credit_bytes = welcome->credit ? welcome->credit->bytes : 0;
    if (!limits->message_bytes)
        return;
    pthread_mutex_lock(&hutong->lock);
    hutong->message_limit = limits->message_bytes;
    pthread_mutex_unlock(&hutong->lock);
}

static void welcomed(struct hutong *hutong, const Hutong__Bus__V1__Welcome *welcome) {
    if (welcome->protocol != WIRE_PROTOCOL) {
        connection_end(hutong, HUTONG_DENIED, "the broker speaks another version of the protocol", 0);
        return;
    }
    struct error error;
    if (outgoing_refuses(hutong, welcome->last_sequence)) {
        connection_end(hutong, HUTONG_DENIED,
            "the broker has messages of this spool that were never sent from here: it is an old copy, put "
            "back. Nothing is sent, for new messages would be dropped as repeats; see --new-stream",
            0);
        return;
    }
    take_limits(hutong, welcome);
    hutong->phase = PHASE_SESSION;
    hutong->deadline = UINT64_MAX;
    hutong->session_since = clock_monotonic_ns();
    incoming_begin(hutong, welcome->bus.data);
    if (outgoing_begin(hutong, welcome->last_sequence, welcome->bus.data, &error) != 0) {
        connection_fail(hutong, error.text);
        return;
    }
    pthread_mutex_lock(&hutong->lock);
    hutong->reconnects += hutong->was_connected;
    hutong->was_connected = true;
    hutong->state = HUTONG_CONNECTED;
    if (!hutong->stuck && !hutong->broken)
        hutong->text[0] = '\0';
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
}

static void denied(struct hutong *hutong, const Hutong__Bus__V1__Error *error) {
    char text[256];
    snprintf(text, sizeof text, "%s: %.200s", wire_reason_name(error->reason), error->text);
    bool slow = error->reason == HUTONG__BUS__V1__REASON__REASON_IDENTITY ||
                error->reason == HUTONG__BUS__V1__REASON__REASON_VERSION ||
                error->reason == HUTONG__BUS__V1__REASON__REASON_SUPERSEDED ||
                error->reason == HUTONG__BUS__V1__REASON__REASON_TOO_MANY;
    connection_end(hutong, slow ? HUTONG_DENIED : HUTONG_CONNECTING, text, 0);
}

// What is only right within a session. Takes `body`; `*frame` may be taken.
static void session_frame(struct hutong *hutong, wire_frame **frame, zmq_msg_t *body) {
    switch ((*frame)->kind_case) {
    case HUTONG__BUS__V1__FRAME__KIND_ACCEPTED:
        outgoing_accepted(hutong, (*frame)->accepted);
        break;
    case HUTONG__BUS__V1__FRAME__KIND_CREDIT:
        hutong->window.credit_messages = (*frame)->credit->messages;
        hutong->window.credit_bytes = (*frame)->credit->bytes;
        break;
    case HUTONG__BUS__V1__FRAME__KIND_DELIVER:
        incoming_deliver(hutong, frame, body);
        return;
    case HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT:
        break;
    default:
        connection_complain(
            hutong, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "a frame that is out of place in a session");
        break;
    }
    zmq_msg_close(body);
}

// Takes `body`.
static void handle_frame(struct hutong *hutong, wire_frame **frame, zmq_msg_t *body) {
    switch ((*frame)->kind_case) {
    case HUTONG__BUS__V1__FRAME__KIND_ERROR:
        denied(hutong, (*frame)->error);
        break;
    case HUTONG__BUS__V1__FRAME__KIND_BYE:
        connection_fail(hutong, "the broker said bye");
        break;
    case HUTONG__BUS__V1__FRAME__KIND_WELCOME:
        if (hutong->phase == PHASE_GREETING)
            welcomed(hutong, (*frame)->welcome);
        else
            connection_complain(hutong, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "a second welcome");
        break;
    default:
        if (hutong->phase == PHASE_SESSION) {
            session_frame(hutong, frame, body);
            return;
        }
        connection_complain(hutong, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "a frame before the welcome");
        break;
    }
    zmq_msg_close(body);
}

// ZeroMQ gives all parts of a message or none. Returns how many there were; those beyond the second are
// dropped.
static size_t receive_parts(void *socket, zmq_msg_t parts[2]) {
    size_t count = 0;
    zmq_msg_t *part;
    do {
        part = &parts[count < 2 ? count : 1];
        if (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) < 0)
            break;
        count++;
    } while (zmq_msg_more(part));
    return count;
}

// Takes `parts`.
static void take_parts(struct hutong *hutong, zmq_msg_t parts[2], size_t count) {
    struct error error;
    wire_frame *frame = NULL;
    const char *wrong = NULL;
    if (wire_frame_parse(bytes_of(zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0])), &frame, &error) != 0)
        wrong = error.text;
    else if (count != (frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_DELIVER ? 2 : 1))
        wrong = "a frame with the wrong number of parts";
    zmq_msg_close(&parts[0]);
    if (wrong) {
        zmq_msg_close(&parts[1]);
        connection_complain(hutong, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, wrong);
    } else {
        handle_frame(hutong, &frame, &parts[1]);
    }
    wire_frame_free(&frame);
}

bool session_receive(struct hutong *hutong) {
    zmq_msg_t parts[2];
    zmq_msg_init(&parts[0]);
    zmq_msg_init(&parts[1]);
    size_t count = receive_parts(hutong->link.socket, parts);
    if (count == 0) {
        zmq_msg_close(&parts[0]);
        zmq_msg_close(&parts[1]);
        return false;
    }
    hutong->heard = clock_monotonic_ns();
    take_parts(hutong, parts, count);
    return true;
}
