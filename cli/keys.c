#include "core/crypto/keys.h"
#include "cli/cli.h"

#include <jansson.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
    "Usage: hutong keys generate [-o FOLDER] NAME   make a key pair for NAME, such as housing/tenancy\n"
    "       hutong keys show [--json] FILE          print the public key and the name of a certificate\n"
    "\n"
    "generate writes FOLDER/NAME, the public certificate (a '/' in NAME becomes '-'), and "
    "FOLDER/NAME_secret,\n"
    "which only its owner may read. It makes FOLDER and never overwrites. The files are CZMQ's certificates. "
    "show takes "
    "either\n"
    "file and never prints a secret key.\n"
    "\n"
    "  -o, --output FOLDER   where to write; the current folder when not given\n"
    "      --json            print JSON\n";

struct arguments {
    const char *output;
    bool json;
};

// EXIT_DONE, or what to exit with; *help_shown when there is nothing more to do.
static int parse(int argc, char **argv, struct arguments *arguments, bool *help_shown) {
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    *arguments = (struct arguments){.output = "."};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
        if (option == 'o')
            arguments->output = optarg;
        else if (option == 'j')
            arguments->json = true;
        else if (option == 'h')
            *help_shown = fputs(help, stdout) >= 0;
        else
            return cli_wrong("keys", "option '%s' is unknown or lacks its value", argv[optind - 1]);
    }
    return EXIT_DONE;
}

static int generate(const char *name, const char *folder) {
    char file[KEYS_NAME_SIZE];
    char path[4096];
    struct error error = {0};
    size_t size = strlen(name);
    if (size == 0 || size >= sizeof file || name[0] == '.')
        return cli_wrong("keys", "a name has 1 to %zu bytes and does not start with a dot", sizeof file - 1);
    for (size_t i = 0; i <= size; i++)
        file[i] = name[i];
    for (char *p = file; (p = strchr(p, '/')) != NULL;)
        *p = '-';
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, file) >= sizeof path)
        return cli_wrong("keys", "the folder's name is too long");
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return cli_failed("keys", "can't make the folder %s: %s", folder, strerror(errno));
    int rc = keys_generate(path, name, &error);
    if (rc == -EINVAL)
        return cli_wrong("keys", "%s", error.text);
    if (rc)
        return cli_failed("keys", "%s", error.text);
    printf("%s\n%s" KEYS_SECRET_SUFFIX "\n", path, path);
    return EXIT_DONE;
}

static int show(const char *path, bool json) {
    char name[KEYS_NAME_SIZE];
    char public_key[KEYS_TEXT_SIZE];
    struct error error = {0};
    int rc = keys_load_public(path, public_key, &error);
    if (!rc)
        rc = keys_load_name(path, name, &error);
    if (rc) {
        cli_failed("keys", "%s", error.text);
        return rc == -EINVAL ? EXIT_WRONG : EXIT_FAILED;
    }
    if (!json)
        return printf("%s %s\n", public_key, name[0] ? name : "(no name)") < 0;
    json_t *object = json_pack("{s:s, s:s%}", "public_key", public_key, "name", name, strlen(name));
    if (!object)
        return cli_failed("keys", "out of memory, or the name is not UTF-8");
    rc = json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
    putchar('\n');
    return rc ? EXIT_FAILED : EXIT_DONE;
}

int command_keys(int argc, char **argv) {
    struct arguments arguments;
    bool help_shown = false;
    int code = parse(argc, argv, &arguments, &help_shown);
    if (code || help_shown)
        return code;
    if (argc - optind != 2)
        return cli_wrong("keys", "it takes 'generate NAME' or 'show FILE'");
    if (strcmp(argv[optind], "generate") == 0)
        return generate(argv[optind + 1], arguments.output);
    if (strcmp(argv[optind], "show") == 0)
        return show(argv[optind + 1], arguments.json);
    return cli_wrong("keys", "no '%s': it is generate or show", argv[optind]);
}
