#include "adapters/connectors/http/http.h"

#include "core/base/clock.h"
#include "core/crypto/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void poll_destroy(struct poll **self) {
    struct poll *poll = *self;
    *self = NULL;
    if (!poll)
        return;
    request_destroy(&poll->request);
    document_path_destroy(&poll->records);
    document_path_destroy(&poll->more);
    if (poll->columns)
        paths_destroy_all(&poll->paths, row_type_count(poll->columns));
    row_destroy(&poll->row);
    give_rules_destroy(&poll->rules);
    row_type_destroy(&poll->columns);
    cel_activation_destroy(&poll->activation);
    cel_env_destroy(&poll->env);
    buffer_destroy(&poll->state.cursor);
    free(poll->name);
    free(poll);
}

static int eval(
    void *context, const struct cel_program *program, struct cel_value *out, struct error *error) {
    struct poll *poll = context;
    return cel_eval(program, poll->activation, out, error);
}

static int ask(struct poll *poll, struct error *error) {
    struct connector *connector = poll->connector;
    struct cel_value cursor = {.kind = CEL_STRING, .bytes = buffer_bytes(&poll->state.cursor)};
    cel_activation_reset(poll->activation);
    cel_activation_set(poll->activation, poll->cursor_variable, &cursor);
    int rc = http_send(connector, &poll->request, eval, poll, NULL, error);
    if (rc == 0 && (connector->answer.status < 200 || connector->answer.status > 299))
        rc = error_set(error, CONNECTOR_RETRY, "HTTP status %u", connector->answer.status);
    if (rc > 0) {
        error_prefix(error, "polling %s: ", poll->name);
        return CONNECTOR_RETRY;
    }
    return rc;
}

// ---- Records ----

// One answer on its way through.
struct page {
    struct poll *poll;
    struct document *document;
    size_t number;
    size_t fresh; // records that weren't through before
    struct error *error;
};

static int cursor_of(const struct page *page, struct document_item item, struct buffer *out) {
    const struct poll *poll = page->poll;
    bool present = false;
    int rc =
        document_text(page->document, item, poll->paths[poll->cursor_column], out, &present, page->error);
    if (rc == 0 && present && out->size && out->size <= CURSOR_LIMIT)
        return 0;
    if (rc < 0)
        return rc;
    // Without a cursor of its own a record counts with the one before, so that it is told about once.
    buffer_clear(out);
    return buffer_append_bytes(out, buffer_bytes(&poll->state.cursor)) ? -ENOMEM : 0;
}

// Tells records with one cursor apart.
static int digest_of(const struct page *page, struct document_item item, uint64_t *out) {
    uint8_t digest[DIGEST_SIZE];
    struct buffer text = {0};
    int rc = 0;
    for (size_t i = 0; i < row_type_count(page->poll->columns) && rc >= 0; i++) {
        bool present = false;
        rc = document_text(page->document, item, page->poll->paths[i], &text, &present, NULL);
        if (rc >= 0 && buffer_append_byte(&text, present ? 1 : 0) != 0)
            rc = -ENOMEM;
    }
    if (rc >= 0)
        rc = digest_once(DIGEST_SHA256, buffer_bytes(&text), digest);
    buffer_destroy(&text);
    if (rc == 0)
        *out = load_u64(digest);
    return rc;
}

static bool is_through(const struct poll_state *state, struct bytes cursor, uint64_t digest) {
    if (!bytes_equal(buffer_bytes(&state->cursor), cursor))
        return false;
    for (size_t i = 0; i < state->twin_count; i++)
        if (state->twins[i] == digest)
            return true;
    return false;
}

// Moves the state behind one record more. `before` keeps the memory of the cursor that was.
static int advance(struct poll *poll, const struct poll_state *before, struct bytes cursor, uint64_t digest,
    struct error *error) {
    struct poll_state *state = &poll->state;
    state->cursor = (struct buffer){0};
    if (buffer_append_bytes(&state->cursor, cursor) != 0)
        return error_no_memory(error);
    if (!bytes_equal(buffer_bytes(&before->cursor), cursor))
        state->twin_count = 0;
    if (state->twin_count == TWINS_LIMIT)
        return error_set(error, -EOVERFLOW,
            "%s: more than %d records with one cursor; it must rise more often", poll->name, TWINS_LIMIT);
    state->twins[state->twin_count++] = digest;
    poll->unsaved = true;
    return 0;
}

