#include "adapters/connectors/file/file.h"

#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ROWS_A_POLL 500

static void close_one(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_events(struct connector *connector) {
    close_one(&connector->notify);
    close_one(&connector->alarm);
    close_one(&connector->events);
}

void file_destroy(struct connector **self) {
    struct connector *connector = *self;
    *self = NULL;
    if (!connector)
        return;
    for (size_t i = 0; i < connector->dropbox_count; i++)
        dropbox_destroy(&connector->dropboxes[i]);
    for (size_t i = 0; i < connector->outfile_count; i++)
        outfile_destroy(&connector->outfiles[i]);
    take_rules_destroy(&connector->take);
    free(connector->dropboxes);
    free(connector->outfiles);
    close_events(connector);
    free(connector);
}

static void watch_folders(struct connector *connector) {
    connector->notify = connector->dropbox_count ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
    for (size_t i = 0; connector->notify >= 0 && i < connector->dropbox_count; i++)
        inotify_add_watch(connector->notify, dropbox_settings(connector->dropboxes[i])->folder,
            IN_CLOSE_WRITE | IN_MOVED_TO);
}

static void add_event(const struct connector *connector, int fd) {
    struct epoll_event event = {.events = EPOLLIN};
    if (fd >= 0 && connector->events >= 0)
        epoll_ctl(connector->events, EPOLL_CTL_ADD, fd, &event);
}

// Files are noticed at once where inotify works (not on network file systems), and by polling everywhere.
// What can't be opened here makes it slower and nothing worse.
static void open_events(struct connector *connector) {
    close_events(connector);
    watch_folders(connector);
    connector->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    connector->events = epoll_create1(EPOLL_CLOEXEC);
    add_event(connector, connector->notify);
    add_event(connector, connector->alarm);
}

static void drain_events(const struct connector *connector) {
    char events[4096];
    while (connector->notify >= 0 && read(connector->notify, events, sizeof events) > 0)
        ;
    while (connector->alarm >= 0 && read(connector->alarm, events, sizeof events) > 0)
        ;
}

// Rows were gathered between two polls: the next one comes when they are due.
static void set_alarm(const struct connector *connector) {
    uint64_t due_ns = UINT64_MAX;
    for (size_t i = 0; i < connector->outfile_count; i++) {
        uint64_t one = outfile_due_in(connector->outfiles[i]);
        due_ns = one < due_ns ? one : due_ns;
    }
    if (due_ns == UINT64_MAX || connector->alarm < 0)
        return;
    due_ns = due_ns ? due_ns : 1; // 0 would disarm it
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(due_ns / CLOCK_SECOND_NS),
                                  .tv_nsec = (long)(due_ns % CLOCK_SECOND_NS)}};
    timerfd_settime(connector->alarm, 0, &when, NULL);
}

static int open_all(struct connector *connector, struct error *error) {
    struct bytes position = connector->host->position(connector->host->runtime);
    struct buffer copy = {0}; // a publish may move it
    int rc = buffer_append_bytes(&copy, position) ? error_no_memory(error) : 0;
    for (size_t i = 0; i < connector->dropbox_count && rc == 0; i++) {
        bool resumed = false;
        rc = dropbox_open(connector->dropboxes[i], buffer_bytes(&copy), &resumed, error);
    }
    for (size_t i = 0; i < connector->outfile_count && rc == 0; i++)
        rc = outfile_open(connector->outfiles[i], error);
    buffer_destroy(&copy);
    if (rc == 0)
        open_events(connector);
    return rc;
}

static bool any_busy(const struct connector *connector) {
    for (size_t i = 0; i < connector->dropbox_count; i++)
        if (dropbox_busy(connector->dropboxes[i]))
            return true;
    return false;
}

// One file at a time in all folders: there is one position.
static int run_dropboxes(struct connector *connector, bool *worked, uint64_t *wait_ns, struct error *error) {
    int rc = 0;
    bool busy = any_busy(connector);
    for (size_t i = 0; i < connector->dropbox_count && !*worked; i++) {
        if (busy && !dropbox_busy(connector->dropboxes[i]))
            continue;
        uint64_t wait = UINT64_MAX;
        int one = dropbox_run(connector->dropboxes[i], ROWS_A_POLL, worked, &wait, error);
        *wait_ns = wait < *wait_ns ? wait : *wait_ns;
        if (one < 0)
            return one;
        rc = one ? one : rc; // a folder that is away doesn't hold up the others
        if (one && dropbox_busy(connector->dropboxes[i]))
            break;
    }
    return rc;
}

static int poll_files(
    struct connector *connector, bool *more, uint32_t *wait_ms, int *fd, struct error *error) {
    uint64_t wait_ns = connector->poll_ns;
    bool worked = false;
    drain_events(connector);
    int rc = run_dropboxes(connector, &worked, &wait_ns, error);
    for (size_t i = 0; i < connector->outfile_count && rc >= 0; i++) {
        int one = outfile_run(connector->outfiles[i], &wait_ns, error);
        rc = one ? one : rc;
    }
    if (rc != 0)
        return rc;
    *more = worked;
    *wait_ms = (uint32_t)(wait_ns / CLOCK_MILLISECOND_NS) + 1;
    *fd = connector->events;
    return 0;
}

static int deliver(
    struct connector *connector, const struct connector_delivery *delivery, struct error *error) {
    struct take_rule *rule = NULL;
    if (!connector->take)
        return error_set(error, CONNECTOR_REJECT, "this system takes no messages");
    int rc = take_rules_begin(connector->take, delivery, &rule, error);
    return rc || !rule ? rc : outfile_add(rule->own, delivery, error);
}

static int commit(struct connector *connector, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < connector->outfile_count; i++) {
        int one = outfile_commit(connector->outfiles[i], error);
        rc = one ? one : rc;
    }
    set_alarm(connector);
    return rc;
}

const struct connector_class file_connector = {
    .name = "file",
    .configure = file_configure,
    .open = open_all,
    .poll = poll_files,
    .deliver = deliver,
    .commit = commit,
    .destroy = file_destroy,
};
