// The two lists of rules that all connectors share.
//
//   give:                              # rows to messages: the first rule whose `when` holds makes the
//   message
//     - as: gov.public_security.v1.DeathRegistered
//       when: row.kind == "death"                  # optional
//       subject: row.citizen_number                # a string; the ordering key
//       time: timestamp(row.registered_at)         # optional: a timestamp, or a string as text.h reads
//       times; otherwise now map: { died_on: row.died_on, resident: { citizen_number: row.citizen_number } }
//   take:                              # messages to the system: the first rule of the type whose `when`
//   holds
//     - on: gov.public_security.v1.MarriageNotice
//       when: msg.husband_marital_status != ""     # optional
//       …                                          # the connector's own keys
//
// A row that no rule wants is passed over; so is a message whose type has rules but none that holds. A
// message of a type without any rule is rejected. In `give`, short type names resolve in the target:
// Kind.MOVE_IN. In `take` an expression may say `msg`, and of the delivery `id`, `source`, `subject`
// (strings), `time` (timestamp), `position` (uint),
// `replay` (bool).
#pragma once

#include "adapters/runtime/row.h"

// ---- give ----

struct give_rules;

enum {
    GIVE_NOTHING = 10, // no rule wants the row
};

// `node`: the sequence under `give`. NULL when there was any problem. Returns owned; `type` is borrowed.
struct give_rules *give_rules_load(const struct config_node *node, const struct row_type *type,
    const struct connector_host *host, struct report *report);
void give_rules_destroy(struct give_rules **self);

// Maps the row (from row_finish()) by the first rule that holds and publishes it with the source's position
// behind it. 0, GIVE_NOTHING (the position is not stored: store it with host->store_position() at the end of
// the batch), CONNECTOR_BAD_ROW (an expression failed, a code is unmapped, the subject is empty; the same
// holds for the position), CONNECTOR_RETRY, negative.
int give_rules_publish(
    struct give_rules *rules, struct bytes row, struct bytes position, struct error *error);

// ---- take ----

struct take_rules;

struct take_rule {
    const struct config_node *node;    // the whole rule, for the connector's own keys
    const struct schema_message *type; // `on`
    const struct cel_env *env; // for the connector's own expressions: mapping_expression(), mapping_load()
    void *own;                 // the connector's; NULL at first
    struct cel_program *when;  // private to take.c, as what follows; NULL: always
    struct take_type *of;
};

// `node`: the sequence under `take`. `own_keys` ends with {NULL}: what rules have besides `on` and `when`.
// NULL when there was any problem. Returns owned. Compile the connector's expressions before the first
// delivery.
struct take_rules *take_rules_load(const struct config_node *node, const struct config_key *own_keys,
    const struct connector_host *host, struct report *report);
void take_rules_destroy(struct take_rules **self); // frees `own` of no rule
size_t take_rules_count(const struct take_rules *rules);
struct take_rule *take_rules_at(struct take_rules *rules, size_t i);

// Finds the rule for a delivery and readies its expressions with it. 0 and `*rule`; `*rule` NULL: nothing to
// do, it is done. CONNECTOR_REJECT (no rule takes the type, the payload is no such message, `when` failed),
// -ENOMEM.
int take_rules_begin(struct take_rules *rules, const struct connector_delivery *delivery,
    struct take_rule **rule, struct error *error);
// Values and messages from the delivery that was begun, valid until the next begin. 0, CONNECTOR_REJECT,
// -ENOMEM.
int take_rule_eval(
    struct take_rule *rule, const struct cel_program *program, struct cel_value *out, struct error *error);
int take_rule_map(
    struct take_rule *rule, const struct mapping *mapping, struct buffer *out, struct error *error);
