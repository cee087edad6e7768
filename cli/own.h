// Whether a folder is the journal of the broker that is asked: another one's sequences are other messages.
#pragma once

#include "cli/admin.h"

// `status` is the broker's. EXIT_DONE, or what was told.
int own_journal(const char *command, const json_t *status, const char *folder);
