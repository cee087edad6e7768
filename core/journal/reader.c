#include "core/journal/reader.h"

#include "core/journal/disk.h"
#include "core/journal/folder.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <fcntl.h>

#define NEAR ((uint64_t)128 << 10) // the next eight that are wanted lie within: the rest is not far
#define WINDOW_LARGE ((size_t)512 << 10)
#define WINDOW_SMALL ((size_t)8 << 10)
#define WINDOW_KEPT                                                                                          \
    ((size_t)1 << 20) // a window that grew beyond, for one large record, gives its memory back

void reader_init(struct reader *reader, int folder, bool buffered) {
    *reader = (struct reader){.folder = folder, .buffered = buffered};
}

static void drop_file(struct reader_file *file) {
    if (file->segment)
        disk_close(file->fd);
    if (file->segment && file->direct >= 0)
        disk_close(file->direct);
    *file = (struct reader_file){0};
}

// What is being read ahead is there, or won't come: then it is read as if nobody had tried.
static void land(struct reader *reader) {
    struct reader_window *window = reader->ahead;
    size_t got = 0;
    if (!window)
        return;
    reader->ahead = NULL;
    int rc = disk_ahead_wait(reader->disk, &got);
    if (rc == 0 && got == WINDOW_LARGE)
        window->size = got;
    else
        window->segment = 0;
    if (rc)
        disk_ahead_destroy(&reader->disk); // nobody writes into the window any more
}

static void drop_window(struct reader *reader, struct reader_window *window) {
    if (reader->ahead == window)
        land(reader);
    if (reader->checked == window)
        reader->checked = NULL;
    buffer_destroy(&window->memory);
    *window = (struct reader_window){0};
}

void reader_destroy(struct reader *reader) {
    for (size_t i = 0; i < READER_FILES; i++)
        drop_file(&reader->files[i]);
    for (size_t i = 0; i < READER_WINDOWS; i++)
        drop_window(reader, &reader->windows[i]);
    disk_ahead_destroy(&reader->disk);
}

void reader_forget(struct reader *reader, uint64_t segment) {
    for (size_t i = 0; i < READER_FILES; i++)
        if (reader->files[i].segment == segment)
            drop_file(&reader->files[i]);
    for (size_t i = 0; i < READER_WINDOWS; i++)
        if (reader->windows[i].segment == segment)
            drop_window(reader, &reader->windows[i]);
}

static int open_file(struct reader *reader, uint64_t segment, struct reader_file **out) {
    struct reader_file *oldest = &reader->files[0];
    for (size_t i = 0; i < READER_FILES; i++) {
        struct reader_file *file = &reader->files[i];
        if (file->segment == segment) {
            file->used = ++reader->clock;
            *out = file;
            return 0;
        }
        if (file->used < oldest->used)
            oldest = file;
    }
    char name[SEGMENT_NAME_SIZE];
    segment_name(segment, name);
    int opened = -1;
    int rc = disk_open(reader->folder, name, O_RDONLY, true, &opened);
    if (rc)
        return rc;
    drop_file(oldest);
    *oldest = (struct reader_file){.segment = segment, .fd = opened, .direct = -1, .used = ++reader->clock};
    *out = oldest;
    return 0;
}

int reader_file(struct reader *reader, uint64_t segment, int *fd) {
    struct reader_file *file = NULL;
    int rc = open_file(reader, segment, &file);
    if (!rc)
        *fd = file->fd;
    return rc;
}

// A window that holds `size` bytes at `offset`, or NULL.
static struct reader_window *find(struct reader *reader, uint64_t segment, uint64_t offset, size_t size) {
    for (size_t i = 0; i < READER_WINDOWS; i++) {
        struct reader_window *window = &reader->windows[i];
        if (window->segment == segment && offset >= window->offset &&
            offset + size <= window->offset + window->size) {
            window->used = ++reader->clock;
            return window;
        }
    }
    return NULL;
}

// Not the one that is the disk's.
static struct reader_window *least_used(struct reader *reader) {
    struct reader_window *oldest = &reader->windows[reader->ahead == reader->windows ? 1 : 0];
    for (size_t i = 1; i < READER_WINDOWS; i++) {
        struct reader_window *window = &reader->windows[i];
        if (window != reader->ahead && window->used < oldest->used)
            oldest = window;
    }
    return oldest;
}

static int make_room(struct reader_window *window, size_t size) {
    if (window->memory.capacity > WINDOW_KEPT && size <= WINDOW_KEPT / 2)
        buffer_destroy(&window->memory);
    int rc = buffer_reserve(&window->memory, size + JOURNAL_BLOCK);
    if (!rc)
        window->data = window->memory.data + (-(uintptr_t)window->memory.data & (JOURNAL_BLOCK - 1));
    return rc;
}

// One that is to be filled. 0 or -ENOMEM.
static int take_window(struct reader *reader, size_t size, struct reader_window **out) {
    struct reader_window *window = least_used(reader);
    window->segment = 0;
    if (reader->checked == window)
        reader->checked = NULL;
    window->used = ++reader->clock;
    *out = window;
    return make_room(window, size);
}

