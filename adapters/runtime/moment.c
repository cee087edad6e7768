#include "adapters/runtime/moment.h"

#include <errno.h>

#define DAY_SECONDS 86400

// Days since 1970-01-01, after Howard Hinnant's days_from_civil: years start in March, so that leap days come
// last.
static int64_t days_of(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, struct moment *out) {
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    out->day = (int)(of_year - (153 * month + 2) / 5 + 1);
    out->month = (int)(month < 10 ? month + 3 : month - 9);
    out->year = (int)(year + era * 400 + (out->month <= 2 ? 1 : 0));
}

static bool day_exists(int year, int month, int day) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool moment_exists(const struct moment *m) {
    return day_exists(m->year, m->month, m->day) && m->hour >= 0 && m->hour < 24 && m->minute >= 0 &&
           m->minute < 60 && m->second >= 0 && m->second < 60;
}

int64_t moment_seconds(const struct moment *m) {
    int of_day = m->hour * 3600 + m->minute * 60 + m->second;
    return days_of(m->year, m->month, m->day) * DAY_SECONDS + of_day - m->zone;
}

struct moment moment_of(int64_t seconds, int32_t nanos, int32_t zone) {
    struct moment out = {.zone = zone, .nanos = nanos, .has_time = true};
    int64_t local = seconds + zone;
    int64_t days = local / DAY_SECONDS - (local % DAY_SECONDS < 0 ? 1 : 0);
    int rest = (int)(local - days * DAY_SECONDS);
    date_of(days, &out);
    out.hour = rest / 3600;
    out.minute = rest / 60 % 60;
    out.second = rest % 60;
    return out;
}

// ---- Reading ----

static bool digit(struct bytes text, size_t i) {
    return i < text.size && text.data[i] >= '0' && text.data[i] <= '9';
}

// Takes `least` to `most` digits off the front.
static bool take_number(struct bytes *rest, size_t least, size_t most, int *out) {
    int value = 0;
    size_t n = 0;
    for (; n < most && digit(*rest, n); n++)
        value = value * 10 + (rest->data[n] - '0');
    if (n < least)
        return false;
    rest->data += n;
    rest->size -= n;
    *out = value;
    return true;
}

static bool take_text(struct bytes *rest, const char *text) {
    size_t n = strlen(text);
    if (rest->size < n || memcmp(rest->data, text, n) != 0)
        return false;
    rest->data += n;
    rest->size -= n;
    return true;
}

static size_t leading_digits(struct bytes rest) {
    size_t n = 0;
    while (digit(rest, n))
        n++;
    return n;
}

// 20261124, 202611240930, 20261124093000.
static bool take_compact(struct bytes *rest, struct moment *out) {
    size_t n = leading_digits(*rest);
    if (n != 8 && n != 12 && n != 14)
        return false;
    out->has_time = n > 8;
    return take_number(rest, 4, 4, &out->year) && take_number(rest, 2, 2, &out->month) &&
           take_number(rest, 2, 2, &out->day) &&
           (n == 8 || (take_number(rest, 2, 2, &out->hour) && take_number(rest, 2, 2, &out->minute))) &&
           (n < 14 || take_number(rest, 2, 2, &out->second));
}

// 2026-11-24 and the like, one kind of separator; 2026年11月24日.
static bool take_date(struct bytes *rest, struct moment *out) {
    static const char *const separators[][3] = {
        {"-", "-", ""}, {"/", "/", ""}, {".", ".", ""}, {"年", "月", "日"}};
    if (!take_number(rest, 4, 4, &out->year))
        return false;
    for (size_t i = 0; i < sizeof separators / sizeof *separators; i++)
        if (take_text(rest, separators[i][0]))
            return take_number(rest, 1, 2, &out->month) && take_text(rest, separators[i][1]) &&
                   take_number(rest, 1, 2, &out->day) && take_text(rest, separators[i][2]);
    return false;
}

static bool take_fraction(struct bytes *rest, int32_t *nanos) {
    size_t n = leading_digits(*rest);
    int32_t value = 0;
    for (size_t i = 0; i < 9; i++)
        value = value * 10 + (i < n ? rest->data[i] - '0' : 0);
    rest->data += n;
    rest->size -= n;
    *nanos = value;
    return n > 0;
}

// 9:30, 09:30:00, 09:30:00.25
static bool take_clock(struct bytes *rest, struct moment *out) {
    out->has_time = true;
    if (!take_number(rest, 1, 2, &out->hour) || !take_text(rest, ":") ||
        !take_number(rest, 2, 2, &out->minute))
        return false;
    if (!take_text(rest, ":"))
        return true;
    return take_number(rest, 2, 2, &out->second) &&
           (!take_text(rest, ".") || take_fraction(rest, &out->nanos));
}

