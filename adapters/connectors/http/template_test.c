#include "adapters/connectors/http/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct catalogue *catalogue;
    struct cel_env *env;
    struct cel_activation *activation;
    size_t text;
    size_t number;
    size_t time;
};

static int eval(
    void *context, const struct cel_program *program, struct cel_value *out, struct error *error) {
    return cel_eval(program, context, out, error);
}

static void open_fixture(struct fixture *fixture) {
    struct error error = {0};
    assert_int_equal(
        catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &fixture->catalogue, &error), 0);
    fixture->env = cel_env_new(fixture->catalogue, NULL, NULL);
    assert_non_null(fixture->env);
    assert_int_equal(cel_env_declare(fixture->env, "text", CEL_STRING, &fixture->text), 0);
    assert_int_equal(cel_env_declare(fixture->env, "number", CEL_INT, &fixture->number), 0);
    assert_int_equal(cel_env_declare(fixture->env, "time", CEL_TIMESTAMP, &fixture->time), 0);
}

static void close_fixture(struct fixture *fixture) {
    cel_env_destroy(&fixture->env);
    catalogue_destroy(&fixture->catalogue);
}

static void run(
    struct fixture *fixture, const struct template *template, const char *text, struct buffer *out) {
    struct error error = {0};
    struct cel_value values[] = {{.kind = CEL_STRING, .bytes = bytes_of_string(text)},
        {.kind = CEL_INT, .i64 = 123450}, {.kind = CEL_TIMESTAMP, .time = {.seconds = 1795512600}}};
    fixture->activation = cel_activation_new(fixture->env);
    assert_non_null(fixture->activation);
    cel_activation_set(fixture->activation, fixture->text, &values[0]);
    cel_activation_set(fixture->activation, fixture->number, &values[1]);
    cel_activation_set(fixture->activation, fixture->time, &values[2]);
    if (template_run(template, eval, fixture->activation, out, &error) != 0) {
        buffer_clear(out);
        assert_int_equal(buffer_append_format(out, "! %s", error.text), 0);
    }
    cel_activation_destroy(&fixture->activation);
}

// What the template (in a block scalar) makes with `text`; "? " and the problems when it doesn't load.
static void check(enum template_kind kind, const char *source, const char *text, const char *want) {
    struct fixture fixture = {0};
    struct buffer yaml = {0};
    struct buffer out = {0};
    struct report *report = report_new(0);
    open_fixture(&fixture);
    buffer_append_format(&yaml, "t: |-\n  %s\n", source);
    struct config_file *file = config_parse("t.yaml", buffer_bytes(&yaml), NULL, report);
    assert_non_null(file);
    const struct config_node *node = config_get(config_root(file), "t");
    struct template *template = template_load(node, kind, fixture.env, 8 * 3600, report);
    if (template)
        run(&fixture, template, text, &out);
    else
        buffer_append_format(&out, "? %d:%d %s", (int)report_problem(report, 0)->mark.line,
            (int)report_problem(report, 0)->mark.column, report_problem(report, 0)->text);
    assert_string_equal(buffer_text(&out), want);
    template_destroy(&template);
    config_destroy(&file);
    report_destroy(&report);
    buffer_destroy(&yaml);
    buffer_destroy(&out);
    close_fixture(&fixture);
}

static void test_xml(void **state) {
    (void)state;
    check(TEMPLATE_XML, "<a>${text}</a>", "</a><b/>&\"'", "<a>&lt;/a&gt;&lt;b/&gt;&amp;&quot;&#39;</a>");
    check(TEMPLATE_XML, "<a b='${text}'/>", "x' c='\n", "<a b='x&#39; c=&#39;&#10;'/>");
    check(TEMPLATE_XML, "<a>${text}</a>", "a\x01", "! ${text}: byte 2 (0x01) has no form in XML");
    check(TEMPLATE_XML, "<a>${number} ${number > 1} $${x}</a>", "", "<a>123450 1 ${x}</a>");
    check(TEMPLATE_XML, "<a><!-- ${text} --></a>", "", "? 2:11 a placeholder inside a comment");
    check(TEMPLATE_XML, "<${text}/>", "",
        "? 2:4 a placeholder inside a tag; only text and attribute values in quotes may have one");
    check(TEMPLATE_XML, "<a>${text}", "",
        "? 1:4 the text around the placeholders is no XML: line 1: Premature end of data in tag a line 1");
}

static void test_json(void **state) {
    (void)state;
    check(TEMPLATE_JSON, "{\"a\": \"x ${text}\"}", "\"}\\\n\x01", "{\"a\": \"x \\\"}\\\\\\n\\u0001\"}");
    check(TEMPLATE_JSON, "{\"a\": ${text}, \"b\": ${number}}", "\"", "{\"a\": \"\\\"\", \"b\": 123450}");
    check(TEMPLATE_JSON, "{\"a\": ${number | decimal 2}, \"b\": ${number > 1}}", "",
        "{\"a\": \"1234.50\", \"b\": true}");
    check(TEMPLATE_JSON, "{\"a\" ${text}}", "",
        "? 1:4 the text around the placeholders is no JSON: line 1, column 6: ':' expected near '0'");
}

static void test_forms(void **state) {
    (void)state;
    check(TEMPLATE_URL, "/${time | date}/${text}", "a/b ?王", "/2026-11-24/a%2Fb%20%3F%E7%8E%8B");
    check(TEMPLATE_HEADER, "${time | time \"%Y%m%d%H%M\"}", "", "202611241730");
    check(TEMPLATE_HEADER, "x ${text}", "a\r\nEvil: 1", "! ${text}: byte 2 (0x0D) can't stand in a header");
    check(TEMPLATE_HEADER, "${text == '' || number > 3 ? \"}\" : text}", "x", "}");
    check(TEMPLATE_HEADER, "${number | date}", "", "? 2:5 a int can't be written as date");
    check(
        TEMPLATE_HEADER, "${text", "", "? 2:3 a placeholder that is never closed; \"$${\" is a plain \"${\"");
}

static void test_expressions_are_checked(void **state) {
    (void)state;
    struct fixture fixture = {0};
    struct report *report = report_new(0);
    open_fixture(&fixture);
    static const char yaml[] = "t: |\n  <a>${texd}\n  ${number + text}</a>\n";
    struct config_file *file = config_parse("t.yaml", bytes_of_string(yaml), NULL, report);
    const struct config_node *node = config_get(config_root(file), "t");
    assert_null(template_load(node, TEMPLATE_XML, fixture.env, 0, report));
    assert_int_equal(report_errors(report), 2); // in one run
    assert_int_equal(report_problem(report, 0)->mark.line, 2);
    assert_int_equal(report_problem(report, 0)->mark.column, 8);
    assert_int_equal(report_problem(report, 1)->mark.line, 3);
    config_destroy(&file);
    report_destroy(&report);
    close_fixture(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_expressions_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
