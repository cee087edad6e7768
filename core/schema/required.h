// proto2's required fields, which a message has or has not after all of its pieces are merged.
#pragma once

#include "core/schema/view.h"

// `message` is checked otherwise. 0, VIEW_REFUSED, -ENOMEM.
int required_check(const struct schema_message *type, struct bytes message, struct error *error);
