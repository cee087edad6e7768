// How long a scan takes: view_bench TESTDATA.binpb prints ns a message, with the whole check and without.
#include "core/base/clock.h"
#include "core/schema/view.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS 100000u
#define ROUNDS 20u

static const struct schema_field *field_of(const struct schema_message *type, const char *name) {
    const struct schema_field *field = schema_field_named(type, bytes_of_string(name));
    if (!field)
        abort();
    return field;
}

static void text(struct buffer *out, const struct schema_message *type, const char *name, const char *value) {
    if (view_put_bytes(out, field_of(type, name), bytes_of_string(value)) != 0)
        abort();
}

static void number(struct buffer *out, const struct schema_message *type, const char *name, int64_t value) {
    if (view_put_int(out, field_of(type, name), value) != 0)
        abort();
}

static void inside(
    struct buffer *out, const struct schema_message *type, const char *name, struct buffer *message) {
    if (view_put_bytes(out, field_of(type, name), buffer_bytes(message)) != 0)
        abort();
    buffer_destroy(message);
}

static struct buffer address(const struct schema_message *type, const char *detail) {
    struct buffer out = {0};
    text(&out, type, "division", "330106");
    text(&out, type, "street", "西溪街道");
    text(&out, type, "community", "求智社区居民委员会");
    text(&out, type, "detail", detail);
    text(&out, type, "unit_code", "330106004012B0102");
    if (view_put_double(&out, field_of(type, "longitude"), 120.13) != 0 ||
        view_put_double(&out, field_of(type, "latitude"), 30.27) != 0)
        abort();
    return out;
}

static struct buffer message(const struct schema_message *type) {
    struct buffer out = {0}, person = {0}, at = {0};
    const struct schema_message *who = field_of(type, "resident")->message;
    text(&person, who, "citizen_number", "330106198805053218");
    text(&person, who, "name", "欧阳春晓");
    number(&person, who, "sex", 2);
    text(&person, who, "birth_date", "1988-05-05");
    text(&person, who, "ethnicity", "01");
    text(&person, who, "phone", "13800000000");
    text(&out, type, "registration_number", "HZ-XH-2026-11-24-0000123");
    inside(&out, type, "resident", &person);
    struct buffer here = address(field_of(type, "address")->message, "文三路 138 号 2 幢 3 单元 502 室");
    struct buffer there = address(field_of(type, "address")->message, "天目山路 18 号 1 幢 101 室");
    inside(&out, type, "address", &here);
    inside(&out, type, "former_address", &there);
    number(&out, type, "kind", 3);
    number(&at, field_of(type, "registered_at")->message, "seconds", 1795515300);
    inside(&out, type, "registered_at", &at);
    text(&out, type, "organ_code", "330106540000");
    text(&out, type, "organ_name", "杭州市公安局西湖区分局西溪派出所");
    text(&out, type, "household_number", "330106004000123");
    number(&out, type, "relation", 1);
    text(&out, type, "certificate_numbers", "A123456789");
    number(&out, type, "version", 7);
    return out;
}

static size_t add(struct paths *paths, const char *first, const char *second) {
    const struct schema_field *fields[2] = {field_of(paths_root(paths), first)};
    size_t slot;
    if (second)
        fields[1] = field_of(fields[0]->message, second);
    if (paths_add(paths, fields, second ? 2 : 1, &slot) != 0)
        abort();
    return slot;
}

// The best of some rounds, as other programs only ever make it slower.
static double measure(struct scan *scan, struct bytes bytes, bool checked, size_t slot) {
    struct error error;
    double best = 1e9;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_monotonic_ns();
        for (unsigned i = 0; i < RUNS; i++)
            if (scan_run(scan, bytes, checked, &error) != 0 || !scan_value(scan, slot)->present)
                abort();
        double ns = (double)(clock_monotonic_ns() - start) / RUNS;
        best = ns < best ? ns : best;
    }
    return best;
}

int main(int argc, char **argv) {
    struct catalogue *catalogue;
    struct error error;
    if (argc != 2 || catalogue_load_file(argv[1], &catalogue, &error) != 0) {
        fprintf(stderr, "usage: view_bench TESTDATA.binpb\n");
        return 2;
    }
    const struct schema_message *type =
        catalogue_message(catalogue, bytes_of_string("test.residence.ResidenceRegistered"));
    if (!type)
        return 2;
    struct buffer bytes = message(type);
    struct paths *paths = paths_new(type);
    size_t slot = add(paths, "address", "division");
    add(paths, "kind", NULL);
    add(paths, "resident", "citizen_number");
    add(paths, "address", "unit_code");
    add(paths, "relation", NULL);
    add(paths, "registered_at", NULL);
    struct scan *scan = scan_new(paths);
    printf("%zu bytes, %zu paths\n", bytes.size, paths_size(paths));
    printf("checked first: %.1f ns\n", measure(scan, buffer_bytes(&bytes), false, slot));
    printf("known to be good: %.1f ns\n", measure(scan, buffer_bytes(&bytes), true, slot));
    scan_destroy(&scan);
    paths_destroy(&paths);
    buffer_destroy(&bytes);
    catalogue_destroy(&catalogue);
    return 0;
}
