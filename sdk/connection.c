// The connection's thread: phases of a session (docs/protocol.md), frames in, heartbeats, reconnecting.
#include "core/base/clock.h"
#include "sdk/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_NS (10 * CLOCK_SECOND_NS)  // until the socket is connected
#define HELLO_NS (10 * CLOCK_SECOND_NS) // until the welcome
#define STEADY_NS (2 * CLOCK_SECOND_NS) // a session of this length ends the back-off
#define SILENT_INTERVALS 3u
#define TRIM_NS CLOCK_SECOND_NS
#define BURST 64 // messages read before others get their turn
#define BYE_LINGER_MS 1000

// ---- Ends and pauses ----

// Doubles up to the maximum; of each pause half is certain and half is chance, so that adapters don't return
// all at once.
static uint64_t pause_ns(struct hutong *hutong, bool slow) {
    const struct options *options = &hutong->options;
    uint64_t pause = options->reconnect_min_ms;
    for (unsigned i = 0; i < hutong->attempts && pause < options->reconnect_max_ms; i++)
        pause *= 2;
    if (slow || pause > options->reconnect_max_ms)
        pause = options->reconnect_max_ms;
    uint32_t chance = 0;
    random_fill(&hutong->random, &chance, sizeof chance); // without chance the pause is only less good
    pause *= CLOCK_MILLISECOND_NS;
    return pause / 2 + pause / 2 * chance / UINT32_MAX;
}

static void end_session(struct hutong *hutong, enum hutong_state state, const char *text, int linger_ms) {
    uint64_t now = clock_monotonic_ns();
    if (hutong->phase == PHASE_SESSION) {
        hutong->attempts = now - hutong->session_since > STEADY_NS ? 0 : hutong->attempts;
        outgoing_end(hutong);
        incoming_end(hutong);
    }
    link_close(&hutong->link, linger_ms);
    hutong->phase = PHASE_WAITING;
    hutong->deadline = now + pause_ns(hutong, state == HUTONG_DENIED);
    hutong->attempts++;
    pthread_mutex_lock(&hutong->lock);
    hutong->state = state;
    if (!hutong->full && !hutong->broken)
        snprintf(hutong->text, sizeof hutong->text, "%.250s", text);
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
}

void connection_fail(struct hutong *hutong, const char *text) {
    if (hutong->phase != PHASE_WAITING)
        end_session(hutong, HUTONG_CONNECTING, text, 0);
}

// As connection_fail(), and tells the broker why.
static void complain(struct hutong *hutong, wire_reason reason, const char *text) {
    char words[256];
    snprintf(words, sizeof words, "%.250s", text);
    Hutong__Bus__V1__Error error = HUTONG__BUS__V1__ERROR__INIT;
    error.reason = reason;
    error.text = words;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_ERROR;
    frame.error = &error;
    if (connection_send(hutong, &frame, NULL))
        end_session(hutong, HUTONG_CONNECTING, text, BYE_LINGER_MS);
}

// ---- Sending ----

bool connection_send(struct hutong *hutong, const wire_frame *frame, zmq_msg_t *body) {
    void *socket = hutong->link.socket;
    buffer_clear(&hutong->frame);
    int rc = wire_frame_append(frame, &hutong->frame);
    if (rc == 0)
        rc =
            zmq_send(socket, hutong->frame.data, hutong->frame.size, ZMQ_DONTWAIT | (body ? ZMQ_SNDMORE : 0));
    if (rc >= 0 && body)
        rc = zmq_msg_send(body, socket, ZMQ_DONTWAIT);
    if (rc < 0) {
        if (body)
            zmq_msg_close(body);
        connection_fail(hutong, "the connection was cut");
        return false;
    }
    hutong->spoke = clock_monotonic_ns();
    return true;
}

static void send_hello(struct hutong *hutong) {
    struct options *options = &hutong->options;
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = options->receive_messages;
    credit.bytes = options->receive_bytes;
    Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
    hello.protocol = WIRE_PROTOCOL;
    hello.system = options->system;
    hello.instance = options->instance;
    hello.software = options->software;
    hello.receive = options->receive;
    hello.credit = options->receive ? &credit : NULL;
    if (hutong->spool) {
        hello.stream.data = hutong->stream;
        hello.stream.len = sizeof hutong->stream;
    }
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
    frame.hello = &hello;
    if (connection_send(hutong, &frame, NULL)) {
        hutong->phase = PHASE_GREETING;
        hutong->deadline = clock_monotonic_ns() + HELLO_NS;
    }
}

