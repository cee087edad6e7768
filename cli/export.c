#include "cli/export.h"

#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// librdkafka is linked to nothing that doesn't need it.
#define EXPORT_PROGRAM "/hutong-journal-export"

int export_become(int count, char **rest) {
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    char *slash = size > 0 && (size_t)size < sizeof path ? memrchr(path, '/', (size_t)size) : NULL;
    char **argv = calloc((size_t)count + 2, sizeof *argv);
    if (argv && slash && (size_t)(path + sizeof path - slash) > sizeof EXPORT_PROGRAM) {
        memcpy(slash, EXPORT_PROGRAM, sizeof EXPORT_PROGRAM);
        argv[0] = path;
        memcpy(argv + 1, rest, (size_t)count * sizeof *argv);
        execv(path, argv);
    }
    free(argv);
    return cli_failed("journal", "%s can't be started: %s", slash ? path : EXPORT_PROGRAM, strerror(errno));
}
