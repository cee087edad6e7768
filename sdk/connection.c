// The connection's thread: its loop, the phases of a session (docs/protocol.md), heartbeats, reconnecting.
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

void connection_end(struct hutong *hutong, enum hutong_state state, const char *text, int linger_ms) {
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
    if (!hutong->stuck && !hutong->broken)
        snprintf(hutong->text, sizeof hutong->text, "%.250s", text);
    sdk_changed(hutong);
    pthread_mutex_unlock(&hutong->lock);
}

void connection_fail(struct hutong *hutong, const char *text) {
    if (hutong->phase != PHASE_WAITING)
        connection_end(hutong, HUTONG_CONNECTING, text, 0);
}

void connection_complain(struct hutong *hutong, wire_reason reason, const char *text) {
    char words[256];
    snprintf(words, sizeof words, "%.250s", text);
    Hutong__Bus__V1__Error error = HUTONG__BUS__V1__ERROR__INIT;
    error.reason = reason;
    error.text = words;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_ERROR;
    frame.error = &error;
    if (connection_send(hutong, &frame, NULL))
        connection_end(hutong, HUTONG_CONNECTING, text, BYE_LINGER_MS);
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

// ---- Time ----

static void start_attempt(struct hutong *hutong) {
    struct error error;
    if (link_open(hutong->zmq, &hutong->options, &hutong->link, &error) != 0) {
        connection_end(hutong, HUTONG_CONNECTING, error.text, 0);
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
    if (event == LINK_UP && hutong->phase == PHASE_OPENING)
        send_hello(hutong);
    else if (event == LINK_DENIED)
        connection_end(hutong, HUTONG_DENIED, error.text, 0);
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
    if (zmq_poll(items, linked ? 3 : 1, timeout_ms(hutong)) <= 0)
        return;
    if (items[0].revents)
        clear_wake(hutong->wake_fd);
    if (linked && items[2].revents & ZMQ_POLLIN)
        for (int i = 0; i < BURST && hutong->link.socket && session_receive(hutong); i++)
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
