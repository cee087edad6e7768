// The broker on a journal that says *durable* before it writes. The checker of test/fault/kill.py must catch
// it.
#include "broker/main.h"
#include "test/fault/lossy/lossy.h"

#define HELD 8 // batches that a kill loses

static int open_lossy(const struct journal_options *options, const struct journal_owner *owner,
    struct journal **out, struct error *error) {
    return journal_lossy_open(options, owner, HELD, out, error);
}

int main(int argc, char **argv) {
    const struct broker_journals journals = {.open_file = open_lossy};
    return broker_main(argc, argv, &journals);
}
