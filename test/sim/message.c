#include "test/sim/message.h"

#include "gov/public_security/v1/residence.pb-c.h"

#include <stdio.h>
#include <stdlib.h>

#define KIND(name) GOV__PUBLIC_SECURITY__V1__RESIDENCE_REGISTERED__KIND__##name

const char *const destination_names[DESTINATIONS] = {
    "housing/tenancy", "housing/registry", "civil_affairs/registration", "civil_affairs/allowance"};

size_t destination_named(const char *system) {
    for (size_t i = 0; i < DESTINATIONS; i++)
        if (strcmp(destination_names[i], system) == 0)
            return i;
    return SIZE_MAX;
}

// As routes-0 and routes-1 in test/sim/conf say it.
unsigned message_destinations(size_t set, const struct making *making) {
    unsigned to = 1u << 1; // registry: all
    if (making->kind != KIND(VISIT) || set == 1)
        to |= 1u << 0;
    if (making->kind == KIND(MOVE_IN) || (set == 1 && making->kind == KIND(BIRTH)))
        to |= 1u << 2;
    if (set == 0 ? making->kind == KIND(BIRTH) : making->kind == KIND(TEMPORARY))
        to |= 1u << 3;
    return to;
}

unsigned message_unmapped(size_t set, const struct making *making) {
    return making->unmappable ? message_destinations(set, making) & 1u : 0;
}

static uint64_t hash(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t z = (a * 0x9E3779B97F4A7C15u ^ b) * 0xBF58476D1CE4E5B9u ^ c;
    z = (z ^ (z >> 29)) * 0x94D049BB133111EBu;
    return z ^ (z >> 32);
}

enum nature message_nature(uint64_t seed, size_t message, size_t queue, unsigned *times) {
    uint64_t h = hash(seed, message, queue);
    unsigned roll = (unsigned)(h % 1000);
    *times = 1 + (unsigned)(h >> 20) % 3;
    if (roll < 800)
        return NATURE_GOOD;
    if (roll < 920)
        return NATURE_FAILS;
    if (roll < 960)
        return NATURE_REJECT;
    return roll < 985 ? NATURE_NEVER : NATURE_CRASH;
}

static size_t pack_payload(
    size_t message, const char *subject, const struct making *making, uint8_t *out, size_t size) {
    Gov__PublicSecurity__V1__ResidenceRegistered residence =
        GOV__PUBLIC_SECURITY__V1__RESIDENCE_REGISTERED__INIT;
    Gov__Common__V1__Person resident = GOV__COMMON__V1__PERSON__INIT;
    Gov__Common__V1__StructuredAddress address = GOV__COMMON__V1__STRUCTURED_ADDRESS__INIT;
    char number[24];
    snprintf(number, sizeof number, "%zu", message);
    resident.citizen_number = (char *)(uintptr_t)subject;
    address.unit_code = number;
    residence.resident = &resident;
    residence.address = &address;
    residence.kind = (Gov__PublicSecurity__V1__ResidenceRegistered__Kind)making->kind;
    residence.relation = (char *)(uintptr_t)(making->unmappable ? "99" : "01");
    residence.entry_number = number;
    if (gov__public_security__v1__residence_registered__get_packed_size(&residence) > size)
        abort();
    return gov__public_security__v1__residence_registered__pack(&residence, out);
}

void message_pack(size_t message, const char *subject, const struct making *making, struct buffer *out) {
    uint8_t payload[512];
    char id[24];
    snprintf(id, sizeof id, "m%zu", message);
    struct wire_envelope envelope = {.id = bytes_of_string(id),
        .type = bytes_of_string(making->invalid ? "gov.public_security.v1.NoSuchType"
                                                : "gov.public_security.v1.ResidenceRegistered"),
        .subject = bytes_of_string(subject),
        .payload = bytes_of(payload, pack_payload(message, subject, making, payload, sizeof payload))};
    if (wire_envelope_append(&envelope, out) != 0)
        abort();
}

size_t message_of(struct bytes id) {
    size_t number = 0;
    if (id.size < 2 || id.size > 12 || id.data[0] != 'm')
        return SIZE_MAX;
    for (size_t i = 1; i < id.size; i++) {
        if (id.data[i] < '0' || id.data[i] > '9')
            return SIZE_MAX;
        number = number * 10 + (size_t)(id.data[i] - '0');
    }
    return number;
}
