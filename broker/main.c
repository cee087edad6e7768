#include "broker/main.h"

int main(int argc, char **argv) {
    return broker_main(argc, argv, journal_file_open);
}
