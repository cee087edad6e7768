// One thing that is checked several times, such as a route for each of its types, is wrong once.
#include "core/config/internal.h"

static bool same(const struct report_problem *a, const struct report_problem *b) {
    return a->mark.offset == b->mark.offset && a->severity == b->severity && strcmp(a->text, b->text) == 0 &&
           strcmp(a->path, b->path) == 0;
}

static bool says(const struct report *report, const struct report_problem *problem) {
    for (size_t i = 0; i < report_size(report); i++)
        if (same(report_problem(report, i), problem))
            return true;
    return false;
}

static void merge_problem(struct report *report, const struct report *const *tries, const char *const *names,
    size_t count, size_t at, const struct report_problem *problem) {
    bool all = true;
    for (size_t i = 0; i < count && all; i++)
        all = says(tries[i], problem);
    if (all && at > 0)
        return; // told with the first try
    if (all || strstr(problem->text, names[at]))
        report_add_copy(report, problem, "", "");
    else
        report_add_copy(report, problem, "; with ", names[at]);
}

void report_merge(
    struct report *report, const struct report *const *tries, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t size = report_size(tries[i]);
        for (size_t j = 0; j < size; j++)
            merge_problem(report, tries, names, count, i, report_problem(tries[i], j));
        if (report_errors(tries[i]) + report_warnings(tries[i]) > size)
            report_no_memory(report); // what can't be told must not look fine
    }
}
