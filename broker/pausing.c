// The journal has no room. Nothing more is taken in and nothing buried, since both need records that are
// large; publishers are told why. What is durable goes on being delivered within credit, and what comes back
// is settled: its record waits in the batch, and once it is written old segments may go. That makes room
// again.
#include "broker/internal.h"

static bool publishes(const struct session *session) {
    return session->open && (session->publisher || session->got_messages);
}

static void set_paused(struct session *session, bool paused) {
    if (session->paused == paused)
        return;
    session->paused = paused;
    session->hold_changed = true;
}

int pausing_run(struct broker *broker, struct update *update) {
    broker->paused = true;
    LIST_EACH(node, &broker->sessions) {
        struct session *session = LIST_ITEM(node, struct session, link);
        if (publishes(session)) // also one that came since
            set_paused(session, true);
    }
    int rc = outflow_durable(broker, update);
    return rc ? rc : peers_keep(broker, update);
}

void pausing_end(struct broker *broker) {
    if (!broker->paused)
        return;
    broker->paused = false;
    LIST_EACH(node, &broker->sessions) set_paused(LIST_ITEM(node, struct session, link), false);
}
