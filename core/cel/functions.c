#include "core/cel/functions.h"

#include "core/cel/types.h"

#include <stdio.h>

// The overloads of a name stand together.
static const struct overload overloads[] = {
    {"_+_", "ii:i", op_add_int},
    {"_+_", "uu:u", op_add_uint},
    {"_+_", "dd:d", op_add_double},
    {"_+_", "ss:s", op_add_bytes},
    {"_+_", "yy:y", op_add_bytes},
    {"_+_", "tr:t", op_add_time},
    {"_+_", "rt:t", op_add_time},
    {"_+_", "rr:r", op_add_time},
    {"_+_", "ll:0", op_add_list},
    {"_-_", "ii:i", op_subtract_int},
    {"_-_", "uu:u", op_subtract_uint},
    {"_-_", "dd:d", op_subtract_double},
    {"_-_", "tt:r", op_subtract_time},
    {"_-_", "tr:t", op_subtract_time},
    {"_-_", "rr:r", op_subtract_time},
    {"_*_", "ii:i", op_multiply_int},
    {"_*_", "uu:u", op_multiply_uint},
    {"_*_", "dd:d", op_multiply_double},
    {"_/_", "ii:i", op_divide_int},
    {"_/_", "uu:u", op_divide_uint},
    {"_/_", "dd:d", op_divide_double},
    {"_%_", "ii:i", op_remainder_int},
    {"_%_", "uu:u", op_remainder_uint},
    {"-_", "i:i", op_negate_int},
    {"-_", "d:d", op_negate_double},
    {"!_", "b:b", op_not},
#define ORDERED(name, function)                                                                              \
    {name, "nn:b", function}, {name, "ss:b", function}, {name, "bb:b", function}, {name, "yy:b", function},  \
        {name, "tt:b", function}, {                                                                          \
        name, "rr:b", function                                                                               \
    }
    ORDERED("_<_", op_less),
    ORDERED("_<=_", op_less_equal),
    ORDERED("_>_", op_greater),
    ORDERED("_>=_", op_greater_equal),
    {"_==_", "**:b", op_equal},
    {"_!=_", "**:b", op_unequal},
    {"_in_", "*l:b", op_in_list},
    {"_in_", "*m:b", op_in_map},
    {"_[_]", "l*:e", op_index_list},
    {"_[_]", "m*:e", op_index_map},
    {"size", "s:i", fn_size},
    {"size", "y:i", fn_size},
    {"size", "l:i", fn_size},
    {"size", "m:i", fn_size},
    {"size", "s.:i", fn_size},
    {"size", "y.:i", fn_size},
    {"size", "l.:i", fn_size},
    {"size", "m.:i", fn_size},
    {"startsWith", "s.s:b", fn_starts_with},
    {"endsWith", "s.s:b", fn_ends_with},
    {"contains", "s.s:b", fn_contains},
    {"matches", "s.s:b", fn_matches},
    {"matches", "ss:b", fn_matches},
    {"charAt", "s.i:s", fn_char_at},
    {"indexOf", "s.s:i", fn_index_of},
    {"indexOf", "s.si:i", fn_index_of},
    {"lastIndexOf", "s.s:i", fn_last_index_of},
    {"lastIndexOf", "s.si:i", fn_last_index_of},
    {"join", "L.:s", fn_join},
    {"join", "L.s:s", fn_join},
    {"lowerAscii", "s.:s", fn_lower},
    {"upperAscii", "s.:s", fn_upper},
    {"replace", "s.ss:s", fn_replace},
    {"replace", "s.ssi:s", fn_replace_some},
    {"split", "s.s:L", fn_split},
    {"split", "s.si:L", fn_split_some},
    {"substring", "s.i:s", fn_substring},
    {"substring", "s.ii:s", fn_substring_to},
    {"trim", "s.:s", fn_trim},
    {"reverse", "s.:s", fn_reverse},
    {"format", "s.l:s", fn_format},
    {"strings.quote", "s:s", fn_quote},
    {"base64.encode", "y:s", fn_base64_encode},
    {"base64.decode", "s:y", fn_base64_decode},
    {"math.greatest", "n:j", fn_greatest},
    {"math.greatest", "nn:j", fn_greatest},
    {"math.greatest", "N:e", fn_greatest},
    {"math.least", "n:j", fn_least},
    {"math.least", "nn:j", fn_least},
    {"math.least", "N:e", fn_least},
    {"math.ceil", "d:d", fn_ceil},
    {"math.floor", "d:d", fn_floor},
    {"math.round", "d:d", fn_round},
    {"math.trunc", "d:d", fn_trunc},
    {"math.isNaN", "d:b", fn_is_nan},
    {"math.isInf", "d:b", fn_is_inf},
    {"math.isFinite", "d:b", fn_is_finite},
    {"math.sqrt", "n:d", fn_sqrt},
    {"math.abs", "n:j", fn_abs},
    {"math.sign", "n:j", fn_sign},
    {"math.bitAnd", "ii:i", fn_bit_and},
    {"math.bitAnd", "uu:u", fn_bit_and},
    {"math.bitOr", "ii:i", fn_bit_or},
    {"math.bitOr", "uu:u", fn_bit_or},
    {"math.bitXor", "ii:i", fn_bit_xor},
    {"math.bitXor", "uu:u", fn_bit_xor},
    {"math.bitNot", "i:i", fn_bit_not},
    {"math.bitNot", "u:u", fn_bit_not},
    {"math.bitShiftLeft", "ii:i", fn_bit_shift_left},
    {"math.bitShiftLeft", "ui:u", fn_bit_shift_left},
    {"math.bitShiftRight", "ii:i", fn_bit_shift_right},
    {"math.bitShiftRight", "ui:u", fn_bit_shift_right},
    {"int", "i:i", fn_same},
    {"int", "u:i", fn_int},
    {"int", "d:i", fn_int},
    {"int", "s:i", fn_int},
    {"int", "t:i", fn_int},
    {"uint", "u:u", fn_same},
    {"uint", "i:u", fn_uint},
    {"uint", "d:u", fn_uint},
    {"uint", "s:u", fn_uint},
    {"double", "d:d", fn_same},
    {"double", "i:d", fn_double},
    {"double", "u:d", fn_double},
    {"double", "s:d", fn_double},
    {"string", "s:s", fn_same},
    {"string", "i:s", fn_string},
    {"string", "u:s", fn_string},
    {"string", "d:s", fn_string},
    {"string", "b:s", fn_string},
    {"string", "y:s", fn_string},
    {"string", "t:s", fn_string},
    {"string", "r:s", fn_string},
    {"string", "C:s", fn_string},
    {"string", "U:s", fn_string},
    {"string", "D:s", fn_string},
    {"bytes", "y:y", fn_same},
    {"bytes", "s:y", fn_bytes},
    {"bool", "b:b", fn_same},
    {"bool", "s:b", fn_bool},
    {"timestamp", "t:t", fn_same},
    {"timestamp", "s:t", fn_timestamp},
    {"timestamp", "i:t", fn_timestamp},
    {"duration", "r:r", fn_same},
    {"duration", "s:r", fn_duration},
    {"dyn", "*:*", fn_same},
    {"type", "*:T", fn_type},
    {"getFullYear", "t.:i", fn_full_year},
    {"getFullYear", "t.s:i", fn_full_year},
    {"getMonth", "t.:i", fn_month},
    {"getMonth", "t.s:i", fn_month},
    {"getDayOfYear", "t.:i", fn_day_of_year},
    {"getDayOfYear", "t.s:i", fn_day_of_year},
    {"getDayOfMonth", "t.:i", fn_day_of_month},
    {"getDayOfMonth", "t.s:i", fn_day_of_month},
    {"getDate", "t.:i", fn_date},
    {"getDate", "t.s:i", fn_date},
    {"getDayOfWeek", "t.:i", fn_day_of_week},
    {"getDayOfWeek", "t.s:i", fn_day_of_week},
    {"getHours", "t.:i", fn_hours},
    {"getHours", "t.s:i", fn_hours},
    {"getHours", "r.:i", fn_hours},
    {"getMinutes", "t.:i", fn_minutes},
    {"getMinutes", "t.s:i", fn_minutes},
    {"getMinutes", "r.:i", fn_minutes},
    {"getSeconds", "t.:i", fn_seconds},
    {"getSeconds", "t.s:i", fn_seconds},
    {"getSeconds", "r.:i", fn_seconds},
    {"getMilliseconds", "t.:i", fn_milliseconds},
    {"getMilliseconds", "t.s:i", fn_milliseconds},
    {"getMilliseconds", "r.:i", fn_milliseconds},
    {"local_date", "ts:s", fn_local_date},
    {"local_time", "ts:s", fn_local_time},
    {"codes", "ss:s", fn_codes},
    {"codes", "sst:s", fn_codes},
    {"in_codes", "ss:b", fn_in_codes},
    {"in_codes", "sst:b", fn_in_codes},
    {"citizen_number", "s:C", fn_citizen_number},
    {"credit_code", "s:U", fn_credit_code},
    {"division", "s:D", fn_division},
    {"division", "C.:D", fn_citizen_number_division},
    {"division", "U.:D", fn_credit_code_division},
    {"valid", "C.:b", fn_citizen_number_valid},
    {"valid", "U.:b", fn_credit_code_valid},
    {"valid", "D.:b", fn_division_valid},
    {"birth_date", "C.:s", fn_birth_date},
    {"sex", "C.:s", fn_sex},
    {"within", "D.D:b", fn_within},
    {"within", "D.s:b", fn_within},
    {"level", "D.:i", fn_level},
    {"parent", "D.:D", fn_parent},
    {"mask", "s:s", fn_mask},
    {"mask", "sii:s", fn_mask_inside},
    {"hash", "s:s", fn_hash},
    {"hash", "ss:s", fn_hash},
    {NULL, NULL, NULL},
};

