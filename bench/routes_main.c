// What routing costs: the scan, filters beside the same ones in C, and a route that maps ten fields.
// Both ways must come to the same verdicts, or nothing is measured.
#include "bench/routes.h"
#include "bench/routes_set.h"
#include "core/cel/cel.h"
#include "core/schema/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOW_US 1790000000000000 // 2026-09-21
#define NOW_S (NOW_US / 1000000)
#define PROGRAMS 16u // of one sort of filter, or of the mapping

static const char usage[] =
    "Usage: hutong-bench-routes FOLDER CATALOGUE [COUNT [CASE...]]\n"
    "Measures routing and prints JSON; bench/run routes starts it. FOLDER: empty, for the configuration.\n"
    "COUNT: rounds (31). With CASE it only runs each of them so often, for a profiler.\n";

// A scan with the programs that read it.
struct reading {
    struct cel_env *env;
    struct paths *paths;
    struct scan *scan;
    struct cel_activation *activation;
    struct cel_program *programs[FILTERS];
    size_t count;
    size_t variable;
};

struct bench {
    struct route_set set;
    const struct schema_message *type;
    const struct policy_system *from;
    struct buffer messages[MESSAGES];
    struct bytes message;              // that is measured
    struct reading filters[SET_SIZES]; // as each set reads it
    struct reading mapped;
    size_t passed;
};

// ---- Set up ----

static void reading_open(struct reading *reading, const struct bench *bench) {
    *reading = (struct reading){.paths = paths_new(bench->type)};
    reading->env =
        cel_env_new(policy_catalogue(bench->set.policy), policy_codes(bench->set.policy), "bench.v1");
    must(reading->paths && reading->env, "out of memory");
    must(cel_env_declare_message(reading->env, "msg", reading->paths, &reading->variable) == 0, "msg");
    reading->scan = scan_new(reading->paths);
    reading->activation = cel_activation_new(reading->env);
    must(reading->scan && reading->activation, "out of memory");
    cel_activation_set_scan(reading->activation, reading->variable, reading->scan);
    cel_activation_set_time(reading->activation, NOW_S);
}

static void reading_add(struct reading *reading, const char *text) {
    struct cel_problems problems = {0};
    if (cel_compile(
            reading->env, bytes_of_string(text), NULL, &reading->programs[reading->count++], &problems) != 0)
        must(false, problems.count ? problems.items[0].text : "out of memory");
}

static void reading_close(struct reading *reading) {
    for (size_t i = 0; i < reading->count; i++)
        cel_program_destroy(&reading->programs[i]);
    cel_activation_destroy(&reading->activation);
    scan_destroy(&reading->scan);
    cel_env_destroy(&reading->env);
    paths_destroy(&reading->paths);
}

static void bench_open(struct bench *bench, const char *folder, const char *catalogue) {
    struct buffer text = {0};
    struct error error = {0};
    set_open(&bench->set, folder, catalogue);
    bench->type =
        catalogue_message(policy_catalogue(bench->set.policy), bytes_of_string("bench.v1.Registered"));
    bench->from = policy_system_named(bench->set.policy, bytes_of_string("public_security/population"));
    must(bench->type && bench->from, "the type or the sender is missing");
    for (size_t i = 0; i < MESSAGES; i++)
        must(json_to_message(bench->type, bytes_of_string(message_json(i)), &bench->messages[i], &error) == 0,
            error.text);
    bench->message = buffer_bytes(&bench->messages[0]);
    size_t count = 1;
    for (size_t s = 0; s < SET_SIZES; s++, count *= 10) {
        reading_open(&bench->filters[s], bench);
        for (size_t i = 0; i < count; i++) {
            filter_text(i, &text);
            reading_add(&bench->filters[s], buffer_text(&text));
        }
    }
    buffer_destroy(&text);
    reading_open(&bench->mapped, bench);
    reading_add(&bench->mapped, mapped_filter);
    for (const struct mapped_expression *e = mapped_expressions; e->field; e++)
        reading_add(&bench->mapped, e->text);
}

