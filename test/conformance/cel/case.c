// One test: its variables are declared and set, the expression compiled and evaluated, the outcome compared.
#include "test/conformance/cel/harness.h"

#include <stdlib.h>

#define VARIABLES 16

// A variable; of a message type it is read through paths and a scan, as in a route.
struct variable {
    const char *name;
    size_t index;
    struct paths *paths; // owned
    struct scan *scan;   // owned
};

struct run {
    const struct catalogue *catalogue;
    const suite_test *test;
    const char *path;
    struct buffer *why;
    struct arena arena;
    struct cel_env *env;
    struct cel_program *program;
    struct cel_activation *activation;
    struct variable variables[VARIABLES];
    size_t count;
};

static bool declare_message(
    struct run *run, struct variable *variable, const struct schema_message *message) {
    variable->paths = paths_new(message);
    return variable->paths &&
           cel_env_declare_message(run->env, variable->name, variable->paths, &variable->index) == 0;
}

static bool declare_variable(struct run *run, const char *name, const struct cel_type *type) {
    if (!type || run->count == VARIABLES)
        return false;
    struct variable *variable = &run->variables[run->count++];
    variable->name = name;
    if (type->kind == CEL_MESSAGE)
        return declare_message(run, variable, type->message);
    return cel_env_declare_typed(run->env, name, type, &variable->index) == 0;
}

static bool declare_function(
    struct run *run, const char *name, const Cel__Expr__Decl__FunctionDecl *function) {
    for (size_t i = 0; i < function->n_overloads; i++) {
        const Cel__Expr__Decl__FunctionDecl__Overload *overload = function->overloads[i];
        const struct cel_type **params = arena_alloc(&run->arena, (overload->n_params + 1) * sizeof *params);
        const struct cel_type *result = translate_type(run->catalogue, &run->arena, overload->result_type);
        for (size_t j = 0; params && j < overload->n_params; j++)
            if (!(params[j] = translate_type(run->catalogue, &run->arena, overload->params[j])))
                return false;
        if (!params || !result ||
            cel_env_declare_function(run->env, name, params, overload->n_params, result) != 0)
            return false;
    }
    return true;
}

static bool is_declared(const struct run *run, const char *name) {
    for (size_t i = 0; i < run->count; i++)
        if (strcmp(run->variables[i].name, name) == 0)
            return true;
    return false;
}

static bool declare_all(struct run *run) {
    static const struct cel_type dyn = {.kind = CEL_DYN};
    const suite_test *test = run->test;
    bool ok = true;
    for (size_t i = 0; ok && i < test->n_type_env; i++) {
        const Cel__Expr__Decl *decl = test->type_env[i];
        if (decl->decl_kind_case == CEL__EXPR__DECL__DECL_KIND_FUNCTION)
            ok = declare_function(run, decl->name, decl->function);
        else
            ok = declare_variable(
                run, decl->name, translate_type(run->catalogue, &run->arena, decl->ident->type));
    }
    for (size_t i = 0; ok && i < test->n_bindings; i++)
        if (!is_declared(run, test->bindings[i]->key))
            ok = declare_variable(run, test->bindings[i]->key, &dyn);
    if (!ok)
        buffer_append_string(run->why, "the variables can't be declared");
    return ok;
}

static bool set_message(struct run *run, struct variable *variable, const suite_value *value) {
    struct bytes bytes;
    struct error error;
    if (value->kind_case != CEL__EXPR__VALUE__KIND_OBJECT_VALUE ||
        translate_any(run->catalogue, value->object_value, &bytes) != paths_root(variable->paths))
        return false;
    variable->scan = scan_new(variable->paths);
    if (!variable->scan || scan_run(variable->scan, bytes, false, &error) != 0)
        return false;
    cel_activation_set_scan(run->activation, variable->index, variable->scan);
    return true;
}

static bool set_variable(struct run *run, const char *name, const suite_value *value) {
    struct cel_value translated;
    for (size_t i = 0; i < run->count; i++) {
        struct variable *variable = &run->variables[i];
        if (strcmp(variable->name, name) != 0)
            continue;
        if (variable->paths)
            return set_message(run, variable, value);
        if (!translate_value(run->catalogue, run->activation, value, &translated))
            return false;
        cel_activation_set(run->activation, variable->index, &translated);
        return true;
    }
    return false;
}

static bool set_all(struct run *run) {
    run->activation = cel_activation_new(run->env);
    for (size_t i = 0; run->activation && i < run->test->n_bindings; i++) {
        const Cel__Expr__ExprValue *bound = run->test->bindings[i]->value;
        if (bound->kind_case != CEL__EXPR__EXPR_VALUE__KIND_VALUE ||
            !set_variable(run, run->test->bindings[i]->key, bound->value)) {
            buffer_append_format(run->why, "%s can't be bound", run->test->bindings[i]->key);
            return false;
        }
    }
    return run->activation != NULL;
}

