// What the journal keeps of a configuration: which routes there are, and their files to go back to.
#include "broker/configuration/internal.h"
#include "broker/routing/inspect.h"
#include "core/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

// ---- Marks of routes ----

static void add_text(struct digest *digest, char kind, struct bytes text) {
    uint8_t size[8];
    store_u64(size, text.size);
    digest_add(digest, &kind, 1);
    digest_add(digest, size, sizeof size);
    digest_add(digest, text.data, text.size);
}

// What a route says, however it is laid out. The loader has bounded the depth.
// NOLINTNEXTLINE(misc-no-recursion)
static void add_node(struct digest *digest, const struct config_node *node) {
    uint8_t count[8];
    if (node->kind == CONFIG_SCALAR) {
        add_text(digest, node->quoted ? 'q' : 's', node->text);
        return;
    }
    store_u64(count, node->count);
    digest_add(digest, node->kind == CONFIG_MAPPING ? "m" : "l", 1);
    digest_add(digest, count, sizeof count);
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == CONFIG_MAPPING)
            add_text(digest, 'k', node->keys[i]->text);
        add_node(digest, node->values[i]);
    }
}

static int compare_marks(const void *a, const void *b) {
    const Hutong__Bus__V1__RouteMark *x = a;
    const Hutong__Bus__V1__RouteMark *y = b;
    return strcmp(x->name, y->name);
}

// A route of several types is there once for each: they are one here. `items` has room for all; `*count` is
// how many they are.
static int make_marks(const struct routes *routes, Hutong__Bus__V1__RouteMark *items, size_t *count) {
    struct digest *digest = digest_new(DIGEST_SHA256);
    int rc = digest ? 0 : -ENOMEM;
    const struct route *route;
    *count = 0;
    for (size_t i = 0; rc == 0 && (route = routes_at(routes, i)); i++) {
        uint8_t value[DIGEST_SIZE];
        Hutong__Bus__V1__RouteMark *mark = &items[*count];
        if (*count && strcmp(mark[-1].name, route_name(route)) == 0)
            continue;
        hutong__bus__v1__route_mark__init(mark);
        mark->name = (char *)(uintptr_t)route_name(route);
        digest_begin(digest);
        add_node(digest, route_node(route));
        rc = digest_end(digest, value);
        mark->mark = load_u64(value);
        *count += 1;
    }
    digest_destroy(&digest);
    if (rc == 0 && *count)
        qsort(items, *count, sizeof *items, compare_marks);
    return rc;
}

// ---- Files ----

static int pack_files(const struct files *files, struct buffer *out) {
    Hutong__Bus__V1__RouteFile *items = calloc(files->count + 1, sizeof *items);
    Hutong__Bus__V1__RouteFile **pointers = calloc(files->count + 1, sizeof *pointers);
    int rc = items && pointers ? 0 : -ENOMEM;
    if (rc == 0) {
        for (size_t i = 0; i < files->count; i++) {
            hutong__bus__v1__route_file__init(&items[i]);
            items[i].name = files->items[i].name;
            items[i].text.data = files->items[i].text.data;
            items[i].text.len = files->items[i].text.size;
            pointers[i] = &items[i];
        }
        Hutong__Bus__V1__RouteFiles all = HUTONG__BUS__V1__ROUTE_FILES__INIT;
        all.n_files = files->count;
        all.files = pointers;
        uint8_t *at = buffer_extend(out, hutong__bus__v1__route_files__get_packed_size(&all));
        rc = at ? 0 : -ENOMEM;
        if (rc == 0)
            hutong__bus__v1__route_files__pack(&all, at);
    }
    free(items);
    free(pointers);
    return rc;
}

static int compress_files(struct bytes plain, struct buffer *out) {
    uLongf size = compressBound(plain.size);
    uint8_t *at = buffer_extend(out, size);
    if (!at)
        return -ENOMEM;
    int rc = compress2(at, &size, plain.data ? plain.data : (const uint8_t *)"", plain.size, 6);
    out->size = size;
    return rc == Z_OK ? 0 : -ENOMEM; // with room enough nothing else can fail
}

static size_t count_entries(const struct routes *routes) {
    size_t count = 0;
    while (routes_at(routes, count))
        count++;
    return count;
}

static int append_record(
    const struct configuration *configuration, Hutong__Bus__V1__ActivatedRecord *record, struct buffer *out) {
    size_t count = count_entries(configuration->routes);
    Hutong__Bus__V1__RouteMark *items = calloc(count + 1, sizeof *items);
    Hutong__Bus__V1__RouteMark **pointers = calloc(count + 1, sizeof *pointers);
    int rc = items && pointers ? make_marks(configuration->routes, items, &count) : -ENOMEM;
    if (rc == 0) {
        for (size_t i = 0; i < count; i++)
            pointers[i] = &items[i];
        record->n_routes = count;
        record->routes = pointers;
        uint8_t *at = buffer_extend(out, hutong__bus__v1__activated_record__get_packed_size(record));
        rc = at ? 0 : -ENOMEM;
        if (rc == 0)
            hutong__bus__v1__activated_record__pack(record, at);
    }
    free(items);
    free(pointers);
    return rc;
}

int pack_record(struct configuration *configuration, const struct files *routes) {
    struct buffer plain = {0};
    struct buffer packed = {0};
    int rc = pack_files(routes, &plain);
    rc = rc ? rc : compress_files(buffer_bytes(&plain), &packed);
    if (rc == 0) {
        Hutong__Bus__V1__ActivatedRecord record = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
        record.routes_digest.data = (uint8_t *)(uintptr_t)routes_digest(configuration->routes);
        record.routes_digest.len = DIGEST_SIZE;
        record.files.data = packed.data;
        record.files.len = packed.size;
        record.files_size = plain.size;
        rc = append_record(configuration, &record, &configuration->record);
    }
    buffer_destroy(&plain);
    buffer_destroy(&packed);
    return rc;
}

// A name that leads out of the folder is none of ours.
static bool name_is_plain(const char *name) {
    return name[0] && name[0] != '.' && !strchr(name, '/') && files_is_route(name);
}

static int take_files(struct bytes plain, struct files *out) {
    Hutong__Bus__V1__RouteFiles *all = hutong__bus__v1__route_files__unpack(NULL, plain.size, plain.data);
    if (!all)
        return -EBADMSG;
    struct files files = {0};
    int rc = 0;
    for (size_t i = 0; i < all->n_files && rc == 0; i++) {
        const Hutong__Bus__V1__RouteFile *file = all->files[i];
        rc = name_is_plain(file->name)
                 ? files_add(&files, bytes_of_string(file->name), bytes_of(file->text.data, file->text.len))
                 : -EBADMSG;
    }
    hutong__bus__v1__route_files__free_unpacked(all, NULL);
    if (rc)
        files_destroy(&files);
    else
        *out = files;
    return rc;
}

int configuration_unpack(const Hutong__Bus__V1__ActivatedRecord *record, struct files *out) {
    if (record->files.len == 0)
        return -ENODATA;
    if (record->files_size > FILES_BYTES + FILES_BYTES / 8)
        return -EBADMSG;
    uLongf size = record->files_size;
    uint8_t *plain = malloc(size + 1);
    if (!plain)
        return -ENOMEM;
    int rc = uncompress(plain, &size, record->files.data, record->files.len);
    rc = rc == Z_MEM_ERROR ? -ENOMEM : rc != Z_OK || size != record->files_size ? -EBADMSG : 0;
    rc = rc ? rc : take_files(bytes_of(plain, size), out);
    free(plain);
    return rc;
}
