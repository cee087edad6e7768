// Plays simulations, many seeds at a time.
//   sim [--seeds N] [--from S] [--jobs J] [--check] [--twice]   N seeds from S on (from 1); --check: also
//   that enough happened sim --seed X [--trace]                            one seed, and its hash; --trace:
//   all that happens in it
// Exit status: 0 all promises held; 1 one was broken, or too little happened; 2 usage.
#include "test/sim/coverage.h"
#include "test/sim/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MOST 64
#define FAILURES_MOST 20
#define SEED_SECONDS 120 // of the machine's time: a seed that takes longer hangs

struct options {
    uint64_t seeds, from, seed;
    size_t jobs;
    bool one, trace, check, first, twice;
};

// What a worker tells; in shared memory, so that it is there also when the worker crashed.
struct worker {
    uint64_t seed; // that it is at
    uint64_t played;
    uint64_t counts[COUNT_END];
    size_t failures;
    struct {
        uint64_t seed;
        char text[512];
    } failed[FAILURES_MOST];
};

static struct run run; // large

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int play_one(const struct options *options) {
    run_play(&run, options->seed, options->trace);
    printf("seed %" PRIu64 ": hash %016" PRIx64 ", %.3f s simulated, %s\n", options->seed, run.world.hash,
        (double)run.world.now / 1e9 - 1000, run.settings->name);
    bool failed = run.world.failed;
    if (failed)
        printf("FAILED: %s\n", run.world.failure);
    run_destroy(&run);
    return failed;
}

static void play_seed(const struct options *options, struct worker *worker, uint64_t seed) {
    uint64_t hash = 0;
    worker->seed = seed;
    alarm(SEED_SECONDS);
    if (options->twice) {
        run_play(&run, seed, false);
        hash = run.world.hash;
        run_destroy(&run);
    }
    run_play(&run, seed, false);
    if (options->twice && hash != run.world.hash)
        world_fail(&run.world, "played twice, it is not the same: hash %016" PRIx64 " and %016" PRIx64, hash,
            run.world.hash);
    for (size_t i = 0; i < COUNT_END; i++)
        worker->counts[i] += run.world.counts[i];
    if (run.world.failed && worker->failures < FAILURES_MOST) {
        worker->failed[worker->failures].seed = seed;
        snprintf(
            worker->failed[worker->failures++].text, sizeof worker->failed[0].text, "%s", run.world.failure);
    }
    worker->played++;
    run_destroy(&run);
}

static void work(const struct options *options, struct worker *workers, size_t which) {
    for (uint64_t i = which; i < options->seeds; i += options->jobs) {
        play_seed(options, &workers[which], options->from + i);
        for (size_t k = 0; options->first && k < options->jobs; k++)
            if (workers[k].failures)
                return;
    }
    alarm(0);
}

static size_t collect(struct worker *worker, int status) {
    for (size_t i = 0; i < worker->failures; i++)
        printf("seed %" PRIu64 " FAILED: %s\n", worker->failed[i].seed, worker->failed[i].text);
    if (status == 0)
        return worker->failures;
    printf("seed %" PRIu64 " FAILED: the simulation ended with %s %d\n", worker->seed,
        WIFSIGNALED(status) ? "signal" : "status",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return worker->failures + 1;
}

static int play_many(const struct options *options) {
    struct worker *workers = mmap(
        NULL, options->jobs * sizeof *workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED)
        return 2;
    pid_t pids[JOBS_MOST];
    double started = seconds();
    fflush(stdout);
    for (size_t i = 0; i < options->jobs; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            work(options, workers, i);
            fflush(stdout);
            settings_unload();
            exit(0);
        }
    }
    uint64_t counts[COUNT_END] = {0};
    uint64_t played = 0;
    size_t failures = 0;
    for (size_t i = 0; i < options->jobs; i++) {
        int status = -1;
        while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
            ;
        failures += collect(&workers[i], status);
        played += workers[i].played;
        for (size_t k = 0; k < COUNT_END; k++)
            counts[k] += workers[i].counts[k];
    }
    bool whole = coverage_report(counts, played, options->check && failures == 0);
    double took = seconds() - started;
    printf("%" PRIu64 " seeds from %" PRIu64 ": %zu failed; %.1f s, %.1f seeds/s\n", played, options->from,
        failures, took, (double)played / took);
    if (failures)
        printf("play one again: test/sim/run --seed SEED --trace\n");
    return failures || !whole;
}

static bool number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = text ? strtoull(text, &end, 10) : 0;
    return text && *text && !*end && errno == 0;
}

static bool parse(int count, char **words, struct options *options) {
    uint64_t jobs = 2;
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--trace") == 0)
            options->trace = true;
        else if (strcmp(words[i], "--check") == 0)
            options->check = true;
        else if (strcmp(words[i], "--twice") == 0)
            options->twice = true;
        else if (strcmp(words[i], "--first") == 0)
            options->first = true;
        else if ((strcmp(words[i], "--seeds") == 0 && number(value, &options->seeds)) ||
                 (strcmp(words[i], "--from") == 0 && number(value, &options->from)) ||
                 (strcmp(words[i], "--jobs") == 0 && number(value, &jobs) && jobs >= 1 && jobs <= JOBS_MOST))
            i++;
        else if (strcmp(words[i], "--seed") == 0 && number(value, &options->seed))
            options->one = ++i;
        else
            return false;
    }
    options->jobs = (size_t)jobs;
    return true;
}

int main(int count, char **words) {
    struct options options = {.seeds = 200, .from = 1};
    if (!parse(count, words, &options)) {
        fprintf(stderr, "usage: sim [--seeds N] [--from S] [--jobs J] [--check] [--first] [--twice] | --seed "
                        "X [--trace]\n"
                        "  --check  also fails when faults happened too seldom\n"
                        "  --first  stops at the first failure\n"
                        "  --twice  plays each seed twice: both times must be the same\n");
        return 2;
    }
    settings_load();
    int rc = options.one ? play_one(&options) : play_many(&options);
    settings_unload();
    return rc;
}
