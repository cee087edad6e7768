#include "core/base/utf8.h"
#include "core/wire/wire.h"

#define ADDRESS_LIMIT 128u
#define INSTANCE_LIMIT 64u

static const char *const reason_names[] = {
    [HUTONG__BUS__V1__REASON__REASON_UNSPECIFIED] = "unspecified",
    [HUTONG__BUS__V1__REASON__REASON_PROTOCOL] = "protocol",
    [HUTONG__BUS__V1__REASON__REASON_VERSION] = "version",
    [HUTONG__BUS__V1__REASON__REASON_IDENTITY] = "identity",
    [HUTONG__BUS__V1__REASON__REASON_SUPERSEDED] = "superseded",
    [HUTONG__BUS__V1__REASON__REASON_CREDIT] = "credit",
    [HUTONG__BUS__V1__REASON__REASON_TOO_MANY] = "too_many",
    [HUTONG__BUS__V1__REASON__REASON_SHUTTING_DOWN] = "shutting_down",
    [HUTONG__BUS__V1__REASON__REASON_INTERNAL] = "internal",
    [HUTONG__BUS__V1__REASON__REASON_ENVELOPE] = "envelope",
    [HUTONG__BUS__V1__REASON__REASON_TOO_LARGE] = "too_large",
    [HUTONG__BUS__V1__REASON__REASON_UNKNOWN_TYPE] = "unknown_type",
    [HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED] = "not_allowed",
    [HUTONG__BUS__V1__REASON__REASON_INVALID] = "invalid",
    [HUTONG__BUS__V1__REASON__REASON_SOURCE] = "source",
    [HUTONG__BUS__V1__REASON__REASON_EXPIRED] = "expired",
    [HUTONG__BUS__V1__REASON__REASON_BUSY] = "busy",
    [HUTONG__BUS__V1__REASON__REASON_REJECTED] = "rejected",
    [HUTONG__BUS__V1__REASON__REASON_RETRIES] = "retries",
    [HUTONG__BUS__V1__REASON__REASON_UNMAPPED] = "unmapped",
    [HUTONG__BUS__V1__REASON__REASON_FILTER] = "filter",
    [HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL] = "queue_full",
    [HUTONG__BUS__V1__REASON__REASON_NO_AGREEMENT] = "no_agreement",
    [HUTONG__BUS__V1__REASON__REASON_DAMAGED] = "damaged",
};

const char *wire_reason_name(wire_reason reason) {
    unsigned i = (unsigned)reason;
    const char *name = i < sizeof reason_names / sizeof *reason_names ? reason_names[i] : NULL;
    return name ? name : "unknown";
}

static bool lower_or_digit(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool wire_address_valid(struct bytes address) {
    size_t slash = SIZE_MAX;
    if (address.size > ADDRESS_LIMIT)
        return false;
    for (size_t i = 0; i < address.size; i++) {
        uint8_t c = address.data[i];
        if (c == '/' && slash == SIZE_MAX)
            slash = i;
        else if (!lower_or_digit(c) && c != '_')
            return false;
    }
    return slash != SIZE_MAX && slash > 0 && slash + 1 < address.size;
}

bool wire_instance_valid(struct bytes instance) {
    if (instance.size == 0 || instance.size > INSTANCE_LIMIT)
        return false;
    for (size_t i = 0; i < instance.size; i++) {
        uint8_t c = instance.data[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (!upper && !lower_or_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

bool wire_text_valid(struct bytes text) {
    return utf8_bytes(text) && (text.size == 0 || !memchr(text.data, '\0', text.size));
}
