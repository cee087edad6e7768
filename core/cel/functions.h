// The functions and operators: one table for the checker and for the evaluation.
#pragma once

#include "core/cel/compiler.h"
#include "core/cel/program.h"
#include "core/cel/suggest.h"

// `shape`: the receiver and ".", if it has one; a letter for each argument; ":" and the result:
//   b bool  i int  u uint  d double  s string  y bytes  t timestamp  r duration  T type
//   C citizen_number  U credit_code  D division
//   n any number  l any list  L list(string)  N list of numbers  m any map  * anything
// As a result also: 0 what the first argument is, e its element, j a number of the arguments' type, * dyn.
struct overload {
    const char *name;
    const char *shape;
    cel_function function;
};

// The first overload of a name; the others of the name follow it. NULL: no such function.
const struct overload *overload_find(struct bytes name);
bool overload_same_name(
    const struct overload *a, const struct overload *b);               // `b` may be behind the table's end
const struct overload *overload_next(const struct overload *overload); // NULL: the last of its name
bool overload_has_space(struct bytes space);                           // a function is named "space.…"
void overload_offer(struct nearest *nearest); // the names of all functions and macros

bool overload_is_member(const struct overload *overload);
size_t overload_arity(const struct overload *overload); // the receiver counts
char overload_letter(const struct overload *overload, size_t i);
char overload_result(const struct overload *overload);
bool letter_takes(char letter, const struct cel_type *type); // may a value of the type be passed?
bool letter_takes_kind(char letter, enum cel_kind kind);
// "string.startsWith(string)"
void overload_usage(const struct overload *overload, char *out, size_t size);

// What an operator is called in messages: "+" of "_+_".
const char *operator_sign(struct bytes name, char out[8]);

#define FUNCTION(name)                                                                                       \
    void name(const struct node *node, struct cel_activation *activation, const struct cel_value *args,      \
        struct cel_value *out)

FUNCTION(op_add_int);
FUNCTION(op_add_uint);
FUNCTION(op_add_double);
FUNCTION(op_add_bytes);
FUNCTION(op_add_list);
FUNCTION(op_add_time);
FUNCTION(op_subtract_int);
FUNCTION(op_subtract_uint);
FUNCTION(op_subtract_double);
FUNCTION(op_subtract_time);
FUNCTION(op_multiply_int);
FUNCTION(op_multiply_uint);
FUNCTION(op_multiply_double);
FUNCTION(op_divide_int);
FUNCTION(op_divide_uint);
FUNCTION(op_divide_double);
FUNCTION(op_remainder_int);
FUNCTION(op_remainder_uint);
FUNCTION(op_negate_int);
FUNCTION(op_negate_double);
FUNCTION(op_not);
FUNCTION(op_less);
FUNCTION(op_less_equal);
FUNCTION(op_greater);
FUNCTION(op_greater_equal);
FUNCTION(op_equal);
FUNCTION(op_unequal);
FUNCTION(op_in_list);
FUNCTION(op_in_map);
FUNCTION(op_index_list);
FUNCTION(op_index_map);

FUNCTION(fn_size);
FUNCTION(fn_starts_with);
FUNCTION(fn_ends_with);
FUNCTION(fn_contains);
FUNCTION(fn_matches);
FUNCTION(fn_char_at);
FUNCTION(fn_index_of);
FUNCTION(fn_last_index_of);
FUNCTION(fn_join);
FUNCTION(fn_lower);
FUNCTION(fn_upper);
FUNCTION(fn_replace);
FUNCTION(fn_replace_some);
FUNCTION(fn_split);
FUNCTION(fn_split_some);
FUNCTION(fn_substring);
FUNCTION(fn_substring_to);
FUNCTION(fn_trim);
FUNCTION(fn_reverse);

FUNCTION(fn_format);
FUNCTION(fn_quote);
FUNCTION(fn_base64_encode);
FUNCTION(fn_base64_decode);

FUNCTION(fn_greatest);
FUNCTION(fn_least);
FUNCTION(fn_ceil);
FUNCTION(fn_floor);
FUNCTION(fn_round);
FUNCTION(fn_trunc);
FUNCTION(fn_is_nan);
FUNCTION(fn_is_inf);
FUNCTION(fn_is_finite);
FUNCTION(fn_sqrt);
FUNCTION(fn_abs);
FUNCTION(fn_sign);
FUNCTION(fn_bit_and);
FUNCTION(fn_bit_or);
FUNCTION(fn_bit_xor);
FUNCTION(fn_bit_not);
FUNCTION(fn_bit_shift_left);
FUNCTION(fn_bit_shift_right);

FUNCTION(fn_int);
FUNCTION(fn_uint);
FUNCTION(fn_double);
FUNCTION(fn_string);
FUNCTION(fn_bytes);
FUNCTION(fn_bool);
FUNCTION(fn_timestamp);
FUNCTION(fn_duration);
FUNCTION(fn_same); // a conversion to what it is already, and dyn()
FUNCTION(fn_type);

FUNCTION(fn_full_year);
FUNCTION(fn_month);
FUNCTION(fn_day_of_year);
FUNCTION(fn_day_of_month);
FUNCTION(fn_date);
FUNCTION(fn_day_of_week);
FUNCTION(fn_hours);
FUNCTION(fn_minutes);
FUNCTION(fn_seconds);
FUNCTION(fn_milliseconds);
FUNCTION(fn_local_date);
FUNCTION(fn_local_time);

FUNCTION(fn_codes);
FUNCTION(fn_in_codes);

FUNCTION(fn_citizen_number);
FUNCTION(fn_citizen_number_valid);
FUNCTION(fn_birth_date);
FUNCTION(fn_sex);
FUNCTION(fn_citizen_number_division);
FUNCTION(fn_credit_code);
FUNCTION(fn_credit_code_valid);
FUNCTION(fn_credit_code_division);
FUNCTION(fn_division);
FUNCTION(fn_division_valid);
FUNCTION(fn_within);
FUNCTION(fn_level);
FUNCTION(fn_parent);
FUNCTION(fn_mask);
FUNCTION(fn_mask_inside);
FUNCTION(fn_hash);
