// What filters cost beyond the scan: cel_bench CATALOGUE.binpb prints ns a message, beside the same filter
// written in C.
#include "core/base/clock.h"
#include "core/cel/cel.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS 200000u
#define ROUNDS 15u
#define FILTERS 1000u

struct bench {
    struct catalogue *catalogue;
    const struct schema_message *type;
    struct paths *paths;
    struct scan *scan;
    struct cel_env *env;
    struct cel_activation *activation;
    struct buffer message;
    size_t division; // slots, for the filter in C
    size_t kind;
};

static void must(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "cel_bench: %s\n", what);
    exit(2);
}

static const struct schema_field *field_of(const struct schema_message *type, const char *name) {
    const struct schema_field *field = schema_field_named(type, bytes_of_string(name));
    must(field != NULL, name);
    return field;
}

static void text(struct buffer *out, const struct schema_message *type, const char *name, const char *value) {
    must(view_put_bytes(out, field_of(type, name), bytes_of_string(value)) == 0, name);
}

static void inside(
    struct buffer *out, const struct schema_message *type, const char *name, struct buffer *message) {
    must(view_put_bytes(out, field_of(type, name), buffer_bytes(message)) == 0, name);
    buffer_destroy(message);
}

// About 500 bytes, as a department sends them.
static void fill_message(struct bench *bench) {
    struct buffer person = {0};
    struct buffer name = {0};
    struct buffer address = {0};
    struct buffer organ = {0};
    const struct schema_message *type = bench->type;
    const struct schema_message *who = field_of(type, "resident")->message;
    const struct schema_message *where = field_of(type, "address")->message;
    text(&name, field_of(who, "name")->message, "text", "欧阳春晓");
    text(&name, field_of(who, "name")->message, "pinyin", "Ouyang Chunxiao");
    text(&person, who, "citizen_number", "330106198805053218");
    inside(&person, who, "name", &name);
    text(&person, who, "sex", "2");
    text(&person, who, "birth_date", "1988-05-05");
    text(&address, where, "division", "330106004012");
    text(&address, where, "street", "西溪街道");
    text(&address, where, "community", "求智社区居民委员会");
    text(&address, where, "road", "文三路 138 号");
    text(&address, where, "unit_code", "330106004012B0102030502X");
    text(&address, where, "text", "浙江省杭州市西湖区西溪街道求智社区文三路 138 号 2 幢 3 单元 502 室");
    text(&organ, field_of(type, "organ")->message, "code", "11330106MB0000000X");
    text(&organ, field_of(type, "organ")->message, "name", "杭州市公安局西湖区分局西溪派出所");
    inside(&bench->message, type, "resident", &person);
    inside(&bench->message, type, "address", &address);
    must(view_put_int(&bench->message, field_of(type, "kind"), 1) == 0, "kind");
    text(&bench->message, type, "relation", "02");
    inside(&bench->message, type, "organ", &organ);
}

static struct cel_program *compile(const struct bench *bench, const char *source) {
    struct cel_program *program = NULL;
    struct cel_problems problems = {0};
    if (cel_compile(bench->env, bytes_of_string(source), NULL, &program, &problems) != 0)
        must(false, problems.count ? problems.items[0].text : "out of memory");
    return program;
}

static void scan(struct bench *bench) {
    struct error error;
    must(scan_run(bench->scan, buffer_bytes(&bench->message), true, &error) == 0, "scan");
}

static bool filter(const struct bench *bench, const struct cel_program *program) {
    struct error error;
    bool out = false;
    must(cel_eval_bool(program, bench->activation, &out, &error) == 0, "evaluation");
    return out;
}

static bool filter_in_c(const struct bench *bench) {
    const struct bytes division = scan_value(bench->scan, bench->division)->bytes;
    return division.size >= 6 && memcmp(division.data, "330106", 6) == 0 &&
           scan_value(bench->scan, bench->kind)->i64 != 6;
}

enum what {
    SCAN,
    IN_C,
    FILTER,
};

