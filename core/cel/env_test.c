// Variables of any type, and envs inside others.
#include "core/cel/cel_testing.h"

#include "test/support/alloc_fail.h"

#include <errno.h>

// The type of an expression in an env; its program is kept, since the type lies in it.
static const struct cel_type *type_of(const struct cel_env *env, const char *source) {
    cel_program_destroy(&world.program);
    if (cel_compile(env, bytes_of_string(source), NULL, &world.program, &world.problems) != 0)
        fail_msg("%s: %s", source, world.problems.items[0].text);
    return cel_program_type(world.program);
}

static struct cel_env *inside(const char *name, const char *list, size_t *index) {
    struct cel_env *env = cel_env_new_inside(world.env);
    assert_non_null(env);
    const struct cel_type *type = type_of(world.env, list);
    assert_int_equal(type->kind, CEL_LIST);
    assert_int_equal(cel_env_declare_typed(env, name, type->element, index), 0);
    cel_program_destroy(&world.program); // the type was copied
    return env;
}

static void an_element_has_its_lists_type(void **state) {
    (void)state;
    static const char *const table[][3] = {
        {"msg.inners", "item", "test.three.Inner"},
        {"[[1], [2]]", "item", "list(int)"},
        {"[{'a': [1.5]}]", "item.a", "list(double)"},
        {"['a', 'b']", "item + id", "string"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t index;
        char name[160];
        struct cel_env *env = inside("item", table[i][0], &index);
        assert_int_equal(index, cel_env_count(world.env));
        assert_string_equal(cel_type_name(type_of(env, table[i][1]), name, sizeof name), table[i][2]);
        cel_program_destroy(&world.program);
        cel_env_destroy(&env);
    }
}

static void names_are_found_once(void **state) {
    (void)state;
    size_t index;
    struct cel_env *env = inside("item", "msg.inners", &index);
    assert_int_equal(
        cel_env_declare_typed(env, "item", &(struct cel_type){.kind = CEL_INT}, &index), -EEXIST);
    assert_int_equal(cel_env_declare_typed(env, "msg", &(struct cel_type){.kind = CEL_INT}, &index), -EEXIST);
    assert_int_equal(
        cel_compile(world.env, bytes_of_string("item"), NULL, &world.program, &world.problems), CEL_REFUSED);
    cel_env_destroy(&env);
}

// The outer env's variables keep their values when the inner ones are added.
static void programs_of_both_run_with_one_activation(void **state) {
    (void)state;
    size_t index;
    struct cel_value value;
    struct error error;
    struct cel_env *env = inside("item", "['x']", &index);
    type_of(env, "item + id + string(msg.inners.size() >= 0)");
    struct cel_activation *activation = world.activation;
    world_activate();
    assert_int_equal(cel_activation_reserve(activation, cel_env_count(env)), 0);
    assert_int_equal(cel_eval(world.program, activation, &value, &error), CEL_FAILED); // no item yet
    cel_activation_set(
        activation, index, &(struct cel_value){.kind = CEL_STRING, .bytes = bytes_of_string("<")});
    assert_int_equal(cel_eval(world.program, activation, &value, &error), 0);
    assert_true(bytes_equal_string(value.bytes, "<330106true"));
    cel_program_destroy(&world.program);
    cel_env_destroy(&env);
}

// All evaluations until the reset share a budget: a loop around them has an end.
static void a_loop_of_evaluations_has_an_end(void **state) {
    (void)state;
    struct cel_value value;
    struct error error;
    const char *ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
    char source[256];
    snprintf(source, sizeof source, "%s.all(a, %s.all(b, %s.all(c, %s.all(d, %s.all(e, true)))))", ten, ten,
        ten, ten, ten);
    type_of(world.env, source);
    world_activate();
    size_t count = 0;
    while (cel_eval(world.program, world.activation, &value, &error) == 0)
        assert_true(++count < 100);
    assert_int_equal(count, CEL_BUDGET / 111110);
    assert_non_null(strstr(error.text, "more steps"));
    world_activate();
    assert_int_equal(cel_eval(world.program, world.activation, &value, &error), 0);
    assert_int_equal(cel_activation_spend(world.activation, CEL_BUDGET - 111110, &error), 0);
    assert_int_equal(cel_activation_spend(world.activation, 1, &error), CEL_FAILED);
    assert_int_equal(cel_eval(world.program, world.activation, &value, &error), CEL_FAILED);
    cel_program_destroy(&world.program);
}

static void without_memory_nothing_is_declared(void **state) {
    (void)state;
    bool complete = false;
    const struct cel_type *type = type_of(world.env, "[{'a': [1.5]}]");
    for (size_t n = 0; !complete; n++) {
        size_t index = 99;
        alloc_fail_after(n);
        struct cel_env *env = cel_env_new_inside(world.env);
        int rc = env ? cel_env_declare_typed(env, "item", type->element, &index) : -ENOMEM;
        complete = alloc_count() <= n;
        alloc_fail_never();
        assert_int_equal(rc, complete ? 0 : -ENOMEM);
        assert_true(complete || index == 99);
        cel_env_destroy(&env);
    }
    struct cel_activation *activation = cel_activation_new(world.env);
    alloc_fail_after(0);
    assert_int_equal(cel_activation_reserve(activation, 100), -ENOMEM);
    alloc_fail_never();
    cel_activation_destroy(&activation);
    cel_program_destroy(&world.program);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_has_its_lists_type),
        cmocka_unit_test(names_are_found_once),
        cmocka_unit_test(programs_of_both_run_with_one_activation),
        cmocka_unit_test(a_loop_of_evaluations_has_an_end),
        cmocka_unit_test(without_memory_nothing_is_declared),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