// Z, +08:00, +0800, +08 (as PostgreSQL shows it), or nothing.
static bool take_zone(struct bytes *rest, struct moment *out) {
    int hours, minutes = 0;
    if (rest->size == 0)
        return true;
    if (take_text(rest, "Z") || take_text(rest, "z")) {
        out->zone = 0;
        return true;
    }
    bool west = rest->data[0] == '-';
    if (!take_text(rest, "+") && !take_text(rest, "-"))
        return false;
    if (!take_number(rest, 2, 2, &hours) || (take_text(rest, ":") && rest->size == 0) ||
        (rest->size > 0 && !take_number(rest, 2, 2, &minutes)) || hours > 18 || minutes > 59)
        return false;
    out->zone = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static void skip_blanks(struct bytes *rest) {
    while (take_text(rest, " "))
        ;
}

bool moment_read(struct bytes text, int32_t zone, struct moment *out) {
    struct moment m = {.zone = zone};
    struct bytes rest = text;
    size_t digits = leading_digits(rest);
    if (digits >= 8 ? !take_compact(&rest, &m) : !take_date(&rest, &m))
        return false;
    if (!m.has_time && rest.size > 0) {
        bool letter = take_text(&rest, "T") || take_text(&rest, "t");
        if (!letter && !take_text(&rest, " "))
            return false;
        skip_blanks(&rest);
        if (!take_clock(&rest, &m))
            return false;
    }
    skip_blanks(&rest);
    if ((m.has_time && !take_zone(&rest, &m)) || rest.size != 0 || !moment_exists(&m))
        return false;
    *out = m;
    return true;
}

static int *pattern_part(struct moment *m, char letter) {
    switch (letter) {
    case 'Y':
        return &m->year;
    case 'm':
        return &m->month;
    case 'd':
        return &m->day;
    case 'H':
        return &m->hour;
    case 'M':
        return &m->minute;
    case 'S':
        return &m->second;
    default:
        return NULL;
    }
}

bool moment_read_pattern(struct bytes text, const char *pattern, int32_t zone, struct moment *out) {
    struct moment m = {.zone = zone};
    struct bytes rest = text;
    for (const char *p = pattern; *p; p++) {
        char one[2] = {*p, '\0'};
        int *part = *p == '%' && p[1] ? pattern_part(&m, *++p) : NULL;
        if (part) {
            size_t width = *p == 'Y' ? 4 : 2;
            if (!take_number(&rest, width, width, part))
                return false;
            m.has_time = m.has_time || *p == 'H';
        } else if (!take_text(&rest, one)) {
            return false;
        }
    }
    if (rest.size != 0 || !moment_exists(&m))
        return false;
    *out = m;
    return true;
}

const char *moment_check_pattern(const char *pattern, bool with_time) {
    unsigned seen = 0;
    static const char letters[] = "YmdHMS%";
    for (const char *p = pattern; *p; p++) {
        if (*p != '%')
            continue;
        const char *at = p[1] ? strchr(letters, p[1]) : NULL;
        if (!at)
            return "after % stands one of Y m d H M S %";
        seen |= 1u << (at - letters);
        p++;
    }
    if ((seen & 7u) != 7u)
        return "a pattern needs %Y, %m and %d";
    if (!with_time && seen & 0x38u)
        return "a date has no %H, %M or %S";
    return NULL;
}

// ---- Writing ----

int moment_write(const struct moment *moment, const char *pattern, struct buffer *out) {
    struct moment m = *moment;
    size_t before = out->size;
    int rc = 0;
    for (const char *p = pattern; *p && rc == 0; p++) {
        const int *part = *p == '%' && p[1] ? pattern_part(&m, *++p) : NULL;
        if (part)
            rc = buffer_append_format(out, "%0*d", *p == 'Y' ? 4 : 2, *part);
        else
            rc = buffer_append_byte(out, (uint8_t)*p);
    }
    if (rc)
        out->size = before;
    return rc;
}

static int append_fraction(int32_t nanos, struct buffer *out) {
    char digits[10];
    if (nanos == 0)
        return 0;
    for (int i = 8; i >= 0; i--, nanos /= 10)
        digits[i] = (char)('0' + nanos % 10);
    size_t n = 9;
    while (digits[n - 1] == '0')
        n--;
    int rc = buffer_append_byte(out, '.');
    return rc ? rc : buffer_append(out, digits, n);
}

int moment_write_rfc3339(const struct moment *moment, struct buffer *out) {
    size_t before = out->size;
    int zone = moment->zone < 0 ? -moment->zone : moment->zone;
    int rc = moment_write(moment, "%Y-%m-%dT%H:%M:%S", out);
    if (!rc)
        rc = append_fraction(moment->nanos, out);
    if (!rc && zone == 0)
        rc = buffer_append_byte(out, 'Z');
    else if (!rc)
        rc = buffer_append_format(
            out, "%c%02d:%02d", moment->zone < 0 ? '-' : '+', zone / 3600, zone / 60 % 60);
    if (rc)
        out->size = before;
    return rc;
}
