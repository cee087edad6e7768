// Look-ups by name and number, and suggestions.
#include "core/schema/internal.h"
#include "core/schema/nearest.h"

const struct schema_message *catalogue_message(const struct catalogue *catalogue, struct bytes full_name) {
    return map_get(catalogue->messages, full_name);
}

const struct schema_enum *catalogue_enum(const struct catalogue *catalogue, struct bytes full_name) {
    return map_get(catalogue->enums, full_name);
}

size_t catalogue_message_count(const struct catalogue *catalogue) {
    return catalogue->message_count;
}

const struct schema_message *catalogue_message_at(const struct catalogue *catalogue, size_t i) {
    return i < catalogue->message_count ? catalogue->sorted[i] : NULL;
}

static const char *last_part(const char *full_name) {
    const char *dot = strrchr(full_name, '.');
    return dot ? dot + 1 : full_name;
}

// A right name without its package comes before names that look alike.
const char *catalogue_nearest_message(const struct catalogue *catalogue, struct bytes name) {
    struct nearest nearest = nearest_start(name);
    for (size_t i = 0; i < catalogue->message_count; i++) {
        const struct schema_message *message = catalogue->sorted[i];
        if (message->map_entry)
            continue;
        if (bytes_equal_string(name, last_part(message->full_name)))
            return message->full_name;
        nearest_offer(&nearest, message->full_name);
    }
    return nearest.best;
}

const char *schema_nearest_field(const struct schema_message *message, struct bytes name) {
    struct nearest nearest = nearest_start(name);
    for (size_t i = 0; i < message->field_count; i++)
        nearest_offer(&nearest, message->fields[i].name);
    return nearest.best;
}

static int compare(struct bytes name, const char *other) {
    size_t size = strlen(other), common = name.size < size ? name.size : size;
    int order = common ? memcmp(name.data, other, common) : 0;
    return order != 0 ? order : (name.size > size) - (name.size < size);
}

const struct schema_field *schema_field_named(const struct schema_message *message, struct bytes name) {
    for (size_t low = 0, high = message->field_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        const struct schema_field *field = &message->fields[message->by_name[middle]];
        int order = compare(name, field->name);
        if (order == 0)
            return field;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct schema_field *schema_field_json(const struct schema_message *message, struct bytes name) {
    for (size_t low = 0, high = message->field_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        const struct schema_field *field = &message->fields[message->by_json[middle]];
        int order = compare(name, field->json_name);
        if (order == 0)
            return field;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return schema_field_named(message, name);
}

const struct schema_field *schema_field_numbered(const struct schema_message *message, uint32_t number) {
    if (number < message->dense_size) {
        struct schema_tag tag = message->dense[number];
        return tag.kind ? &message->fields[tag.index] : NULL;
    }
    for (size_t low = 0, high = message->field_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        const struct schema_field *field = &message->fields[middle];
        if (field->number == number)
            return field;
        if (field->number > number)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct schema_enum_value *schema_enum_named(const struct schema_enum *enumeration, struct bytes name) {
    for (size_t low = 0, high = enumeration->value_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        const struct schema_enum_value *value = &enumeration->values[enumeration->by_name[middle]];
        int order = compare(name, value->name);
        if (order == 0)
            return value;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

// The leftmost of equal numbers: the first name of the file where there are aliases.
const struct schema_enum_value *schema_enum_numbered(const struct schema_enum *enumeration, int32_t number) {
    size_t low = 0, high = enumeration->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (enumeration->values[enumeration->by_number[middle]].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == enumeration->value_count)
        return NULL;
    const struct schema_enum_value *value = &enumeration->values[enumeration->by_number[low]];
    return value->number == number ? value : NULL;
}
