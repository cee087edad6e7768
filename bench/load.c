#include "bench/load.h"

#include "core/base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int64_t load_now_us(void) {
    return clock_realtime_ns() / 1000;
}

_Atomic uint64_t *load_progress(const char *path) {
    if (!path)
        return NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool sized = fd >= 0 && ftruncate(fd, sizeof(uint64_t)) == 0;
    void *at = sized ? mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (at != MAP_FAILED)
        return at;
    perror(path);
    exit(1);
}

void load_start(struct load *load, const struct load_options *options) {
    *load = (struct load){
        .options = options, .consumed = load_progress(options->progress), .started_us = load_now_us()};
    load->now_us = load->started_us;
    prctl(PR_SET_TIMERSLACK, 1000ul); // ns: it wakes when it wants to, not 50 us later
}

bool load_done(const struct load *load) {
    const struct load_options *options = load->options;
    if (options->messages && load->sent >= options->messages)
        return true;
    return options->seconds > 0 && load->now_us >= load->started_us + (int64_t)(options->seconds * 1e6);
}

// As many as may be under way to the receivers are: the closed loop is closed there too.
static bool is_behind(struct load *load) {
    const struct load_options *options = load->options;
    if (!load->consumed || !options->unconsumed)
        return false;
    if (load->sent - load->consumed_seen < options->unconsumed)
        return false;
    load->consumed_seen = atomic_load_explicit(load->consumed, memory_order_relaxed) / options->copies;
    return load->sent - load->consumed_seen >= options->unconsumed;
}

// What is due within a pace is sent together: a process woken for each message by itself would take the CPU
// from the bus that is measured.
static int64_t next_wake_us(const struct load *load, int64_t due_us) {
    int64_t since = due_us - load->started_us;
    return load->started_us + (since + LOAD_PACE_US - 1) / LOAD_PACE_US * LOAD_PACE_US;
}

// At a rate nothing holds a message up but the window and the pace: it counts as late from the time at which
// it was due.
enum load_next load_next(struct load *load, uint64_t acknowledged, int64_t *intended_us) {
    const struct load_options *options = load->options;
    int64_t now = load_now_us();
    load->now_us = now;
    bool paced = options->rate > 0;
    *intended_us = paced ? load->started_us + (int64_t)((double)load->sent * 1e6 / options->rate) : now;
    if (*intended_us > now) {
        *intended_us = next_wake_us(load, *intended_us);
        return LOAD_EARLY;
    }
    if (load->sent - acknowledged >= options->window)
        return LOAD_FULL;
    return !paced && is_behind(load) ? LOAD_BEHIND : LOAD_GO;
}

void tally_receipt(struct tally *tally, int64_t intended_us) {
    int64_t now = load_now_us();
    if (tally->total++ == 0) {
        tally->first_us = now;
        tally->count_from_us = now + (int64_t)(tally->warm_s * 1e6);
        tally->count_until_us = tally->count_from_us + (int64_t)(tally->count_s * 1e6);
    }
    tally->last_us = now;
    if (now < tally->count_from_us || now >= tally->count_until_us)
        return;
    tally->counted++;
    histogram_add(&tally->histogram, now > intended_us ? (uint64_t)(now - intended_us) : 0);
}

void tally_tell(struct tally *tally) {
    if (tally->progress && tally->total != tally->told)
        atomic_fetch_add_explicit(tally->progress, tally->total - tally->told, memory_order_relaxed);
    tally->told = tally->total;
}

// ---- Which sequences came, as bits ----

struct seen {
    uint64_t *words;
    size_t count;
    uint64_t next; // one above the highest that came
};

static void *grown(void *items, size_t count, size_t size) {
    void *more = realloc(items, count * size);
    if (more)
        return more;
    perror("hutong-bench");
    exit(1);
}

static struct seen *queue_seen(struct tally *tally, size_t queue) {
    if (queue >= tally->queues) {
        tally->seen = grown(tally->seen, queue + 1, sizeof *tally->seen);
        memset(tally->seen + tally->queues, 0, (queue + 1 - tally->queues) * sizeof *tally->seen);
        tally->queues = queue + 1;
    }
    return &tally->seen[queue];
}

void tally_sequence(struct tally *tally, size_t queue, uint64_t sequence) {
    struct seen *seen = queue_seen(tally, queue);
    size_t word = (size_t)(sequence / 64);
    if (word >= seen->count) {
        size_t count = word + word / 2 + 1024;
        uint64_t *words = grown(seen->words, count, sizeof *words);
        memset(words + seen->count, 0, (count - seen->count) * sizeof *words);
        seen->words = words;
        seen->count = count;
    }
    uint64_t bit = 1ull << (sequence % 64);
    if (seen->words[word] & bit) {
        tally->repeated++;
        return;
    }
    seen->words[word] |= bit;
    if (sequence >= seen->next) {
        tally->gaps += sequence - seen->next;
        seen->next = sequence + 1;
    } else {
        tally->gaps--;
    }
}

void tally_free(struct tally *tally) {
    for (size_t i = 0; i < tally->queues; i++)
        free(tally->seen[i].words);
    free(tally->seen);
    tally->seen = NULL;
    tally->queues = 0;
}

void tally_print(const struct tally *tally) {
    const struct histogram *histogram = &tally->histogram;
    printf("{\"received\": %" PRIu64 ", \"counted\": %" PRIu64 ", \"repeated\": %" PRIu64
           ", \"strayed\": %" PRIu64 ", \"gaps\": %" PRIu64 ", \"seconds\": %.6f, \"p50_us\": %" PRIu64
           ", \"p99_us\": %" PRIu64 ", \"p999_us\": %" PRIu64 "}\n",
        tally->total, tally->counted, tally->repeated, tally->strayed, tally->gaps,
        (double)(tally->last_us - tally->first_us) / 1e6, histogram_percentile(histogram, 50),
        histogram_percentile(histogram, 99), histogram_percentile(histogram, 99.9));
}

static atomic_bool stopped;

static void on_signal(int number) {
    (void)number;
    atomic_store(&stopped, true);
}

void load_watch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

bool load_stopped(void) {
    return atomic_load(&stopped);
}
