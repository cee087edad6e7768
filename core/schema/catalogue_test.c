#include "core/schema/catalogue.h"

#include "core/schema/testing.h"

static void types_are_found(void **state) {
    (void)state;
    const struct schema_message *all = type_named("test.three.All");
    assert_true(all->proto3);
    assert_false(all->has_required);
    assert_ptr_equal(all->catalogue, catalogue);
    assert_int_equal(all->oneof_count, 1); // the three optional fields' oneofs don't count
    assert_string_equal(all->oneof_names[0], "choice");
    assert_null(catalogue_message(catalogue, bytes_of_string("test.three.None")));
    assert_null(catalogue_message(catalogue, bytes_of_string("")));
    assert_non_null(catalogue_message(catalogue, bytes_of_string("google.protobuf.Timestamp")));
    const struct schema_message *entry = type_named("test.three.All.NamesEntry");
    assert_true(entry->map_entry);
    assert_true(type_named("test.two.Legacy")->has_required);
    assert_false(type_named("test.two.Legacy")->proto3);
    for (size_t i = 1; i < catalogue_message_count(catalogue); i++)
        assert_true(strcmp(catalogue_message_at(catalogue, i - 1)->full_name,
                        catalogue_message_at(catalogue, i)->full_name) < 0);
    assert_null(catalogue_message_at(catalogue, catalogue_message_count(catalogue)));
}

static void fields_have_their_traits(void **state) {
    (void)state;
    const struct schema_message *all = type_named("test.three.All");
    const struct schema_field *field = field_named(all, "an_int32");
    assert_int_equal(field->number, 5);
    assert_int_equal(field->kind, SCHEMA_INT32);
    assert_false(field->presence);
    assert_string_equal(field->json_name, "anInt32");
    assert_int_equal(field->oneof, -1);
    field = field_named(all, "maybe_int32");
    assert_true(field->presence);
    assert_int_equal(field->oneof, -1);
    assert_true(field_named(all, "inner")->presence);
    assert_ptr_equal(field_named(all, "inner")->message, type_named("test.three.Inner"));
    assert_true(field_named(all, "int32s")->packed);
    assert_false(field_named(all, "loose_int32s")->packed);
    assert_false(field_named(all, "strings")->packed);
    assert_true(field_named(all, "names")->map);
    assert_true(field_named(all, "names")->repeated);
    assert_false(field_named(all, "inners")->map);
    assert_int_equal(field_named(all, "choice_kind")->oneof, 0);
    assert_true(field_named(all, "choice_kind")->presence);
    assert_string_equal(field_named(all, "renamed")->json_name, "@other");
    assert_null(schema_field_named(all, bytes_of_string("anInt32")));
    assert_ptr_equal(schema_field_json(all, bytes_of_string("anInt32")), field_named(all, "an_int32"));
    assert_ptr_equal(schema_field_json(all, bytes_of_string("an_int32")), field_named(all, "an_int32"));
    const struct schema_message *legacy = type_named("test.two.Legacy");
    assert_true(field_named(legacy, "id")->required);
    assert_true(field_named(legacy, "text")->presence);
    assert_int_equal(field_named(legacy, "place")->kind, SCHEMA_GROUP);
    assert_false(field_named(legacy, "numbers")->packed);
    assert_true(field_named(legacy, "packed_numbers")->packed);
}

static void fields_are_found_by_number(void **state) {
    (void)state;
    const struct schema_message *all = type_named("test.three.All");
    for (size_t i = 0; i < all->field_count; i++) {
        assert_ptr_equal(schema_field_numbered(all, all->fields[i].number), &all->fields[i]);
        assert_int_equal(all->fields[i].index, i);
        assert_ptr_equal(all->fields[i].parent, all);
    }
    assert_null(schema_field_numbered(all, 0));
    assert_null(schema_field_numbered(all, 72));
    assert_null(schema_field_numbered(all, 536870910));
    assert_string_equal(schema_field_numbered(all, 536870911)->name, "far_away");
}

static void enums_know_names_and_aliases(void **state) {
    (void)state;
    const struct schema_enum *kind = catalogue_enum(catalogue, bytes_of_string("test.three.Kind"));
    assert_false(kind->closed);
    assert_int_equal(schema_enum_named(kind, bytes_of_string("KIND_LOSS"))->number, -1);
    assert_null(schema_enum_named(kind, bytes_of_string("KIND")));
    assert_string_equal(schema_enum_numbered(kind, -1)->name, "KIND_LOSS");
    assert_null(schema_enum_numbered(kind, 3));
    assert_null(schema_enum_numbered(kind, -2));
    const struct schema_enum *alias = catalogue_enum(catalogue, bytes_of_string("test.three.Alias"));
    assert_string_equal(schema_enum_numbered(alias, 1)->name, "ALIAS_FIRST");
    assert_true(catalogue_enum(catalogue, bytes_of_string("test.two.Closed"))->closed);
}

