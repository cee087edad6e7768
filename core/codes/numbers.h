// Numbers with a check character: citizen numbers (GB 11643-1999) and unified social credit codes (GB
// 32100-2015).
#pragma once

#include "core/base/bytes.h"

enum number_fault {
    NUMBER_OK,
    NUMBER_LENGTH,    // not 18 characters
    NUMBER_CHARACTER, // a character that may not stand where it stands; a lower-case x too
    NUMBER_DATE,      // citizen number: no such day of birth
    NUMBER_CHECK,     // the check character doesn't fit
};

// 6 digits of division, 8 of the birth date (years 1800 to 2199), 3 of sequence (odd: male), a check
// character 0-9 or X. Whether the division ever was one is not asked: see division_known() in divisions.h.
enum number_fault citizen_number_check(struct bytes number);

// Registering department, category, 6 digits of division, 9 of organisation, a check character; letters but I
// O S V Z.
enum number_fault credit_code_check(struct bytes code);

static inline bool citizen_number_valid(struct bytes number) {
    return citizen_number_check(number) == NUMBER_OK;
}

static inline bool credit_code_valid(struct bytes code) {
    return credit_code_check(code) == NUMBER_OK;
}

// Of a number that is right: its day of birth as YYYY-MM-DD, and whether it was given to a man.
#define NUMBER_DATE_SIZE 10
void citizen_number_birth_date(struct bytes number, char out[NUMBER_DATE_SIZE]);
bool citizen_number_male(struct bytes number);

// The 18th character for the first 17 (ISO 7064 MOD 11-2; base 31). '\0' when one of them can't be used.
char citizen_number_check_character(const char first[17]);
char credit_code_check_character(const char first[17]);

// What is wrong and what would be right, for a person: "must have 18 characters".
const char *number_fault_text(enum number_fault fault);