const struct overload *overload_find(struct bytes name) {
    for (const struct overload *o = overloads; o->name; o++)
        if (bytes_equal_string(name, o->name))
            return o;
    return NULL;
}

const struct overload *overload_next(const struct overload *overload) {
    const struct overload *next = overload + 1;
    return next->name && strcmp(next->name, overload->name) == 0 ? next : NULL;
}

bool overload_has_space(struct bytes space) {
    for (const struct overload *o = overloads; o->name; o++)
        if (strlen(o->name) > space.size && o->name[space.size] == '.' &&
            memcmp(o->name, space.data, space.size) == 0)
            return true;
    return false;
}

void overload_offer(struct nearest *nearest) {
    static const char *const macros[] = {"has", "all", "exists", "exists_one", "map", "filter"};
    char sign[8];
    for (const struct overload *o = overloads; o->name; o++)
        if (!operator_sign(bytes_of_string(o->name), sign))
            nearest_offer(nearest, o->name);
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        nearest_offer(nearest, macros[i]);
}

bool overload_is_member(const struct overload *overload) {
    return overload->shape[1] == '.';
}

size_t overload_arity(const struct overload *overload) {
    size_t length = strcspn(overload->shape, ":");
    return overload_is_member(overload) ? length - 1 : length;
}

char overload_letter(const struct overload *overload, size_t i) {
    return overload->shape[i > 0 && overload_is_member(overload) ? i + 1 : i];
}

