// The parts of the harness: one test of the suite at a time through core/cel.
#pragma once

#include "cel/expr/conformance/test/simple.pb-c.h"
#include "core/base/buffer.h"
#include "core/cel/cel.h"
#include "core/cel/value.h"
#include "core/schema/arena.h"

typedef Cel__Expr__Conformance__Test__SimpleTest suite_test;
typedef Cel__Expr__Value suite_value;
typedef Cel__Expr__Type suite_type;

static inline struct bytes bytes_of_data(ProtobufCBinaryData data) {
    return bytes_of(data.data, data.len);
}

// case.c: whether the test passed; otherwise `why` says what came instead.
bool case_run(
    const struct catalogue *catalogue, const suite_test *test, const char *path, struct buffer *why);

// translate.c: the suite's types and values as ours; NULL, false where that can't be.
const struct cel_type *translate_type(
    const struct catalogue *catalogue, struct arena *arena, const suite_type *type);
bool translate_value(const struct catalogue *catalogue, struct cel_activation *activation,
    const suite_value *value, struct cel_value *out);
// The message in an Any; NULL: not in the catalogue.
const struct schema_message *translate_any(
    const struct catalogue *catalogue, const Google__Protobuf__Any *any, struct bytes *bytes);

// same.c: equality to the letter: kinds too, NaN is NaN, -0.0 isn't 0.0, maps in any order.
bool same_value(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b);
bool same_type(const struct cel_type *expected, const struct cel_type *type);
void show_value(struct cel_activation *activation, const struct cel_value *value, struct buffer *out);

// expected.c: whether an error is of the kind that the suite's text asks for.
bool expected_fault(const char *path, const char *text, enum cel_fault fault);
bool expected_problem(const char *path, const char *text, enum cel_problem_kind kind);

// exclusions.c
struct exclusions;
struct exclusions *exclusions_load(const char *path); // returns owned, or NULL with a message on stderr
bool exclusions_cover(struct exclusions *exclusions, const char *path);
size_t exclusions_report_unused(const struct exclusions *exclusions); // how many no test used; on stderr
void exclusions_destroy(struct exclusions **self);