static void bench_close(struct bench *bench) {
    for (size_t s = 0; s < SET_SIZES; s++)
        reading_close(&bench->filters[s]);
    reading_close(&bench->mapped);
    for (size_t i = 0; i < MESSAGES; i++)
        buffer_destroy(&bench->messages[i]);
    set_close(&bench->set);
}

// ---- What is measured ----

static void scan(struct reading *reading, struct bytes message, bool checked) {
    struct error error;
    must(scan_run(reading->scan, message, checked, &error) == 0, error.text);
}

static bool holds(const struct reading *reading, size_t i) {
    struct error error;
    bool out = false;
    must(cel_eval_bool(reading->programs[i], reading->activation, &out, &error) == 0, error.text);
    return out;
}

static void run_check(struct bench *bench, size_t unused) {
    struct error error;
    (void)unused;
    must(view_check(bench->type, bench->message, NULL, &error) == 0, error.text);
}

static void run_scan(struct bench *bench, size_t s) {
    scan(&bench->filters[s], bench->message, false);
}

static void run_paths(struct bench *bench, size_t s) {
    scan(&bench->filters[s], bench->message, true);
}

static size_t match(struct bench *bench, struct matcher *matcher, struct bytes message) {
    const struct match *matches;
    size_t count;
    struct error error;
    must(matcher_match(matcher, bench->from, bench->type, bytes_of("", 0), message, NOW_US, &matches, &count,
             &error) == 0,
        error.text);
    must(count == 0 || !matches[0].dead_reason, count ? matches[0].dead_text : "");
    return count;
}

static void run_match(struct bench *bench, size_t s) {
    bench->passed += match(bench, bench->set.filters[s].matcher, bench->message);
}

static size_t ten_to(size_t s) {
    static const size_t powers[SET_SIZES] = {1, 10, 100, 1000};
    return powers[s];
}

static void run_by_hand(struct bench *bench, size_t s) {
    struct by_hand fields;
    must(
        s == 0 ? by_hand_scan_first(bench->message, &fields) : by_hand_scan(bench->message, &fields), "scan");
    bench->passed += by_hand_count(&fields, ten_to(s));
}

static void run_by_hand_scan(struct bench *bench, size_t s) {
    struct by_hand fields;
    must(
        s == 0 ? by_hand_scan_first(bench->message, &fields) : by_hand_scan(bench->message, &fields), "scan");
    bench->passed += fields.division.size;
}

// A hundred filters of one sort, on a scan that is filled.
static void run_sort(struct bench *bench, size_t sort) {
    cel_activation_reset(bench->filters[3].activation);
    for (size_t i = sort; i < FILTERS; i += FILTER_SORTS)
        bench->passed += holds(&bench->filters[3], i);
}

static void run_mapped(struct bench *bench, size_t unused) {
    (void)unused;
    bench->passed += match(bench, bench->set.mapped.matcher, bench->message);
}

static void run_mapped_scan(struct bench *bench, size_t unused) {
    (void)unused;
    scan(&bench->mapped, bench->message, false);
}

static void run_mapped_evaluation(struct bench *bench, size_t unused) {
    struct cel_value value;
    struct error error;
    (void)unused;
    cel_activation_reset(bench->mapped.activation);
    bench->passed += holds(&bench->mapped, 0);
    for (size_t i = 1; i < bench->mapped.count; i++)
        must(cel_eval(bench->mapped.programs[i], bench->mapped.activation, &value, &error) == 0, error.text);
}

