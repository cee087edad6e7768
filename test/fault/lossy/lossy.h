// A journal that lies: it says *durable* while the last batches are in memory only, so that a kill -9 loses
// what was acknowledged. It proves that a checker of promise 1 can fail. In no product: only tests link it.
#pragma once

#include "core/journal/journal.h"

// As journal_file_open(); the last `held` batches stay in memory until later ones push them out or the
// journal is closed.
int journal_lossy_open(const struct journal_options *options, const struct journal_owner *owner, size_t held,
    struct journal **out, struct error *error);
