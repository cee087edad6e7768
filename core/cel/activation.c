#include "core/cel/program.h"

#include "core/cel/compiler.h"
#include "core/cel/time.h"
#include "core/crypto/digest.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_SIZE ((size_t)16384)

struct activation_block {
    struct activation_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

struct cel_activation *cel_activation_new(const struct cel_env *env) {
    struct cel_activation *activation = calloc(1, sizeof *activation);
    if (!activation)
        return NULL;
    activation->env = env;
    activation->memory_limit = cel_default_limits.memory;
    activation->steps = activation->granted = cel_default_limits.steps;
    activation->budget = CEL_BUDGET;
    activation->count = env->count;
    activation->variables = calloc(env->count + 1, sizeof *activation->variables);
    if (!activation->variables)
        cel_activation_destroy(&activation);
    return activation;
}

int cel_activation_reserve(struct cel_activation *activation, size_t count) {
    if (count <= activation->count)
        return 0;
    struct activation_variable *variables = realloc(activation->variables, count * sizeof *variables);
    if (!variables)
        return -ENOMEM;
    memset(variables + activation->count, 0, (count - activation->count) * sizeof *variables);
    activation->variables = variables;
    activation->count = count;
    return 0;
}

static void free_blocks(struct cel_activation *activation, struct activation_block *block) {
    while (block) {
        struct activation_block *next = block->next;
        activation->memory -= block->size;
        free(block);
        block = next;
    }
}

void cel_activation_destroy(struct cel_activation **self) {
    struct cel_activation *activation = *self;
    if (!activation)
        return;
    free_blocks(activation, activation->first);
    pcre2_match_data_free(activation->match_data);
    pcre2_match_context_free(activation->match_context);
    digest_destroy(&activation->digest);
    buffer_destroy(&activation->scratch);
    free(activation->variables);
    free(activation);
    *self = NULL;
}

// The first block stays, unless one huge text made it.
void cel_activation_reset(struct cel_activation *activation) {
    struct activation_block *first = activation->first;
    activation->granted = activation->steps;
    activation->budget = CEL_BUDGET;
    activation->block = first;
    if (!first)
        return;
    free_blocks(activation, first->next);
    first->next = NULL;
    first->used = 0;
    if (first->size > BLOCK_SIZE) {
        free_blocks(activation, first);
        activation->first = activation->block = NULL;
    }
}

void cel_activation_set_scan(struct cel_activation *activation, size_t index, const struct scan *scan) {
    if (index < activation->count)
        activation->variables[index].scan = scan;
}

void cel_activation_set(struct cel_activation *activation, size_t index, const struct cel_value *value) {
    if (index >= activation->count)
        return;
    activation->variables[index].value = *value;
    if (value->kind == CEL_TIMESTAMP || value->kind == CEL_DURATION)
        time_check(&activation->variables[index].value);
    activation->variables[index].set = true;
}

void cel_activation_set_time(struct cel_activation *activation, int64_t seconds) {
    activation->time = seconds;
}

static const struct cel_error no_memory = {CEL_FAULT_MEMORY, "out of memory"};
static const struct cel_error too_large = {
    CEL_FAULT_LIMIT, "the expression makes more values than its memory limit allows"};
static const struct cel_error too_long = {
    CEL_FAULT_LIMIT, "the expression takes more steps than its limit allows"};
static const struct cel_error no_overload = {
    CEL_FAULT_NO_OVERLOAD, "no such overload: the values are not of kinds that fit the operation"};

void value_fail_static(struct cel_value *out, const struct cel_error *error) {
    out->kind = CEL_ERROR;
    out->error = error;
}

void value_no_overload(struct cel_value *out) {
    value_fail_static(out, &no_overload);
}

void activation_no_memory(struct cel_activation *activation, struct cel_value *out) {
    activation->failure = -ENOMEM;
    value_fail_static(out, &no_memory);
}

static bool add_block(struct cel_activation *activation, size_t size, struct cel_value *out) {
    size = size < BLOCK_SIZE ? BLOCK_SIZE : size;
    if (activation->memory >= activation->memory_limit ||
        size > activation->memory_limit - activation->memory) {
        value_fail_static(out, &too_large);
        return false;
    }
    struct activation_block *block = malloc(sizeof *block + size);
    if (!block) {
        activation_no_memory(activation, out);
        return false;
    }
    *block = (struct activation_block){.size = size};
    if (activation->block)
        activation->block->next = block;
    else
        activation->first = block;
    activation->block = block;
    activation->memory += size;
    return true;
}

void *activation_alloc(struct cel_activation *activation, size_t size, struct cel_value *out) {
    size_t align = alignof(max_align_t);
    struct activation_block *block = activation->block;
    if (size > activation->memory_limit) {
        value_fail_static(out, &too_large);
        return NULL;
    }
    size = (size + align - 1) & ~(align - 1);
    if (!block || size > block->size - block->used) {
        if (!add_block(activation, size, out))
            return NULL;
        block = activation->block;
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

void *activation_array(struct cel_activation *activation, size_t count, size_t size, struct cel_value *out) {
    if (count > activation->memory_limit / size) {
        value_fail_static(out, &too_large);
        return NULL;
    }
    return activation_alloc(activation, count * size, out);
}

int cel_activation_spend(struct cel_activation *activation, size_t steps, struct error *error) {
    activation_grant(activation, 0);
    if (steps > activation->budget)
        return error_set(error, CEL_FAILED, "%s", too_long.text);
    activation->budget -= steps;
    return 0;
}

bool activation_charge(struct cel_activation *activation, size_t steps, struct cel_value *out) {
    if (steps > activation->steps) {
        activation->steps = 0;
        value_fail_static(out, &too_long);
        return false;
    }
    activation->steps -= steps;
    return true;
}

void value_fail(
    struct cel_activation *activation, struct cel_value *out, enum cel_fault fault, const char *format, ...) {
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct cel_error *error = activation_alloc(activation, sizeof *error + strlen(text) + 1, out);
    if (!error)
        return;
    char *copy = (char *)(error + 1);
    memcpy(copy, text, strlen(text) + 1);
    *error = (struct cel_error){.fault = fault, .text = copy};
    value_fail_static(out, error);
}
