// Requests that are more than a look: who asks, with which arguments, and what came of it.
#include "broker/admin/internal.h"

#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BODY_LIMIT ((size_t)64 * 1024)

static const struct command {
    const char *method;
    const char *url;
    const char *name;
    const char *arguments[3]; // of a GET; a POST's are the members of the object in its body
    bool personal;            // it shows personal data, or must say who did it: only over a UNIX socket
} commands[] = {
    {"POST", "/reload", "reload", {NULL}, false},
    {"POST", "/routes/rollback", "rollback", {NULL}, false},
    {"GET", "/routes/history", "history", {"before", "count", NULL}, false},
    {"GET", "/routes/files", "files", {"of", NULL}, false},
    {"GET", "/dead", "letters", {"system", "from", NULL}, true},
    {"POST", "/dead/replay", "dead-replay", {NULL}, true},
    {"POST", "/dead/drop", "dead-drop", {NULL}, true},
    {"POST", "/replay", "replay", {NULL}, true},
    {"POST", "/journal/erase", "erase", {NULL}, true},
    {"GET", "/status", "", {NULL}, false}, // http.c answers these itself, when the method is right
    {"GET", "/metrics", "", {NULL}, false},
    {"GET", "/health", "", {NULL}, false},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct command *find(const char *url, const char *method, bool *url_known) {
    *url_known = false;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].url, url) != 0)
            continue;
        *url_known = true;
        if (strcmp(commands[i].method, method) == 0)
            return &commands[i];
    }
    return NULL;
}

// Over a UNIX socket the kernel says who it is; over loopback anyone of this machine may ask: false.
static bool who_asks(struct MHD_Connection *connection, char *out, size_t size) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t length = sizeof peer;
    struct sockaddr_storage address = {0};
    socklen_t address_length = sizeof address;
    bool local = info && getsockname(info->connect_fd, (struct sockaddr *)&address, &address_length) == 0 &&
                 address.ss_family == AF_UNIX;
    if (!local || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        snprintf(out, size, "127.0.0.1");
        return false;
    }
    char room[1024];
    struct passwd entry;
    struct passwd *user = NULL;
    getpwuid_r(peer.uid, &entry, room, sizeof room, &user);
    snprintf(out, size, "%s(%u)", user ? user->pw_name : "", (unsigned)peer.uid);
    return true;
}

// A page in a browser can send a plain form to loopback: it can't send JSON, and says where it is from.
static const char *wrong_sender(struct MHD_Connection *connection) {
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin"))
        return "no pages of browsers\n";
    return type && strcmp(type, "application/json") == 0 ? NULL : "Content-Type is application/json\n";
}

static json_t *arguments_of(
    struct MHD_Connection *connection, const struct command *command, const struct buffer *body) {
    json_t *all =
        body && body->size ? json_loadb((const char *)body->data, body->size, 0, NULL) : json_object();
    if (!json_is_object(all)) {
        json_decref(all);
        return NULL;
    }
    for (size_t i = 0; command->arguments[i]; i++) {
        const char *value =
            MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, command->arguments[i]);
        char *end = NULL;
        long long number = value ? strtoll(value, &end, 10) : 0;
        bool text = strcmp(command->arguments[i], "of") == 0 || strcmp(command->arguments[i], "system") == 0;
        if (value && (text || (*end == '\0' && end != value)))
            json_object_set_new(all, command->arguments[i], text ? json_string(value) : json_integer(number));
    }
    char who[128];
    who_asks(connection, who, sizeof who);
    json_object_set_new(all, "who", json_string(who));
    json_object_set_new(all, "command", json_string(command->name));
    return all;
}

static enum MHD_Result run(struct admin *admin, struct MHD_Connection *connection,
    const struct command *command, const struct buffer *body) {
    json_t *request = arguments_of(connection, command, body);
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    struct buffer answer = {0};
    enum MHD_Result rc;
    if (!request)
        rc = admin_answer_text(connection, MHD_HTTP_BAD_REQUEST, "the body is a JSON object\n");
    else if (!text || admin->options.command(admin->options.context, bytes_of_string(text), &answer) != 0 ||
             answer.size < 3)
        rc = admin_answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the broker does not answer\n");
    else {
        unsigned status = (unsigned)(answer.data[0] - '0') * 100 + (unsigned)(answer.data[1] - '0') * 10 +
                          (unsigned)(answer.data[2] - '0');
        rc = admin_answer(connection, status, "application/json", bytes_of(answer.data + 3, answer.size - 3));
    }
    buffer_destroy(&answer);
    free(text);
    json_decref(request);
    return rc;
}

// What a request brings before it is answered.
struct upload {
    struct buffer body;
    bool too_large; // the rest is read and dropped, so that the answer comes through
};

static enum MHD_Result take_part(struct upload *upload, const char *part, size_t size) {
    int rc = upload->too_large ? 0 : buffer_append(&upload->body, part, size);
    if (rc == -EMSGSIZE) {
        upload->too_large = true;
        return MHD_YES;
    }
    return rc ? MHD_NO : MHD_YES;
}

static enum MHD_Result say_what_there_is(struct MHD_Connection *connection) {
    char text[512] = "there are ";
    size_t at = strlen(text);
    for (size_t i = 0; i < COMMANDS && at < sizeof text; i++)
        at += (size_t)snprintf(
            text + at, sizeof text - at, "%s%s", commands[i].url, i + 1 < COMMANDS ? " " : "\n");
    return admin_answer_text(connection, MHD_HTTP_NOT_FOUND, text);
}

enum MHD_Result admin_command(struct admin *admin, struct MHD_Connection *connection, const char *url,
    const char *method, const char *part, size_t *part_size, void **state) {
    bool url_known;
    const struct command *command = find(url, method, &url_known);
    struct upload *upload = *state;
    if (!upload) { // the headers are there
        upload = *state = calloc(1, sizeof *upload);
        if (upload)
            upload->body.limit = BODY_LIMIT;
        return upload ? MHD_YES : MHD_NO;
    }
    if (*part_size) {
        size_t size = *part_size;
        *part_size = 0;
        return take_part(upload, part, size);
    }
    if (!command && url_known)
        return admin_answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "not by this method\n");
    if (!command)
        return say_what_there_is(connection);
    if (upload->too_large)
        return admin_answer_text(connection, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most 64 KiB\n");
    const char *wrong = strcmp(method, "POST") == 0 ? wrong_sender(connection) : NULL;
    char who[128];
    if (!wrong && command->personal && !who_asks(connection, who, sizeof who))
        wrong = "only over a UNIX socket, where the kernel says who asks\n";
    if (wrong)
        return admin_answer_text(connection, MHD_HTTP_FORBIDDEN, wrong);
    return run(admin, connection, command, strcmp(method, "POST") == 0 ? &upload->body : NULL);
}

void admin_command_end(void **state) {
    struct upload *upload = *state;
    if (upload)
        buffer_destroy(&upload->body);
    free(upload);
    *state = NULL;
}
