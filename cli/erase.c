#include "cli/erase.h"

#include "cli/admin.h"
#include "cli/own.h"
#include "cli/record.h"
#include "cli/trace.h"
#include "core/journal/journal.h"

#include "hutong/bus/v1/journal.pb-c.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- Through a running broker ----

static int ask(const struct erase *erase, uint64_t sequence, bool check) {
    long status = 0;
    json_t *body = json_pack("{s:I, s:s, s:b}", "sequence", (json_int_t)sequence, "why",
        erase->why ? erase->why : "", "check", check);
    if (!body)
        return cli_wrong("journal", "--why is UTF-8 text");
    json_t *answer = admin_ask("journal", erase->admin, "/journal/erase", body, 0, &status);
    json_decref(body);
    if (!answer)
        return EXIT_FAILED;
    const char *problem = json_string_value(json_object_get(answer, "error"));
    int rc = status == 200 ? EXIT_DONE
             : status == 400
                 ? cli_wrong("journal", "%s", problem ? problem : "?")
                 : cli_failed("journal", "record %" PRIu64 ": %s", sequence, problem ? problem : "?");
    json_decref(answer);
    return rc;
}

static int ask_all(const struct erase *erase, const struct trace *trace, bool check) {
    int rc = EXIT_DONE;
    for (size_t i = trace->count; i > 0 && rc == EXIT_DONE; i--) // copies first: the way to them goes last
        if (!trace->records[i - 1].erased)
            rc = ask(erase, trace->records[i - 1].sequence, check);
    return rc;
}

// ---- On the folder ----

static int check_settled(const struct trace *trace) {
    for (size_t i = 0; i < trace->place_count; i++)
        if (!trace->places[i].settled)
            return cli_failed("journal",
                "position %" PRIu64
                " of queue %u is not settled: nothing was erased. Start the broker, and settle it there "
                "(a dead letter: hutong dead drop)",
                trace->places[i].position, trace->places[i].queue);
    return EXIT_DONE;
}

static int add_erased(
    struct journal_batch *batch, const struct erase *erase, const struct trace_record *traced) {
    char who[128];
    const struct passwd *user = getpwuid(geteuid());
    snprintf(who, sizeof who, "%s(%u)", user ? user->pw_name : "", (unsigned)geteuid());
    Hutong__Bus__V1__ErasedRecord record = HUTONG__BUS__V1__ERASED_RECORD__INIT;
    record.sequence = traced->sequence;
    record.who = who;
    record.why = (char *)(uintptr_t)erase->why;
    record.publisher = traced->publisher;
    record.publisher_sequence = traced->publisher_sequence;
    uint8_t packed[1024];
    struct bytes body = bytes_of(packed, hutong__bus__v1__erased_record__get_packed_size(&record));
    if (body.size > sizeof packed)
        return -1;
    hutong__bus__v1__erased_record__pack(&record, packed);
    return journal_batch_add(batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_ERASED, NULL, 0, &body, 1);
}

// All records of it first, then the bodies.
static int erase_open(
    const struct erase *erase, const struct trace *trace, struct journal *journal, struct error *error) {
    struct journal_batch *batch = journal_batch_new(16u << 20);
    int rc = batch ? 0 : error_no_memory(error);
    for (size_t i = 0; i < trace->count && rc == 0; i++)
        if (!trace->records[i].erased && add_erased(batch, erase, &trace->records[i]))
            rc = error_set(error, -1, "the record of it does not fit");
    rc = rc ? rc : journal_append(journal, batch, error);
    for (size_t i = trace->count; i > 0 && rc == 0; i--)
        if (!trace->records[i - 1].erased)
            rc = journal_erase(journal, trace->records[i - 1].sequence, error);
    journal_batch_destroy(&batch);
    return rc;
}

static int erase_folder(const struct erase *erase, const struct trace *trace) {
    struct journal_options options = {.folder = erase->folder, .ownerless = true, .left = true};
    struct journal_owner owner = {0};
    struct journal *journal = NULL;
    struct error error = {0};
    int rc = check_settled(trace);
    if (rc || erase->dry)
        return rc;
    rc = journal_file_open(&options, &owner, &journal, &error);
    if (rc == JOURNAL_LOCKED)
        return cli_failed("journal", "%s: ask the broker, with --admin", error.text);
    rc = rc ? rc : erase_open(erase, trace, journal, &error);
    journal_close(&journal);
    return rc ? cli_failed("journal", "%s", error.text) : EXIT_DONE;
}

// ---- Both ----

static void tell(const struct erase *erase, const struct trace *trace) {
    json_t *records = json_array();
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_record *record = &trace->records[i];
        const char *kind = record_kind_name(record->kind);
        const char *what = record->erased ? "was erased before" : erase->dry ? "would be erased" : "erased";
        if (!erase->json)
            printf("%" PRIu64 " %s %s\n", record->sequence, kind ? kind : "?", what);
        json_array_append_new(
            records, json_pack("{s:I, s:s, s:b}", "sequence", (json_int_t)record->sequence, "kind",
                         kind ? kind : "?", "erased", record->erased || !erase->dry));
    }
    json_t *object = json_pack("{s:I, s:b, s:o}", "sequence", (json_int_t)erase->sequence, "dry_run",
        erase->dry, "records", records);
    if (erase->json && object) {
        json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(object);
}

static int follow(const struct erase *erase, struct trace *trace) {
    struct error error = {0};
    if (trace_follow(erase->folder, erase->sequence, trace, &error))
        return cli_failed("journal", "%s", error.text);
    if (trace->refused)
        return cli_failed("journal", "record %" PRIu64 ": %s", erase->sequence, trace->refused);
    if (trace->count == 0)
        return cli_failed("journal", "no record %" PRIu64 " is there (any more)", erase->sequence);
    return EXIT_DONE;
}

// What is followed in another journal would have other messages erased in the broker's, for good.
static int check_own(const struct erase *erase) {
    long http = 0;
    json_t *status = erase->admin ? admin_ask("journal", erase->admin, "/status", NULL, 30, &http) : NULL;
    if (erase->admin && !status)
        return EXIT_FAILED;
    int rc = erase->admin ? own_journal("journal", status, erase->folder) : EXIT_DONE;
    json_decref(status);
    return rc;
}

int erase_run(const struct erase *erase) {
    struct trace trace = {0};
    int rc = check_own(erase);
    rc = rc ? rc : follow(erase, &trace);
    if (rc == EXIT_DONE && erase->admin) {
        rc = ask_all(erase, &trace, true); // nothing goes unless all of it may
        rc = rc || erase->dry ? rc : ask_all(erase, &trace, false);
    } else if (rc == EXIT_DONE) {
        rc = erase_folder(erase, &trace);
    }
    if (rc == EXIT_DONE)
        tell(erase, &trace);
    trace_free(&trace);
    return rc;
}