static void suggestions_are_near(void **state) {
    (void)state;
    const struct schema_message *all = type_named("test.three.All");
    assert_string_equal(schema_nearest_field(all, bytes_of_string("a_strin")), "a_string");
    assert_null(schema_nearest_field(all, bytes_of_string("weather")));
    assert_string_equal(catalogue_nearest_message(catalogue, bytes_of_string("Legacy")), "test.two.Legacy");
    assert_string_equal(
        catalogue_nearest_message(catalogue, bytes_of_string("test.tree.Inner")), "test.three.Inner");
    assert_null(catalogue_nearest_message(catalogue, bytes_of_string("nothing.like.it.at.all")));
}

static void rows_are_defined(void **state) {
    (void)state;
    const struct schema_column columns[] = {{"sfzh", SCHEMA_STRING, false}, {"rq_djsj", SCHEMA_INT64, false},
        {"姓名", SCHEMA_STRING, false}, {"tags", SCHEMA_INT32, true}};
    struct error error = {0};
    const struct schema_message *row = NULL;
    assert_int_equal(catalogue_define(catalogue, "row.population", columns, 4, &row, &error), 0);
    assert_ptr_equal(row, type_named("row.population"));
    assert_true(row->proto3 && row->fields[0].presence && row->fields[3].packed);
    assert_false(row->fields[3].presence);
    assert_int_equal(field_named(row, "姓名")->number, 3);
    assert_string_equal(row->fields[1].json_name, "rqDjsj");
    const struct schema_message *other = NULL;
    assert_int_equal(catalogue_define(catalogue, "row.population", columns, 4, &other, &error), -EINVAL);
    assert_string_equal(error.text, "type \"row.population\" is there twice");
    const struct schema_column twice[] = {{"a", SCHEMA_STRING, false}, {"a", SCHEMA_INT64, false}};
    assert_int_equal(catalogue_define(catalogue, "row.twice", twice, 2, &other, &error), -EINVAL);
    const struct schema_column wrong[] = {{"a", SCHEMA_MESSAGE, false}};
    assert_int_equal(catalogue_define(catalogue, "row.wrong", wrong, 1, &other, &error), -EINVAL);
    const struct schema_column dotted[] = {{"a.b", SCHEMA_BOOL, false}};
    assert_int_equal(catalogue_define(catalogue, "row.dotted", dotted, 1, &other, &error), -EINVAL);
    assert_null(other);
    assert_int_equal(catalogue_define(catalogue, "row.empty", NULL, 0, &other, &error), 0);
}

static void refuse_set(const char *hex, const char *why) {
    struct buffer set = {0};
    put_hex(&set, hex);
    struct catalogue *none = NULL;
    struct error error = {0};
    assert_int_equal(catalogue_load(buffer_bytes(&set), &none, &error), -EINVAL);
    assert_null(none);
    if (!strstr(error.text, why))
        fail_msg("expected \"%s\", got \"%s\"", why, error.text);
    buffer_destroy(&set);
}

static void wrong_sets_are_refused(void **state) {
    (void)state;
    refuse_set("", "1 byte to 16 MiB");
    refuse_set("ff", "no descriptor set");
    refuse_set("0a 05 0a", "no descriptor set");
    refuse_set("0a 03 0a 05 'a'", "malformed file");
    refuse_set("0a 03 0a 01 'a' 0a 03 0a 01 'a'", "file \"a\" twice");
    refuse_set("0a 06 0a 01 'a' 1a 01 'b'", "file \"a\" imports \"b\", which is not in the set");
    refuse_set("0a 0b 0a 01 'a' 62 06 'proto4'", "neither proto2 nor proto3");
    refuse_set("0a 0d 0a 01 'a' 22 03 0a 01 'M' 22 03 0a 01 'M'", "type \"M\" is there twice");
    refuse_set("0a 07 0a 01 'a' 22 02 0a 00", "no right name");
    refuse_set("0a 08 0a 01 'a' 22 03 0a 01 '1'", "no right name");
    refuse_set("0a 08 0a 01 'a' 2a 03 0a 01 'E'", "without values");
    // field number 0, a type that is nowhere, a number twice
    refuse_set("0a 11 0a 01 'a' 22 0c 0a 01 'M' 12 07 0a 01 'f' 18 00 28 05", "not within 1 to");
    refuse_set("0a 16 0a 01 'a' 22 11 0a 01 'M' 12 0c 0a 01 'f' 18 01 28 0b 32 03 '.No'",
        "\".No\" is not in the set");
    refuse_set("0a 1a 0a 01 'a' 22 15 0a 01 'M' 12 07 0a 01 'f' 18 01 28 05 12 07 0a 01 'g' 18 01 28 05",
        "two fields have one name or number");
    refuse_set("0a 11 0a 01 'a' 22 0c 0a 01 'M' 12 07 0a 01 'f' 18 01 28 13", "type 19");
    refuse_set("0a 0c 0a 01 'a' 22 07 0a 01 'M' 3a 02 08 01", "message sets");
}