static const char *expected_error(const suite_test *test) {
    bool error =
        test->result_matcher_case == CEL__EXPR__CONFORMANCE__TEST__SIMPLE_TEST__RESULT_MATCHER_EVAL_ERROR;
    return error && test->eval_error->n_errors ? test->eval_error->errors[0]->message : NULL;
}

static bool compare_refusal(struct run *run, const struct cel_problems *problems) {
    const char *error = expected_error(run->test);
    const struct cel_problem *problem = &problems->items[0];
    if (error && expected_problem(run->path, error, problem->kind))
        return true;
    buffer_append_format(run->why, "refused at byte %zu: %s", problem->offset, problem->text);
    if (error)
        buffer_append_format(run->why, "; expected the error \"%s\"", error);
    return false;
}

static bool compare_failure(struct run *run, const char *text) {
    const char *error = expected_error(run->test);
    enum cel_fault fault = cel_activation_fault(run->activation);
    if (error && expected_fault(run->path, error, fault))
        return true;
    buffer_append_format(run->why, "failed: %s (kind %d)", text, (int)fault);
    if (error)
        buffer_append_format(run->why, "; expected the error \"%s\"", error);
    return false;
}

static bool compare_value(struct run *run, const struct cel_value *value, const suite_value *suite) {
    struct cel_value expected;
    if (!translate_value(run->catalogue, run->activation, suite, &expected)) {
        buffer_append_string(run->why, "the expected value can't be made");
        return false;
    }
    if (same_value(run->activation, &expected, value))
        return true;
    buffer_append_string(run->why, "came ");
    show_value(run->activation, value, run->why);
    buffer_append_string(run->why, "; expected ");
    show_value(run->activation, &expected, run->why);
    return false;
}

// A test that says nothing of the outcome expects true.
static bool compare_outcome(struct run *run, const struct cel_value *value) {
    static const suite_value yes = {.base = PROTOBUF_C_MESSAGE_INIT(&cel__expr__value__descriptor),
        .kind_case = CEL__EXPR__VALUE__KIND_BOOL_VALUE,
        .bool_value = 1};
    const suite_test *test = run->test;
    switch (test->result_matcher_case) {
    case CEL__EXPR__CONFORMANCE__TEST__SIMPLE_TEST__RESULT_MATCHER_VALUE:
        return compare_value(run, value, test->value);
    case CEL__EXPR__CONFORMANCE__TEST__SIMPLE_TEST__RESULT_MATCHER_TYPED_RESULT:
        return compare_value(run, value, test->typed_result->result);
    case CEL__EXPR__CONFORMANCE__TEST__SIMPLE_TEST__RESULT_MATCHER__NOT_SET:
        return compare_value(run, value, &yes);
    default:
        buffer_append_string(run->why, "came ");
        show_value(run->activation, value, run->why);
        buffer_append_format(run->why, "; expected the error \"%s\"",
            expected_error(test) ? expected_error(test) : "(unknown)");
        return false;
    }
}

static bool compare_deduced(struct run *run) {
    const suite_test *test = run->test;
    char name[256];
    if (test->result_matcher_case != CEL__EXPR__CONFORMANCE__TEST__SIMPLE_TEST__RESULT_MATCHER_TYPED_RESULT)
        return true;
    const struct cel_type *type = cel_program_type(run->program);
    const struct cel_type *expected =
        translate_type(run->catalogue, &run->arena, test->typed_result->deduced_type);
    if (expected && same_type(expected, type))
        return true;
    buffer_append_format(run->why, "the type is %s", cel_type_name(type, name, sizeof name));
    if (expected)
        buffer_append_format(run->why, ", not %s", cel_type_name(expected, name, sizeof name));
    return false;
}

static bool evaluate(struct run *run) {
    struct cel_value value;
    struct error error;
    if (!set_all(run))
        return false;
    int rc = cel_eval(run->program, run->activation, &value, &error);
    return rc == 0 ? compare_outcome(run, &value) : compare_failure(run, error.text);
}

static bool run_one(struct run *run) {
    struct cel_problems problems;
    const suite_test *test = run->test;
    run->env = cel_env_new(run->catalogue, NULL, test->container);
    if (!run->env || !declare_all(run))
        return false;
    cel_env_set_dynamic(run->env, test->disable_check != 0);
    int rc = cel_compile(run->env, bytes_of_data(test->expr), NULL, &run->program, &problems);
    if (rc == CEL_REFUSED)
        return compare_refusal(run, &problems);
    return rc == 0 && compare_deduced(run) && (test->check_only || evaluate(run));
}

bool case_run(
    const struct catalogue *catalogue, const suite_test *test, const char *path, struct buffer *why) {
    struct run run = {.catalogue = catalogue, .test = test, .path = path, .why = why};
    bool passed = run_one(&run);
    cel_activation_destroy(&run.activation);
    cel_program_destroy(&run.program);
    cel_env_destroy(&run.env);
    for (size_t i = 0; i < run.count; i++) {
        scan_destroy(&run.variables[i].scan);
        paths_destroy(&run.variables[i].paths);
    }
    arena_destroy(&run.arena);
    return passed;
}
