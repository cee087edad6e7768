// PostgreSQL as a queue: a table for each queue. What gathered while the last transaction was under way is
// inserted by the next one, into all tables; a consumer deletes up to 1,000 rows (FOR UPDATE SKIP LOCKED) and
// commits once it has handled them. The server's synchronous_commit says what an answer means.
#include "bench/peers/peer.h"
#include "core/base/buffer.h"

#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 1000
#define IN_FLIGHT 2 // transactions of the producer: the server finds the next one when it has ended one
#define QUEUES_MAX 16
#define BYTEA 17

struct connection {
    PGconn *link;
    unsigned busy;    // requests under way
    uint64_t last_id; // of what was deleted: those below are dead rows that need not be looked at again
    int64_t idle_until_us;
};

struct postgresql {
    struct connection connections[QUEUES_MAX];
    size_t count;
    bool receive;
    struct buffer rows; // each with its length before it, as a binary array has them
    uint32_t gathered;
    uint32_t in_flight[IN_FLIGHT]; // rows of each, oldest first
};

static PGconn *connect_one(const struct peer_options *options) {
    char text[512];
    snprintf(
        text, sizeof text, "host=%s port=%d dbname=postgres user=postgres", options->folder, options->port);
    PGconn *link = PQconnectdb(text);
    if (PQstatus(link) != CONNECTION_OK)
        peer_fail("%s", PQerrorMessage(link));
    return link;
}

static void run(PGconn *link, const char *text) {
    PGresult *result = PQexec(link, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        peer_fail("%s: %s", text, PQerrorMessage(link));
    PQclear(result);
}

static void prepare(const struct peer_options *options) {
    PGconn *link = connect_one(options);
    for (uint32_t i = 0; i < options->queues; i++) {
        char text[256];
        snprintf(text, sizeof text,
            "CREATE TABLE q%u (id bigserial PRIMARY KEY, body bytea NOT NULL) WITH "
            "(autovacuum_vacuum_scale_factor = 0, "
            "autovacuum_vacuum_threshold = 50000)",
            i);
        run(link, text);
        snprintf(text, sizeof text, "ALTER TABLE q%u ALTER body SET STORAGE EXTERNAL", i); // not compressed
        run(link, text);
    }
    PQfinish(link);
}

static void define(PGconn *link, const char *name, const char *text) {
    PGresult *result = PQprepare(link, name, text, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        peer_fail("%s: %s", text, PQerrorMessage(link));
    PQclear(result);
    if (PQsetnonblocking(link, 1) != 0)
        peer_fail("%s", PQerrorMessage(link));
}

// One statement for all tables: the transaction's sync is paid once.
static void define_insert(PGconn *link, uint32_t queues) {
    char text[2048];
    size_t size =
        (size_t)snprintf(text, sizeof text, "WITH b AS MATERIALIZED (SELECT unnest($1::bytea[]) AS body)");
    for (uint32_t i = 1; i < queues; i++)
        size += (size_t)snprintf(
            text + size, sizeof text - size, ", i%u AS (INSERT INTO q%u (body) SELECT body FROM b)", i, i);
    snprintf(text + size, sizeof text - size, " INSERT INTO q0 (body) SELECT body FROM b");
    define(link, "put", text);
}

static void define_take(PGconn *link, size_t queue) {
    char text[512];
    snprintf(text, sizeof text,
        "DELETE FROM q%zu WHERE ctid = ANY (ARRAY (SELECT ctid FROM q%zu WHERE id > $1::bigint ORDER BY id "
        "LIMIT %d FOR "
        "UPDATE SKIP LOCKED)) RETURNING id, body",
        queue, queue, BATCH);
    run(link, "SET enable_seqscan = off"); // the planner knows nothing of a table that has just been made
    define(link, "take", text);
}

static void *open_postgresql(const struct peer_options *options, bool receive) {
    struct postgresql *postgresql = peer_calloc(sizeof *postgresql);
    postgresql->receive = receive;
    postgresql->count = receive && options->queues <= QUEUES_MAX ? options->queues : 1;
    for (size_t i = 0; i < postgresql->count; i++) {
        PGconn *link = postgresql->connections[i].link = connect_one(options);
        if (receive)
            define_take(link, i);
        else
            define_insert(link, options->queues);
        if (PQenterPipelineMode(link) != 1)
            peer_fail("%s", PQerrorMessage(link));
    }
    return postgresql;
}

static void close_postgresql(void *self) {
    struct postgresql *postgresql = self;
    for (size_t i = 0; i < postgresql->count; i++)
        PQfinish(postgresql->connections[i].link);
    buffer_destroy(&postgresql->rows);
    free(postgresql);
}

static void put_u32(struct buffer *out, uint32_t value) {
    uint32_t big = htobe32(value);
    if (buffer_append(out, &big, sizeof big) != 0)
        peer_fail("no memory");
}

static void send_one(void *self, struct bytes message) {
    struct postgresql *postgresql = self;
    put_u32(&postgresql->rows, (uint32_t)message.size);
    if (buffer_append_bytes(&postgresql->rows, message) != 0)
        peer_fail("no memory");
    postgresql->gathered++;
}

static void ask(PGconn *link, const char *name, const char *value, int size) {
    int format = 1;
    if (PQsendQueryPrepared(link, name, 1, &value, &size, &format, 1) != 1)
        peer_fail("%s", PQerrorMessage(link));
}

// What gathered, as one transaction.
static void insert(struct postgresql *postgresql) {
    struct connection *connection = &postgresql->connections[0];
    struct buffer *rows = &postgresql->rows;
    struct buffer array = {0};
    uint32_t count = postgresql->gathered < BATCH ? postgresql->gathered : BATCH;
    size_t size = rows->size / postgresql->gathered * count; // all are alike
    const uint32_t head[] = {1, 0, BYTEA, count, 1};
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        put_u32(&array, head[i]);
    if (buffer_append(&array, rows->data, size) != 0)
        peer_fail("no memory");
    ask(connection->link, "put", (const char *)array.data, (int)array.size);
    if (PQpipelineSync(connection->link) != 1)
        peer_fail("%s", PQerrorMessage(connection->link));
    postgresql->in_flight[connection->busy++] = count;
    postgresql->gathered -= count;
    memmove(rows->data, rows->data + size, rows->size - size);
    rows->size -= size;
    buffer_destroy(&array);
}

static void send_plain(PGconn *link, const char *text) {
    if (PQsendQueryParams(link, text, 0, NULL, NULL, NULL, NULL, 0) != 1)
        peer_fail("%s: %s", text, PQerrorMessage(link));
}

// Commits what was handled, and takes the next rows in a transaction of their own; one round trip.
static void take_next(struct connection *connection, bool commit) {
    if (commit)
        send_plain(connection->link, "COMMIT");
    uint64_t from = htobe64(connection->last_id);
    send_plain(connection->link, "BEGIN");
    ask(connection->link, "take", (const char *)&from, sizeof from);
    if (PQpipelineSync(connection->link) != 1)
        peer_fail("%s", PQerrorMessage(connection->link));
    connection->busy++;
}

static uint64_t handle_rows(struct connection *connection, size_t queue, const PGresult *result) {
    int rows = PQntuples(result);
    for (int i = 0; i < rows; i++) {
        uint64_t id;
        memcpy(&id, PQgetvalue(result, i, 0), sizeof id);
        id = be64toh(id);
        if (id > connection->last_id)
            connection->last_id = id;
        peer_received(
            queue, bytes_of((const uint8_t *)PQgetvalue(result, i, 1), (size_t)PQgetlength(result, i, 1)));
    }
    return (uint64_t)rows;
}

// Reads what is there. Rows are counted in `*rows`; true: a request was answered.
static bool read_answers(struct connection *connection, size_t queue, uint64_t *rows) {
    if (PQconsumeInput(connection->link) != 1)
        peer_fail("%s", PQerrorMessage(connection->link));
    while (!PQisBusy(connection->link)) {
        PGresult *result = PQgetResult(connection->link);
        if (!result) {
            if (PQisBusy(connection->link))
                return false;
            continue; // between two answers
        }
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_TUPLES_OK)
            *rows += handle_rows(connection, queue, result);
        else if (status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_SYNC)
            peer_fail("%s", PQerrorMessage(connection->link));
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC) {
            connection->busy--;
            return true;
        }
    }
    return false;
}

