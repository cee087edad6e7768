#include "cli/admin.h"

#include "core/base/buffer.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t take(char *data, size_t size, size_t count, void *context) {
    return buffer_append(context, data, size * count) == 0 ? size * count : 0;
}

static void set_place(CURL *curl, const char *admin, const char *path) {
    struct buffer url = {0};
    bool is_socket = strchr(admin, '/') || !strchr(admin, ':');
    if (is_socket)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, admin);
    if (buffer_append_format(&url, "http://%s%s", is_socket ? "localhost" : admin, path) == 0)
        curl_easy_setopt(curl, CURLOPT_URL, buffer_text(&url)); // copied
    buffer_destroy(&url);
}

static CURLcode perform(CURL *curl, const char *text, struct buffer *out, char *problem) {
    struct curl_slist *headers = text ? curl_slist_append(NULL, "Content-Type: application/json") : NULL;
    if (text) {
        headers = curl_slist_append(headers, "Expect:");
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    }
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    return code;
}

static json_t *parse(const struct buffer *body, long status, char *problem) {
    json_error_t error;
    json_t *answer = json_loadb((const char *)body->data, body->size, 0, &error);
    if (!answer)
        snprintf(problem, CURL_ERROR_SIZE, "HTTP status %ld: %.*s", status, (int)body->size,
            body->data ? (const char *)body->data : "");
    return answer;
}

json_t *admin_ask(const char *command, const char *admin, const char *path, const json_t *body,
    long timeout_s, long *status) {
    char problem[CURL_ERROR_SIZE] = "out of memory";
    struct buffer answer = {.limit = (size_t)1 << 30};
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    CURL *curl = !body || text ? curl_easy_init() : NULL;
    json_t *json = NULL;
    if (curl) {
        set_place(curl, admin, path);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
        CURLcode code = perform(curl, text, &answer, problem);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
        long reason = 0;
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &reason);
        if (code == CURLE_COULDNT_CONNECT && (reason == EACCES || reason == EPERM))
            snprintf(problem, sizeof problem,
                "no permission: only the user that the broker runs as may ask it, and root");
        else if (code == CURLE_COULDNT_CONNECT)
            snprintf(problem, sizeof problem,
                "nobody listens there; is the broker running, and is this what broker.yaml names as admin?");
        if (code == CURLE_OK)
            json = parse(&answer, *status, problem);
    }
    if (!json)
        cli_failed(command, "%s: %s", admin, problem);
    curl_easy_cleanup(curl);
    buffer_destroy(&answer);
    free(text);
    return json;
}
