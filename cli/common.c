#include "cli/cli.h"

#include "sdk/hutong.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void complain(const char *command, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void complain(const char *command, const char *format, va_list args) {
    fprintf(stderr, "hutong %s: ", command);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cli_wrong(const char *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    complain(command, format, args);
    va_end(args);
    return EXIT_WRONG;
}

int cli_failed(const char *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    complain(command, format, args);
    va_end(args);
    return EXIT_FAILED;
}

// Beside the program in a build, under share/ when installed.
static const char *const catalogue_places[] = {"../catalogue.binpb", "../share/hutong/catalogue.binpb"};

bool cli_catalogue_path(char *out, size_t size) {
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program);
    char *slash = length > 0 ? memrchr(program, '/', (size_t)length) : NULL;
    for (size_t i = 0; slash && i < sizeof catalogue_places / sizeof catalogue_places[0]; i++) {
        int written = snprintf(out, size, "%.*s/%s", (int)(slash - program), program, catalogue_places[i]);
        if (written > 0 && (size_t)written < size && access(out, R_OK) == 0)
            return true;
    }
    return false;
}

int cli_catalogue(const char *path, struct catalogue **out, struct error *error) {
    char found[4096];
    if (path)
        return catalogue_load_file(path, out, error);
    if (cli_catalogue_path(found, sizeof found))
        return catalogue_load_file(found, out, error);
    return error_set(error, -ENOENT, "no catalogue beside this program; name one with --catalogue");
}

bool cli_bus_option(struct cli_bus *bus, int option, const char *value) {
    switch (option) {
    case 'b':
        bus->endpoint = value;
        return true;
    case 's':
        bus->system = value;
        return true;
    case 'k':
        bus->key = value;
        return true;
    case 'B':
        bus->broker_key = value;
        return true;
    case 1000:
        bus->instance = value;
        return true;
    case 1001:
        bus->catalogue = value;
        return true;
    default:
        return false;
    }
}

int cli_connect(const char *command, const struct cli_bus *bus, bool receive, struct hutong **out) {
    if (!bus->endpoint || !bus->system)
        return cli_wrong(command, "--bus and --system are needed; see --help");
    struct hutong_options options = {.endpoint = bus->endpoint,
        .system = bus->system,
        .instance = bus->instance ? bus->instance : "cli",
        .key_file = bus->key,
        .broker_key_file = bus->broker_key,
        .receive = receive,
        .software = "hutong/" HUTONG_VERSION};
    struct hutong_error error = {0};
    struct hutong *hutong = NULL;
    if (hutong_open(&options, &hutong, &error) != HUTONG_OK)
        return cli_wrong(command, "%s", error.text);
    if (hutong_wait_connected(hutong, 10000) != HUTONG_OK) {
        struct hutong_status status;
        hutong_status(hutong, &status);
        hutong_close(&hutong, 0);
        return cli_failed(command, "no session with %s: %s", bus->endpoint,
            status.text[0] ? status.text
                           : "no answer; is it the right address, and does the broker know this key?");
    }
    *out = hutong;
    return EXIT_DONE;
}
