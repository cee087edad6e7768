// The mark of a folder whose journal goes on elsewhere. Inside core/journal.
#pragma once

#include "core/base/error.h"

// 0: no mark; JOURNAL_LEFT with the text that says where it goes on; negative.
int left_check(int folder, struct error *error);
