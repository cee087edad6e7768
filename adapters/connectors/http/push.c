#include "adapters/connectors/http/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void push_destroy(struct push **self) {
    struct push *push = *self;
    *self = NULL;
    if (!push)
        return;
    request_destroy(&push->request);
    document_path_destroy(&push->code);
    document_path_destroy(&push->text);
    free(push);
}

static int eval(
    void *context, const struct cel_program *program, struct cel_value *out, struct error *error) {
    struct push *push = context;
    return take_rule_eval(push->rule, program, out, error);
}

// What HTTP itself says. 401, 403 and 404 are more often a wrong setting than a wrong message: nothing is
// lost by trying again.
static enum push_verdict by_status(unsigned status) {
    if (status >= 200 && status <= 299)
        return PUSH_DONE;
    static const unsigned again[] = {401, 403, 404, 405, 407, 408, 421, 423, 425, 429};
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        if (status == again[i])
            return PUSH_RETRY;
    return status >= 400 && status <= 499 ? PUSH_REJECT : PUSH_RETRY;
}

static bool lists(const struct config_node *codes, struct bytes code) {
    for (size_t i = 0; codes && i < codes->count; i++)
        if (bytes_equal(codes->values[i]->text, code))
            return true;
    return false;
}

static enum push_verdict by_code(const struct push *push, struct bytes code) {
    for (int verdict = 0; verdict < PUSH_VERDICTS; verdict++)
        if (lists(push->codes[verdict], code))
            return (enum push_verdict)verdict;
    return push->otherwise;
}

// A SOAP fault without a known code: who is to blame (SOAP 1.1 faultcode Client, 1.2 Sender) decides.
static bool by_fault(struct document *document, enum push_verdict *out) {
    static const char path_text[] =
        "//*[local-name()='Fault']/*[local-name()='faultcode'] | "
        "//*[local-name()='Fault']/*[local-name()='Code']/*[local-name()='Value']";
    struct document_path *path = NULL;
    struct buffer text = {0};
    bool present = false;
    if (document_path_new(DOCUMENT_XML, path_text, NULL, 0, &path, NULL) == 0)
        document_text(document, (struct document_item){NULL}, path, &text, &present, NULL);
    document_path_destroy(&path);
    if (present && buffer_text(&text)) {
        const char *colon = strrchr((const char *)text.data, ':');
        const char *local = colon ? colon + 1 : (const char *)text.data;
        *out = strcmp(local, "Client") == 0 || strcmp(local, "Sender") == 0 ? PUSH_REJECT : PUSH_RETRY;
    }
    buffer_destroy(&text);
    return present;
}

static void take_text(struct document *document, const struct document_path *path, struct buffer *out) {
    bool present = false;
    if (path && document_text(document, (struct document_item){NULL}, path, out, &present, NULL) != 0)
        buffer_clear(out);
}

static enum push_verdict judge_document(const struct push *push, struct document *document, unsigned status,
    struct buffer *code, struct buffer *text) {
    enum push_verdict verdict = by_status(status);
    take_text(document, push->code, code);
    take_text(document, push->text, text);
    if (code->size)
        return by_code(push, buffer_bytes(code));
    if (push->kind == DOCUMENT_XML && by_fault(document, &verdict))
        return verdict;
    // Where a code is expected, its absence is no success.
    return push->code && verdict == PUSH_DONE ? push->otherwise : verdict;
}

static int conclude(enum push_verdict verdict, unsigned status, struct buffer *code, struct buffer *text,
    struct error *error) {
    if (verdict == PUSH_DONE || verdict == PUSH_DUPLICATE)
        return 0;
    return error_set(error, verdict == PUSH_REJECT ? CONNECTOR_REJECT : CONNECTOR_RETRY,
        "HTTP status %u%s%.100s%s%.300s", status, code->size ? ", " : "", code->size ? buffer_text(code) : "",
        text->size ? ": " : "", text->size ? buffer_text(text) : "");
}

static int judge(const struct push *push, const struct client_answer *answer, struct error *error) {
    struct document *document = NULL;
    struct buffer code = {.limit = 4096};
    struct buffer text = {.limit = 4096};
    const char *charset = answer->charset[0] ? answer->charset : NULL;
    const char *encoding = push->connector->service->encoding;
    enum push_verdict verdict = by_status(answer->status);
    bool wanted = push->code || push->text || push->kind == DOCUMENT_XML;
    if (wanted &&
        document_parse(push->kind, buffer_bytes(&answer->body), encoding, charset, &document, error) == 0)
        verdict = judge_document(push, document, answer->status, &code, &text);
    else if (push->code && verdict == PUSH_DONE)
        verdict = PUSH_RETRY; // it says yes in a form that can't be read: whether it did is not known
    int rc = conclude(verdict, answer->status, &code, &text, error);
    document_destroy(&document);
    buffer_destroy(&code);
    buffer_destroy(&text);
    return rc;
}

static int remember(struct connector *connector, uint64_t position, struct error *error) {
    if (connector->done_count == connector->done_capacity) {
        size_t capacity = connector->done_capacity ? connector->done_capacity * 2 : 64;
        uint64_t *done = realloc(connector->done, capacity * sizeof *done);
        if (!done)
            return error_no_memory(error);
        connector->done = done;
        connector->done_capacity = capacity;
    }
    connector->done[connector->done_count++] = position;
    return 0;
}

static bool just_done(const struct connector *connector, uint64_t position) {
    for (size_t i = connector->done_count; i > 0; i--)
        if (connector->done[i - 1] == position)
            return true;
    return false;
}

// The same at every attempt and after any crash, and another's at none: two messages with one id (of two
// routes, or sent again by an operator) are two effects.
static void make_key(const struct connector_delivery *delivery, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "Idempotency-Key: ");
    for (size_t i = 0; i < 16; i++)
        used += (size_t)snprintf(out + used, size - used, "%02x", delivery->bus[i]);
    snprintf(out + used, size - used, "-%llu", (unsigned long long)delivery->position);
}

int push_deliver(struct push *push, const struct connector_delivery *delivery, struct error *error) {
    struct connector *connector = push->connector;
    const struct connector_host *host = connector->host;
    char key[80];
    if (just_done(connector, delivery->position) || host->is_done(host->runtime, delivery->position))
        return 0;
    if (connector->away) // one time-out a round is enough
        return error_set(error, CONNECTOR_RETRY, "the service is away");
    make_key(delivery, key, sizeof key);
    const char *extra[HTTP_EXTRA + 1] = {key, NULL};
    if (delivery->replay)
        extra[1] = "Hutong-Replay: true";
    int rc = http_send(connector, &push->request, eval, push, extra, error);
    if (rc == HTTP_REFUSED)
        return CONNECTOR_REJECT;
    connector->away = rc == HTTP_FAILED;
    if (rc == HTTP_FAILED)
        return CONNECTOR_RETRY;
    if (rc == 0)
        rc = judge(push, &connector->answer, error);
    return rc ? rc : remember(connector, delivery->position, error);
}
