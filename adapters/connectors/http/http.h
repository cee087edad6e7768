// The HTTP connector's parts: polls (a service is asked for records), pushes (a rule under `take` calls it),
// posts (the local endpoint). They share the connector's one position.
#pragma once

#include "adapters/connectors/http/client.h"
#include "adapters/connectors/http/document.h"
#include "adapters/connectors/http/seen.h"
#include "adapters/connectors/http/server.h"
#include "adapters/connectors/http/template.h"
#include "adapters/runtime/rules.h"

#define CURSOR_LIMIT 256 // bytes of a cursor
#define TWINS_LIMIT 64   // records of one poll that have the same cursor, and are told apart
#define POSITION_LIMIT 4096

// How far a poll has got: the cursor of the last record, and which records with just this cursor are through.
struct poll_state {
    struct buffer cursor;
    uint64_t twins[TWINS_LIMIT];
    size_t twin_count;
};

struct service {
    char *url; // owned, as all texts here
    char *ca_file;
    char *certificate_file;
    char *key_file;
    char *proxy;
    char *encoding; // of answers; NULL: as they say
    struct client_options options;
    const struct config_node *node;
    struct document_namespace *namespaces;
    size_t namespace_count;
};

struct header {
    const char *name; // borrowed
    struct template *value;
};

// A request with placeholders.
struct request {
    const char *method;
    struct template *path; // behind the service's URL; NULL: none
    struct template *body; // NULL: none
    enum document_kind kind;
    struct header *headers;
    size_t header_count;
};

struct poll {
    char *name;
    struct connector *connector;
    struct request request;
    enum document_kind kind; // of the answer
    struct document_path *records;
    struct document_path *more;   // NULL: none
    struct document_path **paths; // by column
    struct row_type *columns;
    struct give_rules *rules;
    struct row row;
    size_t cursor_column;
    uint64_t every_ns;
    uint64_t next_ns; // monotonic
    struct cel_env *env;
    struct cel_activation *activation;
    size_t cursor_variable;
    struct poll_state state;
    bool unsaved;
    bool failing; // since the last answer
};

enum push_verdict {
    PUSH_DONE,
    PUSH_DUPLICATE,
    PUSH_RETRY,
    PUSH_REJECT,
    PUSH_VERDICTS,
};

struct push {
    struct take_rule *rule;
    struct connector *connector;
    struct request request;
    enum document_kind kind;                        // of the answer
    struct document_path *code;                     // NULL: only the status counts
    struct document_path *text;                     // NULL: none
    const struct config_node *codes[PUSH_VERDICTS]; // sequences of texts; NULL: none
    enum push_verdict otherwise;
};

// A type that may be posted as a message.
struct post_type {
    const struct schema_message *type;
    struct paths *paths;
    struct scan *scan;
    struct cel_env *env;
    struct cel_activation *activation;
    struct cel_program *subject; // NULL: from the CloudEvent only
    size_t variable;
};

struct post {
    const char *path; // borrowed
    struct connector *connector;
    struct document_path *id; // NULL: the header Idempotency-Key
    struct row_type *columns; // rows …
    struct document_path **paths;
    struct give_rules *rules;
    struct row row;
    struct post_type *types; // … or messages
    size_t type_count;
};

struct connector {
    const struct connector_host *host;
    struct service *service; // NULL: no polls, no pushes
    struct client *client;
    struct client_answer answer;
    struct poll **polls;
    size_t poll_count;
    struct take_rules *take;
    struct push **pushes;
    size_t push_count;
    uint64_t *done; // positions whose effect is there since the last commit
    size_t done_count;
    size_t done_capacity;
    bool away; // the service didn't answer in this round
    struct post *posts;
    size_t post_count;
    struct server_options listen;
    const struct config_node *listen_node;
    char *listen_at;
    uint64_t remember_s;
    size_t remember_ids;
    struct server *server;
    struct seen *seen;
    uint64_t posted; // the sequence in `seen` that the stored position says
    bool unsure;     // the newest message was taken and may not be on disk yet
    struct buffer position;
};

// http_config.c and its parts. NULL or false when there was a problem.
struct connector *http_configure(
    const struct config_node *node, const struct connector_host *host, struct report *report);
bool http_read_service(const struct config_node *node, struct connector *connector, struct report *report);
bool http_read_request(const struct config_node *node, const struct cel_env *env, int32_t zone,
    struct request *out, struct report *report);
bool http_read_paths(const struct row_type *columns, enum document_kind kind, const struct service *service,
    struct document_path ***out, struct report *report);
struct document_path *http_read_path(const struct config_node *mapping, const char *key,
    enum document_kind kind, const struct service *service, struct report *report);
bool http_read_kind(
    const struct config_node *mapping, const char *key, enum document_kind *out, struct report *report);
bool poll_read(const struct config_node *node, struct connector *connector, struct report *report);
bool push_read(struct take_rule *rule, struct connector *connector, struct report *report);
bool post_read_all(const struct config_node *node, struct connector *connector, struct report *report);
void request_destroy(struct request *request);
void paths_destroy_all(struct document_path ***paths, size_t count);
void poll_destroy(struct poll **self);
void push_destroy(struct push **self);
void post_clear(struct post *post); // frees what it owns
void http_destroy(struct connector **self);

#define HTTP_EXTRA 2
enum {
    HTTP_FAILED = 21,  // no whole answer
    HTTP_REFUSED = 22, // a placeholder's value failed or has no place in the request
};

// Makes and sends a request, with at most HTTP_EXTRA headers besides its own ("Name: value", …, NULL); the
// answer is in connector->answer. 0, HTTP_FAILED, HTTP_REFUSED, -ENOMEM.
int http_send(struct connector *connector, const struct request *request, template_eval *eval, void *context,
    const char *const *extra, struct error *error);

// The position of all parts together, borrowed until the next call. 0 or -ENOMEM, -EMSGSIZE.
int http_position(struct connector *connector, struct bytes *out, struct error *error);
void http_position_read(struct connector *connector, struct bytes position);

// Fills a row from a document. 0, CONNECTOR_BAD_ROW, -ENOMEM.
int http_fill_row(struct document *document, struct document_item item, struct document_path *const *paths,
    struct row *row, struct error *error);

int poll_run(struct poll *poll, bool *more, struct error *error); // 0, CONNECTOR_RETRY, negative
int push_deliver(struct push *push, const struct connector_delivery *delivery, struct error *error);
void post_handle(void *connector, const struct server_request *request, struct server_reply *reply);