static void send_bye(struct hutong *hutong) {
    Hutong__Bus__V1__Bye bye = HUTONG__BUS__V1__BYE__INIT;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_BYE;
    frame.bye = &bye;
    connection_send(hutong, &frame, NULL);
}

static void send_heartbeat(struct hutong *hutong) {
    Hutong__Bus__V1__Heartbeat heartbeat = HUTONG__BUS__V1__HEARTBEAT__INIT;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT;
    frame.heartbeat = &heartbeat;
    connection_send(hutong, &frame, NULL);
}

// ---- Frames from the broker ----

static uint64_t or (uint64_t value, uint64_t otherwise) {
    return value ? value : otherwise;
}

static void take_limits(struct hutong *hutong, const Hutong__Bus__V1__Welcome *welcome) {
    const Hutong__Bus__V1__Limits none = HUTONG__BUS__V1__LIMITS__INIT;
    const Hutong__Bus__V1__Limits *limits = welcome->limits ? welcome->limits : &none;
    hutong->batch_bytes = or (limits->batch_bytes, UINT64_MAX);
    hutong->batch_messages = limits->batch_messages ? limits->batch_messages : UINT32_MAX;
    hutong->heartbeat_ns = or (welcome->heartbeat_ms, 5000) * CLOCK_MILLISECOND_NS;
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
        end_session(hutong, HUTONG_DENIED, "the broker speaks another version of the protocol", 0);
        return;
    }
    // Going on would give new messages the numbers of old ones: the broker would drop them as repeats.
    if (hutong->spool && welcome->last_sequence > spool_last(hutong->spool)) {
        end_session(hutong, HUTONG_DENIED,
            "the broker has more of this spool than the spool itself: it was restored from an old copy; "
            "begin a new one",
            0);
        return;
    }
    take_limits(hutong, welcome);
    hutong->phase = PHASE_SESSION;
    hutong->deadline = UINT64_MAX;
    hutong->session_since = clock_monotonic_ns();
    incoming_begin(hutong, welcome->bus.data);
    outgoing_begin(hutong, welcome->last_sequence);
    pthread_mutex_lock(&hutong->lock);
    hutong->reconnects += hutong->was_connected;
    hutong->was_connected = true;
    hutong->state = HUTONG_CONNECTED;
    if (!hutong->full && !hutong->broken)
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
    end_session(hutong, slow ? HUTONG_DENIED : HUTONG_CONNECTING, text, 0);
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
        complain(
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
            complain(hutong, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "a second welcome");
        break;
    default:
        if (hutong->phase == PHASE_SESSION) {
            session_frame(hutong, frame, body);
            return;
        }
        complain(hutong, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "a frame before the welcome");
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
        complain(hutong, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, wrong);
    } else {
        handle_frame(hutong, &frame, &parts[1]);
    }
    wire_frame_free(&frame);
}

