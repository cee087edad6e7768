// For the differential test: says what this view makes of messages that another implementation reads too.
//   view_tool DESCRIPTOR_SET < cases > verdicts
// A case: kind (1 byte: 'w' wire bytes, 'j' JSON), length of the type's name (2 bytes, little-endian), name,
// length (4 bytes), bytes. A line for each: "ok JSON" or "refused WHY" or "nojson WHY" (good bytes that have
// no JSON form); for JSON "ok HEX" or "refused WHY". A 'w' case also goes through JSON and back, and must
// come out the same ("unlike JSON").
#include "core/schema/json.h"

#include <stdio.h>
#include <stdlib.h>

static bool read_exactly(void *out, size_t size) {
    return fread(out, 1, size, stdin) == size;
}

static void fail(const char *what) {
    fprintf(stderr, "view_tool: %s\n", what);
    exit(2);
}

static void print_line(const char *verdict, struct bytes text) {
    printf("%s ", verdict);
    for (size_t i = 0; i < text.size; i++)
        putchar(text.data[i] == '\n' ? ' ' : text.data[i]);
    putchar('\n');
}

static void refuse(const char *verdict, const struct error *error) {
    print_line(verdict, bytes_of_string(error->text));
}

static void wire_case(const struct schema_message *type, struct bytes bytes) {
    struct buffer json = {0}, again = {0}, json_again = {0};
    struct error error = {0};
    if (view_check(type, bytes, NULL, &error) != 0)
        refuse("refused", &error);
    else if (json_from_message(type, bytes, NULL, &json, &error) != 0)
        refuse("nojson", &error);
    else if (json_to_message(type, buffer_bytes(&json), &again, &error) != 0)
        refuse("notback", &error);
    else if (json_from_message(type, buffer_bytes(&again), NULL, &json_again, &error) != 0)
        refuse("notagain", &error);
    else if (!bytes_equal(buffer_bytes(&json), buffer_bytes(&json_again)))
        print_line("unlike", buffer_bytes(&json));
    else
        print_line("ok", buffer_bytes(&json));
    buffer_destroy(&json);
    buffer_destroy(&again);
    buffer_destroy(&json_again);
}

static void json_case(const struct schema_message *type, struct bytes text) {
    struct buffer out = {0};
    struct error error = {0};
    if (json_to_message(type, text, &out, &error) != 0) {
        refuse("refused", &error);
    } else {
        printf("ok ");
        for (size_t i = 0; i < out.size; i++)
            printf("%02x", out.data[i]);
        putchar('\n');
    }
    buffer_destroy(&out);
}

static bool one_case(const struct catalogue *catalogue) {
    uint8_t head[3], length[4];
    char name[256];
    if (!read_exactly(head, sizeof head))
        return false;
    size_t name_size = load_u16(head + 1);
    if (name_size >= sizeof name || !read_exactly(name, name_size) || !read_exactly(length, sizeof length))
        fail("a case is cut short");
    const struct schema_message *type = catalogue_message(catalogue, bytes_of(name, name_size));
    size_t size = load_u32(length);
    if (!type || size > 16u << 20)
        fail("unknown type or a case that is too large");
    uint8_t *bytes =
        malloc(size ? size : 1); // of that size exactly, so that a sanitizer sees what reads beyond
    if (!bytes || !read_exactly(bytes, size))
        fail("a case is cut short");
    if (head[0] == 'w')
        wire_case(type, bytes_of(bytes, size));
    else
        json_case(type, bytes_of(bytes, size));
    free(bytes);
    return true;
}

int main(int argc, char **argv) {
    struct catalogue *catalogue = NULL;
    struct error error = {0};
    if (argc != 2)
        fail("usage: view_tool DESCRIPTOR_SET");
    if (catalogue_load_file(argv[1], &catalogue, &error) != 0)
        fail(error.text);
    while (one_case(catalogue)) {
    }
    catalogue_destroy(&catalogue);
    return 0;
}