static void refuse(const struct page *page) {
    const struct connector_host *host = page->poll->connector->host;
    char place[CURSOR_LIMIT + 128];
    snprintf(place, sizeof place, "%s:%.*s", page->poll->name,
        BYTES_ARGS(buffer_bytes(&page->poll->state.cursor)));
    host->refused(host->runtime, place, page->error->text);
}

// Publishes the row with the position behind it: poll->state has moved there already.
static int publish(const struct page *page, struct document_item item) {
    struct poll *poll = page->poll;
    struct bytes wire;
    struct bytes position;
    int rc = http_fill_row(page->document, item, poll->paths, &poll->row, page->error);
    if (rc == 0)
        rc = row_finish(&poll->row, &wire, page->error);
    if (rc == 0)
        rc = http_position(poll->connector, &position, page->error);
    if (rc == 0)
        rc = give_rules_publish(poll->rules, wire, position, page->error);
    if (rc == 0)
        poll->unsaved = false;
    return rc == GIVE_NOTHING ? 0 : rc;
}

static int take_record(struct page *page, struct document_item item, struct bytes cursor) {
    struct poll *poll = page->poll;
    struct poll_state *state = &poll->state;
    uint64_t digest = 0;
    int rc = digest_of(page, item, &digest);
    if (rc != 0)
        return error_set(page->error, rc, "a record's digest: %s", strerror(-rc));
    if (is_through(state, cursor, digest))
        return 0;
    struct poll_state before = *state; // the cursor's memory goes along: it is given back below
    rc = advance(poll, &before, cursor, digest, page->error);
    if (rc == 0)
        rc = publish(page, item);
    if (rc == CONNECTOR_BAD_ROW) {
        refuse(page);
        rc = 0;
    }
    if (rc != 0) { // it comes again
        buffer_destroy(&state->cursor);
        *state = before;
        return rc;
    }
    buffer_destroy(&before.cursor);
    page->fresh++;
    return 0;
}

static int visit(void *context, struct document_item item) {
    struct page *page = context;
    struct buffer cursor = {0};
    page->number++;
    int rc = cursor_of(page, item, &cursor);
    if (rc == 0)
        rc = take_record(page, item, buffer_bytes(&cursor));
    else
        error_no_memory(page->error);
    buffer_destroy(&cursor);
    return rc;
}

static bool says_more(const struct page *page) {
    struct buffer text = {0};
    bool present = false;
    bool more =
        page->poll->more &&
        document_text(
            page->document, (struct document_item){NULL}, page->poll->more, &text, &present, NULL) == 0 &&
        present &&
        (bytes_equal_string(buffer_bytes(&text), "true") || bytes_equal_string(buffer_bytes(&text), "1"));
    buffer_destroy(&text);
    return more;
}

static int save(struct poll *poll, struct error *error) {
    struct connector *connector = poll->connector;
    struct bytes position;
    int rc = http_position(connector, &position, error);
    if (rc == 0)
        rc = connector->host->store_position(connector->host->runtime, position, error);
    if (rc == 0)
        poll->unsaved = false;
    return rc;
}

static int read_page(struct page *page, bool *more) {
    struct poll *poll = page->poll;
    const struct client_answer *answer = &poll->connector->answer;
    const char *charset = answer->charset[0] ? answer->charset : NULL;
    int rc = document_parse(poll->kind, buffer_bytes(&answer->body), poll->connector->service->encoding,
        charset, &page->document, page->error);
    if (rc == 0)
        rc = document_each(page->document, poll->records, visit, page, page->error);
    if (rc == DOCUMENT_BAD) {
        error_prefix(page->error, "the answer to %s: ", poll->name);
        rc = CONNECTOR_RETRY;
    }
    if (rc == 0)
        *more = page->fresh && says_more(page);
    document_destroy(&page->document);
    return rc;
}

int poll_run(struct poll *poll, bool *more, struct error *error) {
    struct page page = {.poll = poll, .error = error};
    uint64_t now = clock_monotonic_ns();
    if (now < poll->next_ns)
        return 0;
    bool again = false;
    int rc = ask(poll, error);
    if (rc == 0)
        rc = read_page(&page, &again);
    if (rc == 0 && poll->unsaved)
        rc = save(poll, error);
    if (!again && (rc == 0 || poll->connector->server))
        poll->next_ns = now + poll->every_ns;
    *more = again || *more;
    return rc;
}
