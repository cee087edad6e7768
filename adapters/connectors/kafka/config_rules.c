// The lists of the configuration: schemas, topics that are read, rules that write.
#include "adapters/connectors/kafka/kafka.h"

#include "adapters/runtime/settings.h"

#include <ctype.h>
#include <stdlib.h>

static const struct config_key schema_keys[] = {
    {"id", CONFIG_REQUIRED}, {"type", CONFIG_REQUIRED}, {"index", CONFIG_OPTIONAL}, {NULL, 0}};
static const struct config_key topic_keys[] = {{"topic", CONFIG_REQUIRED}, {"format", CONFIG_OPTIONAL},
    {"as", CONFIG_OPTIONAL}, {"types", CONFIG_OPTIONAL}, {"subject", CONFIG_OPTIONAL}, {NULL, 0}};
// What rules under `take` have of their own.
static const struct config_key take_keys[] = {{"topic", CONFIG_REQUIRED}, {"format", CONFIG_OPTIONAL},
    {"mode", CONFIG_OPTIONAL}, {"data", CONFIG_OPTIONAL}, {NULL, 0}};

static const struct schema_message *find_type(
    const struct config_node *at, const struct catalogue *catalogue, struct report *report) {
    const char *name;
    if (!config_string(at, &name, report))
        return NULL;
    const struct schema_message *type = catalogue_message(catalogue, at->text);
    if (!type) {
        const char *nearest = catalogue_nearest_message(catalogue, at->text);
        config_error(at, report, "the catalogue has no type \"%s\"%s%s%s", name,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    return type;
}

static bool read_format(const struct config_node *node, enum format *out, struct report *report) {
    size_t format = FORMAT_CLOUDEVENTS;
    bool good = config_read_choice(node, "format", format_names, &format, report);
    *out = (enum format)format;
    return good;
}

// A topic's name as Kafka allows it.
static bool read_topic_name(const struct config_node *node, char **out, struct report *report) {
    if (!settings_text(node, "topic", out, report) || !*out)
        return false;
    size_t size = strlen(*out);
    bool good = size <= 249 && strcmp(*out, ".") != 0 && strcmp(*out, "..") != 0;
    for (size_t i = 0; i < size; i++)
        good = good && (isalnum((unsigned char)(*out)[i]) || strchr("._-", (*out)[i]));
    if (!good)
        config_error(
            config_get(node, "topic"), report, "a topic has 1 to 249 letters, digits, \".\", \"_\", \"-\"");
    return good;
}

// ---- Schemas ----

static bool read_index(const struct config_node *node, struct schema_entry *out, struct report *report) {
    out->depth = 1;
    if (!node)
        return true;
    if (!config_expect_sequence(node, "index", report))
        return false;
    if (node->count == 0 || node->count > INDEX_LIMIT) {
        config_error(node, report, "an index has 1 to %u numbers", INDEX_LIMIT);
        return false;
    }
    out->depth = node->count;
    for (size_t i = 0; i < node->count; i++) {
        const char *text = NULL;
        char *end = NULL;
        if (!config_string(node->values[i], &text, report))
            return false;
        unsigned long number = strtoul(text, &end, 10);
        if (!isdigit((unsigned char)*text) || *end || number > 100000) {
            config_error(node->values[i], report, "expected a whole number from 0 to 100000");
            return false;
        }
        out->index[i] = (uint32_t)number;
    }
    return true;
}

static bool read_schema(const struct config_node *node, struct common *common, struct report *report) {
    int64_t id = 0;
    struct schema_entry *entry = &common->schemas.items[common->schemas.count];
    if (!config_expect_mapping(node, "a schema", schema_keys, report))
        return false;
    const struct config_node *type = config_get(node, "type");
    bool good = config_read_int(node, "id", 0, UINT32_MAX, &id, report);
    good = read_index(config_get(node, "index"), entry, report) && good;
    entry->id = (uint32_t)id;
    entry->type = type ? find_type(type, common->host->catalogue, report) : NULL;
    common->schemas.count++;
    return good && entry->type;
}

bool kafka_read_schemas(const struct config_node *node, struct common *common, struct report *report) {
    if (!node)
        return true;
    if (!config_expect_sequence(node, "schemas", report))
        return false;
    common->schemas.items = calloc(node->count + 1, sizeof *common->schemas.items);
    bool good = common->schemas.items != NULL;
    for (size_t i = 0; i < node->count && common->schemas.items; i++)
        good = read_schema(node->values[i], common, report) && good;
    return good;
}

// ---- Topics that are read ----

static bool read_types(const struct config_node *node, struct decoder *decoder, struct report *report) {
    if (!node)
        return true;
    if (node->kind != CONFIG_MAPPING || decoder->format != FORMAT_CLOUDEVENTS) {
        config_error(node, report, "\"types\" maps a CloudEvent's type to one of the catalogue");
        return false;
    }
    struct named_type *names = calloc(node->count + 1, sizeof *names);
    bool good = names != NULL;
    for (size_t i = 0; i < node->count && names; i++) {
        names[i].name = (const char *)node->keys[i]->text.data;
        names[i].type = find_type(node->values[i], decoder->catalogue, report);
        good = names[i].type && good;
    }
    decoder->names = names; // owned, also where one is wrong
    decoder->name_count = names ? node->count : 0;
    return good;
}

static bool read_subject(const struct config_node *node, struct read_topic *topic,
    const struct connector_host *host, struct report *report) {
    if (!node)
        return true;
    if (!topic->decoder.type) {
        config_error(node, report, "\"subject\" reads the fields of one type: say \"as\"");
        return false;
    }
    topic->paths = paths_new(topic->decoder.type);
    topic->env = cel_env_new(host->catalogue, host->codes, NULL);
    if (!topic->paths || !topic->env ||
        cel_env_declare_message(topic->env, "msg", topic->paths, &topic->variable) != 0)
        return false;
    if (node->kind != CONFIG_SCALAR) {
        config_error(node, report, "subject is an expression");
        return false;
    }
    topic->subject = mapping_expression(node, topic->env, CEL_STRING, report);
    topic->scan = scan_new(topic->paths);
    topic->activation = cel_activation_new(topic->env);
    return topic->subject && topic->scan && topic->activation;
}

static bool check_as(const struct config_node *node, const struct decoder *decoder, struct report *report) {
    bool needs = decoder->format == FORMAT_PROTOBUF || decoder->format == FORMAT_JSON;
    bool has = config_get(node, "as") != NULL;
    if (needs && !has)
        config_error(
            node, report, "format %s needs \"as\", the type of the messages", format_names[decoder->format]);
    if (decoder->format == FORMAT_CONFLUENT && has)
        config_error(
            config_get(node, "as"), report, "with format confluent the type is what \"schemas\" says");
    return needs ? has : decoder->format != FORMAT_CONFLUENT || !has;
}

static bool is_twice(const struct reader *reader, const struct read_topic *topic) {
    for (const struct read_topic *other = reader->topics; other != topic; other++)
        if (other->topic && strcmp(other->topic, topic->topic) == 0)
            return true;
    return false;
}

// What a topic owns, GCC's analyzer takes for lost: here, and only here, it isn't asked.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static bool read_topic(const struct config_node *node, struct reader *reader, struct report *report) {
    struct read_topic *topic = &reader->topics[reader->topic_count++];
    const struct connector_host *host = reader->common->host;
    topic->decoder.catalogue = host->catalogue;
    topic->decoder.schemas = &reader->common->schemas;
    if (!config_expect_mapping(node, "a topic", topic_keys, report))
        return false;
    bool good = read_topic_name(node, &topic->topic, report);
    if (good && is_twice(reader, topic)) {
        config_error(config_get(node, "topic"), report, "topic %s is read above already", topic->topic);
        good = false;
    }
    if (!read_format(node, &topic->decoder.format, report) || !check_as(node, &topic->decoder, report))
        return false;
    const struct config_node *as = config_get(node, "as");
    if (as && !(topic->decoder.type = find_type(as, host->catalogue, report)))
        return false;
    good = read_types(config_get(node, "types"), &topic->decoder, report) && good;
    return read_subject(config_get(node, "subject"), topic, host, report) && good;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

bool kafka_read_topics(const struct config_node *node, struct reader *reader, struct report *report) {
    if (!config_expect_sequence(node, "read", report))
        return false;
    if (node->count == 0) {
        config_error(node, report, "\"read\" lists at least one topic");
        return false;
    }
    reader->topics = calloc(node->count, sizeof *reader->topics);
    bool good = reader->topics != NULL;
    for (size_t i = 0; i < node->count && reader->topics; i++)
        good = read_topic(node->values[i], reader, report) && good;
    return good;
}

void kafka_reader_destroy(struct reader *reader) {
    kafka_reader_close(reader);
    for (size_t i = 0; i < reader->topic_count; i++) {
        struct read_topic *topic = &reader->topics[i];
        cel_program_destroy(&topic->subject);
        cel_activation_destroy(&topic->activation);
        cel_env_destroy(&topic->env);
        scan_destroy(&topic->scan);
        paths_destroy(&topic->paths);
        free(topic->decoder.names);
        free(topic->topic);
    }
    free(reader->topics);
    free(reader->group);
    free(reader->pending.items);
    decoded_destroy(&reader->decoded);
    buffer_destroy(&reader->position);
    buffer_destroy(&reader->place);
    offsets_destroy(&reader->offsets);
    offsets_destroy(&reader->told);
    refused_file_destroy(&reader->refused);
}

// ---- Rules that write ----

static bool has_schema(const struct schema_table *schemas, const struct schema_message *type) {
    for (size_t i = 0; i < schemas->count; i++)
        if (schemas->items[i].type == type)
            return true;
    return false;
}

static bool read_event(const struct config_node *node, struct encoder *encoder, struct report *report) {
    static const char *const modes[] = {"binary", "structured", NULL};
    static const char *const data_forms[] = {"protobuf", "json", NULL};
    size_t mode = 0;
    size_t data = 0;
    const struct config_node *said =
        config_get(node, "mode") ? config_get(node, "mode") : config_get(node, "data");
    if (said && encoder->format != FORMAT_CLOUDEVENTS) {
        config_error(said, report, "\"mode\" and \"data\" are of format cloudevents");
        return false;
    }
    bool good = config_read_choice(node, "mode", modes, &mode, report);
    good = config_read_choice(node, "data", data_forms, &data, report) && good;
    encoder->structured = mode == 1;
    encoder->json_data = data == 1;
    return good;
}

static bool read_rule(struct take_rule *rule, struct writer *writer, struct report *report) {
    struct write_rule *own = &writer->own[writer->own_count++];
    const struct config_node *node = rule->node;
    const struct schema_table *schemas = &writer->common->schemas;
    rule->own = own;
    own->encoder.schemas = schemas;
    bool good = read_topic_name(node, &own->topic, report);
    good = read_format(node, &own->encoder.format, report) && good;
    good = read_event(node, &own->encoder, report) && good;
    if (own->encoder.format == FORMAT_CONFLUENT && !has_schema(schemas, rule->type)) {
        config_error(
            config_get(node, "format"), report, "\"schemas\" has no id for %s", rule->type->full_name);
        good = false;
    }
    return good;
}

bool kafka_read_rules(const struct config_node *node, struct writer *writer, struct report *report) {
    writer->rules = take_rules_load(config_get(node, "take"), take_keys, writer->common->host, report);
    if (!writer->rules)
        return false;
    size_t count = take_rules_count(writer->rules);
    writer->own = calloc(count + 1, sizeof *writer->own);
    bool good = writer->own != NULL;
    for (size_t i = 0; i < count && writer->own; i++)
        good = read_rule(take_rules_at(writer->rules, i), writer, report) && good;
    return good;
}
