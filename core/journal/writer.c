#include "core/journal/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct writer {
    void (*work)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;  // of the owner's state
    pthread_mutex_t state; // of what follows
    pthread_cond_t changed;
    bool asked;
    bool ending;
    atomic_bool busy;
    int fd;
};

static void *run(void *argument) {
    struct writer *writer = argument;
    pthread_mutex_lock(&writer->state);
    for (;;) {
        while (!writer->asked && !writer->ending)
            pthread_cond_wait(&writer->changed, &writer->state);
        if (!writer->asked)
            break;
        writer->asked = false;
        pthread_mutex_unlock(&writer->state);
        writer->work(writer->context);
        pthread_mutex_lock(&writer->state);
        atomic_store_explicit(&writer->busy, false, memory_order_release);
        pthread_cond_broadcast(&writer->changed);
        writer_tell(writer);
    }
    pthread_mutex_unlock(&writer->state);
    return NULL;
}

// Signals are for the process's other threads.
static int start_thread(struct writer *writer) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

int writer_new(void (*work)(void *context), void *context, struct writer **out) {
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return -ENOMEM;
    writer->work = work;
    writer->context = context;
    writer->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = writer->fd < 0 ? -errno : 0;
    if (rc) {
        free(writer);
        return rc;
    }
    pthread_mutex_init(&writer->lock, NULL);
    pthread_mutex_init(&writer->state, NULL);
    pthread_cond_init(&writer->changed, NULL);
    rc = start_thread(writer);
    if (rc) {
        close(writer->fd);
        free(writer);
        return rc;
    }
    *out = writer;
    return 0;
}

void writer_destroy(struct writer **self) {
    struct writer *writer = *self;
    if (!writer)
        return;
    pthread_mutex_lock(&writer->state);
    writer->ending = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->state);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->state);
    pthread_mutex_destroy(&writer->lock);
    close(writer->fd);
    free(writer);
    *self = NULL;
}

void writer_start(struct writer *writer) {
    pthread_mutex_lock(&writer->state);
    writer->asked = true;
    atomic_store_explicit(&writer->busy, true, memory_order_relaxed);
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->state);
}

bool writer_busy(const struct writer *writer) {
    return atomic_load_explicit(&writer->busy, memory_order_acquire);
}

void writer_wait(struct writer *writer) {
    pthread_mutex_lock(&writer->state);
    while (writer_busy(writer))
        pthread_cond_wait(&writer->changed, &writer->state);
    pthread_mutex_unlock(&writer->state);
}

int writer_fd(const struct writer *writer) {
    return writer->fd;
}

void writer_tell(struct writer *writer) {
    uint64_t one = 1;
    while (write(writer->fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void writer_heard(struct writer *writer) {
    uint64_t count;
    while (read(writer->fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
}

void writer_lock(struct writer *writer) {
    if (writer)
        pthread_mutex_lock(&writer->lock);
}

void writer_unlock(struct writer *writer) {
    if (writer)
        pthread_mutex_unlock(&writer->lock);
}
