#include "core/schema/json_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int put_escape(struct buffer *out, uint8_t c) {
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof names; i += 2)
        if ((uint8_t)names[i] == c)
            return buffer_append(out, (char[]){'\\', names[i + 1]}, 2);
    return buffer_append_format(out, "\\u%04x", c);
}

static bool is_plain(uint8_t c) {
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

int json_put_string(struct buffer *out, struct bytes utf8) {
    int rc = buffer_append_byte(out, '"');
    const uint8_t *p = utf8.data, *end = utf8.size ? p + utf8.size : p;
    while (rc == 0 && p < end) {
        const uint8_t *run = p;
        p = json_plain(p, end);
        while (p < end && is_plain(*p))
            p++;
        rc = buffer_append(out, run, (size_t)(p - run));
        if (rc == 0 && p < end)
            rc = put_escape(out, *p++);
    }
    return rc == 0 ? buffer_append_byte(out, '"') : rc;
}

// Whatever locale the program has, JSON's point is a point.
static int put_number(struct buffer *out, char *text) {
    for (char *p = text; *p; p++)
        if (!((*p >= '0' && *p <= '9') || *p == 'e' || *p == '-' || *p == '+'))
            *p = '.';
    return buffer_append_string(out, text);
}

int json_put_double(struct buffer *out, double value) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return put_number(out, text);
}

int json_put_float(struct buffer *out, float value) {
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return put_number(out, text);
}

int json_put_base64(struct buffer *out, struct bytes bytes) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = (bytes.size + 2) / 3 * 4;
    int rc = buffer_reserve(out, size);
    if (rc != 0)
        return rc;
    uint8_t *to = out->data + out->size;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            group |= bytes.data[i + 2];
        *to++ = (uint8_t)alphabet[group >> 18];
        *to++ = (uint8_t)alphabet[group >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
    }
    out->size += size;
    return 0;
}

static int base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int json_read_base64(struct bytes text, struct buffer *out) {
    size_t size = text.size;
    if (size % 4 == 0)
        for (int i = 0; i < 2 && size && text.data[size - 1] == '='; i++)
            size--;
    if (size % 4 == 1)
        return -EINVAL;
    int rc = buffer_reserve(out, size / 4 * 3 + 3);
    if (rc != 0)
        return rc;
    uint32_t group = 0;
    uint8_t *to = out->data + out->size;
    for (size_t i = 0; i < size; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return -EINVAL;
        group = group << 6 | (uint32_t)digit;
        if (i % 4 != 0) // after the second, third and fourth digit a byte is whole
            *to++ = (uint8_t)(group >> (6 - i % 4 * 2));
    }
    out->size = (size_t)(to - out->data);
    return 0;
}

// A number's parts: its digits without the point, and where the point is among them.
struct decimal {
    struct bytes whole;    // before the point
    struct bytes fraction; // behind it
    int64_t exponent;
    bool negative;
};

static struct bytes take_digits(struct bytes *rest) {
    struct bytes digits = {.data = rest->data};
    while (digits.size < rest->size && rest->data[digits.size] >= '0' && rest->data[digits.size] <= '9')
        digits.size++;
    *rest = bytes_of(rest->data + digits.size, rest->size - digits.size);
    return digits;
}

static bool take(struct bytes *rest, const char *any) {
    if (rest->size == 0 || !strchr(any, rest->data[0]) || rest->data[0] == 0)
        return false;
    *rest = bytes_of(rest->data + 1, rest->size - 1);
    return true;
}

#define EXPONENT_MAX 100000000 // beyond any number that has a value here

static bool take_exponent(struct bytes *rest, int64_t *exponent) {
    bool minus = rest->size && rest->data[0] == '-';
    take(rest, "+-");
    struct bytes digits = take_digits(rest);
    for (size_t i = 0; i < digits.size && *exponent < EXPONENT_MAX; i++)
        *exponent = *exponent * 10 + (digits.data[i] - '0');
    if (minus)
        *exponent = -*exponent;
    return digits.size > 0;
}

static bool read_decimal(struct bytes number, struct decimal *out) {
    *out = (struct decimal){.negative = take(&number, "-")};
    out->whole = take_digits(&number);
    if (out->whole.size == 0 || (out->whole.size > 1 && out->whole.data[0] == '0'))
        return false;
    if (take(&number, ".") && (out->fraction = take_digits(&number)).size == 0)
        return false;
    if (take(&number, "eE") && !take_exponent(&number, &out->exponent))
        return false;
    return number.size == 0;
}

static uint8_t digit_at(const struct decimal *decimal, size_t i) {
    return (uint8_t)((i < decimal->whole.size ? decimal->whole.data[i]
                                              : decimal->fraction.data[i - decimal->whole.size]) -
                     '0');
}

int json_read_integer(struct bytes number, bool *negative, uint64_t *magnitude) {
    struct decimal decimal;
    if (!read_decimal(number, &decimal))
        return -EINVAL;
    size_t count = decimal.whole.size + decimal.fraction.size;
    int64_t point = (int64_t)decimal.whole.size + decimal.exponent;
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t digit = digit_at(&decimal, i);
        if ((int64_t)i >= point && digit != 0)
            return -EINVAL; // a fraction
        if ((int64_t)i < point &&
            (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)))
            return -ERANGE;
    }
    for (int64_t i = (int64_t)count; value && i < point; i++)
        if (__builtin_mul_overflow(value, 10, &value))
            return -ERANGE;
    *negative = decimal.negative && value;
    *magnitude = value;
    return 0;
}

#define DIGITS 800

int json_read_double(struct bytes number, double *out) {
    struct decimal decimal;
    char text[840]; // 800 digits, and whether more follow, decide how a double rounds
    if (!read_decimal(number, &decimal))
        return -EINVAL;
    size_t digits = decimal.whole.size + decimal.fraction.size, size = 0;
    text[size++] = decimal.negative ? '-' : '+';
    size_t first = 0;
    while (first < digits && digit_at(&decimal, first) == 0)
        first++;
    size_t used = digits - first < DIGITS ? digits - first : DIGITS;
    for (size_t i = 0; i < used; i++)
        text[size++] = (char)('0' + digit_at(&decimal, first + i));
    int64_t exponent = decimal.exponent + (int64_t)decimal.whole.size - (int64_t)(first + used);
    for (size_t i = first + used; i < digits; i++)
        if (digit_at(&decimal, i) != 0) {
            text[size++] = '1';
            exponent--;
            break;
        }
    // Without a point, so that no locale matters.
    snprintf(text + size, sizeof text - size, "%se%lld", used ? "" : "0", (long long)exponent);
    errno = 0;
    *out = strtod(text, NULL);
    return isinf(*out) ? -ERANGE : 0;
}
