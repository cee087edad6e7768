#include "core/config/internal.h"

struct words {
    const char *problem; // libyaml's
    const char *words;   // ours
};

static const struct words all_words[] = {
    {"did not find expected key",
        "a key is expected here: indent the line like its siblings, or put the text above in quotes"},
    {"mapping values are not allowed in this context",
        "a \":\" is not allowed here; put a text that contains \": \" in quotes, and check the indentation"},
    {"mapping keys are not allowed in this context", "a \"?\" is not allowed here; put the text in quotes"},
    {"block sequence entries are not allowed in this context",
        "a \"-\" is not allowed here; start the list on a line of its own"},
    {"could not find expected ':'", "a \": \" is missing behind this key"},
    {"did not find expected '-' indicator",
        "a \"-\" is expected here: indent the line like the other entries"},
    {"did not find expected ',' or '}'", "a \",\" or \"}\" is expected here"},
    {"did not find expected ',' or ']'", "a \",\" or \"]\" is expected here"},
    {"did not find expected node content", "a value is missing here"},
    {"found unexpected end of stream", "the quote that opens here is never closed"},
    {"found unexpected document indicator",
        "a document marker inside a quoted text; is the closing quote missing?"},
    {"found unknown escape character",
        "unknown escape; write \\\\ for a backslash, or use single quotes, in which it stands for itself"},
    {"did not find expected hexdecimal number", "hexadecimal digits are expected behind this escape"},
    {"found invalid Unicode character escape code", "this escape is no Unicode character"},
    {"found an indentation indicator equal to 0", "the indentation of a block text is 1 to 9"},
    {"did not find expected comment or line break",
        "only a comment may follow here; start the text on the next line"},
    {"found a tab character where an indentation space is expected", "a tab can't indent; use spaces"},
    {"found a tab character that violates indentation", "a tab can't indent; use spaces"},
    {"found unexpected ':'", "put the text in quotes: \":\" has a meaning inside [ ] and { }"},
    {"did not find expected alphabetic or numeric character",
        "\"&\" and \"*\" have a meaning in YAML; put a text that starts with one in quotes"},
    {"found undefined tag handle", "tags (!) are not part of this format; put the text in quotes"},
    {"found unknown directive name", "directives (%) are not part of this format; remove the line"},
    {"found incompatible YAML document", "directives (%) are not part of this format; remove the line"},
    {"found duplicate %YAML directive", "directives (%) are not part of this format; remove the line"},
    {"did not find expected <document start>",
        "this is beyond the end of the document; check the indentation, or put the text above in quotes"},
};

static const char *wrong_start(struct bytes rest) {
    switch (rest.size ? rest.data[0] : 0) {
    case '\t':
        return "a tab can't indent; use spaces";
    case '@':
    case '`':
        return "YAML reserves this character; put the text in quotes";
    case '%':
        return "\"%\" has a meaning in YAML; put the text in quotes";
    default:
        return "no value can start with this character; put the text in quotes";
    }
}

const char *yaml_words(const char *problem, struct bytes rest) {
    if (strcmp(problem, "found character that cannot start any token") == 0)
        return wrong_start(rest);
    for (size_t i = 0; i < sizeof all_words / sizeof all_words[0]; i++)
        if (strcmp(problem, all_words[i].problem) == 0)
            return all_words[i].words;
    return problem;
}
