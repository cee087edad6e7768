// CEL's conformance suite, file by file: cel_conformance SET.binpb EXCLUSIONS [-v] [-all] FILE.binpb…
// test/conformance/cel/run makes its input and explains it.
#include "test/conformance/cel/harness.h"

#include <stdio.h>
#include <stdlib.h>

struct counts {
    size_t passed;
    size_t failed;
    size_t excluded;
};

struct suite {
    struct catalogue *catalogue;
    struct exclusions *exclusions;
    struct counts counts;
    bool verbose;
};

static bool read_file(const char *path, struct buffer *out) {
    FILE *file = fopen(path, "rb");
    char block[65536];
    size_t n = sizeof block;
    bool ok = file != NULL;
    while (ok && n == sizeof block) { // less is the end, or an error
        n = fread(block, 1, sizeof block, file);
        ok = buffer_append(out, block, n) == 0 && !ferror(file);
    }
    if (!ok)
        fprintf(stderr, "%s can't be read\n", path);
    if (file)
        fclose(file);
    return ok;
}

static void run_test(struct suite *suite, const char *prefix, const suite_test *test, struct counts *counts) {
    char path[512];
    struct buffer why = {0};
    snprintf(path, sizeof path, "%s/%s", prefix, test->name);
    if (exclusions_cover(suite->exclusions, path)) {
        counts->excluded++;
    } else if (case_run(suite->catalogue, test, path, &why)) {
        counts->passed++;
    } else {
        counts->failed++;
        if (suite->verbose)
            printf("  %s: %.*s\n    %s\n", path, (int)test->expr.len, (const char *)test->expr.data,
                buffer_text(&why) ? buffer_text(&why) : "out of memory");
    }
    buffer_destroy(&why);
}

static void run_sections(struct suite *suite, const Cel__Expr__Conformance__Test__SimpleTestFile *file) {
    struct counts counts = {0};
    char prefix[256];
    for (size_t i = 0; i < file->n_section; i++) {
        snprintf(prefix, sizeof prefix, "%s/%s", file->name, file->section[i]->name);
        for (size_t j = 0; j < file->section[i]->n_test; j++)
            run_test(suite, prefix, file->section[i]->test[j], &counts);
    }
    printf("%-16s %4zu passed, %4zu failed, %4zu excluded\n", file->name, counts.passed, counts.failed,
        counts.excluded);
    suite->counts.passed += counts.passed;
    suite->counts.failed += counts.failed;
    suite->counts.excluded += counts.excluded;
}

static bool run_file(struct suite *suite, const char *path) {
    struct buffer bytes = {0};
    bool ok = read_file(path, &bytes);
    Cel__Expr__Conformance__Test__SimpleTestFile *file =
        ok ? cel__expr__conformance__test__simple_test_file__unpack(NULL, bytes.size, bytes.data) : NULL;
    if (file)
        run_sections(suite, file);
    else if (ok)
        fprintf(stderr, "%s is no file of tests\n", path);
    cel__expr__conformance__test__simple_test_file__free_unpacked(file, NULL);
    buffer_destroy(&bytes);
    return file != NULL;
}

static int run(struct suite *suite, char **files, bool all) {
    size_t unused = 0;
    for (; *files; files++)
        if (!run_file(suite, *files))
            return 2;
    if (all)
        unused = exclusions_report_unused(suite->exclusions);
    printf("%zu passed, %zu failed, %zu excluded\n", suite->counts.passed, suite->counts.failed,
        suite->counts.excluded);
    return suite->counts.failed == 0 && suite->counts.passed > 0 && unused == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    struct suite suite = {0};
    struct error error = {0};
    bool all = false;
    int rc = 2;
    int first = 3;
    for (; first < argc && argv[first][0] == '-'; first++) {
        suite.verbose |= strcmp(argv[first], "-v") == 0;
        all |= strcmp(argv[first], "-all") == 0;
    }
    if (argc <= first) {
        fprintf(stderr, "usage: cel_conformance SET.binpb EXCLUSIONS [-v] [-all] FILE.binpb...\n");
        return 2;
    }
    if (catalogue_load_file(argv[1], &suite.catalogue, &error) != 0)
        fprintf(stderr, "%s: %s\n", argv[1], error.text);
    else if ((suite.exclusions = exclusions_load(argv[2])) != NULL)
        rc = run(&suite, argv + first, all);
    exclusions_destroy(&suite.exclusions);
    catalogue_destroy(&suite.catalogue);
    return rc;
}
