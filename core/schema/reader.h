// The one pass over a message: it checks, and fills a scan on the way.
#pragma once

#include "core/schema/scan.h"

// `node` and `scan` NULL: only checks. 0, VIEW_REFUSED, -ENOMEM.
int reader_run(const struct schema_message *type, const struct paths_node *node, struct scan *scan,
    struct bytes message, bool checked, const struct view_limits *limits, struct error *error);
