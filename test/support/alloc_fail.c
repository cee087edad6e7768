#include "test/support/alloc_fail.h"

#include <stdatomic.h>
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

static atomic_size_t first = SIZE_MAX; // numbers of those that fail, from 0
static atomic_size_t last;
static atomic_size_t count;
static _Thread_local bool exempt;

static void fail_from(size_t from, size_t to) {
    atomic_store(&first, SIZE_MAX);
    atomic_store(&last, to);
    atomic_store(&count, 0);
    atomic_store(&first, from);
}

void alloc_fail_after(size_t successes) {
    fail_from(successes, SIZE_MAX);
}

void alloc_fail_once(size_t successes) {
    fail_from(successes, successes);
}

void alloc_exempt_this_thread(bool yes) {
    exempt = yes;
}

void alloc_fail_never(void) {
    alloc_fail_after(SIZE_MAX);
}

size_t alloc_count(void) {
    return count;
}

static bool allowed(void) {
    if (exempt)
        return true;
    size_t number = atomic_fetch_add(&count, 1);
    return number < atomic_load(&first) || number > atomic_load(&last);
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
