// Without memory: wherever it runs out, -ENOMEM comes out and nothing else.
#include "core/cel/cel_testing.h"
#include "test/support/alloc_fail.h"

#include <errno.h>

#define PAD_MAX 16000

static const char *const sources[] = {
    "msg.a_string.startsWith('330106') && msg.kind != Kind.KIND_MOVE && has(msg.inner.name)",
    "msg.int32s.filter(x, x > 1).map(y, y * 2) == [4, 6] && msg.names == {'k': 'v'} && {1: [2]}[1][0] == 2",
    "msg.inners.exists(i, i.number == 7) && msg.by_number[1].name == 'n' && msg.inner != msg.inners[0]",
    "known.timestamp + known.duration > timestamp(0) && known.int32_value == 7 && known.durations.size() == "
    "0",
    "codes('relation', '01') + string(n) + local_time(known.timestamp, '+08:00') != dyn('x') && "
    "in_codes('sex', id)",
    "'a,b'.split(',').join('-').upperAscii().replace('A', 'bb') + 'x'.reverse() == 'bb-Bx' || 1 / 0 == 1",
    "id.matches('^33[0-9]+$') && id.matches('^' + id) && type(n) == int && type(msg.inner) != "
    "test.three.Inner",
    "mgs.a_string == 'x' && msg.a_strin == 1 && Kind.NONE == 1 && codes('relaton', id) == 's' && sizes(1)",
    "r'''abc''' == \"\\u6c49\" || [1, 2u].exists_one(x, dyn(x) == 1) || {'a': {'b': 1}}.a.b == 1 || -n < 5",
    "known.timestamp.getHours('Asia/Shanghai') + known.timestamp.getHours(n > 1 ? 'Asia/Tokyo' : 'UTC') > 1 "
    "&& "
    "local_date(known.timestamp, 'Asia/Shangai') == ''",
    "known.timestamp.getHours('Asia/Shanghai') + known.timestamp.getHours(n > 1 ? 'Asia/Tokyo' : 'UTC') > 1",
    "'%s %.2f %x'.format([[1, {'a': n, 'b': id}], 1.5, b'ab']) == strings.quote(id) + base64.encode(b'abc')",
    "math.greatest(n, 1, 2u) == math.least([n, 3]) || base64.decode(id + 'ab').size() > 7 || (id + "
    "'%y').format([1]) == ''",
    "'%d'.format([id]) == '' || math.foo(1) == 2",
    "mask(id, 1, 1) + hash(id) + hash(id, 'x') + "
    "string(citizen_number('11010519491231002X').division().parent()) "
    "+ citizen_number('11010519491231002X').birth_date() == codes('relation', '01', known.timestamp)",
    "division('33010').level() > 1 || citizen_number(id).sex() == '1' || codes('relation', '99') == ''",
    "All{names: {'a': id}, inner: Inner{tags: [id]}, by_number: {1: msg.inner}} == All{int32s: [n]} || msg "
    "== All{}",
    "Known{any: [1, {'a': msg.inner}], value: msg.inner, struct: {'b': known.timestamp}}.any[1].a.name == id "
    "&& known.any == null",
    "[1].transformMap(i, v, {v: i}) == {} || {1: 2}.transformMapEntry(k, v, v > k, {v: k}) == cel.bind(x, "
    "{1: n}, x)",
    "Inner{nam: 1, name: 2} == Iner{} || [].exists(i, j, k) || cel.bind(x, [], x + [1]).transformList(i, x, "
    "x)",
    "string(1.5) + string(known.duration) + string(true) == '' ? msg.names : {'a': id}",
};

// A text of this length moves what comes behind it to another place of the arenas' blocks.
static const char *padded(const char *source, size_t pad) {
    buffer_clear(&world.text);
    assert_int_equal(buffer_append_string(&world.text, "size(\""), 0);
    for (size_t i = 0; i < pad; i++)
        assert_int_equal(buffer_append_byte(&world.text, 'x'), 0);
    assert_int_equal(buffer_append_format(&world.text, "\" + id) > 9 ? dyn(1) : dyn(%s)", source), 0);
    return buffer_text(&world.text);
}

