// Code lists and maps from conf/codes/*.yaml (docs in conf/codes/README.md). Every mistake goes to the
// report, with its place.
#pragma once

#include "core/codes/codes.h"
#include "core/config/report.h"

// Loads all *.yaml of `folder`, in order of name, lists before maps; a list's table file (TSV) lies beside
// it. Adds to `codes`. 0, or negative when there was any problem (-EINVAL; the report has them) or no memory;
// `codes` is then to be thrown away.
int codes_load(struct codes *codes, const char *folder, struct report *report);
