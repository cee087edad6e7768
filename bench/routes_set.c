// The configuration that is measured, written into a folder and loaded as the broker loads it.
#include "bench/routes_set.h"

#include "bench/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *folder; // that everything is written to

void must(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "hutong-bench-routes: %s\n", what);
    exit(2);
}

static FILE *create(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    must(file != NULL, path);
    return file;
}

static void write_text(const char *name, const char *text) {
    FILE *file = create(name);
    must(fputs(text, file) >= 0 && fclose(file) == 0, name);
}

static void make_folder(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(mkdir(path, 0700) == 0, path);
}

static void write_policy(const char *catalogue) {
    FILE *file = create("broker.yaml");
    fprintf(file, "listen: tcp://127.0.0.1:7400\ncurve: false\ncatalogue: %s\n", catalogue);
    must(fclose(file) == 0, "broker.yaml");
    make_folder("agencies");
    make_folder("agreements");
    make_folder("codes");
    make_folder("keys");
    write_text("agencies/a.yaml", "agency: public_security\ntitle: a\nsystems:\n"
                                  "  - { name: population, title: a, may_publish: [bench.v1.Registered] }\n");
    write_text("agencies/b.yaml", "agency: housing\ntitle: b\nsystems:\n  - { name: tenancy, title: b }\n");
    write_text("agreements/all.yaml",
        "agreement: ALL\nprovider: public_security/population\nreceiver: housing/tenancy\n"
        "type: bench.v1.Registered\nfields: [registration_number, resident, address, former_address, kind,\n"
        "  registered_at, organ_code, organ_name, household_number, relation, certificate_numbers, version,\n"
        "  remark]\npurpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n");
    write_text("agreements/some.yaml",
        "agreement: SOME\nprovider: public_security/population\nreceiver: housing/tenancy\n"
        "type: bench.v1.Notice\nfields: [registration_number, citizen_number, name, birth_date, since,\n"
        "  relation, kind, place, version, organ]\n"
        "purpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n");
    write_text("codes/letters.yaml", "code_map: letters\ntitle: t\nsource: s\nas_of: 2026-11-24\nentries:\n"
                                     "  - { from: \"01\", to: SELF }\n  - { from: \"02\", to: SPOUSE }\n  - "
                                     "{ from: \"10\", to: CHILD }\n");
}

static void write_filters(size_t count) {
    struct buffer text = {0};
    char name[32];
    snprintf(name, sizeof name, "routes-%zu", count);
    make_folder(name);
    snprintf(name, sizeof name, "routes-%zu/r.yaml", count);
    FILE *file = create(name);
    fprintf(file, "routes:\n");
    for (size_t i = 0; i < count; i++) {
        filter_text(i, &text);
        fprintf(file,
            "  - name: r%zu\n    on: bench.v1.Registered\n    from: public_security/population\n"
            "    when: '%s'\n    to: [{ system: housing/tenancy, agreement: ALL }]\n",
            i, buffer_text(&text));
    }
    must(fclose(file) == 0, name);
    buffer_destroy(&text);
}

const struct mapped_expression mapped_expressions[] = {
    {"registration_number", "msg.registration_number"},
    {"citizen_number", "msg.resident.citizen_number"},
    {"name", "msg.resident.name"},
    {"birth_date", "msg.resident.birth_date"},
    {"since", "msg.registered_at"},
    {"relation", "codes(\"letters\", msg.relation)"},
    {"kind", "msg.kind"},
    {"version", "msg.version"},
    {"organ", "msg.organ_code"},
    {"place.division", "msg.address.division"},
    {"place.unit_code", "msg.address.unit_code"},
    {"place.text", "msg.address.detail"},
    {NULL, NULL},
};
const char mapped_filter[] = "msg.address.division.startsWith(\"330106\") && msg.kind != Kind.VISIT";

static void write_mapped(void) {
    make_folder("mapped");
    FILE *file = create("mapped/r.yaml");
    fprintf(file,
        "routes:\n  - name: mapped\n    on: bench.v1.Registered\n    from: public_security/population\n"
        "    when: '%s'\n    to:\n      - system: housing/tenancy\n        agreement: SOME\n"
        "        as: bench.v1.Notice\n        map:\n",
        mapped_filter);
    bool inside = false;
    for (const struct mapped_expression *e = mapped_expressions; e->field; e++) {
        const char *dot = strchr(e->field, '.');
        if (dot && !inside)
            fprintf(file, "          place:\n");
        inside = dot != NULL;
        fprintf(file, "          %s%s: '%s'\n", inside ? "  " : "", inside ? dot + 1 : e->field, e->text);
    }
    must(fclose(file) == 0, "mapped/r.yaml");
}

// ---- Loading ----

static void refuse(const struct report *report) {
    struct buffer text = {0};
    if (report_errors(report) == 0)
        return;
    report_print(report, &text);
    must(false, buffer_text(&text));
}

static struct routes *load_routes(const struct policy *policy, const char *name, size_t count) {
    char path[512];
    struct report *report = report_new(0);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct routes *routes = report ? routes_load(policy, path, report) : NULL;
    must(report != NULL, "out of memory");
    refuse(report);
    must(routes && routes_count(routes) == count, name);
    report_destroy(&report);
    return routes;
}

static void open_set(struct routed *routed, const struct policy *policy, const char *name, size_t count) {
    routed->routes = load_routes(policy, name, count);
    routed->matcher = matcher_new(routed->routes);
    must(routed->matcher != NULL, "out of memory");
}

void set_open(struct route_set *set, const char *in, const char *catalogue) {
    char path[512];
    char name[32];
    folder = in;
    write_policy(catalogue);
    write_mapped();
    struct report *report = report_new(0);
    snprintf(path, sizeof path, "%s/broker.yaml", folder);
    set->policy = report ? policy_load(path, report) : NULL;
    must(report != NULL, "out of memory");
    refuse(report);
    must(set->policy != NULL, "the policy was not loaded");
    report_destroy(&report);
    size_t count = 1;
    for (size_t i = 0; i < SET_SIZES; i++, count *= 10) {
        write_filters(count);
        snprintf(name, sizeof name, "routes-%zu", count);
        open_set(&set->filters[i], set->policy, name, count);
    }
    open_set(&set->mapped, set->policy, "mapped", 1);
}

static void close_routed(struct routed *routed) {
    matcher_destroy(&routed->matcher);
    routes_destroy(&routed->routes);
}

void set_close(struct route_set *set) {
    for (size_t i = 0; i < SET_SIZES; i++)
        close_routed(&set->filters[i]);
    close_routed(&set->mapped);
    policy_destroy(&set->policy);
}
