#include "core/codes/numbers.h"

enum {
    NUMBER_SIZE = 18,
    CREDIT_BASE = 31,
    DIVISION_START = 2, // of a credit code
    DIVISION_END = 8,
};

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static unsigned number_at(const uint8_t *digits, size_t size) {
    unsigned value = 0;
    for (size_t i = 0; i < size; i++)
        value = value * 10 + (unsigned)(digits[i] - '0');
    return value;
}

static bool is_leap(unsigned year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_date(const uint8_t digits[8]) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = number_at(digits, 4);
    unsigned month = number_at(digits + 4, 2);
    unsigned day = number_at(digits + 6, 2);
    if (year < 1800 || year > 2199 || month < 1 || month > 12)
        return false;
    unsigned last = days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
    return day >= 1 && day <= last;
}

char citizen_number_check_character(const char first[17]) {
    static const unsigned char weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof weights; i++) {
        if (!is_digit((uint8_t)first[i]))
            return '\0';
        sum += weights[i] * (unsigned)(first[i] - '0');
    }
    return "10X98765432"[sum % 11];
}

enum number_fault citizen_number_check(struct bytes number) {
    if (number.size != NUMBER_SIZE)
        return NUMBER_LENGTH;
    const uint8_t *c = number.data;
    char check = citizen_number_check_character((const char *)c);
    bool last_fits = is_digit(c[NUMBER_SIZE - 1]) || c[NUMBER_SIZE - 1] == 'X';
    if (check == '\0' || c[0] == '0' || !last_fits)
        return NUMBER_CHARACTER;
    if (!is_date(c + 6))
        return NUMBER_DATE;
    return c[NUMBER_SIZE - 1] == (uint8_t)check ? NUMBER_OK : NUMBER_CHECK;
}

void citizen_number_birth_date(struct bytes number, char out[NUMBER_DATE_SIZE]) {
    const uint8_t *date = number.data + 6;
    memcpy(out, date, 4);
    out[4] = out[7] = '-';
    memcpy(out + 5, date + 4, 2);
    memcpy(out + 8, date + 6, 2);
}

bool citizen_number_male(struct bytes number) {
    return (number.data[16] - '0') % 2 == 1;
}

static const char credit_alphabet[CREDIT_BASE + 1] = "0123456789ABCDEFGHJKLMNPQRTUWXY";

// -1 for a character outside the alphabet.
static int credit_value(uint8_t c) {
    const char *at = c ? strchr(credit_alphabet, c) : NULL;
    return at ? (int)(at - credit_alphabet) : -1;
}

char credit_code_check_character(const char first[17]) {
    unsigned sum = 0;
    unsigned weight = 1; // 3^i mod 31
    for (size_t i = 0; i < NUMBER_SIZE - 1; i++) {
        int value = credit_value((uint8_t)first[i]);
        if (value < 0)
            return '\0';
        sum += weight * (unsigned)value;
        weight = weight * 3 % CREDIT_BASE;
    }
    return credit_alphabet[(CREDIT_BASE - sum % CREDIT_BASE) % CREDIT_BASE];
}

enum number_fault credit_code_check(struct bytes code) {
    if (code.size != NUMBER_SIZE)
        return NUMBER_LENGTH;
    const uint8_t *c = code.data;
    for (size_t i = DIVISION_START; i < DIVISION_END; i++)
        if (!is_digit(c[i]))
            return NUMBER_CHARACTER;
    char check = credit_code_check_character((const char *)c);
    if (check == '\0' || credit_value(c[NUMBER_SIZE - 1]) < 0)
        return NUMBER_CHARACTER;
    return c[NUMBER_SIZE - 1] == (uint8_t)check ? NUMBER_OK : NUMBER_CHECK;
}

const char *number_fault_text(enum number_fault fault) {
    switch (fault) {
    case NUMBER_OK:
        return "is right";
    case NUMBER_LENGTH:
        return "must have 18 characters";
    case NUMBER_CHARACTER:
        return "has a character that may not stand there";
    case NUMBER_DATE:
        return "has a birth date that doesn't exist";
    case NUMBER_CHECK:
        return "has a check character that doesn't fit the rest";
    }
    return "is wrong";
}
