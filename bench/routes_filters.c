// The filters twice: as CEL, and as a careful programmer writes them in C. Filter 10 * n + s is of sort s,
// with n in its literals, which the C compiler knows: so the comparison is with code that is made for its
// rules, not with a loop over a table.
#include "bench/routes.h"

#include <stdlib.h>

// "@" and "#" stand for n's digits, "%" for an enum's value.
static const char *const sorts[FILTER_SORTS] = {
    "msg.address.division.startsWith(\"33@#\") && msg.kind != Kind.VISIT",
    "msg.registration_number == \"HZ-XH-2026-000@#3\"",
    "msg.relation in [\"@#\", \"A#\", \"B@\"]",
    "msg.version > 1000@#",
    "msg.address.division.startsWith(\"44@#\")",
    "has(msg.resident.former_name) && msg.resident.ethnicity == \"@#\"",
    "msg.kind == Kind.%",
    "msg.registered_at > timestamp(\"2100-01-01T00:00:00.@#Z\")",
    "msg.resident.sex == 9 || msg.address.unit_code == \"330106004@#\"",
    "msg.address.longitude > 2@#.5",
};

void filter_text(size_t i, struct buffer *out) {
    static const char *const kinds[] = {"BIRTH", "TEMPORARY", "VISIT"};
    size_t n = i / FILTER_SORTS;
    int rc = 0;
    buffer_clear(out);
    for (const char *c = sorts[i % FILTER_SORTS]; *c && rc == 0; c++)
        rc = *c == '@'   ? buffer_append_byte(out, (uint8_t)('0' + n / 10))
             : *c == '#' ? buffer_append_byte(out, (uint8_t)('0' + n % 10))
             : *c == '%' ? buffer_append_string(out, kinds[n % 3])
                         : buffer_append_byte(out, (uint8_t)*c);
    if (rc != 0 || !buffer_text(out))
        abort();
}

// ---- Reading ----

static const uint8_t *varint(const uint8_t *p, const uint8_t *end, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        value |= (uint64_t)(*p & 0x7F) << shift;
        if (*p++ < 0x80) {
            *out = value;
            return p;
        }
    }
    return NULL;
}

static inline const uint8_t *number(const uint8_t *p, const uint8_t *end, uint64_t *out) {
    if (p < end && *p < 0x80) {
        *out = *p;
        return p + 1;
    }
    return varint(p, end, out);
}

static inline const uint8_t *text(const uint8_t *p, const uint8_t *end, struct bytes *out) {
    uint64_t size;
    p = number(p, end, &size);
    if (!p || size > (uint64_t)(end - p))
        return NULL;
    *out = bytes_of(p, (size_t)size);
    return p + size;
}

static inline const uint8_t *skip(const uint8_t *p, const uint8_t *end, uint64_t tag) {
    uint64_t unused;
    struct bytes passed;
    switch (tag & 7) {
    case 0:
        return number(p, end, &unused);
    case 1:
        return end - p >= 8 ? p + 8 : NULL;
    case 2:
        return text(p, end, &passed);
    case 5:
        return end - p >= 4 ? p + 4 : NULL;
    default:
        return NULL;
    }
}

static inline const uint8_t *signed_number(const uint8_t *p, const uint8_t *end, int64_t *out) {
    return number(p, end, (uint64_t *)out);
}

#define TAG(number, wire) ((number) << 3 | (wire))
#define EACH_FIELD(message)                                                                                  \
    const uint8_t *p = (message).data;                                                                       \
    const uint8_t *const end = p + (message).size;                                                           \
    for (uint64_t tag; p && p < end;)                                                                        \
        if ((p = number(p, end, &tag)))                                                                      \
            switch (tag)

static bool scan_address(struct bytes message, struct by_hand *out) {
    EACH_FIELD(message) {
    case TAG(1, 2):
        p = text(p, end, &out->division);
        break;
    case TAG(5, 2):
        p = text(p, end, &out->unit_code);
        break;
    case TAG(6, 1):
        if (end - p < 8)
            return false;
        memcpy(&out->longitude, p, 8);
        p += 8;
        break;
    default:
        p = skip(p, end, tag);
    }
    return p == end;
}

static bool scan_person(struct bytes message, struct by_hand *out) {
    EACH_FIELD(message) {
    case TAG(3, 0):
        p = signed_number(p, end, &out->sex);
        break;
    case TAG(5, 2):
        p = text(p, end, &out->ethnicity);
        break;
    case TAG(6, 2):
        p = text(p, end, &out->former_name);
        break;
    default:
        p = skip(p, end, tag);
    }
    return p == end;
}

static bool scan_time(struct bytes message, struct by_hand *out) {
    EACH_FIELD(message) {
    case TAG(1, 0):
        p = signed_number(p, end, &out->seconds);
        break;
    case TAG(2, 0):
        p = signed_number(p, end, &out->nanos);
        break;
    default:
        p = skip(p, end, tag);
    }
    return p == end;
}

bool by_hand_scan(struct bytes message, struct by_hand *out) {
    struct bytes inner;
    *out = (struct by_hand){0};
    EACH_FIELD(message) {
    case TAG(1, 2):
        p = text(p, end, &out->registration_number);
        break;
    case TAG(2, 2):
        p = text(p, end, &inner);
        if (!p || !scan_person(inner, out))
            return false;
        break;
    case TAG(3, 2):
        p = text(p, end, &inner);
        if (!p || !scan_address(inner, out))
            return false;
        break;
    case TAG(5, 0):
        p = signed_number(p, end, &out->kind);
        break;
    case TAG(6, 2):
        p = text(p, end, &inner);
        if (!p || !scan_time(inner, out))
            return false;
        break;
    case TAG(10, 2):
        p = text(p, end, &out->relation);
        break;
    case TAG(12, 0):
        p = signed_number(p, end, &out->version);
        break;
    default:
        p = skip(p, end, tag);
    }
    return p == end;
}

