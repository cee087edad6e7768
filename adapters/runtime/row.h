// Rows of a legacy system as messages of a type made at load time, so that expressions read `row.COLUMN` on
// the same machinery as messages. Shared by all sources:
//
//   columns:                           a list when the names will do …
//     - entry_number                   # a string
//     - { name: serial, type: int }
//   columns:                           … or a mapping where the system's names aren't plain English ones
//     certificate_number: 字号          # name: what the system calls it (heading, XPath, column)
//     registered_on: { from: 登记日期, type: date, required: true }
//     citizen_number: { from: 男方身份证号, check: citizen_number }
//     ethnicity: { from: 民族, check: gb3304 }
//
// Keys of the long form: `from`; `type`, `format`, `scale` (text.h); `required: true` (a row without it is
// refused); `check`: citizen_number (GB 11643), credit_code (GB 32100), division (in force in the list
// gb2260), or the name of a code list; and what the connector adds. A name is what an expression can say: a
// letter or _, then letters, digits, _.
#pragma once

#include "adapters/runtime/connector.h"
#include "adapters/runtime/text.h"

struct column {
    const char *name;
    const char *from; // what the system calls it; `name` when nothing else is said
    struct text_form form;
    bool required;
    const struct config_node *node; // the long form, for the connector's own keys; otherwise NULL
    const struct config_node *at;   // for messages
    const struct schema_field *field;
    int check; // private to row.c
    const struct code_list *list;
};

struct row_type;

// `columns`: the YAML node. `name`: of the new type, free in the catalogue ("row.outbox"). `own_keys`: what
// the connector adds to the long form, ends with {NULL}; NULL: nothing. NULL when there was any problem.
// Returns owned.
struct row_type *row_type_load(const struct config_node *columns, const char *name,
    const struct config_key *own_keys, const struct connector_host *host, struct report *report);
void row_type_destroy(struct row_type **self);
size_t row_type_count(const struct row_type *type);
const struct column *row_type_column(const struct row_type *type, size_t i);
int row_type_find(const struct row_type *type, struct bytes name); // by name; its index or -1
const struct schema_message *row_type_message(const struct row_type *type);

// One row while it is put together; reused from row to row.
struct row {
    const struct row_type *type; // borrowed
    struct buffer wire;          // the row as a message
    struct buffer scratch;
    bool *filled; // by column
};

int row_init(struct row *row, const struct row_type *type); // 0, -ENOMEM
void row_destroy(struct row *row);
void row_clear(struct row *row);
// Sets a column, once a row. `text` is UTF-8 as the system has it, converted by the column's form and
// checked; data NULL, or nothing but blanks where the form isn't string: the column stays absent. 0,
// CONNECTOR_BAD_ROW (the text names the column, never the value), -ENOMEM.
int row_set_text(struct row *row, size_t column, struct bytes text, struct error *error);
// For sources that have typed values.
int row_set_int(struct row *row, size_t column, int64_t value, struct error *error);
int row_set_double(struct row *row, size_t column, double value, struct error *error);
// Looks for required columns. `*wire` is borrowed until the next row_clear(). 0, CONNECTOR_BAD_ROW.
int row_finish(struct row *row, struct bytes *wire, struct error *error);
