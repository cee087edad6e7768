#include "adapters/connectors/http/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct document_namespace namespaces[] = {
    {"s", "http://schemas.xmlsoap.org/soap/envelope/"}, {"t", "urn:tenancy"}};

static struct document_path *path_of(enum document_kind kind, const char *text) {
    struct document_path *path = NULL;
    struct error error = {0};
    int rc = document_path_new(kind, text, namespaces, 2, &path, &error);
    if (rc != 0)
        print_message("%s\n", error.text);
    assert_int_equal(rc, 0);
    return path;
}

static int parse(enum document_kind kind, struct bytes text, const char *fallback, struct document **out,
    struct error *error) {
    return document_parse(kind, text, NULL, fallback, out, error);
}

// The text at `path`, "-" when absent.
static void check_text(
    enum document_kind kind, struct bytes text, const char *fallback, const char *where, const char *want) {
    struct document *document = NULL;
    struct document_path *path = path_of(kind, where);
    struct buffer out = {0};
    struct error error = {0};
    bool present = false;
    int rc = parse(kind, text, fallback, &document, &error);
    if (rc == 0)
        rc = document_text(document, (struct document_item){NULL}, path, &out, &present, &error);
    assert_string_equal(rc ? error.text : present ? buffer_text(&out) : "-", want);
    buffer_destroy(&out);
    document_path_destroy(&path);
    document_destroy(&document);
}

static void json(const char *text, const char *where, const char *want) {
    check_text(DOCUMENT_JSON, bytes_of_string(text), NULL, where, want);
}

static void xml(const char *text, const char *where, const char *want) {
    check_text(DOCUMENT_XML, bytes_of_string(text), NULL, where, want);
}

static void test_json_values(void **state) {
    (void)state;
    json("{\"a\":{\"b/c\":[\"王\",17,true,1.5,null,{}]}}", "/a/b~1c/0", "王");
    json("{\"a\":[9007199254740993]}", "/a/0", "9007199254740993");
    json("{\"a\":true}", "/a", "true");
    json("{\"a\":1.5}", "/a", "1.5");
    json("{\"a\":null}", "/a", "-");
    json("{\"a\":1}", "/b/c", "-");
    json("{\"a\":{}}", "/a", "\"/a\" is no single value");
    json("{\"a\":1,\"a\":2}", "/a", "no JSON: line 1, column 10: duplicate object key near '\"a\"'");
    json("{\"a\":", "/a", "no JSON: line 1, column 5: unexpected token near end of file");
    check_text(DOCUMENT_JSON, bytes_of_string("{\"a\":\"\xCD\xF5\"}"), "GBK", "/a", "王");
}

static int count(void *context, struct document_item item) {
    assert_non_null(item.node);
    ++*(int *)context;
    return 0;
}

static int records(enum document_kind kind, const char *text, const char *where) {
    struct document *document = NULL;
    struct document_path *path = path_of(kind, where);
    struct error error = {0};
    int n = 0;
    assert_int_equal(parse(kind, bytes_of_string(text), NULL, &document, &error), 0);
    if (document_each(document, path, count, &n, &error) != 0)
        n = -1;
    document_path_destroy(&path);
    document_destroy(&document);
    return n;
}

static void test_records(void **state) {
    (void)state;
    assert_int_equal(records(DOCUMENT_JSON, "{\"rows\":[{},{}]}", "/rows"), 2);
    assert_int_equal(records(DOCUMENT_JSON, "[{},{},{}]", ""), 3);
    assert_int_equal(records(DOCUMENT_JSON, "{\"rows\":{}}", "/rows"), 1);
    assert_int_equal(records(DOCUMENT_JSON, "{\"rows\":null}", "/rows"), 0);
    assert_int_equal(records(DOCUMENT_JSON, "{\"rows\":\"x\"}", "/rows"), -1);
    assert_int_equal(records(DOCUMENT_XML, "<a xmlns='urn:tenancy'><r/><r/></a>", "//t:r"), 2);
    assert_int_equal(records(DOCUMENT_XML, "<a/>", "//t:r"), 0);
    assert_int_equal(records(DOCUMENT_XML, "<a/>", "count(//t:r)"), -1);
}

#define SOAP(body)                                                                                           \
    "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>" body "</s:Body></s:Envelope>"

static void test_xml_values(void **state) {
    (void)state;
    xml(SOAP("<t:r xmlns:t='urn:tenancy'><t:code>0</t:code></t:r>"), "/s:Envelope/s:Body/t:r/t:code", "0");
    xml(SOAP("<s:Fault><faultcode>s:Client</faultcode><faultstring>no such lease</faultstring></s:Fault>"),
        "//s:Fault/faultstring", "no such lease");
    xml("<a><![CDATA[<x>]]></a>", "/a", "<x>");
    xml("<a/>", "/a/b", "-");
    xml("<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>", "/a", "-");
    xml("<a><b>1</b></a>", "/a/b = 1", "true");
    xml("<a>", "/a", "no XML: line 1: Premature end of data in tag a line 1");
    check_text(DOCUMENT_XML, bytes_of_string("<?xml version='1.0' encoding='GBK'?><a>\xCD\xF5</a>"), "UTF-8",
        "/a", "王");
    check_text(DOCUMENT_XML, bytes_of_string("<a>\xCD\xF5</a>"), "GB18030", "/a", "王");
}

static void test_hostile_xml(void **state) {
    (void)state;
    static const char *const refused = "a document type declaration (DTD) is not allowed";
    xml("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "/a", refused);
    xml("<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a/>", "/a", refused);
    xml("<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><l q='&b;'>&b;</l>", "/l", refused);
    struct buffer deep = {0};
    for (int i = 0; i < 10000; i++)
        buffer_append_string(&deep, "<a>");
    struct document *document = NULL;
    struct error error = {0};
    assert_int_equal(parse(DOCUMENT_XML, buffer_bytes(&deep), NULL, &document, &error), DOCUMENT_BAD);
    assert_non_null(strstr(error.text, "depth"));
    buffer_clear(&deep);
    for (int i = 0; i < 10000; i++)
        buffer_append_string(&deep, "[");
    assert_int_equal(parse(DOCUMENT_JSON, buffer_bytes(&deep), NULL, &document, &error), DOCUMENT_BAD);
    buffer_destroy(&deep);
}

static void check_bad_path(enum document_kind kind, const char *text, const char *want) {
    struct document_path *path = NULL;
    struct error error = {0};
    assert_int_equal(document_path_new(kind, text, namespaces, 2, &path, &error), DOCUMENT_BAD);
    assert_string_equal(error.text, want);
}

static void test_paths_are_checked(void **state) {
    (void)state;
    check_bad_path(DOCUMENT_JSON, "rows",
        "a JSON pointer is empty or starts with \"/\" (RFC 6901), such as \"/data/rows\"");
    check_bad_path(DOCUMENT_JSON, "/~2", "in a JSON pointer \"~\" is written \"~0\"");
    check_bad_path(DOCUMENT_XML, "/a[", "\"/a[\" is no XPath 1.0");
    check_bad_path(DOCUMENT_XML, "/q:a", "\"/q:a\": a prefix that \"namespaces\" doesn't list");
    check_bad_path(DOCUMENT_XML, "nonsense(1)", "\"nonsense(1)\": an unknown function or variable");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_xml_values),
        cmocka_unit_test(test_hostile_xml),
        cmocka_unit_test(test_paths_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
