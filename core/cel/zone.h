// Time zones with their history, from TZif files (RFC 9636). A zone is immutable: threads may share it.
// Private to core/cel.
#pragma once

#include "core/base/error.h"
#include "core/schema/arena.h"

#define ZONE_FOLDER "/usr/share/zoneinfo" // Debian's package tzdata
#define ZONE_NAME_SIZE ((size_t)64)
#define ZONE_FILE_SIZE ((size_t)65536) // bytes of a zone's file, at most

struct zone;

// Only a name such as "Asia/Shanghai" may be part of a path.
bool zone_name_valid(struct bytes name);
// Reads the zone into `arena`. 0; -ENOENT: there is no zone of this name (the text suggests the nearest), or
// no folder; -EINVAL: the file is none of the kind; -ENOMEM; another negative errno of reading.
int zone_load(
    struct arena *arena, const char *folder, struct bytes name, const struct zone **out, struct error *error);
// The same of a file's bytes.
int zone_parse(struct arena *arena, struct bytes file, const struct zone **out, struct error *error);
// Seconds east of UTC at a time.
int32_t zone_offset(const struct zone *zone, int64_t seconds);
