#include "adapters/sidecar/sidecar.h"
#include "core/base/clock.h"
#include "core/crypto/crc32c.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define EVERY_NS (5 * CLOCK_SECOND_NS)
#define LOOK_NS (200 * CLOCK_MILLISECOND_NS) // for changes

static int append_text(struct buffer *out, const char *key, const char *text) {
    int rc = buffer_append_format(out, ",\"%s\":\"", key);
    for (const char *p = text; *p && rc == 0; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            rc = buffer_append_format(out, "\\%c", c);
        else if (c < 0x20)
            rc = buffer_append_format(out, "\\u%04x", c);
        else
            rc = buffer_append_byte(out, c);
    }
    return rc ? rc : buffer_append_byte(out, '"');
}

static int append_counts(const struct sidecar *sidecar, const struct hutong_status *bus, struct buffer *out) {
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"sent", bus->published}, {"accepted", bus->accepted}, {"refused", bus->refused},
        {"refused_rows", sidecar->counts.refused_rows}, {"received", bus->received},
        {"done", sidecar->counts.done}, {"retried", sidecar->counts.retried},
        {"rejected", sidecar->counts.rejected}, {"tries", sidecar->counts.tries},
        {"held", sidecar->held_count}, {"spooled", bus->spooled}, {"reconnects", bus->reconnects}};
    int rc = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts && rc == 0; i++)
        rc = buffer_append_format(out, ",\"%s\":%" PRIu64, counts[i].name, counts[i].value);
    return rc;
}

static int append_all(const struct sidecar *sidecar, const char *state, struct buffer *out) {
    static const char *const bus_states[] = {"connecting", "connected", "denied", "disk_full"};
    struct hutong_status bus;
    hutong_status(sidecar->hutong, &bus);
    int rc = buffer_append_format(out, "{\"pid\":%ld", (long)getpid());
    rc = rc ? rc : append_text(out, "system", sidecar->config->system);
    rc = rc ? rc : append_text(out, "connector", sidecar->config->class->name);
    rc = rc ? rc : append_text(out, "state", state);
    rc = rc ? rc : append_text(out, "bus", bus_states[bus.state]);
    if (rc == 0 && sidecar->config->class->poll)
        rc = append_text(out, "intake", bus.state == HUTONG_DISK_FULL ? "paused" : "running");
    rc = rc ? rc : append_counts(sidecar, &bus, out);
    rc = rc ? rc : append_text(out, "trouble", sidecar->trouble);
    rc = rc ? rc : append_text(out, "bus_trouble", bus.state == HUTONG_CONNECTED ? "" : bus.text);
    rc = rc ? rc : append_text(out, "notice", bus.notice);
    return rc ? rc : append_text(out, "bus_hold", bus.hold);
}

// On a full disk there is no room for a second file: the one that is there is written over, in its own block.
static void write_over(const struct sidecar *sidecar, struct bytes content) {
    int fd = open(sidecar->status_path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (pwrite(fd, content.data, content.size, 0) == (ssize_t)content.size)
        (void)!ftruncate(fd, (off_t)content.size);
    close(fd);
}

// A status that can't be written is no reason to stop: the old one stays, and its time tells.
static void replace_file(const struct sidecar *sidecar, struct bytes content) {
    int fd = open(sidecar->status_temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool whole = fd >= 0 && write(fd, content.data, content.size) == (ssize_t)content.size;
    if (fd >= 0 && close(fd) == 0 && whole) {
        (void)!rename(sidecar->status_temporary, sidecar->status_path);
    } else {
        unlink(sidecar->status_temporary);
        write_over(sidecar, content);
    }
}

static int append_time(struct buffer *out) {
    char stamp[40];
    struct tm parts;
    time_t now = time(NULL);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    int rc = append_text(out, "time", stamp);
    return rc ? rc : buffer_append_string(out, "}\n");
}

void status_write(struct sidecar *sidecar, uint64_t now_ns, const char *state) {
    struct buffer out = {0};
    if (now_ns < sidecar->status_look_ns)
        return;
    sidecar->status_look_ns = now_ns + LOOK_NS;
    if (append_all(sidecar, state, &out) == 0) {
        uint32_t digest = crc32c(0, out.data, out.size);
        bool due = now_ns >= sidecar->status_due_ns || digest != sidecar->status_digest;
        if (due && append_time(&out) == 0) {
            replace_file(sidecar, buffer_bytes(&out));
            sidecar->status_digest = digest;
            sidecar->status_due_ns = now_ns + EVERY_NS;
        }
    }
    buffer_destroy(&out);
}
