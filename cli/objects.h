// Messages that people write as JSON, for commands that read them: one or more objects a file, each a payload
// or an envelope with CloudEvents' names, {"type": …, "source": …, "subject": …, "data": {…}}.
#pragma once

#include "cli/cli.h"

#include <jansson.h>

// Calls `take` for each object of a file ("-": standard input) until it returns other than EXIT_DONE. `where`
// names the object for messages. What is no JSON object is told: EXIT_WRONG.
typedef int (*cli_take_object)(void *context, const char *where, const json_t *object);
int cli_each_object(const char *command, const char *path, cli_take_object take, void *context);

bool cli_is_envelope(const json_t *object);
const char *cli_attribute(const json_t *envelope, const char *name); // NULL: it has none, or no text

// The type that someone named, or NULL: told, with the nearest. `type` NULL: that one is missing is told.
const struct schema_message *cli_type(
    const char *command, const char *where, const struct catalogue *catalogue, const char *type);
// Makes wire bytes of a payload. EXIT_DONE, or EXIT_WRONG with what was told; `wire` is then empty.
int cli_payload(const char *command, const char *where, const struct catalogue *catalogue, const char *type,
    const json_t *payload, const struct schema_message **out, struct buffer *wire);