// Whole blocks. Whether it went well; what didn't is read through the cache, which also tells why.
static bool read_direct(const struct reader *reader, struct reader_file *file, struct reader_window *window,
    size_t size, uint64_t offset) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(file->segment, name);
    if (file->direct < 0 && disk_open(reader->folder, name, O_RDONLY, false, &file->direct))
        return false;
    return disk_read(file->direct, window->data, size, offset, &window->size) == 0 && window->size == size;
}

static int read_window(
    struct reader *reader, struct reader_window *window, uint64_t segment, size_t size, uint64_t offset) {
    struct reader_file *file = NULL;
    int rc = open_file(reader, segment, &file);
    if (rc)
        return rc;
    if (size >= WINDOW_LARGE && !reader->buffered && read_direct(reader, file, window, size, offset))
        return 0;
    return transfer_read(file->fd, window->data, size, offset, &window->size);
}

// Of whole blocks; beyond `size` they are not looked at.
static int load(
    struct reader *reader, uint64_t segment, uint64_t from, size_t size, struct reader_window **out) {
    struct reader_window *window = NULL;
    uint64_t offset = from - from % JOURNAL_BLOCK;
    size_t blocks = (size_t)block_up(from - offset + size);
    int rc = take_window(reader, blocks, &window);
    if (!rc)
        rc = read_window(reader, window, segment, blocks, offset);
    if (rc)
        return rc;
    if (window->size > from - offset + size)
        window->size = (size_t)(from - offset) + size;
    window->segment = segment;
    window->offset = offset;
    *out = window;
    return 0;
}

// ---- Reading ahead ----

static bool holds(const struct reader_window *window, uint64_t segment, uint64_t offset, uint64_t size) {
    return window->segment == segment && offset >= window->offset && offset - window->offset < size;
}

// Whether what is wanted at `offset` begins in a window, or just behind it.
static bool follows(const struct reader *reader, uint64_t segment, uint64_t offset) {
    for (size_t i = 0; i < READER_WINDOWS; i++)
        if (holds(&reader->windows[i], segment, offset, reader->windows[i].size + JOURNAL_BLOCK))
            return true;
    return false;
}

// The next large piece behind `window`, where all of it is written. It begins `overlap` bytes before the
// window's end: with the record that stands across it.
static void begin_ahead(
    struct reader *reader, const struct reader_window *window, uint64_t overlap, uint64_t end) {
    uint64_t from = window->offset + window->size - overlap;
    struct reader_file *file = NULL;
    struct reader_window *next = NULL;
    from -= from % JOURNAL_BLOCK;
    land(reader); // nobody asked for what was read ahead before: it has come long since
    if (overlap >= window->size || from + WINDOW_LARGE > end || open_file(reader, window->segment, &file) ||
        file->direct < 0 || (!reader->disk && disk_ahead_new(&reader->disk)) ||
        take_window(reader, WINDOW_LARGE, &next) ||
        disk_ahead_begin(reader->disk, file->direct, next->data, WINDOW_LARGE, from))
        return;
    next->segment = window->segment;
    next->offset = from;
    next->size = 0;
    reader->ahead = next;
}

static struct reader_window *find_ahead(
    struct reader *reader, uint64_t segment, uint64_t offset, size_t size) {
    if (!reader->ahead || !holds(reader->ahead, segment, offset, WINDOW_LARGE))
        return NULL;
    land(reader);
    reader->goes_on = true;
    return find(reader, segment, offset, size);
}

// At least `size` bytes at `offset`, where the file has them.
static int get(struct reader *reader, uint64_t segment, uint64_t offset, size_t size, size_t wanted,
    struct reader_window **from, const uint8_t **out) {
    struct reader_window *window = find(reader, segment, offset, size);
    if (!window)
        window = find_ahead(reader, segment, offset, size);
    if (!window) {
        reader->goes_on = follows(reader, segment, offset);
        int rc = load(reader, segment, offset, wanted > size ? wanted : size, &window);
        if (rc)
            return rc;
        if (offset + size > window->offset + window->size)
            return -EBADMSG;
    }
    *from = window;
    *out = window->data + (offset - window->offset);
    return 0;
}

int reader_record(struct reader *reader, uint64_t segment, uint64_t offset, uint64_t end, uint64_t span,
    const uint8_t **record) {
    if (end < RECORD_SIZE || offset > end - RECORD_SIZE)
        return -EBADMSG;
    size_t wanted = span <= NEAR ? WINDOW_LARGE : WINDOW_SMALL;
    if (wanted > end - offset)
        wanted = (size_t)(end - offset); // never more than is written: what comes later would be missed
    const uint8_t *bytes = NULL;
    struct reader_window *window = NULL;
    int rc = get(reader, segment, offset, RECORD_SIZE, wanted, &window, &bytes);
    if (rc)
        return rc;
    size_t length = record_length(bytes);
    if (length < RECORD_SIZE || length > end - offset)
        return -EBADMSG;
    rc = get(reader, segment, offset, length, wanted, &window, &bytes);
    // A record with many deliveries is read for each of them: one CRC is enough.
    bool checked = reader->checked == window && reader->checked_offset == offset;
    if (!rc && !checked)
        rc = record_check(bytes_of(bytes, length), &length);
    if (rc)
        return rc;
    reader->checked = window;
    reader->checked_offset = offset;
    if (reader->goes_on && span <= NEAR)
        begin_ahead(reader, window, span, end);
    reader->goes_on = false;
    *record = bytes;
    return 0;
}