bool by_hand_scan_first(struct bytes message, struct by_hand *out) {
    struct bytes inner;
    out->division = (struct bytes){0};
    out->kind = 0;
    EACH_FIELD(message) {
    case TAG(3, 2):
        p = text(p, end, &inner);
        if (!p || !scan_address(inner, out))
            return false;
        break;
    case TAG(5, 0):
        p = signed_number(p, end, &out->kind);
        break;
    default:
        p = skip(p, end, tag);
    }
    return p == end;
}

// ---- Deciding ----

#define STARTS(field, literal)                                                                               \
    (f->field.size >= sizeof(literal) - 1 && memcmp(f->field.data, literal, sizeof(literal) - 1) == 0)
#define IS(field, literal)                                                                                   \
    (f->field.size == sizeof(literal) - 1 && memcmp(f->field.data, literal, sizeof(literal) - 1) == 0)

// The ten sorts with the digits a and b.
#define F0(a, b) (STARTS(division, "33" #a #b) && f->kind != 6)
#define F1(a, b) IS(registration_number, "HZ-XH-2026-000" #a #b "3")
#define F2(a, b) (IS(relation, #a #b) || IS(relation, "A" #b) || IS(relation, "B" #a))
#define F3(a, b) (f->version > 100000 + (a) * 10L + (b))
#define F4(a, b) STARTS(division, "44" #a #b)
#define F5(a, b) (f->former_name.size != 0 && IS(ethnicity, #a #b))
#define F6(a, b) (f->kind == 4 + ((a) * 10L + (b)) % 3)
#define F7(a, b)                                                                                             \
    (f->seconds > 4102444800 || (f->seconds == 4102444800 && f->nanos > ((a) * 10L + (b)) * 10000000))
#define F8(a, b) (f->sex == 9 || IS(unit_code, "330106004" #a #b))
#define F9(a, b) (f->longitude > 200.5 + (a) * 10 + (b))

#define COUNT_TEN(a, b)                                                                                      \
    ((size_t)F0(a, b) + F1(a, b) + F2(a, b) + F3(a, b) + F4(a, b) + F5(a, b) + F6(a, b) + F7(a, b) +         \
        F8(a, b) + F9(a, b))
#define HUNDRED(a, TEN)                                                                                      \
    TEN(a, 0) TEN(a, 1) TEN(a, 2) TEN(a, 3) TEN(a, 4) TEN(a, 5) TEN(a, 6) TEN(a, 7) TEN(a, 8) TEN(a, 9)
#define ADD_TEN(a, b) count += COUNT_TEN(a, b);
#define COUNT_HUNDRED(a)                                                                                     \
    __attribute__((noinline)) static size_t count_hundred_##a(const struct by_hand *f) {                     \
        size_t count = 0;                                                                                    \
        HUNDRED(a, ADD_TEN)                                                                                  \
        return count;                                                                                        \
    }

COUNT_HUNDRED(0)
COUNT_HUNDRED(1)
COUNT_HUNDRED(2)
COUNT_HUNDRED(3)
COUNT_HUNDRED(4)
COUNT_HUNDRED(5)
COUNT_HUNDRED(6)
COUNT_HUNDRED(7)
COUNT_HUNDRED(8)
COUNT_HUNDRED(9)

static size_t count_ten(const struct by_hand *f) {
    return COUNT_TEN(0, 0);
}

static size_t count_thousand(const struct by_hand *f) {
    return count_hundred_0(f) + count_hundred_1(f) + count_hundred_2(f) + count_hundred_3(f) +
           count_hundred_4(f) + count_hundred_5(f) + count_hundred_6(f) + count_hundred_7(f) +
           count_hundred_8(f) + count_hundred_9(f);
}

size_t by_hand_count(const struct by_hand *f, size_t count) {
    switch (count) {
    case 1:
        return F0(0, 0);
    case 10:
        return count_ten(f);
    case 100:
        return count_hundred_0(f);
    case 1000:
        return count_thousand(f);
    default:
        abort();
    }
}

#define CASES_TEN(a, b)                                                                                      \
    case (a) * 10 + (b): {                                                                                   \
        const bool holds[FILTER_SORTS] = {F0(a, b), F1(a, b), F2(a, b), F3(a, b), F4(a, b), F5(a, b),        \
            F6(a, b), F7(a, b), F8(a, b), F9(a, b)};                                                         \
        return holds[i % 10];                                                                                \
    }

bool by_hand_holds(const struct by_hand *f, size_t i) {
    switch (i / 10) {
        HUNDRED(0, CASES_TEN)
        HUNDRED(1, CASES_TEN)
        HUNDRED(2, CASES_TEN)
        HUNDRED(3, CASES_TEN)
        HUNDRED(4, CASES_TEN)
        HUNDRED(5, CASES_TEN)
        HUNDRED(6, CASES_TEN)
        HUNDRED(7, CASES_TEN)
        HUNDRED(8, CASES_TEN)
        HUNDRED(9, CASES_TEN)
    default:
        abort();
    }
}
