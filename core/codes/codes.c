#include "core/codes/codes.h"

#include "core/base/map.h"

#include <errno.h>
#include <stdlib.h>

// An entry with its texts behind it; those of one code form a chain.
struct item {
    struct code_entry entry;
    struct item *older; // same code, in force before
    struct item *all;   // the one added before, for freeing
    uint8_t texts[];
};

struct table {
    struct map *newest; // code -> struct item
    struct item *all;
    size_t size;
};

struct code_list {
    char *name; // owned
    struct table table;
};

struct code_map {
    char *name; // owned
    struct table table;
    const struct code_list *from_list;
    const struct code_list *to_list;
};

struct names {
    const char **items; // the texts belong to the lists and maps
    size_t size;
};

struct codes {
    struct map *lists;
    struct map *maps;
    struct names list_names;
    struct names map_names;
    bool missing; // a list or map could not be read
};

void codes_note_missing(struct codes *codes) {
    codes->missing = true;
}

bool codes_may_have(const struct codes *codes) {
    return codes->missing;
}

// ---- Tables ----

static int table_init(struct table *table) {
    *table = (struct table){.newest = map_new()};
    return table->newest ? 0 : -ENOMEM;
}

static void table_destroy(struct table *table) {
    map_destroy(&table->newest);
    while (table->all) {
        struct item *item = table->all;
        table->all = item->all;
        free(item);
    }
}

static bool in_force(const struct code_entry *entry, int64_t time) {
    if (time == CODES_EVER)
        return true;
    if (time == CODES_CURRENT)
        return entry->until == CODES_ALWAYS_UNTIL;
    return entry->from <= time && time < entry->until;
}

static const struct code_entry *table_find(const struct table *table, struct bytes code, int64_t time) {
    const struct item *item = map_get(table->newest, code);
    while (item && !in_force(&item->entry, time))
        item = item->older;
    return item ? &item->entry : NULL;
}

static struct bytes put_text(uint8_t **at, struct bytes text) {
    struct bytes copy = bytes_of(*at, text.size);
    if (text.size)
        memcpy(*at, text.data, text.size);
    *at += text.size;
    return copy;
}

static struct item *item_new(const struct code_entry *entry) {
    struct item *item =
        calloc(1, sizeof *item + entry->code.size + entry->name.size + entry->replaced_by.size);
    if (!item)
        return NULL;
    uint8_t *at = item->texts;
    item->entry = *entry;
    item->entry.code = put_text(&at, entry->code);
    item->entry.name = put_text(&at, entry->name);
    item->entry.replaced_by = put_text(&at, entry->replaced_by);
    return item;
}

static int entry_check(const struct table *table, const struct code_entry *entry, struct error *error) {
    if (entry->code.size == 0)
        return error_set(error, -EINVAL, "a code may not be empty");
    if (entry->until <= entry->from)
        return error_set(error, -EINVAL, "code \"%.*s\" ends before it starts", BYTES_ARGS(entry->code));
    if (entry->code.size > CODES_CODE_SIZE || entry->replaced_by.size > CODES_CODE_SIZE)
        return error_set(error, -EMSGSIZE, "a code has at most %d bytes", CODES_CODE_SIZE);
    if (entry->name.size > CODES_TEXT_SIZE)
        return error_set(error, -EMSGSIZE, "a name has at most %d bytes", CODES_TEXT_SIZE);
    if (table->size >= CODES_LIST_SIZE)
        return error_set(error, -EMSGSIZE, "at most %d entries", CODES_LIST_SIZE);
    return 0;
}

static bool overlaps(const struct item *chain, const struct code_entry *entry) {
    for (; chain; chain = chain->older)
        if (entry->from < chain->entry.until && chain->entry.from < entry->until)
            return true;
    return false;
}

static int table_add(struct table *table, const struct code_entry *entry, struct error *error) {
    int rc = entry_check(table, entry, error);
    if (rc)
        return rc;
    struct item *newest = map_get(table->newest, entry->code);
    if (overlaps(newest, entry))
        return error_set(
            error, CODES_DUPLICATE, "code \"%.*s\" is there already for this time", BYTES_ARGS(entry->code));
    struct item *item = item_new(entry);
    if (!item)
        return error_no_memory(error);
    if (!newest || newest->entry.from < entry->from) {
        rc = map_put(table->newest, entry->code, item);
        if (rc) {
            free(item);
            return error_no_memory(error);
        }
        item->older = newest;
    } else {
        while (newest->older && newest->older->entry.from > entry->from)
            newest = newest->older;
        item->older = newest->older;
        newest->older = item;
    }
    item->all = table->all;
    table->all = item;
    table->size++;
    return 0;
}

// ---- Names ----

