#include "core/schema/compat.h"

#include "core/schema/testing.h"

#define SET HUTONG_BUILD_DIR "/core/schema/testdata_source.binpb"

static struct buffer set;
static struct model *model;

static int setup(void **state) {
    (void)state;
    FILE *file = fopen(SET, "rbe");
    if (!file)
        return -1;
    size_t count = 65536;
    while (count == 65536) {
        count = fread(buffer_extend(&set, 65536), 1, 65536, file);
        set.size -= 65536 - count;
    }
    fclose(file);
    return model_load(buffer_bytes(&set), &model, NULL);
}

static int teardown(void **state) {
    (void)state;
    model_destroy(&model);
    buffer_destroy(&set);
    return 0;
}

static const struct model_field *field_of(const struct model_message *message, const char *name) {
    for (size_t i = 0; i < message->field_count; i++)
        if (strcmp(message->fields[i].name, name) == 0)
            return &message->fields[i];
    fail_msg("%s has no field %s", message->full_name, name);
    abort(); // not reached
}

static void proto3_is_whole(void **state) {
    (void)state;
    const struct model_message *all = model_message(model, "test.three.All");
    assert_non_null(all);
    assert_string_equal(all->file->name, "three.proto");
    assert_true(all->file->proto3);
    assert_int_equal(all->oneof_count, 1);
    assert_string_equal(all->oneofs[0].name, "choice");
    assert_int_equal(all->reserved.range_count, 2);
    assert_int_equal(all->reserved.ranges[1].first, 80);
    assert_int_equal(all->reserved.ranges[1].last, 90);
    assert_string_equal(all->reserved.names[0], "gone");
    assert_string_equal(field_of(all, "renamed")->json_name, "@other");
    assert_string_equal(field_of(all, "an_int32")->json_name, "anInt32");
    assert_true(field_of(all, "maybe_int32")->optional && field_of(all, "maybe_int32")->presence);
    assert_int_equal(field_of(all, "maybe_int32")->oneof, -1);
    assert_int_equal(field_of(all, "choice_kind")->oneof, 0);
    assert_true(field_of(all, "int32s")->packed && !field_of(all, "loose_int32s")->packed);
    assert_non_null(field_of(all, "names")->entry);
    assert_null(field_of(all, "inners")->entry);
    assert_string_equal(field_of(all, "inner")->type_name, "test.three.Inner");
    const struct model_enum *kind = model_enum(model, "test.three.Kind");
    assert_int_equal(kind->value_count, 4);
    assert_int_equal(kind->values[3].number, -1);
}

static void proto2_is_whole(void **state) {
    (void)state;
    const struct model_message *legacy = model_message(model, "test.two.Legacy");
    assert_false(legacy->file->proto3);
    assert_true(field_of(legacy, "id")->required);
    assert_string_equal(field_of(legacy, "limit")->default_value, "42");
    assert_null(field_of(legacy, "text")->default_value);
    assert_int_equal(field_of(legacy, "place")->kind, SCHEMA_GROUP);
    assert_int_equal(legacy->extensions[0].first, 100);
    assert_int_equal(legacy->extensions[0].last, 199);
    assert_string_equal(model_extension(model, "test.two.extra")->extendee, "test.two.Legacy");
    assert_int_equal(model_extension_count(model), 4);
    assert_null(model_extension(model, "test.two.none"));
}

static void places_and_comments_are_there(void **state) {
    (void)state;
    const struct model_message *person = model_message(model, "test.residence.Person");
    assert_int_equal(person->name_place.line, 7);
    assert_int_equal(person->name_place.column, 9);
    const struct model_field *field = field_of(person, "name");
    assert_int_equal(field->note.place.line, 9);
    assert_int_equal(field->note.place.column, 3);
    assert_int_equal(field->name_place.column, 10);
    assert_int_equal(field->number_place.column, 17);
    assert_int_equal(field->type_place.column, 3);
    assert_int_equal(field->file->package_place.line, 3);
    const struct model_field *stamp = field_of(model_message(model, "google.protobuf.Timestamp"), "seconds");
    assert_non_null(strstr(stamp->note.comment, "Represents seconds of UTC time"));
    assert_null(field->note.comment);
    const struct model_message *notice = model_message(model, "test.required.Notice");
    assert_true(field_of(notice, "number")->needed && field_of(notice, "count")->needed);
    assert_false(field_of(notice, "note")->needed);
}