static const struct bench_case {
    const char *name;
    void (*run)(struct bench *bench, size_t argument);
    size_t argument;
    size_t each; // what one run is divided by
} cases[] = {
    {"check", run_check, 0, 1},
    {"scan-1", run_scan, 0, 1},
    {"scan-10", run_scan, 1, 1},
    {"scan-100", run_scan, 2, 1},
    {"scan-1000", run_scan, 3, 1},
    {"paths-1", run_paths, 0, 1},
    {"paths-1000", run_paths, 3, 1},
    {"match-1", run_match, 0, 1},
    {"match-10", run_match, 1, 1},
    {"match-100", run_match, 2, 1},
    {"match-1000", run_match, 3, 1},
    {"by-hand-scan-1", run_by_hand_scan, 0, 1},
    {"by-hand-scan-1000", run_by_hand_scan, 3, 1},
    {"by-hand-1", run_by_hand, 0, 1},
    {"by-hand-10", run_by_hand, 1, 1},
    {"by-hand-100", run_by_hand, 2, 1},
    {"by-hand-1000", run_by_hand, 3, 1},
    {"mapped", run_mapped, 0, 1},
    {"mapped-scan", run_mapped_scan, 0, 1},
    {"mapped-evaluation", run_mapped_evaluation, 0, 1},
    {"sort-0", run_sort, 0, 100},
    {"sort-1", run_sort, 1, 100},
    {"sort-2", run_sort, 2, 100},
    {"sort-3", run_sort, 3, 100},
    {"sort-4", run_sort, 4, 100},
    {"sort-5", run_sort, 5, 100},
    {"sort-6", run_sort, 6, 100},
    {"sort-7", run_sort, 7, 100},
    {"sort-8", run_sort, 8, 100},
    {"sort-9", run_sort, 9, 100},
};
#define CASES (sizeof cases / sizeof cases[0])
#define ROUNDS_MOST 1000u

// By this name a profiler finds what is measured.
__attribute__((noinline)) static void run_case(
    struct bench *bench, const struct bench_case *c, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        c->run(bench, c->argument);
        __asm__ volatile("" : "+r"(bench) : : "memory"); // so that nothing is taken out of the loop
    }
}

// ---- Both ways must agree ----

// How many filters come to another verdict in CEL on message `m` than by hand on message `h`.
static size_t differences(struct bench *bench, size_t m, size_t h) {
    struct by_hand fields;
    size_t different = 0;
    must(by_hand_scan(buffer_bytes(&bench->messages[h]), &fields), "scan by hand");
    scan(&bench->filters[3], buffer_bytes(&bench->messages[m]), false);
    cel_activation_reset(bench->filters[3].activation);
    for (size_t i = 0; i < FILTERS; i++)
        different += holds(&bench->filters[3], i) != by_hand_holds(&fields, i);
    return different;
}

static void compare_sort(struct bench *bench, size_t sort) {
    size_t yes = 0;
    size_t no = 0;
    for (size_t m = 0; m < MESSAGES; m++) {
        scan(&bench->filters[3], buffer_bytes(&bench->messages[m]), false);
        cel_activation_reset(bench->filters[3].activation);
        for (size_t i = sort; i < FILTERS; i += FILTER_SORTS)
            holds(&bench->filters[3], i) ? yes++ : no++;
    }
    must(yes > 0 && no > 0, "a sort of filter always comes to the same");
}

static void compare(struct bench *bench) {
    struct by_hand fields;
    for (size_t m = 0; m < MESSAGES; m++) {
        must(differences(bench, m, m) == 0, "a filter in CEL and by hand come to different verdicts");
        must(differences(bench, m, (m + 1) % MESSAGES) > 0, "the comparison of verdicts can't fail");
        for (size_t s = 0; s < SET_SIZES; s++) {
            struct bytes message = buffer_bytes(&bench->messages[m]);
            must(s == 0 ? by_hand_scan_first(message, &fields) : by_hand_scan(message, &fields), "scan");
            must(match(bench, bench->set.filters[s].matcher, message) == by_hand_count(&fields, ten_to(s)),
                "the routes that match are not as many as by hand");
        }
    }
    for (size_t sort = 0; sort < FILTER_SORTS; sort++)
        compare_sort(bench, sort);
    must(match(bench, bench->set.mapped.matcher, bench->message) == 1, "the mapped route must match");
    scan(&bench->filters[3], bench->message, false); // for the sorts
    scan(&bench->mapped, bench->message, false);
}

