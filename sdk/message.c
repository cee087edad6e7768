// Checks of a message that is to be published: what the broker would refuse is told at once.
#include "sdk/internal.h"

static enum hutong_code check_text(
    const char *name, const char *text, size_t limit, struct hutong_error *error) {
    struct bytes bytes = bytes_of_string(text);
    if (bytes.size > limit)
        return sdk_fail(
            error, HUTONG_INVALID, false, "%s has %zu bytes; at most %zu", name, bytes.size, limit);
    if (!wire_text_valid(bytes))
        return sdk_fail(error, HUTONG_INVALID, false, "%s is not UTF-8", name);
    return HUTONG_OK;
}

static enum hutong_code check_attributes(const char *const *attributes, struct hutong_error *error) {
    size_t count = 0;
    for (const char *const *at = attributes; at && at[0]; at += 2) {
        if (!at[1])
            return sdk_fail(error, HUTONG_INVALID, false, "attribute '%.50s' has no value", at[0]);
        if (!wire_attribute_valid(bytes_of_string(at[0]), bytes_of_string(at[1])))
            return sdk_fail(error, HUTONG_INVALID, false,
                "attribute '%.50s' must have a name of 1 to 20 lower-case letters and digits and a UTF-8 "
                "value of at most "
                "1024 bytes",
                at[0]);
        for (const char *const *other = attributes; other != at; other += 2)
            if (strcmp(other[0], at[0]) == 0)
                return sdk_fail(error, HUTONG_INVALID, false, "attribute '%.50s' is there twice", at[0]);
        if (++count > WIRE_ATTRIBUTE_LIMIT)
            return sdk_fail(error, HUTONG_INVALID, false, "more than %u attributes", WIRE_ATTRIBUTE_LIMIT);
    }
    return HUTONG_OK;
}

enum hutong_code message_check(const struct hutong_message *message, struct hutong_error *error) {
    if (!message->type || !*message->type)
        return sdk_fail(error, HUTONG_INVALID, false, "no type; it must be the payload's full protobuf name");
    enum hutong_code code = check_text("type", message->type, WIRE_TYPE_LIMIT, error);
    if (code == HUTONG_OK && message->id)
        code = check_text("id", message->id, WIRE_ID_LIMIT, error);
    if (code == HUTONG_OK && message->subject)
        code = check_text("subject", message->subject, WIRE_SUBJECT_LIMIT, error);
    if (code == HUTONG_OK && message->attributes)
        code = check_attributes(message->attributes, error);
    return code;
}
