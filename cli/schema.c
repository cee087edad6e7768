// hutong schema: the message types: build a catalogue, look into it, and see whether a new one breaks an old
// one.
#include "cli/schema.h"

#include <string.h>

static const char help[] =
    "Usage: hutong schema build [-o CATALOGUE] FOLDER…   make a catalogue of folders with .proto files\n"
    "       hutong schema list [OPTION…] [CATALOGUE]     its types, a line each\n"
    "       hutong schema show [OPTION…] TYPE [CATALOGUE]  one type, as a .proto file has it\n"
    "       hutong schema check [OPTION…] OLD NEW        what the new types break of the old ones\n"
    "\n"
    "A CATALOGUE, OLD or NEW is a descriptor set (*.binpb), or a folder of .proto files, which is read by "
    "protoc.\n"
    "Without CATALOGUE: the one that conf/broker.yaml here, else /etc/hutong/broker.yaml, names. Each says "
    "more\n"
    "with --help.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"build", schema_build}, {"list", schema_list}, {"show", schema_show}, {"check", schema_check}};

int command_schema(int argc, char **argv) {
    if (argc < 2)
        return cli_wrong("schema", "one of build, list, show, check is needed; see --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return cli_wrong("schema", "there is no \"%s\"; there are build, list, show, check", argv[1]);
}