// ---- Rounds ----

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

// Of the processor, so that it doesn't matter what else the machine does meanwhile.
static double now_ns(void) {
    struct timespec now;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0, "the clock");
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_case(struct bench *bench, const struct bench_case *c, unsigned count) {
    double start = now_ns();
    run_case(bench, c, count);
    return (now_ns() - start) / count / (double)c->each;
}

// All cases by turns, so that what disturbs the machine disturbs them alike.
static void measure(struct bench *bench, unsigned rounds) {
    static double ns[CASES][ROUNDS_MOST];
    unsigned counts[CASES];
    for (size_t i = 0; i < CASES; i++) {
        double once = time_case(bench, &cases[i], 100) * (double)cases[i].each;
        counts[i] = (unsigned)(2e6 / once) + 1; // 2 ms
    }
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < CASES; i++)
            ns[i][round] = time_case(bench, &cases[i], counts[i]);
    for (size_t i = 0; i < CASES; i++) {
        qsort(ns[i], rounds, sizeof(double), by_size);
        printf("  \"%s\": {\"median_ns\": %.1f, \"best_ns\": %.1f}%s\n", cases[i].name, ns[i][rounds / 2],
            ns[i][0], i + 1 < CASES ? "," : "");
    }
}

static void report(struct bench *bench, unsigned rounds) {
    struct buffer text = {0};
    printf("{\"message_bytes\": %zu, \"message_characters\": %zu, \"rounds\": %u,\n \"compiler\": \"%s\",\n",
        bench->message.size, message_characters(message_json(0)), rounds,
#ifdef __clang__
        __VERSION__);
#else
        "gcc " __VERSION__);
#endif
    printf(" \"paths\": [");
    for (size_t s = 0; s < SET_SIZES; s++)
        printf("%s%zu", s ? ", " : "", paths_size(bench->filters[s].paths));
    printf("],\n \"matches\": [");
    for (size_t s = 0; s < SET_SIZES; s++)
        printf("%s%zu", s ? ", " : "", match(bench, bench->set.filters[s].matcher, bench->message));
    printf("],\n \"sorts\": [");
    for (size_t i = 0; i < FILTER_SORTS; i++) {
        filter_text(i, &text);
        printf("%s\n  \"", i ? "," : "");
        for (const char *c = buffer_text(&text); *c; c++)
            printf(*c == '"' ? "\\%c" : "%c", *c);
        printf("\"");
    }
    printf("],\n \"cases\": {\n");
    measure(bench, rounds);
    printf(" }}\n");
    buffer_destroy(&text);
}

static int run_one(struct bench *bench, const char *name, unsigned count) {
    for (size_t i = 0; i < CASES; i++)
        if (strcmp(cases[i].name, name) == 0) {
            run_case(bench, &cases[i], count);
            return 0;
        }
    fprintf(stderr, "hutong-bench-routes: no case \"%s\"\n", name);
    return 2;
}

int main(int argc, char **argv) {
    static struct bench bench;
    int rc = 0;
    if (argc < 3) {
        fputs(usage, stderr);
        return 2;
    }
    unsigned count = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 31;
    must(count > 0 && (argc > 4 || count <= ROUNDS_MOST), "a COUNT from 1 on, of rounds at most 1,000");
    bench_open(&bench, argv[1], argv[2]);
    compare(&bench);
    for (int i = 4; i < argc && rc == 0; i++)
        rc = run_one(&bench, argv[i], count);
    if (argc <= 4)
        report(&bench, count);
    bench_close(&bench);
    return rc;
}