// 40 types, each inside the one before.
static void deep_sets_are_refused(void **state) {
    (void)state;
    struct buffer inner = {0}, outer = {0};
    for (int i = 0; i < 40; i++) {
        put_hex(&outer, "0a 01 'M'");
        if (inner.size) {
            assert_int_equal(view_put_tag(&outer, 3, 2), 0);
            assert_int_equal(view_put_varint(&outer, inner.size), 0);
            assert_int_equal(buffer_append_bytes(&outer, buffer_bytes(&inner)), 0);
        }
        struct buffer swap = inner;
        inner = outer;
        outer = swap;
        buffer_clear(&outer);
    }
    struct buffer set = {0};
    buffer_clear(&outer);
    put_hex(&outer, "0a 01 'a' 22");
    assert_int_equal(view_put_varint(&outer, inner.size), 0);
    assert_int_equal(buffer_append_bytes(&outer, buffer_bytes(&inner)), 0);
    put_hex(&set, "0a");
    assert_int_equal(view_put_varint(&set, outer.size), 0);
    assert_int_equal(buffer_append_bytes(&set, buffer_bytes(&outer)), 0);
    struct catalogue *none = NULL;
    struct error error = {0};
    assert_int_equal(catalogue_load(buffer_bytes(&set), &none, &error), -EINVAL);
    assert_non_null(strstr(error.text, "nested more than 32 deep"));
    buffer_destroy(&inner);
    buffer_destroy(&outer);
    buffer_destroy(&set);
}

static void relative_type_names_are_resolved(void **state) {
    (void)state;
    // package p; message M { N f = 1; message N {} } message N {}, the field's type written as "N"
    struct buffer set = {0};
    put_hex(&set,
        "0a 21 0a 01 'a' 12 01 'p' 22 14 0a 01 'M' 12 0a 0a 01 'f' 18 01 32 01 'N' 20 01 1a 03 0a 01 'N'"
        "22 03 0a 01 'N'");
    struct catalogue *found = NULL;
    struct error error = {0};
    if (catalogue_load(buffer_bytes(&set), &found, &error) != 0)
        fail_msg("%s", error.text);
    const struct schema_message *message = catalogue_message(found, bytes_of_string("p.M"));
    assert_string_equal(message->fields[0].message->full_name, "p.M.N");
    assert_int_equal(message->fields[0].kind, SCHEMA_MESSAGE);
    catalogue_destroy(&found);
    buffer_destroy(&set);
}

static void files_are_named_in_errors(void **state) {
    (void)state;
    struct catalogue *none = NULL;
    struct error error = {0};
    assert_int_equal(catalogue_load_file("/nowhere/x.binpb", &none, &error), -EINVAL);
    assert_string_equal(error.text, "/nowhere/x.binpb: No such file or directory");
    assert_int_equal(catalogue_load_file(HUTONG_SOURCE_DIR "/core/schema/view.h", &none, &error), -EINVAL);
    if (!strstr(error.text, "view.h: this is no descriptor set"))
        fail_msg("%s", error.text);
    assert_int_equal(catalogue_load_file(HUTONG_SOURCE_DIR, &none, &error), -EINVAL);
}

static void catalogue_survives_no_memory(void **state) {
    (void)state;
    struct error error = {0};
    for (size_t i = 0;; i++) {
        struct catalogue *loaded = NULL;
        alloc_fail_after(i);
        int rc = catalogue_load_file(TESTDATA, &loaded, &error);
        const struct schema_column column = {"a", SCHEMA_STRING, false};
        const struct schema_message *row;
        if (rc == 0)
            rc = catalogue_define(loaded, "row.a", &column, 1, &row, &error);
        alloc_fail_never();
        catalogue_destroy(&loaded);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(error.code, -ENOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_found),
        cmocka_unit_test(fields_have_their_traits),
        cmocka_unit_test(fields_are_found_by_number),
        cmocka_unit_test(enums_know_names_and_aliases),
        cmocka_unit_test(suggestions_are_near),
        cmocka_unit_test(rows_are_defined),
        cmocka_unit_test(wrong_sets_are_refused),
        cmocka_unit_test(deep_sets_are_refused),
        cmocka_unit_test(relative_type_names_are_resolved),
        cmocka_unit_test(files_are_named_in_errors),
        cmocka_unit_test(catalogue_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, load_testdata, free_testdata);
}