// The same with the choice turned round, so that the source itself is evaluated.
static const char *padded_behind(const char *source, size_t pad) {
    buffer_clear(&world.text);
    assert_int_equal(buffer_append_string(&world.text, "size(\""), 0);
    for (size_t i = 0; i < pad; i++)
        assert_int_equal(buffer_append_byte(&world.text, 'x'), 0);
    assert_int_equal(buffer_append_format(&world.text, "\" + id) < 0 ? dyn(1) : dyn(%s)", source), 0);
    return buffer_text(&world.text);
}

static int compile_only(const char *source) {
    cel_program_destroy(&world.program);
    world.problems.count = 0;
    int rc = cel_compile(world.env, bytes_of_string(source), NULL, &world.program, &world.problems);
    assert_int_equal(rc == 0, world.program != NULL);
    return rc;
}

static void compile_each(const char *source) {
    int rc = -ENOMEM;
    for (size_t n = 0; rc == -ENOMEM; n++) {
        alloc_fail_after(n);
        rc = compile_only(source);
        alloc_fail_never();
        assert_true(n < 1000);
    }
    assert_true(rc == 0 || rc == CEL_REFUSED);
}

static void test_compile(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        compile_each(sources[i]);
        for (size_t pad = 4000; pad < PAD_MAX; pad += 1 + pad % 97)
            compile_each(padded(sources[i], pad));
    }
}

// With an activation of its own each time, so that it must take its memory.
static int evaluate_afresh(const struct cel_program *program, size_t successes) {
    struct cel_value value;
    struct error error;
    cel_activation_destroy(&world.activation);
    world.activation = cel_activation_new(world.env);
    assert_non_null(world.activation);
    world_activate();
    alloc_fail_after(successes);
    int rc = cel_eval(program, world.activation, &value, &error);
    alloc_fail_never();
    if (rc == -ENOMEM)
        assert_string_equal(error.text, "out of memory");
    return rc;
}

static void evaluate_each(const char *source) {
    if (compile_only(source) != 0)
        return;
    int rc = -ENOMEM;
    for (size_t n = 0; rc == -ENOMEM; n++) {
        rc = evaluate_afresh(world.program, n);
        assert_true(n < 1000);
    }
    assert_true(rc == 0 || rc == CEL_FAILED);
}

static void test_evaluate(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        evaluate_each(sources[i]);
        for (size_t pad = 12000; pad < PAD_MAX; pad += 1 + pad % 37)
            evaluate_each(padded_behind(sources[i], pad));
    }
}

static void test_env(void **state) {
    (void)state;
    size_t n = 0;
    for (bool done = false; !done; n++) {
        size_t index;
        alloc_fail_after(n);
        struct cel_env *env = cel_env_new(world.catalogue, NULL, "a.container");
        int rc = env ? cel_env_declare_message(env, "m", world.paths[0], &index) : -ENOMEM;
        if (rc == 0)
            rc = cel_env_declare(env, "s", CEL_STRING, &index);
        struct cel_activation *activation = rc == 0 ? cel_activation_new(env) : NULL;
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        done = activation != NULL;
        cel_activation_destroy(&activation);
        cel_env_destroy(&env);
        assert_null(env);
    }
    assert_true(n > 4);
}

// Filters of the simple sort take nothing at all.
static void test_none_needed(void **state) {
    (void)state;
    bool out = false;
    struct error error;
    assert_int_equal(
        compile_only("msg.a_string.startsWith('330106') && msg.kind != Kind.KIND_MOVE && n > 5 && "
                     "id in ['330106'] && known.timestamp < timestamp('2030-01-01T00:00:00Z')"),
        0);
    cel_activation_destroy(&world.activation);
    world.activation = cel_activation_new(world.env);
    world_activate();
    alloc_fail_after(0);
    int rc = cel_eval_bool(world.program, world.activation, &out, &error);
    alloc_fail_never();
    assert_int_equal(rc, 0);
    assert_true(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compile),
        cmocka_unit_test(test_evaluate),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_none_needed),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