static void wait_for(struct postgresql *postgresql, int64_t timeout_us) {
    timeout_us = timeout_us > 0 ? timeout_us : 0; // what is due already
    struct pollfd polls[QUEUES_MAX];
    for (size_t i = 0; i < postgresql->count; i++) {
        int more = PQflush(postgresql->connections[i].link);
        polls[i] = (struct pollfd){.fd = PQsocket(postgresql->connections[i].link),
            .events = (short)(POLLIN | (more ? POLLOUT : 0))};
    }
    struct timespec timeout = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
    if (ppoll(polls, postgresql->count, &timeout, NULL) < 0 && errno != EINTR)
        peer_fail("poll: %s", strerror(errno));
}

static uint64_t pump_producer(struct postgresql *postgresql) {
    struct connection *connection = &postgresql->connections[0];
    uint64_t rows = 0;
    uint64_t done = 0;
    while (connection->busy && read_answers(connection, 0, &rows)) {
        done += postgresql->in_flight[0];
        memmove(postgresql->in_flight, postgresql->in_flight + 1,
            sizeof postgresql->in_flight - sizeof postgresql->in_flight[0]);
    }
    while (connection->busy < IN_FLIGHT && postgresql->gathered)
        insert(postgresql);
    return done;
}

#define EMPTY_US 500 // between two looks at a table that was empty

static uint64_t pump_consumer(struct postgresql *postgresql) {
    uint64_t done = 0;
    for (size_t i = 0; i < postgresql->count; i++) {
        struct connection *connection = &postgresql->connections[i];
        bool first = connection->last_id == 0 && !connection->busy && connection->idle_until_us == 0;
        uint64_t rows = 0;
        if (connection->busy && read_answers(connection, i, &rows)) {
            done += rows;
            connection->idle_until_us = load_now_us() + (rows ? 0 : EMPTY_US);
        }
        if (!connection->busy && load_now_us() >= connection->idle_until_us)
            take_next(connection, !first);
    }
    return done;
}

static uint64_t pump(void *self, int64_t timeout_us) {
    struct postgresql *postgresql = self;
    uint64_t done = postgresql->receive ? pump_consumer(postgresql) : pump_producer(postgresql);
    wait_for(postgresql, done ? 0 : timeout_us < EMPTY_US ? timeout_us : EMPTY_US);
    return done;
}

const struct peer peer_driver = {.name = "postgresql",
    .prepare = prepare,
    .open = open_postgresql,
    .send = send_one,
    .pump = pump,
    .close = close_postgresql};
