// core/schema behind plain types, for the fuzzer in C++ that compares it with libprotobuf. What is borrowed
// holds until the next call. Nothing is freed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SUBJECT_TYPES 5
#define SUBJECT_WHY 512
extern const char *const subject_types[SUBJECT_TYPES];

struct subject_value {
    bool present;
    uint32_t occurrences;
    uint64_t bits;       // of a number: the 64 bits that view_value has, a bool as 0 or 1
    const uint8_t *data; // of a string, bytes, message
    size_t size;
};

void subject_open(const char *descriptor_set);
size_t subject_path_count(size_t type);
// The numbers of the fields on the way.
size_t subject_path(size_t type, size_t path, uint32_t numbers[]);

int subject_check(size_t type, const uint8_t *data, size_t size, char why[SUBJECT_WHY]);
int subject_scan(size_t type, const uint8_t *data, size_t size, bool checked, char why[SUBJECT_WHY]);
void subject_get(size_t type, size_t path, struct subject_value *out);
// A singular message: all its pieces, one behind the other.
void subject_message(size_t type, size_t path, struct subject_value *out);
// The next element of a repeated field; the first call with *cursor 0. false: there are no more.
bool subject_next(size_t type, size_t path, uint64_t *cursor, struct subject_value *out);

int subject_to_json(size_t type, const uint8_t *data, size_t size, const char **json, size_t *json_size,
    char why[SUBJECT_WHY]);
int subject_from_json(size_t type, const char *json, size_t json_size, const uint8_t **data, size_t *size,
    char why[SUBJECT_WHY]);

#ifdef __cplusplus
}
#endif