static int names_add(struct names *names, const char *name) {
    const char **items = realloc(names->items, (names->size + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    names->items = items;
    items[names->size++] = name;
    return 0;
}

static int name_check(const struct map *map, const char *what, struct bytes name, struct error *error) {
    if (name.size == 0)
        return error_set(error, -EINVAL, "a %s must have a name", what);
    if (name.size > CODES_NAME_SIZE)
        return error_set(error, -EMSGSIZE, "the name of a %s has at most %d bytes", what, CODES_NAME_SIZE);
    if (map_get(map, name))
        return error_set(error, CODES_DUPLICATE, "there is already a %s \"%.*s\"", what, BYTES_ARGS(name));
    return 0;
}

static int register_name(
    struct map *map, struct names *names, const char *name, void *value, struct error *error) {
    if (names_add(names, name))
        return error_no_memory(error);
    if (map_put(map, bytes_of_string(name), value)) {
        names->size--;
        return error_no_memory(error);
    }
    return 0;
}

// ---- Lists ----

static void list_destroy(struct code_list *list) {
    table_destroy(&list->table);
    free(list->name);
    free(list);
}

int codes_add_list(struct codes *codes, struct bytes name, struct code_list **out, struct error *error) {
    int rc = name_check(codes->lists, "code list", name, error);
    if (rc)
        return rc;
    struct code_list *list = calloc(1, sizeof *list);
    if (!list)
        return error_no_memory(error);
    list->name = strndup((const char *)name.data, name.size);
    rc = table_init(&list->table);
    if (rc || !list->name)
        rc = error_no_memory(error);
    else
        rc = register_name(codes->lists, &codes->list_names, list->name, list, error);
    if (rc) {
        list_destroy(list);
        return rc;
    }
    *out = list;
    return 0;
}

int code_list_add(struct code_list *list, const struct code_entry *entry, struct error *error) {
    return table_add(&list->table, entry, error);
}

const struct code_list *codes_find_list(const struct codes *codes, struct bytes name) {
    return map_get(codes->lists, name);
}

size_t code_list_size(const struct code_list *list) {
    return list->table.size;
}

const struct code_entry *code_list_find(const struct code_list *list, struct bytes code, int64_t time) {
    return table_find(&list->table, code, time);
}

bool codes_contains(const struct codes *codes, struct bytes list_name, struct bytes code, int64_t time) {
    const struct code_list *list = codes_find_list(codes, list_name);
    return list && code_list_contains(list, code, time);
}

struct bytes codes_name(const struct codes *codes, struct bytes list_name, struct bytes code, int64_t time) {
    const struct code_list *list = codes_find_list(codes, list_name);
    const struct code_entry *entry = list ? code_list_find(list, code, time) : NULL;
    return entry ? entry->name : (struct bytes){0};
}

// ---- Maps ----

static void code_map_destroy(struct code_map *map) {
    table_destroy(&map->table);
    free(map->name);
    free(map);
}

int codes_add_map(struct codes *codes, struct bytes name, const struct code_list *from_list,
    const struct code_list *to_list, struct code_map **out, struct error *error) {
    int rc = name_check(codes->maps, "code map", name, error);
    if (rc)
        return rc;
    struct code_map *map = calloc(1, sizeof *map);
    if (!map)
        return error_no_memory(error);
    map->from_list = from_list;
    map->to_list = to_list;
    map->name = strndup((const char *)name.data, name.size);
    rc = table_init(&map->table);
    if (rc || !map->name)
        rc = error_no_memory(error);
    else
        rc = register_name(codes->maps, &codes->map_names, map->name, map, error);
    if (rc) {
        code_map_destroy(map);
        return rc;
    }
    *out = map;
    return 0;
}

static int known(const struct code_list *list, struct bytes code, const char *which, struct error *error) {
    if (!list || code_list_contains(list, code, CODES_EVER))
        return 0;
    return error_set(error, -EINVAL, "\"%.*s\" is not in the list that the map %s", BYTES_ARGS(code), which);
}

int code_map_add(struct code_map *map, const struct code_entry *entry, struct error *error) {
    int rc = known(map->from_list, entry->code, "maps from", error);
    if (rc == 0)
        rc = known(map->to_list, entry->name, "maps to", error);
    return rc ? rc : table_add(&map->table, entry, error);
}

const struct code_map *codes_find_map(const struct codes *codes, struct bytes name) {
    return map_get(codes->maps, name);
}

int code_map_get(const struct code_map *map, struct bytes from, int64_t time, struct bytes *to) {
    const struct code_entry *entry = table_find(&map->table, from, time);
    if (!entry)
        return CODES_UNMAPPED;
    *to = entry->name;
    return 0;
}

int codes_map(
    const struct codes *codes, struct bytes map_name, struct bytes from, int64_t time, struct bytes *to) {
    const struct code_map *map = codes_find_map(codes, map_name);
    return map ? code_map_get(map, from, time, to) : CODES_UNKNOWN_MAP;
}

const char *const *codes_map_names(const struct codes *codes, size_t *count) {
    *count = codes->map_names.size;
    return codes->map_names.items;
}

const char *const *codes_list_names(const struct codes *codes, size_t *count) {
    *count = codes->list_names.size;
    return codes->list_names.items;
}

// ---- All ----

struct codes *codes_new(void) {
    struct codes *codes = calloc(1, sizeof *codes);
    if (!codes)
        return NULL;
    codes->lists = map_new();
    codes->maps = map_new();
    if (!codes->lists || !codes->maps)
        codes_destroy(&codes);
    return codes;
}

void codes_destroy(struct codes **self) {
    struct codes *codes = *self;
    if (!codes)
        return;
    struct bytes name;
    void *value;
    for (size_t at = 0; codes->lists && map_next(codes->lists, &at, &name, &value);)
        list_destroy(value);
    for (size_t at = 0; codes->maps && map_next(codes->maps, &at, &name, &value);)
        code_map_destroy(value);
    map_destroy(&codes->lists);
    map_destroy(&codes->maps);
    free(codes->list_names.items);
    free(codes->map_names.items);
    free(codes);
    *self = NULL;
}
