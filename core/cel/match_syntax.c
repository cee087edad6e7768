// CEL's patterns are RE2's (github.com/google/re2/wiki/Syntax). What only PCRE2 understands is refused, so
// that a pattern means the same with every other implementation, and can't depend on going back and forth.
#include "core/cel/match_syntax.h"

struct pattern {
    struct bytes text;
    size_t at;
    const char *wrong;
};

static uint8_t look(const struct pattern *pattern, size_t ahead) {
    size_t at = pattern->at + ahead;
    return at < pattern->text.size ? pattern->text.data[at] : 0;
}

static bool refuse(struct pattern *pattern, const char *why) {
    pattern->wrong = why;
    return false;
}

// \Q up to \E is text.
static void pass_quoted(struct pattern *pattern) {
    while (pattern->at < pattern->text.size && !(look(pattern, 0) == '\\' && look(pattern, 1) == 'E'))
        pattern->at++;
    if (pattern->at < pattern->text.size)
        pattern->at += 2;
}

static bool pass_escape(struct pattern *pattern) {
    uint8_t c = look(pattern, 1);
    if (c >= '1' && c <= '9')
        return refuse(pattern, "a pattern can't refer back to a group");
    if (c && strchr("kgKRXGZhHVNoc", c))
        return refuse(pattern, "RE2, whose patterns these are, has no such escape");
    pattern->at += 2;
    if (c == 'Q')
        pass_quoted(pattern);
    return true;
}

static bool pass_class(struct pattern *pattern) {
    pattern->at += look(pattern, 1) == '^' ? 2 : 1;
    if (look(pattern, 0) == ']') // as first it is one of the class
        pattern->at++;
    while (pattern->at < pattern->text.size && look(pattern, 0) != ']') {
        if (look(pattern, 0) == '\\') {
            if (!pass_escape(pattern))
                return false;
        } else if (look(pattern, 0) == '[' && look(pattern, 1) == ':') {
            for (pattern->at += 2; pattern->at < pattern->text.size && look(pattern, 0) != ']';
                pattern->at++) {
            }
            pattern->at++;
        } else {
            pattern->at++;
        }
    }
    pattern->at++;
    return true;
}

// "(?:", "(?i)", "(?i-s:", "(?P<name>", "(?<name>".
static bool pass_group(struct pattern *pattern) {
    if (look(pattern, 1) == '*')
        return refuse(pattern, "RE2, whose patterns these are, has no verbs (*...)");
    if (look(pattern, 1) != '?') {
        pattern->at++;
        return true;
    }
    size_t ahead = 2;
    uint8_t c = look(pattern, ahead);
    bool name = (c == 'P' && look(pattern, 3) == '<') ||
                (c == '<' && look(pattern, 3) != '=' && look(pattern, 3) != '!');
    while (!name && look(pattern, ahead) && strchr("imsU-", look(pattern, ahead)))
        ahead++;
    c = look(pattern, ahead);
    if (!name && c != ':' && !(c == ')' && ahead > 2))
        return refuse(pattern, "RE2, whose patterns these are, has no look-around, conditions or recursion");
    pattern->at += ahead;
    return true;
}

// "{3}", "{3,}", "{3,5}": RE2 repeats at most 1,000 times. Anything else in braces is text.
static bool pass_braces(struct pattern *pattern) {
    size_t ahead = 1;
    unsigned number = 0;
    for (; look(pattern, ahead) == ',' || (look(pattern, ahead) >= '0' && look(pattern, ahead) <= '9');
        ahead++) {
        uint8_t c = look(pattern, ahead);
        number = c == ',' ? 0 : number < 10000 ? number * 10 + (unsigned)(c - '0') : number;
        if (number > 1000)
            return refuse(pattern, "RE2, whose patterns these are, repeats at most 1,000 times");
    }
    pattern->at += ahead;
    return true;
}

static bool is_quantifier(const struct pattern *pattern) {
    uint8_t c = look(pattern, 0);
    return c == '*' || c == '+' || c == '?' || c == '}';
}

const char *match_syntax(struct bytes text, size_t *offset) {
    struct pattern pattern = {.text = text};
    bool ok = true;
    while (ok && pattern.at < text.size) {
        *offset = pattern.at;
        if (look(&pattern, 0) == '\\') {
            ok = pass_escape(&pattern);
        } else if (look(&pattern, 0) == '[') {
            ok = pass_class(&pattern);
        } else if (look(&pattern, 0) == '(') {
            ok = pass_group(&pattern);
        } else if (look(&pattern, 0) == '{') {
            ok = pass_braces(&pattern);
        } else {
            bool quantifier = is_quantifier(&pattern);
            pattern.at++;
            if (quantifier && look(&pattern, 0) == '+')
                ok = refuse(&pattern, "RE2, whose patterns these are, has no quantifier behind a quantifier");
        }
    }
    return pattern.wrong;
}
