// A drop folder: takes files by renaming them into a work folder, one at a time, and puts them away when they
// are done. Every step is one rename, so after a crash a file lies in exactly one of the folders.
#pragma once

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct claims_options {
    const char *folder;  // where files are dropped
    const char *pattern; // fnmatch(3), such as "*.csv"; never matches a leading dot
    const char *work;    // claimed files; on the same file system
    const char *done;    // NULL: finished files are deleted
    const char *rejects; // files that are no use as a whole, and rejects files
    const char
        *marker; // only files that have a second one with this suffix (which is deleted); NULL: settle time
    uint64_t settle_ns; // without a marker: unchanged for this long
    bool by_time;       // oldest first instead of by name
};

struct claims;

enum {
    CLAIMS_NONE = 51,  // no file is ready
    CLAIMS_LATER = 52, // the folder can't be read or written now
};

// Opens nothing yet. `options` is copied, its texts are borrowed. Returns owned or NULL.
struct claims *claims_new(const struct claims_options *options);
void claims_destroy(struct claims **self);
// Creates the work folder and those for done and rejected files; the drop folder must exist. 0, CLAIMS_LATER.
int claims_open(struct claims *claims, struct error *error);

// The next file: one claimed before a crash first. `*name` (owned) within the work folder: a stamp that makes
// it unique, "-", and the name as dropped. CLAIMS_NONE with `*wait_ns`: when a file that is settling will be
// ready (UINT64_MAX: none).
int claims_next(struct claims *claims, uint64_t now_ns, char **name, uint64_t *wait_ns, struct error *error);

const char *claims_dropped_name(const char *name); // without the stamp; borrowed from `name`
// "work/name" and the like; owned, or NULL.
char *claims_path(const struct claims *claims, const char *name, const char *suffix);
bool claims_exists(const struct claims *claims, const char *name);

// Puts the file and its rejects (name + ".rejects") away. May be repeated after a crash. 0, CLAIMS_LATER,
// negative.
int claims_finish(struct claims *claims, const char *name, bool refused, struct error *error);