static bool receive_one(struct hutong *hutong) {
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

// ---- Time ----

static void start_attempt(struct hutong *hutong) {
    struct error error;
    if (link_open(hutong->zmq, &hutong->options, &hutong->link, &error) != 0) {
        end_session(hutong, HUTONG_CONNECTING, error.text, 0);
        return;
    }
    hutong->phase = PHASE_OPENING;
    hutong->heard = clock_monotonic_ns();
    hutong->deadline = hutong->heard + OPEN_NS;
}

static void tidy(struct hutong *hutong) {
    struct error error;
    hutong->tidy_at = UINT64_MAX;
    int rc = spool_untidy(hutong->spool) ? spool_tidy(hutong->spool, &error) : 0;
    if (hutong->retry_store_at != UINT64_MAX)
        hutong->retry_store_at = 0; // there may be room now
    if (rc == 0)
        return;
    pthread_mutex_lock(&hutong->lock);
    hutong->broken = true;
    snprintf(hutong->text, sizeof hutong->text, "%.250s", error.text);
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
}

static void keep_memory_small(struct hutong *hutong, uint64_t now) {
    if (!outgoing_idle(hutong)) {
        hutong->trim_at = now + TRIM_NS;
    } else if (now >= hutong->trim_at) {
        block_pool_trim(&hutong->pool);
        hutong->trim_at = UINT64_MAX;
    }
}

static void keep_time(struct hutong *hutong) {
    uint64_t now = clock_monotonic_ns();
    keep_memory_small(hutong, now);
    if (hutong->spool && now >= hutong->tidy_at)
        tidy(hutong);
    if (hutong->phase == PHASE_WAITING && now >= hutong->deadline)
        start_attempt(hutong);
    else if (hutong->phase != PHASE_WAITING && now >= hutong->deadline)
        connection_fail(
            hutong, hutong->phase == PHASE_OPENING ? "no connection in time" : "no welcome in time");
    if (hutong->phase != PHASE_SESSION)
        return;
    if (now - hutong->heard > SILENT_INTERVALS * hutong->heartbeat_ns)
        connection_fail(hutong, "the broker is silent");
    else if (now - hutong->spoke >= hutong->heartbeat_ns)
        send_heartbeat(hutong);
}

static uint64_t sooner(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// When keep_time() or outgoing_store() has something to do next.
static uint64_t next_time(const struct hutong *hutong) {
    uint64_t next = sooner(hutong->deadline, hutong->trim_at);
    if (hutong->spool)
        next = sooner(next, hutong->tidy_at);
    if (hutong->retry_store_at)
        next = sooner(next, hutong->retry_store_at);
    if (hutong->phase == PHASE_SESSION) {
        next = sooner(next, hutong->spoke + hutong->heartbeat_ns);
        next = sooner(next, hutong->heard + SILENT_INTERVALS * hutong->heartbeat_ns + 1);
    }
    return next;
}

static long timeout_ms(const struct hutong *hutong) {
    uint64_t now = clock_monotonic_ns();
    uint64_t next = next_time(hutong);
    if (next <= now)
        return 0;
    uint64_t ms = (next - now) / CLOCK_MILLISECOND_NS + 1;
    return ms > 60000 ? 60000 : (long)ms;
}

// ---- The loop ----

static void clear_wake(int fd) {
    uint64_t value;
    ssize_t n = read(fd, &value, sizeof value);
    (void)n; // nothing there is fine
}

static void watch(struct hutong *hutong) {
    struct error error;
    error.text[0] = '\0';
    enum link_event event = link_watch(&hutong->link, &error);
    if (event == LINK_DENIED)
        end_session(hutong, HUTONG_DENIED, error.text, 0);
    else if (event == LINK_LOST)
        connection_fail(hutong, error.text);
}

static void wait_for_events(struct hutong *hutong) {
    zmq_pollitem_t items[] = {
        {.fd = hutong->wake_fd, .events = ZMQ_POLLIN},
        {.socket = hutong->link.monitor, .events = ZMQ_POLLIN},
        {.socket = hutong->link.socket, .events = ZMQ_POLLIN},
    };
    bool linked = hutong->link.socket != NULL;
    if (hutong->phase == PHASE_OPENING)
        items[2].events = ZMQ_POLLOUT;
    if (zmq_poll(items, linked ? 3 : 1, timeout_ms(hutong)) <= 0)
        return;
    if (items[0].revents)
        clear_wake(hutong->wake_fd);
    if (linked && items[2].revents & ZMQ_POLLOUT)
        send_hello(hutong);
    if (linked && items[2].revents & ZMQ_POLLIN)
        for (int i = 0; i < BURST && hutong->link.socket && receive_one(hutong); i++)
            ;
    // What the broker said last goes before that it is gone.
    if (linked && hutong->link.monitor && items[1].revents && !(items[2].revents & ZMQ_POLLIN))
        watch(hutong);
}

static bool should_end(struct hutong *hutong) {
    pthread_mutex_lock(&hutong->lock);
    bool end = hutong->ending;
    pthread_mutex_unlock(&hutong->lock);
    return end;
}

void *connection_run(void *context) {
    struct hutong *hutong = context;
    while (!should_end(hutong)) {
        wait_for_events(hutong);
        outgoing_store(hutong);
        if (hutong->phase == PHASE_SESSION) {
            incoming_settle(hutong);
            outgoing_send(hutong);
        }
        keep_time(hutong);
    }
    if (hutong->phase == PHASE_SESSION)
        incoming_settle(hutong);
    if (hutong->phase == PHASE_SESSION)
        send_bye(hutong);
    if (hutong->spool && spool_untidy(hutong->spool))
        tidy(hutong);
    if (hutong->phase == PHASE_SESSION) {
        outgoing_end(hutong);
        incoming_end(hutong);
    }
    link_close(&hutong->link, BYE_LINGER_MS);
    return NULL;
}
