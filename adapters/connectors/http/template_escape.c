#include "adapters/connectors/http/template_internal.h"

#include <errno.h>
#include <stdio.h>

static const char *xml_entity(uint8_t byte, enum template_place place) {
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\r':
        return "&#13;";
    case '\n':
        return place == PLACE_QUOTED ? "&#10;" : NULL;
    case '\t':
        return place == PLACE_QUOTED ? "&#9;" : NULL;
    default:
        return NULL;
    }
}

// Control characters have no form in XML 1.0, not even escaped; nor have U+FFFE and U+FFFF.
static bool xml_allows(struct bytes text, size_t at) {
    uint8_t byte = text.data[at];
    if (byte < 0x20)
        return byte == '\t' || byte == '\n' || byte == '\r';
    return !(byte == 0xEF && at + 2 < text.size && text.data[at + 1] == 0xBF && text.data[at + 2] >= 0xBE);
}

static int escape_xml(enum template_place place, struct bytes text, struct buffer *out, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < text.size && rc == 0; i++) {
        if (!xml_allows(text, i))
            return error_set(
                error, TEMPLATE_REFUSED, "byte %zu (0x%02X) has no form in XML", i + 1, text.data[i]);
        const char *entity = xml_entity(text.data[i], place);
        rc = entity ? buffer_append_string(out, entity) : buffer_append_byte(out, text.data[i]);
    }
    return rc;
}

static int escape_json(struct bytes text, struct buffer *out) {
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    int rc = 0;
    for (size_t i = 0; i < text.size && rc == 0; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\')
            rc = buffer_append_format(out, "\\%c", byte);
        else if (byte < sizeof letters && letters[byte])
            rc = buffer_append_format(out, "\\%c", letters[byte]);
        else
            rc = byte < 0x20 ? buffer_append_format(out, "\\u%04x", byte) : buffer_append_byte(out, byte);
    }
    return rc;
}

static bool unreserved(uint8_t byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static int escape_url(struct bytes text, struct buffer *out) {
    int rc = 0;
    for (size_t i = 0; i < text.size && rc == 0; i++)
        rc = unreserved(text.data[i]) ? buffer_append_byte(out, text.data[i])
                                      : buffer_append_format(out, "%%%02X", text.data[i]);
    return rc;
}

static int escape_header(struct bytes text, struct buffer *out, struct error *error) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7F)
            return error_set(
                error, TEMPLATE_REFUSED, "byte %zu (0x%02X) can't stand in a header", i + 1, text.data[i]);
    return buffer_append_bytes(out, text);
}

int template_escape(enum template_kind kind, enum template_place place, struct bytes text, struct buffer *out,
    struct error *error) {
    int rc = 0;
    if (kind == TEMPLATE_XML)
        rc = escape_xml(place, text, out, error);
    else if (kind == TEMPLATE_JSON)
        rc = escape_json(text, out);
    else
        rc = kind == TEMPLATE_URL ? escape_url(text, out) : escape_header(text, out, error);
    return rc == -ENOMEM ? error_no_memory(error) : rc;
}
