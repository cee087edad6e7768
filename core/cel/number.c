#include "core/cel/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

// The process's locale may have a comma where a point stands here (a database driver may have set it). The
// "C" locale object is constant in libc: it takes no memory and needs no free.
static locale_t plain(void) {
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static int print(char *out, char verb, int precision, double value) {
    switch (verb) {
    case 'e':
        return snprintf(out, NUMBER_TEXT, "%.*e", precision, value);
    case 'f':
        return snprintf(out, NUMBER_TEXT, "%.*f", precision, value);
    default:
        return snprintf(out, NUMBER_TEXT, "%.*g", precision, value);
    }
}

size_t number_print_fixed(double value, char verb, int precision, char out[NUMBER_TEXT]) {
    locale_t before = plain();
    int n = print(out, verb, precision < NUMBER_PRECISION ? precision : NUMBER_PRECISION, value);
    uselocale(before);
    return (size_t)n;
}

size_t number_print(double value, char out[NUMBER_TEXT]) {
    int n = 0;
    if (isnan(value))
        return (size_t)snprintf(out, NUMBER_TEXT, "NaN");
    if (isinf(value))
        return (size_t)snprintf(out, NUMBER_TEXT, value < 0 ? "-Inf" : "+Inf");
    locale_t before = plain();
    for (int digits = 15; digits <= 17; digits++) {
        n = print(out, 'g', digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    uselocale(before);
    return (size_t)n;
}

static bool infinite_or_nan(const char *text, double *out) {
    const char *word = *text == '-' || *text == '+' ? text + 1 : text;
    if (strcasecmp(word, "nan") == 0)
        *out = NAN;
    else if (strcasecmp(word, "inf") == 0 || strcasecmp(word, "infinity") == 0)
        *out = *text == '-' ? -INFINITY : INFINITY;
    else
        return false;
    return true;
}

bool number_parse(struct bytes text, double *out) {
    char copy[400];
    char *end;
    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (infinite_or_nan(copy, out))
        return true;
    if (strspn(copy, "0123456789+-.eE") != text.size)
        return false;
    locale_t before = plain();
    double value = strtod(copy, &end);
    uselocale(before);
    if (*end != '\0' || isinf(value))
        return false;
    *out = value;
    return true;
}
