// The endpoint in a child, our own client (and a raw socket) in the parent.
#include "adapters/connectors/http/client.h"
#include "adapters/connectors/http/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t child;
static unsigned port;
#define TOKEN "0123456789abcdef"

// Answers with what came; "/large" with 100,000 bytes, "/busy" with 503.
static void echo(void *context, const struct server_request *request, struct server_reply *reply) {
    (void)context;
    reply->status = strcmp(request->path, "/busy") == 0 ? 503 : 202;
    reply->retry_after_s = reply->status == 503 ? 7 : 0;
    const char *type = server_header(request, "content-TYPE");
    buffer_append_format(&reply->body, "%s %s %s %.*s", request->method, request->path, type ? type : "-",
        BYTES_ARGS(request->body));
    for (int i = 0; strcmp(request->path, "/large") == 0 && i < 10000; i++)
        buffer_append_string(&reply->body, "0123456789");
}

static void serve(int tell) {
    struct server_options options = {
        .listen = "127.0.0.1:0", .token = TOKEN, .body_bytes = 1000, .connections = 4, .idle_s = 5};
    struct server *server = NULL;
    struct error error = {0};
    if (server_open(&options, echo, NULL, &server, &error) != 0)
        _exit(1);
    unsigned number = server_port(server);
    if (write(tell, &number, sizeof number) != sizeof number)
        _exit(1);
    for (;;) {
        struct pollfd wait = {.fd = server_fd(server), .events = POLLIN};
        poll(&wait, 1, (int)server_run(server));
    }
}

static int set_up(void **state) {
    (void)state;
    int pair[2];
    if (pipe(pair) != 0)
        return -1;
    child = fork();
    if (child == 0)
        serve(pair[1]);
    ssize_t n = read(pair[0], &port, sizeof port);
    close(pair[0]);
    close(pair[1]);
    return n == sizeof port ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}

static struct client *make_client(const char *token, uint64_t limit) {
    struct client_options options = {
        .connect_ms = 2000, .timeout_ms = 3000, .answer_bytes = limit, .token = token};
    struct client *client = NULL;
    struct error error = {0};
    assert_int_equal(client_new(&options, &client, &error), 0);
    return client;
}

// Sends and gives "status body" or the error.
static void check(
    const char *token, const char *method, const char *path, const char *body, const char *want) {
    struct client *client = make_client(token, 1 << 20);
    struct client_answer answer = {0};
    struct error error = {0};
    struct buffer text = {0};
    char url[128];
    static const char *const headers[] = {"Content-Type: text/xml; charset=GBK", NULL};
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    struct client_request request = {
        .method = method, .url = url, .headers = headers, .body = bytes_of_string(body)};
    int rc = client_send(client, &request, &answer, &error);
    buffer_append_format(&text, "%u %.*s", answer.status, BYTES_ARGS(buffer_bytes(&answer.body)));
    assert_string_equal(rc ? error.text : buffer_text(&text), want);
    assert_string_equal(answer.charset, "utf-8");
    buffer_destroy(&text);
    client_answer_destroy(&answer);
    client_destroy(&client);
}

static void test_posts(void **state) {
    (void)state;
    check(TOKEN, "POST", "/a", "hello", "202 POST /a text/xml; charset=GBK hello");
    check(TOKEN, "GET", "/busy", NULL, "503 GET /busy text/xml; charset=GBK ");
}

static void test_refusals(void **state) {
    (void)state;
    char body[1001];
    memset(body, 'x', 1000);
    body[1000] = '\0';
    check("wrong token here", "POST", "/a", "x", "401 {\"error\":\"a bearer token is needed\"}");
    check(NULL, "POST", "/a", "x", "401 {\"error\":\"a bearer token is needed\"}");
    char want[1100];
    snprintf(want, sizeof want, "202 POST /a text/xml; charset=GBK %s", body);
    check(TOKEN, "POST", "/a", body, want);
    char longer[1102];
    memset(longer, 'x', 1101);
    longer[1101] = '\0';
    check(TOKEN, "POST", "/a", longer, "413 {\"error\":\"the body may have 1000 bytes\"}");
}

// A body without a length that goes on and on.
static void test_endless_body(void **state) {
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        abort();
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    static const char head[] = "POST /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " TOKEN
                               "\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char chunk[] = "10\r\n0123456789abcdef\r\n";
    assert_int_equal(send(fd, head, sizeof head - 1, MSG_NOSIGNAL), sizeof head - 1);
    int sent = 0;
    while (sent < 1000000 && send(fd, chunk, sizeof chunk - 1, MSG_NOSIGNAL) > 0)
        sent++;
    assert_true(sent < 1000000); // it was cut off
    close(fd);
}

static void test_large_answer(void **state) {
    (void)state;
    struct client *client = make_client(TOKEN, 50000);
    struct client_answer answer = {0};
    struct error error = {0};
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/large", port);
    struct client_request request = {.method = "GET", .url = url};
    assert_int_equal(client_send(client, &request, &answer, &error), CLIENT_FAILED);
    assert_string_equal(error.text, "an answer of more than 50000 bytes");
    snprintf(url, sizeof url, "file:///etc/hostname");
    assert_int_equal(client_send(client, &request, &answer, &error), CLIENT_FAILED);
    snprintf(url, sizeof url, "http://127.0.0.1:1/");
    assert_int_equal(client_send(client, &request, &answer, &error), CLIENT_FAILED);
    client_answer_destroy(&answer);
    client_destroy(&client);
}

static void test_addresses(void **state) {
    (void)state;
    assert_null(server_check_address("127.0.0.1:8480"));
    assert_null(server_check_address("[::1]:0"));
    assert_null(server_check_address("unix:/run/x.sock"));
    assert_non_null(strstr(server_check_address("0.0.0.0:80"), "is not loopback"));
    assert_non_null(strstr(server_check_address("localhost:80"), "numeric"));
    assert_non_null(strstr(server_check_address("127.0.0.1"), "neither"));
    assert_non_null(strstr(server_check_address("127.0.0.1:x"), "port"));
    assert_non_null(strstr(server_check_address("unix:x"), "absolute"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_endless_body),
        cmocka_unit_test(test_large_answer),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
