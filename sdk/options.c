#include "sdk/options.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define MIB (1024ull * 1024)

enum hutong_code sdk_fail(
    struct hutong_error *error, enum hutong_code code, bool retriable, const char *format, ...) {
    if (!error)
        return code;
    va_list args;
    va_start(args, format);
    error->code = code;
    error->retriable = retriable;
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return code;
}

static enum hutong_code copy(
    const char *name, const char *from, char *out, size_t size, struct hutong_error *error) {
    size_t length = strlen(from);
    if (length >= size)
        return sdk_fail(
            error, HUTONG_INVALID, false, "%s is %zu bytes long; at most %zu", name, length, size - 1);
    memcpy(out, from, length + 1);
    return HUTONG_OK;
}

static enum hutong_code read_names(
    const struct hutong_options *from, struct options *out, struct hutong_error *error) {
    const char *instance = from->instance ? from->instance : "default";
    if (!from->endpoint || !*from->endpoint)
        return sdk_fail(
            error, HUTONG_INVALID, false, "no endpoint; it is the broker's, such as tcp://bus.example:7400");
    if (!from->system || !wire_address_valid(bytes_of_string(from->system)))
        return sdk_fail(error, HUTONG_INVALID, false,
            "system '%.100s' is not an address such as 'public_security/population'",
            from->system ? from->system : "");
    if (!wire_instance_valid(bytes_of_string(instance)))
        return sdk_fail(error, HUTONG_INVALID, false,
            "instance '%.100s' must be 1 to 64 letters, digits, '-', '_' or '.'", instance);
    enum hutong_code code = copy("endpoint", from->endpoint, out->endpoint, sizeof out->endpoint, error);
    if (code == HUTONG_OK)
        code = copy("system", from->system, out->system, sizeof out->system, error);
    if (code == HUTONG_OK)
        code = copy("instance", instance, out->instance, sizeof out->instance, error);
    if (code == HUTONG_OK && from->spool_folder)
        code = copy("spool folder", from->spool_folder, out->spool_folder, sizeof out->spool_folder, error);
    return code;
}

static enum hutong_code read_software(const char *from, struct options *out, struct hutong_error *error) {
    const char *software = from ? from : program_invocation_short_name;
    if (!wire_text_valid(bytes_of_string(software)))
        return sdk_fail(error, HUTONG_INVALID, false, "software is not UTF-8");
    return copy("software", software, out->software, sizeof out->software, error);
}

static enum hutong_code read_keys(
    const struct hutong_options *from, struct options *out, struct hutong_error *error) {
    struct error why;
    if (!from->key_file && !from->broker_key_file)
        return HUTONG_OK;
    if (!from->key_file || !from->broker_key_file)
        return sdk_fail(
            error, HUTONG_INVALID, false, "key_file and broker_key_file go together: CURVE needs both");
    int rc = keys_load_secret(from->key_file, out->public_key, out->secret_key, &why);
    if (rc == 0)
        rc = keys_load_public(from->broker_key_file, out->broker_key, &why);
    if (rc != 0)
        return sdk_fail(error, rc == -ENOMEM ? HUTONG_NO_MEMORY : HUTONG_INVALID, false, "%.500s", why.text);
    out->curve = true;
    return HUTONG_OK;
}

static uint32_t or32(uint32_t value, uint32_t otherwise) {
    return value ? value : otherwise;
}

static uint64_t or64(uint64_t value, uint64_t otherwise) {
    return value ? value : otherwise;
}

enum hutong_code options_read(
    const struct hutong_options *from, struct options *out, struct hutong_error *error) {
    *out = (struct options){
        .spool_limit = or64(from->spool_limit, 1024 * MIB),
        .receive = from->receive,
        .receive_messages = or32(from->receive_messages, 1000),
        .receive_bytes = or64(from->receive_bytes, 16 * MIB),
        .window_messages = or32(from->window_messages, 10000),
        .window_bytes = or64(from->window_bytes, 64 * MIB),
        .reconnect_min_ms = or32(from->reconnect_min_ms, 100),
        .reconnect_max_ms = or32(from->reconnect_max_ms, 10000),
    };
    if (out->reconnect_max_ms < out->reconnect_min_ms)
        return sdk_fail(error, HUTONG_INVALID, false, "reconnect_max_ms %u is less than reconnect_min_ms %u",
            out->reconnect_max_ms, out->reconnect_min_ms);
    enum hutong_code code = read_names(from, out, error);
    if (code == HUTONG_OK)
        code = read_software(from->software, out, error);
    if (code == HUTONG_OK)
        code = read_keys(from, out, error);
    return code;
}

void options_wipe(struct options *options) {
    keys_wipe(options->secret_key);
}
