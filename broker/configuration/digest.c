#include "broker/configuration/internal.h"

#include <errno.h>
#include <stdlib.h>

// A part is its name, then each file: name, size, bytes. So the digest tells one set from any other.
static void add_part(struct digest *digest, const char *part, const struct files *files) {
    digest_add(digest, part, strlen(part) + 1);
    for (size_t i = 0; i < files->count; i++) {
        const struct file *file = &files->items[i];
        uint8_t size[8];
        store_u64(size, file->text.size);
        digest_add(digest, file->name, strlen(file->name) + 1);
        digest_add(digest, size, sizeof size);
        digest_add(digest, file->text.data, file->text.size);
    }
}

static int add_folder(struct digest *digest, const char *part, const char *folder,
    bool (*wanted)(const char *name), struct files *keep) {
    struct files files = {0};
    int rc = files_read(folder, wanted, &files, NULL);
    if (rc)
        return rc;
    add_part(digest, part, &files);
    if (keep)
        *keep = files;
    else
        files_destroy(&files);
    return 0;
}

static int add_catalogue(struct digest *digest, const char *path) {
    struct buffer bytes = {0};
    int rc = files_read_one(path, &bytes);
    uint8_t size[8];
    store_u64(size, bytes.size);
    digest_add(digest, "catalogue", sizeof "catalogue");
    digest_add(digest, size, sizeof size);
    digest_add(digest, bytes.data, bytes.size);
    buffer_destroy(&bytes);
    return rc;
}

int digest_files(const struct policy_settings *settings, struct files *routes, uint8_t out[DIGEST_SIZE]) {
    struct digest *digest = digest_new(DIGEST_SHA256);
    struct files kept = {0};
    if (!digest)
        return -ENOMEM;
    digest_begin(digest);
    int rc = add_folder(digest, "agencies", settings->agencies, files_is_yaml, NULL);
    rc = rc ? rc : add_folder(digest, "agreements", settings->agreements, files_is_yaml, NULL);
    rc = rc ? rc : add_folder(digest, "codes", settings->codes, files_is_code, NULL);
    rc = rc ? rc : add_folder(digest, "routes", settings->routes, files_is_route, &kept);
    rc = rc ? rc : add_catalogue(digest, settings->catalogue);
    rc = rc ? rc : digest_end(digest, out);
    digest_destroy(&digest);
    if (rc == 0 && routes)
        *routes = kept;
    else
        files_destroy(&kept);
    return rc;
}

// ---- Keys ----

struct key {
    const char *address;
    struct bytes text;
};

struct keys {
    struct key *items;
    size_t count;
    size_t capacity;
    bool no_memory;
};

static void collect_key(void *context, const struct policy_system *system, struct bytes key) {
    struct keys *keys = context;
    if (keys->count == keys->capacity) {
        size_t capacity = keys->capacity ? 2 * keys->capacity : 64;
        struct key *items = realloc(keys->items, capacity * sizeof *items);
        if (!items) {
            keys->no_memory = true;
            return;
        }
        keys->items = items;
        keys->capacity = capacity;
    }
    keys->items[keys->count++] = (struct key){.address = system->address, .text = key};
}

static int compare_keys(const void *a, const void *b) {
    const struct key *x = a;
    const struct key *y = b;
    size_t size = x->text.size < y->text.size ? x->text.size : y->text.size;
    int rc = memcmp(x->text.data, y->text.data, size);
    return rc ? rc : (x->text.size > y->text.size) - (x->text.size < y->text.size);
}

int digest_with_keys(
    const struct policy *policy, const uint8_t files[DIGEST_SIZE], uint8_t out[DIGEST_SIZE]) {
    struct keys keys = {0};
    struct digest *digest = digest_new(DIGEST_SHA256);
    policy_each_key(policy, collect_key, &keys);
    int rc = digest && !keys.no_memory ? 0 : -ENOMEM;
    if (rc == 0) {
        if (keys.count)
            qsort(keys.items, keys.count, sizeof *keys.items, compare_keys);
        digest_begin(digest);
        digest_add(digest, files, DIGEST_SIZE);
        for (size_t i = 0; i < keys.count; i++) {
            digest_add(digest, keys.items[i].text.data, keys.items[i].text.size);
            digest_add(digest, keys.items[i].address, strlen(keys.items[i].address) + 1);
        }
        rc = digest_end(digest, out);
    }
    digest_destroy(&digest);
    free(keys.items);
    return rc;
}

int configuration_digest(const struct policy *policy, uint8_t out[DIGEST_SIZE]) {
    uint8_t files[DIGEST_SIZE];
    int rc = digest_files(policy_settings(policy), NULL, files);
    return rc ? rc : digest_with_keys(policy, files, out);
}
