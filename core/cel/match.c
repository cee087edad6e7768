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

#define PATTERN_SIZE ((size_t)4096)

pcre2_code *match_compile(struct bytes pattern, size_t *offset, char *why, size_t size) {
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *compiled = NULL;
    const char *foreign = match_syntax(pattern, offset);
    if (pattern.size > PATTERN_SIZE) {
        *offset = PATTERN_SIZE;
        foreign = "a pattern has at most 4,096 bytes";
    }
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

// What one match may do. Nearly all need a few steps: only those that need more are counted as if they had
// used their whole limit. Either way a step of the evaluation stands for up to 1,000 of PCRE2's or of
// characters looked at, so that the evaluation's limit holds for its patterns together.
#define EASY_MATCHES ((size_t)1000)
#define UNIT ((size_t)1000)
#define HEAP_LIMIT ((size_t)4 << 20) // bytes for going back

static pcre2_match_context *context_new(size_t matches, size_t memory) {
    pcre2_general_context *general = pcre2_general_context_create(take, give, NULL);
    pcre2_match_context *context = general ? pcre2_match_context_create(general) : NULL;
    if (context) {
        pcre2_set_match_limit(context, (uint32_t)matches);
        pcre2_set_heap_limit(context, (uint32_t)((memory < HEAP_LIMIT ? memory : HEAP_LIMIT) / 1024));
    }
    pcre2_general_context_free(general);
    return context;
}

bool match_contexts_make(struct cel_program *program) {
    const struct cel_limits *limits = &program->limits;
    size_t matches = limits->matches < UINT32_MAX ? limits->matches : UINT32_MAX;
    size_t easy = matches < EASY_MATCHES ? matches : EASY_MATCHES;
    if (!program->match_context)
        program->match_context = context_new(matches, limits->memory);
    if (!program->match_easy)
        program->match_easy = context_new(easy, limits->memory);
    return program->match_context && program->match_easy;
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

static int match_with(struct cel_activation *activation, const pcre2_code *code, struct bytes text,
    pcre2_match_context *context) {
    return pcre2_match(
        code, text.data ? text.data : (PCRE2_SPTR) "", text.size, 0, 0, activation->match_data, context);
}

static bool over_limit(int rc) {
    return rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT;
}

// At each place of the text a match may start, and walk over the rest.
static bool charge_hard(struct cel_activation *activation, size_t size, struct cel_value *out) {
    size_t walks = size > UINT32_MAX ? SIZE_MAX : size * size / UNIT;
    size_t steps = activation->program->limits.matches / 100;
    return activation_charge(activation, walks, out) && activation_charge(activation, steps, out);
}

static void run_match(
    struct cel_activation *activation, const pcre2_code *code, struct bytes text, struct cel_value *out) {
    static const struct cel_error too_hard = {
        CEL_FAULT_LIMIT, "the pattern needs more steps on this text than its limit allows"};
    const struct cel_program *program = activation->program;
    if (!have_match_data(activation, out) ||
        !activation_charge(activation, EASY_MATCHES / 100 + text.size, out))
        return;
    int rc = match_with(activation, code, text, program->match_easy);
    if (over_limit(rc) && program->limits.matches > EASY_MATCHES) {
        if (!charge_hard(activation, text.size, out))
            return;
        rc = match_with(activation, code, text, program->match_context);
    }
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        value_set_bool(out, rc >= 0);
    else if (rc == PCRE2_ERROR_NOMEMORY)
        activation_no_memory(activation, out);
    else if (over_limit(rc))
        value_fail_static(out, &too_hard);
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
    if (!activation_charge(activation, UNIT / 10 + args[1].bytes.size, out)) // compiling
        return;
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
