// Messages that stand for other values: google.protobuf's Timestamp, wrappers, Struct, Any and the like.
#include "core/cel/collections.h"
#include "core/cel/field_walk.h"
#include "core/cel/time.h"
#include "core/cel/types.h"

static const struct cel_error no_url = {
    CEL_FAULT_CONVERSION, "conversion error: the Any holds nothing: its type_url is empty"};

// The last value of the field with the number; zeros where there is none.
static struct view_value read_field(const struct schema_message *type, uint32_t number, struct bytes bytes) {
    const struct schema_field *field = schema_field_numbered(type, number);
    struct view_value value = {0};
    struct view_value next;
    if (!field)
        return value;
    struct field_walk walk = field_walk_start(field, bytes);
    while (field_walk_next(&walk, &next))
        value = next;
    return value;
}

// ---- Any: the message in it, by the catalogue of the Any's own type ----

static const struct schema_message *packed_type(const struct schema_message *any, struct bytes url) {
    size_t start = url.size;
    while (start > 0 && url.data[start - 1] != '/')
        start--;
    return catalogue_message(any->catalogue, bytes_of(url.data + start, url.size - start));
}

// The type and bytes inside; of an Any in an Any those innermost. False with an error in `out`: a type that
// is not known, or bytes that are no such message, as nobody checked them before.
static bool unpack(struct cel_activation *activation, const struct schema_message **type, struct bytes *bytes,
    struct cel_value *out) {
    struct error error;
    while (known_of(*type) == KNOWN_ANY) {
        struct bytes url = read_field(*type, 1, *bytes).bytes;
        struct bytes content = read_field(*type, 2, *bytes).bytes;
        const struct schema_message *inner = url.size ? packed_type(*type, url) : NULL;
        if (url.size == 0) {
            value_fail_static(out, &no_url);
            return false;
        }
        if (!activation_charge(activation, 1 + content.size / 1024, out))
            return false;
        if (!inner || view_check(inner, content, NULL, &error) != 0) {
            value_fail(activation, out, CEL_FAULT_CONVERSION,
                "conversion error: the Any holds no %.*s that is known", url.size > 100 ? 100 : (int)url.size,
                (const char *)url.data);
            return false;
        }
        *type = inner;
        *bytes = content.data ? content : bytes_of("", 0);
    }
    return true;
}

bool any_same(const struct schema_message *type, struct bytes a, struct bytes b) {
    return bytes_equal(read_field(type, 1, a).bytes, read_field(type, 1, b).bytes) &&
           bytes_equal(read_field(type, 2, a).bytes, read_field(type, 2, b).bytes);
}

// ---- JSON's values. Messages are nested as deep as view_check() allows ----

// NOLINTBEGIN(misc-no-recursion)
static void json_value(struct cel_activation *activation, const struct schema_message *type,
    struct bytes bytes, struct cel_value *out) {
    struct cel_value message = {.kind = CEL_MESSAGE, .message = {.type = type, .bytes = bytes}};
    struct cel_value has;
    out->kind = CEL_NULL;
    for (size_t i = 0; i < type->field_count; i++) {
        message_has(activation, &message, &type->fields[i], &has);
        if (has.kind == CEL_ERROR)
            *out = has;
        else if (has.boolean && type->fields[i].kind != SCHEMA_ENUM)
            message_field(activation, &message, &type->fields[i], out);
    }
}

static void json_list(struct cel_activation *activation, const struct schema_message *type,
    struct bytes bytes, struct cel_value *out) {
    struct cel_value message = {.kind = CEL_MESSAGE, .message = {.type = type, .bytes = bytes}};
    const struct schema_field *field = schema_field_numbered(type, 1);
    if (field && field->repeated)
        message_field(activation, &message, field, out);
    else
        value_no_overload(out);
}

void message_value(struct cel_activation *activation, const struct schema_message *type, struct bytes bytes,
    struct cel_value *out) {
    enum known known = known_of(type);
    if (known == KNOWN_ANY) {
        if (!unpack(activation, &type, &bytes, out))
            return;
        known = known_of(type);
    }
    switch (known) {
    case KNOWN_TIMESTAMP:
    case KNOWN_DURATION:
        out->kind = known == KNOWN_TIMESTAMP ? CEL_TIMESTAMP : CEL_DURATION;
        out->time.seconds = read_field(type, 1, bytes).i64;
        out->time.nanos = (int32_t)read_field(type, 2, bytes).i64;
        time_check(out);
        break;
    case KNOWN_WRAPPER: {
        struct view_value value = read_field(type, 1, bytes);
        field_value(activation, &type->fields[0], &value, out);
        break;
    }
    case KNOWN_VALUE:
        json_value(activation, type, bytes, out);
        break;
    case KNOWN_STRUCT:
    case KNOWN_LIST:
        json_list(activation, type, bytes, out);
        break;
    default:
        *out = (struct cel_value){.kind = CEL_MESSAGE, .message = {.type = type, .bytes = bytes}};
        break;
    }
}

void field_value(struct cel_activation *activation, const struct schema_field *field,
    const struct view_value *element, struct cel_value *out) {
    switch (kind_of_field(field)) {
    case CEL_BOOL:
        value_set_bool(out, element->boolean);
        break;
    case CEL_UINT:
        out->kind = CEL_UINT;
        out->u64 = element->u64;
        break;
    case CEL_DOUBLE:
        out->kind = CEL_DOUBLE;
        out->f64 = element->f64;
        break;
    case CEL_STRING:
    case CEL_BYTES:
        value_set_bytes(out, kind_of_field(field), element->bytes);
        break;
    case CEL_MESSAGE:
        message_value(activation, field->message, element->bytes, out);
        break;
    default:
        value_set_int(out, element->i64);
        break;
    }
}
// NOLINTEND(misc-no-recursion)