char overload_result(const struct overload *overload) {
    return overload->shape[strcspn(overload->shape, ":") + 1];
}

static const struct {
    char letter;
    enum cel_kind kind;
    const char *name;
} letters[] = {{'b', CEL_BOOL, "bool"}, {'i', CEL_INT, "int"}, {'u', CEL_UINT, "uint"},
    {'d', CEL_DOUBLE, "double"}, {'s', CEL_STRING, "string"}, {'y', CEL_BYTES, "bytes"},
    {'t', CEL_TIMESTAMP, "timestamp"}, {'r', CEL_DURATION, "duration"}, {'T', CEL_TYPE, "type"},
    {'C', CEL_CITIZEN_NUMBER, "citizen_number"}, {'U', CEL_CREDIT_CODE, "credit_code"},
    {'D', CEL_DIVISION, "division"}, {'l', CEL_LIST, "list"}, {'L', CEL_LIST, "list(string)"},
    {'N', CEL_LIST, "list(number)"}, {'m', CEL_MAP, "map"}, {'n', CEL_INT, "number"},
    {'*', CEL_DYN, "value"}};

bool letter_takes_kind(char letter, enum cel_kind kind) {
    if (letter == '*')
        return true;
    if (letter == 'n')
        return kind == CEL_INT || kind == CEL_UINT || kind == CEL_DOUBLE || kind == CEL_ENUM;
    if (letter == 'i' && kind == CEL_ENUM)
        return true;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (letters[i].letter == letter)
            return letters[i].kind == kind;
    return false;
}

bool letter_takes(char letter, const struct cel_type *type) {
    if (type_unknown(type))
        return true;
    if (letter == 'L')
        return type->kind == CEL_LIST && (type_unknown(type->element) || type->element->kind == CEL_STRING);
    if (letter == 'N')
        return type->kind == CEL_LIST && (type_unknown(type->element) || type_number(type->element));
    return letter_takes_kind(letter, type->kind);
}

static const char *letter_name(char letter) {
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (letters[i].letter == letter)
            return letters[i].name;
    return "value";
}

void overload_usage(const struct overload *overload, char *out, size_t size) {
    size_t n = 0;
    size_t arity = overload_arity(overload);
    bool member = overload_is_member(overload);
    out[0] = '\0';
    if (member)
        n += (size_t)snprintf(out, size, "%s.", letter_name(overload->shape[0]));
    n += (size_t)snprintf(out + n, size - n, "%s(", overload->name);
    for (size_t i = member ? 1 : 0; i < arity && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i > (member ? 1u : 0u) ? ", " : "",
            letter_name(overload_letter(overload, i)));
    if (n < size)
        snprintf(out + n, size - n, ")");
}

const char *operator_sign(struct bytes name, char out[8]) {
    size_t n = 0;
    bool word = false;
    for (size_t i = 0; i < name.size; i++)
        word |= (name.data[i] | 0x20) >= 'a' && (name.data[i] | 0x20) <= 'z';
    if (name.size == 0 || (word && !bytes_equal_string(name, "_in_")))
        return NULL;
    for (size_t i = 0; i < name.size && n < 7; i++)
        if (name.data[i] != '_')
            out[n++] = (char)name.data[i];
    out[n] = '\0';
    return out;
}