// The best of some rounds, as other programs only ever make it slower.
static double measure(
    struct bench *bench, enum what what, struct cel_program *const *programs, size_t count) {
    double best = 1e9;
    unsigned runs = RUNS / (unsigned)(count ? count : 1) + 100;
    unsigned passed = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_monotonic_ns();
        for (unsigned i = 0; i < runs; i++) {
            if (what == SCAN)
                scan(bench);
            if (what == FILTER)
                cel_activation_reset(bench->activation); // once a message
            if (what == IN_C)
                passed += filter_in_c(bench);
            for (size_t f = 0; f < count; f++)
                passed += filter(bench, programs[f]);
            __asm__ volatile("" : "+r"(passed) : : "memory"); // so that nothing is taken out of the loop
        }
        double ns = (double)(clock_monotonic_ns() - start) / runs;
        best = ns < best ? ns : best;
    }
    return best;
}

static size_t slot_of(const struct bench *bench, const char *first, const char *second) {
    const struct schema_field *fields[2] = {field_of(bench->type, first), NULL};
    size_t slot;
    if (second)
        fields[1] = field_of(fields[0]->message, second);
    must(paths_add(bench->paths, fields, second ? 2 : 1, &slot) == 0, first);
    return slot;
}

static void report(struct bench *bench, const char *source) {
    struct cel_program *program = compile(bench, source);
    scan(bench);
    must(filter(bench, program), "the filter must hold");
    printf("%7.1f ns  %s\n", measure(bench, FILTER, &program, 1), source);
    cel_program_destroy(&program);
}

static void report_many(struct bench *bench, size_t count) {
    static struct cel_program *programs[FILTERS];
    for (size_t i = 0; i < count; i++) {
        char source[128];
        snprintf(source, sizeof source,
            "msg.address.division.startsWith(\"33%04zu\") && msg.kind != Kind.VISIT", i % 10000);
        programs[i] = compile(bench, source);
    }
    scan(bench);
    double ns = measure(bench, FILTER, programs, count);
    printf("%7.1f ns  %zu filters, %.1f ns each\n", ns, count, ns / (double)count);
    for (size_t i = 0; i < count; i++)
        cel_program_destroy(&programs[i]);
}

static void set_up(struct bench *bench, const char *path) {
    struct error error = {0};
    size_t index = 0;
    must(catalogue_load_file(path, &bench->catalogue, &error) == 0, error.text);
    bench->type =
        catalogue_message(bench->catalogue, bytes_of_string("gov.public_security.v1.ResidenceRegistered"));
    must(bench->type && (bench->paths = paths_new(bench->type)) != NULL, "no ResidenceRegistered");
    bench->env = cel_env_new(bench->catalogue, NULL, NULL);
    must(
        bench->env && cel_env_declare_message(bench->env, "msg", bench->paths, &index) == 0, "out of memory");
    bench->division = slot_of(bench, "address", "division");
    bench->kind = slot_of(bench, "kind", NULL);
    fill_message(bench);
    bench->scan = scan_new(bench->paths);
    bench->activation = cel_activation_new(bench->env);
    must(bench->scan && bench->activation, "out of memory");
    cel_activation_set_scan(bench->activation, index, bench->scan);
}

int main(int argc, char **argv) {
    struct bench bench = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: cel_bench CATALOGUE.binpb\n");
        return 2;
    }
    set_up(&bench, argv[1]);
    scan(&bench);
    printf("%zu bytes\n", bench.message.size);
    printf("%7.1f ns  scan of %zu paths\n", measure(&bench, SCAN, NULL, 0), paths_size(bench.paths));
    printf("%7.1f ns  the simple filter in C\n", measure(&bench, IN_C, NULL, 0));
    report(&bench, "msg.kind != Kind.VISIT");
    report(&bench, "msg.address.division.startsWith(\"330106\")");
    report(&bench, "msg.address.division.startsWith(\"330106\") && msg.kind != Kind.VISIT");
    report(&bench, "msg.relation in [\"01\", \"02\", \"03\"] || msg.resident.sex == \"1\"");
    report(&bench, "msg.address.unit_code.matches(\"^330106[0-9]{6}\")");
    report(&bench, "msg.registered_at < timestamp(\"2026-11-24T00:00:00Z\")");
    for (size_t count = 1; count <= FILTERS; count *= 10)
        report_many(&bench, count);
    cel_activation_destroy(&bench.activation);
    cel_env_destroy(&bench.env);
    scan_destroy(&bench.scan);
    paths_destroy(&bench.paths);
    buffer_destroy(&bench.message);
    catalogue_destroy(&bench.catalogue);
    return 0;
}
