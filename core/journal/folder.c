#include "core/journal/folder.h"

#include "core/journal/disk.h"
#include "core/journal/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void segment_name(uint64_t number, char out[SEGMENT_NAME_SIZE]) {
    snprintf(out, SEGMENT_NAME_SIZE, "%020" PRIu64 ".segment", number);
}

void spare_name(uint64_t number, char out[SEGMENT_NAME_SIZE]) {
    snprintf(out, SEGMENT_NAME_SIZE, "%020" PRIu64 ".spare", number);
}

// Twenty digits and the suffix, exactly; other files are none of ours and are left alone.
static bool parse_name(const char *name, const char *suffix, uint64_t *number) {
    uint64_t value = 0;
    for (int i = 0; i < 20; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(name[i] - '0');
    }
    if (strcmp(name + 20, suffix) != 0 || value == 0)
        return false;
    *number = value;
    return true;
}

static int append_number(uint64_t **numbers, size_t *count, uint64_t number) {
    if ((*count & (*count - 1)) == 0) { // grows at each power of two
        uint64_t *grown = realloc(*numbers, (*count ? 2 * *count : 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        *numbers = grown;
    }
    (*numbers)[(*count)++] = number;
    return 0;
}

static int take_name(void *context, const char *name) {
    struct folder_list *list = context;
    uint64_t number = 0;
    if (parse_name(name, ".segment", &number))
        return append_number(&list->segments, &list->segment_count, number);
    if (parse_name(name, ".spare", &number))
        return append_number(&list->spares, &list->spare_count, number);
    return 0;
}

static int by_number(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int check_gaps(const struct folder_list *list, struct error *error) {
    for (size_t i = 1; i < list->segment_count; i++) {
        char name[SEGMENT_NAME_SIZE];
        segment_name(list->segments[i - 1] + 1, name);
        if (list->segments[i] != list->segments[i - 1] + 1)
            return error_set(error, JOURNAL_DAMAGED, "%s: the segment is missing", name);
    }
    return 0;
}

int folder_read(int folder, struct folder_list *out, struct error *error) {
    struct folder_list list = {0};
    int rc = disk_folder_list(folder, take_name, &list);
    if (rc)
        error_set(error, rc, "reading the folder: %s", strerror(-rc));
    if (list.segment_count > 1)
        qsort(list.segments, list.segment_count, sizeof *list.segments, by_number);
    if (list.spare_count > 1)
        qsort(list.spares, list.spare_count, sizeof *list.spares, by_number);
    if (!rc)
        rc = check_gaps(&list, error);
    if (rc)
        folder_list_destroy(&list);
    else
        *out = list;
    return rc;
}

void folder_list_destroy(struct folder_list *list) {
    free(list->segments);
    free(list->spares);
    *list = (struct folder_list){0};
}
