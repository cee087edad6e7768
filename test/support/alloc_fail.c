#include "test/support/alloc_fail.h"

#include <stdbool.h>
#include <stdint.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static size_t successes_left = SIZE_MAX;
static size_t count;

void alloc_fail_after(size_t successes)
{
    successes_left = successes;
    count = 0;
}

void alloc_fail_never(void)
{
    alloc_fail_after(SIZE_MAX);
}

size_t alloc_count(void)
{
    return count;
}

static bool allowed(void)
{
    count++;
    if (successes_left == SIZE_MAX)
        return true;
    if (successes_left == 0)
        return false;
    successes_left--;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return allowed() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allowed() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return allowed() ? __real_realloc(old, size) : NULL;
}
