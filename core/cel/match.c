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

// "$" means the very end, and a pattern can't look at bytes within a character. The call before each item of
// the pattern counts what a match does: PCRE2's own limit starts anew at each place of the text, and doesn't
// count the characters that an item walks over.
#define OPTIONS                                                                                              \
    (PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE | PCRE2_AUTO_CALLOUT)

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

#define HEAP_LIMIT ((uint32_t)4 << 10) // kilobytes for going back
#define WALK 8                         // bytes that are passed as quickly as an item is tried
#define ITEMS_PER_STEP 10              // of the evaluation

struct work {
    size_t left;
    size_t at; // in the text
};

static int count_item(pcre2_callout_block *block, void *data) {
    struct work *work = data;
    size_t at = block->current_position;
    size_t cost = 1 + (at > work->at ? at - work->at : work->at - at) / WALK;
    work->at = at;
    bool enough = cost <= work->left;
    work->left = enough ? work->left - cost : 0;
    return enough ? 0 : PCRE2_ERROR_CALLOUT;
}

static bool have_match_data(struct cel_activation *activation, struct cel_value *out) {
    if (activation->match_data && activation->match_context)
        return true;
    pcre2_general_context *general = pcre2_general_context_create(take, give, NULL);
    if (general && !activation->match_data)
        activation->match_data = pcre2_match_data_create(1, general);
    if (general && !activation->match_context)
        activation->match_context = pcre2_match_context_create(general);
    pcre2_general_context_free(general);
    if (!activation->match_data || !activation->match_context)
        activation_no_memory(activation, out);
    return activation->match_data && activation->match_context;
}

static int match_within(
    struct cel_activation *activation, const pcre2_code *code, struct bytes text, struct work *work) {
    pcre2_set_callout(activation->match_context, count_item, work);
    pcre2_set_heap_limit(activation->match_context, HEAP_LIMIT);
    return pcre2_match(code, text.data ? text.data : (PCRE2_SPTR) "", text.size, 0, 0, activation->match_data,
        activation->match_context);
}

static void run_match(
    struct cel_activation *activation, const pcre2_code *code, struct bytes text, struct cel_value *out) {
    static const struct cel_error too_hard = {
        CEL_FAULT_LIMIT, "the pattern needs more steps on this text than its limit allows"};
    size_t limit = activation->program->limits.matches;
    struct work work = {.left = limit};
    if (!have_match_data(activation, out))
        return;
    if (activation->steps < limit / ITEMS_PER_STEP)
        work.left = limit = (activation->steps + 1) * ITEMS_PER_STEP;
    int rc = match_within(activation, code, text, &work);
    if (!activation_charge(activation, 1 + text.size / 1024 + (limit - work.left) / ITEMS_PER_STEP, out))
        return;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        value_set_bool(out, rc >= 0);
    else if (rc == PCRE2_ERROR_NOMEMORY)
        activation_no_memory(activation, out);
    else if (rc == PCRE2_ERROR_CALLOUT || rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT)
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
    if (!activation_charge(activation, 100 + args[1].bytes.size, out)) // compiling
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
