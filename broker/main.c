#include "broker/main.h"

int main(int argc, char **argv) {
    const struct broker_journals journals = {.open_file = journal_file_open};
    return broker_main(argc, argv, &journals);
}