static void a_set_is_as_itself(void **state) {
    (void)state;
    struct compat *compat = NULL;
    assert_int_equal(compat_check(model, model, COMPAT_ALL, &compat, NULL), 0);
    assert_int_equal(compat_count(compat), 0);
    assert_int_equal(compat_breaks(compat), 0);
    compat_destroy(&compat);
    compat_destroy(&compat);
}

static void every_rule_has_a_name_and_advice(void **state) {
    (void)state;
    for (size_t i = 0; i < compat_rule_count(); i++) {
        const struct compat_rule *rule = compat_rule_at(i);
        assert_non_null(rule->id);
        assert_non_null(rule->advice);
        assert_true(rule->breaks != 0 && (rule->breaks & ~(unsigned)COMPAT_ALL) == 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rule->id, compat_rule_at(k)->id);
    }
}

// Whatever bytes: refused or read, never more.
static void cut_and_changed_sets_are_survived(void **state) {
    (void)state;
    for (size_t size = 0; size < set.size; size += 37) {
        struct model *cut = NULL;
        if (model_load(bytes_of(set.data, size), &cut, NULL) == 0)
            model_destroy(&cut);
        assert_null(cut);
    }
    for (size_t at = 0; at < set.size; at += 53) {
        struct model *changed = NULL;
        struct compat *compat = NULL;
        set.data[at] ^= 0x15;
        if (model_load(buffer_bytes(&set), &changed, NULL) == 0) {
            assert_int_equal(compat_check(model, changed, COMPAT_ALL, &compat, NULL), 0);
            compat_destroy(&compat);
        }
        model_destroy(&changed);
        set.data[at] ^= 0x15;
    }
}

static void a_message_that_is_malformed_is_named(void **state) {
    (void)state;
    struct buffer bytes = {0};
    struct error error = {0};
    struct model *none = NULL;
    put_hex(
        &bytes, "0a 10 0a 01 'a' 22 0b 0a 01 'M' 12 06 0a 01 'f' 18 01 28"); // a field whose type is cut off
    assert_int_equal(model_load(buffer_bytes(&bytes), &none, &error), -EINVAL);
    buffer_clear(&bytes);
    put_hex(&bytes, "0a 0f 0a 01 'a' 22 0a 0a 01 'M' 12 05 0a 01 'f' 28 13"); // a kind that there is not
    assert_int_equal(model_load(buffer_bytes(&bytes), &none, &error), -EINVAL);
    assert_string_equal(error.text, "file \"a\": a field can't be read");
    assert_null(none);
    buffer_destroy(&bytes);
}

static void memory_may_run_out(void **state) {
    (void)state;
    int rc = -ENOMEM;
    for (size_t n = 0; rc == -ENOMEM; n++) {
        struct model *loaded = NULL;
        struct error error = {0};
        alloc_fail_after(n);
        rc = model_load(buffer_bytes(&set), &loaded, &error);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_true((rc == 0) == (loaded != NULL));
        model_destroy(&loaded);
    }
    struct model *empty = NULL;
    assert_int_equal(model_load((struct bytes){0}, &empty, NULL), 0);
    rc = -ENOMEM;
    for (size_t n = 0; rc == -ENOMEM; n++) {
        struct compat *compat = NULL;
        struct error error = {0};
        alloc_fail_after(n);
        rc = compat_check(model, empty, COMPAT_DEFAULT, &compat, &error);
        alloc_fail_never();
        assert_true((rc == 0) == (compat != NULL));
        if (compat)
            assert_int_equal(compat_breaks(compat), 5); // the packages
        compat_destroy(&compat);
    }
    model_destroy(&empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proto3_is_whole),
        cmocka_unit_test(proto2_is_whole),
        cmocka_unit_test(places_and_comments_are_there),
        cmocka_unit_test(a_set_is_as_itself),
        cmocka_unit_test(every_rule_has_a_name_and_advice),
        cmocka_unit_test(cut_and_changed_sets_are_survived),
        cmocka_unit_test(a_message_that_is_malformed_is_named),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
