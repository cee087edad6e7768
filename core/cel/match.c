// matches(): PCRE2 patterns, used in the way that CEL's RE2 syntax means them.
#include "core/cel/functions.h"
#include "core/cel/match_syntax.h"

#include <stdio.h>
#include <stdlib.h>

// PCRE2 calls these instead of malloc and free, so that tests can make it run out of memory.
static void *take(PCRE2_SIZE size, void *context) {
    (void)context;
    return malloc(size);
}

static void give(void *memory, void *context) {
    (void)context;
    free(memory);
}

// "$" means the very end, and a pattern can't look at bytes within a character.
#define OPTIONS (PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE)

pcre2_code *match_compile(struct bytes pattern, size_t *offset, char *why, size_t size) {
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *compiled = NULL;
    const char *foreign = match_syntax(pattern, offset);
    snprintf(why, size, "%s", foreign ? foreign : "");
    if (foreign)
        return NULL;
    pcre2_general_context *general = pcre2_general_context_create(take, give, NULL);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    if (context)
        compiled = pcre2_compile(
            pattern.data ? pattern.data : (PCRE2_SPTR) "", pattern.size, OPTIONS, &code, &at, context);
    if (context && !compiled && code != PCRE2_ERROR_NOMEMORY && code != PCRE2_ERROR_HEAP_FAILED)
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, size);
    *offset = at;
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    return compiled;
}

pcre2_match_context *match_context_new(const struct cel_limits *limits) {
    pcre2_general_context *general = pcre2_general_context_create(take, give, NULL);
    pcre2_match_context *context = general ? pcre2_match_context_create(general) : NULL;
    if (context) {
        uint32_t matches = limits->matches < UINT32_MAX ? (uint32_t)limits->matches : UINT32_MAX;
        pcre2_set_match_limit(context, matches);
        pcre2_set_heap_limit(context, (uint32_t)(limits->memory / 1024));
    }
    pcre2_general_context_free(general);
    return context;
}

static bool have_match_data(struct cel_activation *activation, struct cel_value *out) {
    if (activation->match_data)
        return true;
    pcre2_general_context *general = pcre2_general_context_create(take, give, NULL);
    if (general)
        activation->match_data = pcre2_match_data_create(1, general);
    pcre2_general_context_free(general);
    if (!activation->match_data)
        activation_no_memory(activation, out);
    return activation->match_data != NULL;
}

static void run_match(
    struct cel_activation *activation, const pcre2_code *code, struct bytes text, struct cel_value *out) {
    if (!have_match_data(activation, out))
        return;
    int rc = pcre2_match(code, text.data ? text.data : (PCRE2_SPTR) "", text.size, 0, 0,
        activation->match_data, activation->program->match_context);
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        value_set_bool(out, rc >= 0);
    else if (rc == PCRE2_ERROR_NOMEMORY)
        activation_no_memory(activation, out);
    else if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT)
        value_fail(activation, out, CEL_FAULT_LIMIT,
            "the pattern needs more steps on this text than its limit allows");
    else
        value_fail(activation, out, CEL_FAULT_ARGUMENT, "matches(): the text is not UTF-8");
}

FUNCTION(fn_matches) {
    const struct program_match *bound = node->call.bound;
    char why[160];
    size_t offset;
    if (bound) {
        run_match(activation, bound->code, args[0].bytes, out);
        return;
    }
    pcre2_code *code = match_compile(args[1].bytes, &offset, why, sizeof why);
    if (code)
        run_match(activation, code, args[0].bytes, out);
    else if (why[0])
        value_fail(
            activation, out, CEL_FAULT_ARGUMENT, "the pattern is wrong at its byte %zu: %s", offset + 1, why);
    else
        activation_no_memory(activation, out);
    pcre2_code_free(code);
}
