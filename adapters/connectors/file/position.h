// The position of a file source, as it is stored with each message.
#pragma once

#include "adapters/connectors/file/file_reader.h"

enum file_state {
    FILE_READING,
    FILE_DONE,    // all rows are through: it is to be put away
    FILE_REFUSED, // no use as a whole: it is to be put with the rejects
};

struct file_position {
    enum file_state state;
    struct place_in_file place; // of the next row
    uint64_t rejects_size;      // bytes of the rejects file that belong to the rows before
    struct bytes dropbox;       // names; borrowed
    struct bytes file;
};

int file_position_write(const struct file_position *position, struct buffer *out); // 0, -ENOMEM
bool file_position_read(struct bytes bytes, struct file_position *out); // false: no position of a file source
