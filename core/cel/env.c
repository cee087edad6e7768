#include "core/cel/compiler.h"
#include "core/cel/zone.h"

#include <errno.h>
#include <stdlib.h>

struct cel_env *cel_env_new(
    const struct catalogue *catalogue, const struct codes *codes, const char *container) {
    struct cel_env *env = calloc(1, sizeof *env);
    if (!env)
        return NULL;
    env->catalogue = catalogue;
    env->codes = codes;
    env->zones = ZONE_FOLDER;
    env->container = arena_string(&env->names, bytes_of_string(container));
    if (!env->container)
        cel_env_destroy(&env);
    return env;
}

void cel_env_destroy(struct cel_env **self) {
    struct cel_env *env = *self;
    if (!env)
        return;
    explicit_bzero(env->hash_key, sizeof env->hash_key);
    free(env->variables);
    arena_destroy(&env->names);
    free(env);
    *self = NULL;
}

struct cel_env *cel_env_new_inside(const struct cel_env *outer) {
    struct cel_env *env = calloc(1, sizeof *env);
    struct cel_variable *variables = calloc(outer->count + 1, sizeof *variables);
    if (!env || !variables) {
        free(env);
        free(variables);
        return NULL;
    }
    *env = *outer;
    env->names = (struct arena){0};
    env->variables = variables;
    if (outer->count)
        memcpy(variables, outer->variables, outer->count * sizeof *variables);
    return env;
}

size_t cel_env_count(const struct cel_env *env) {
    return env->count;
}

void cel_env_set_hash_key(struct cel_env *env, const uint8_t key[CEL_HASH_KEY_SIZE]) {
    memcpy(env->hash_key, key, CEL_HASH_KEY_SIZE);
    env->hashes = true;
}

static int declare(struct cel_env *env, const char *name, struct cel_variable variable, size_t *index) {
    for (size_t i = 0; i < env->count; i++)
        if (strcmp(env->variables[i].name, name) == 0)
            return -EEXIST;
    struct cel_variable *grown = realloc(env->variables, (env->count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    env->variables = grown;
    variable.name = arena_string(&env->names, bytes_of_string(name));
    if (!variable.name)
        return -ENOMEM;
    grown[env->count] = variable;
    *index = env->count++;
    return 0;
}

int cel_env_declare_message(struct cel_env *env, const char *name, struct paths *paths, size_t *index) {
    const struct schema_message *message = paths_root(paths);
    struct cel_variable variable = {.paths = paths, .type = {.kind = CEL_MESSAGE, .message = message}};
    return declare(env, name, variable, index);
}

int cel_env_declare(struct cel_env *env, const char *name, enum cel_kind kind, size_t *index) {
    struct cel_variable variable = {.type = {.kind = kind}};
    if (kind < CEL_BOOL || kind > CEL_DURATION)
        return -EINVAL;
    return declare(env, name, variable, index);
}

// What a type is made of, in the env's memory. As deep as the type is nested.
// NOLINTNEXTLINE(misc-no-recursion)
static bool copy_type(struct cel_env *env, const struct cel_type *type, struct cel_type *out) {
    const struct cel_type *parts[] = {type->element, type->key};
    struct cel_type *copies[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++) {
        if (!parts[i])
            continue;
        copies[i] = arena_alloc(&env->names, sizeof *copies[i]);
        if (!copies[i] || !copy_type(env, parts[i], copies[i]))
            return false;
    }
    *out = *type;
    out->element = copies[0];
    out->key = copies[1];
    return true;
}

int cel_env_declare_typed(struct cel_env *env, const char *name, const struct cel_type *type, size_t *index) {
    struct cel_variable variable = {0};
    return copy_type(env, type, &variable.type) ? declare(env, name, variable, index) : -ENOMEM;
}

int cel_env_declare_function(struct cel_env *env, const char *name, const struct cel_type *const *params,
    size_t count, const struct cel_type *result) {
    struct cel_signature *signature = arena_alloc(&env->names, sizeof *signature);
    const char *kept = signature ? arena_string(&env->names, bytes_of_string(name)) : NULL;
    if (!kept)
        return -ENOMEM;
    *signature = (struct cel_signature){
        .next = env->signatures, .name = kept, .params = params, .count = count, .result = result};
    env->signatures = signature;
    return 0;
}

void cel_env_set_dynamic(struct cel_env *env, bool dynamic) {
    env->dynamic = dynamic;
}
