#include "cli/own.h"

#include "core/journal/journal.h"

#include <errno.h>
#include <string.h>

int own_journal(const char *command, const json_t *status, const char *folder) {
    uint8_t id[16];
    char hex[33];
    struct error error = {0};
    const char *wanted = json_string_value(json_object_get(json_object_get(status, "journal"), "id"));
    int rc = journal_folder_id(folder, id, &error);
    if (rc == -ENOENT || rc == -ENOTDIR)
        return cli_wrong(command, "%s", error.text);
    if (rc)
        return cli_failed(command, "%s", error.text);
    for (size_t i = 0; i < sizeof id; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    if (!wanted)
        return cli_failed(command, "the broker does not say which its journal is: it is an older version");
    if (strcmp(hex, wanted) != 0)
        return cli_wrong(command,
            "%s is not the journal of this broker: its id is %s, the broker's %s; see journal in broker.yaml",
            folder, hex, wanted);
    return EXIT_DONE;
}
