#include "adapters/connectors/http/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct client {
    struct client_options options;
    CURL *curl;
    char *login;  // owned
    char *bearer; // owned: "Authorization: Bearer …"
    char problem[CURL_ERROR_SIZE];
    struct client_answer *answer; // of the request under way
    bool too_long;
};

static void forget(char **secret) {
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

int client_new(const struct client_options *options, struct client **out, struct error *error) {
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return error_no_memory(error);
    client->options = *options;
    client->login = options->login ? strdup(options->login) : NULL;
    if (options->token && asprintf(&client->bearer, "Authorization: Bearer %s", options->token) < 0)
        client->bearer = NULL;
    client->curl = curl_easy_init();
    bool whole = client->curl && !options->login == !client->login && !options->token == !client->bearer;
    int rc = whole ? 0 : error_no_memory(error);
    if (rc != 0)
        client_destroy(&client);
    else
        *out = client;
    return rc;
}

void client_destroy(struct client **self) {
    struct client *client = *self;
    *self = NULL;
    if (!client)
        return;
    if (client->curl)
        curl_easy_cleanup(client->curl);
    forget(&client->login);
    forget(&client->bearer);
    free(client);
}

static size_t take_body(char *data, size_t one, size_t size, void *context) {
    struct client *client = context;
    (void)one;
    if (buffer_append(&client->answer->body, data, size) == 0)
        return size;
    client->too_long = true;
    return 0;
}

static void set_options(struct client *client, const struct client_request *request) {
    CURL *curl = client->curl;
    const struct client_options *options = &client->options;
    curl_easy_reset(curl); // keeps the connection
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, options->proxy ? options->proxy : "");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)options->answer_bytes);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->problem);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    if (options->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
    if (options->certificate_file)
        curl_easy_setopt(curl, CURLOPT_SSLCERT, options->certificate_file);
    if (options->key_file)
        curl_easy_setopt(curl, CURLOPT_SSLKEY, options->key_file);
    if (options->insecure) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (client->login) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERPWD, client->login);
    }
}

static void set_body(struct client *client, const struct client_request *request) {
    CURL *curl = client->curl;
    if (request->body.data) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)request->body.data);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static int add_header(struct curl_slist **list, const char *text) {
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

// Without "Expect": an old server waits for nothing behind it.
static int make_headers(
    const struct client *client, const struct client_request *request, struct curl_slist **list) {
    int rc = add_header(list, "Expect:");
    if (rc == 0)
        rc = add_header(list, "User-Agent: hutong-adapter/" HUTONG_VERSION);
    if (rc == 0 && client->bearer)
        rc = add_header(list, client->bearer);
    for (const char *const *header = request->headers; rc == 0 && header && *header; header++)
        rc = add_header(list, *header);
    return rc;
}

static void read_charset(struct client *client, struct client_answer *answer) {
    const char *type = NULL;
    answer->charset[0] = '\0';
    curl_easy_getinfo(client->curl, CURLINFO_CONTENT_TYPE, &type);
    const char *at = type ? strcasestr(type, "charset=") : NULL;
    if (!at)
        return;
    at += strlen("charset=");
    at += *at == '"';
    snprintf(answer->charset, sizeof answer->charset, "%.*s", (int)strcspn(at, "\"; "), at);
}

int client_send(struct client *client, const struct client_request *request, struct client_answer *answer,
    struct error *error) {
    struct curl_slist *headers = NULL;
    client->answer = answer;
    client->too_long = false;
    client->problem[0] = '\0';
    buffer_clear(&answer->body);
    answer->body.limit = client->options.answer_bytes;
    answer->status = 0;
    set_options(client, request);
    set_body(client, request);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (make_headers(client, request, &headers) == 0) {
        curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
        code = curl_easy_perform(client->curl);
    }
    curl_slist_free_all(headers);
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (unsigned)status;
    if (code == CURLE_OUT_OF_MEMORY)
        return error_no_memory(error);
    if (client->too_long || code == CURLE_FILESIZE_EXCEEDED)
        return error_set(error, CLIENT_FAILED, "an answer of more than %llu bytes",
            (unsigned long long)client->options.answer_bytes);
    if (code != CURLE_OK)
        return error_set(
            error, CLIENT_FAILED, "%s", client->problem[0] ? client->problem : curl_easy_strerror(code));
    read_charset(client, answer);
    return 0;
}

void client_answer_destroy(struct client_answer *answer) {
    buffer_destroy(&answer->body);
}
