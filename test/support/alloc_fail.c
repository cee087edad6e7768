#include "test/support/alloc_fail.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static size_t successes_left = SIZE_MAX;
static size_t count;

void alloc_fail_after(size_t successes) {
    successes_left = successes;
    count = 0;
}

void alloc_fail_never(void) {
    alloc_fail_after(SIZE_MAX);
}

size_t alloc_count(void) {
    return count;
}

static bool allowed(void) {
    count++;
    if (successes_left == SIZE_MAX)
        return true;
    if (successes_left == 0)
        return false;
    successes_left--;
    return true;
}

void *__wrap_malloc(size_t size) {
    return allowed() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size) {
    return allowed() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size) {
    return allowed() ? __real_realloc(old, size) : NULL;
}

// libc's own would allocate inside libc, where nothing is wrapped.
char *__wrap_strndup(const char *text, size_t size) {
    size_t length = strnlen(text, size);
    char *copy = __wrap_malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *__wrap_strdup(const char *text) {
    return __wrap_strndup(text, strlen(text));
}
