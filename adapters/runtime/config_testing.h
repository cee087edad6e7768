// For the connectors' tests (cmocka): their YAML with the project's own catalogue and code lists.
#pragma once

#include "adapters/runtime/connector.h"

// Configures from the connector's key of a YAML text; the report's text goes into `out`.
void testing_configure(
    const struct connector_class *class, const char *name, struct bytes yaml, struct buffer *out);
// Every block of YAML of a page is right; there are `expected` ones.
void testing_examples(const struct connector_class *class, const char *page, int expected);
// A whole adapter.yaml is right.
void testing_adapter(const struct connector_class *class, const char *path);
