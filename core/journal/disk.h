// The seam between the journal and the system's files. Every file system call of core/journal is a function
// of this header, and no other file of core/journal makes one. disk.c is the real disk.
//
// Another disk is put in its place by the linker, at no cost to the real one: a program that defines *all* of
// these functions itself (in its own objects) gets its own, since nothing is left for which disk.o would be
// taken out of the library. One that defines only some of them doesn't link. The journal's only randomness
// (id, epochs, salts) is random_fill() of core/crypto/random.h, which is replaced in the same way; its only
// clock is `now_ns` of the options.
//
// Each function is one call: a transfer may be short (transfer.h finishes it), and nothing is on the disk for
// sure before the sync that belongs to it: a file's bytes and size by disk_sync() or disk_sync_all(), names
// (made, renamed, removed) by disk_folder_sync(). `folder` and `file` are numbers from 0 that the
// implementation gave and that mean something to it alone. Functions return 0 or a negative errno; outputs
// are untouched on failure. One thread calls at a time; with options.background the journal's own thread
// writes and syncs the active segment while the owner's reads.
#pragma once

#include "core/base/bytes.h"

// ---- Folders ----

// Made when missing (0700) if `make`; the folder above it must be there.
int disk_folder_open(const char *path, bool make, int *folder);
// For the life of the descriptor, against other processes. -EWOULDBLOCK: another one has it.
int disk_folder_lock(int folder);
// Each name in it, in any order. What `visit` returns other than 0 ends the listing and is forwarded.
int disk_folder_list(int folder, int (*visit)(void *context, const char *name), void *context);
int disk_folder_sync(int folder);
int disk_rename(int folder, const char *from, const char *to); // replaces `to` where it is there
int disk_remove(int folder, const char *name);
int disk_size_of(int folder, const char *name, uint64_t *size);

// ---- Files ----

// `flags`: O_RDONLY, O_WRONLY, O_RDWR, with O_CREAT and O_TRUNC. Unless `buffered`, transfers bypass the
// system's cache where the file system can, and then have to be aligned.
int disk_open(int folder, const char *name, int flags, bool buffered, int *file);
void disk_close(int descriptor); // also of a folder
// `*done` bytes from the front were taken, at least one.
int disk_write(int file, const uint8_t *data, size_t size, uint64_t offset, size_t *done);
int disk_read(int file, uint8_t *data, size_t size, uint64_t offset, size_t *got); // 0: the file's end
int disk_sync(int file);     // fdatasync(): the bytes, and the size where it matters to reading them
int disk_sync_all(int file); // fsync()
int disk_truncate(int file, uint64_t size);
// Room for these bytes, the file being at least so long afterwards; what is there stays. -EOPNOTSUPP: not of
// this file system.
int disk_reserve(int file, uint64_t offset, uint64_t size);
// These bytes become zeros without being written. -EOPNOTSUPP: not on this file system.
int disk_zero(int file, uint64_t offset, uint64_t size);
int disk_size(int file, uint64_t *size);

// ---- Reading ahead ----

// Reads one piece at a time while the caller goes on. -EOPNOTSUPP and others: it can't, and nothing is lost.
// Returns owned.
struct disk_ahead;
int disk_ahead_new(struct disk_ahead **out);
void disk_ahead_destroy(struct disk_ahead **self); // behind what is under way
// Whole blocks past the cache; `data` is the disk's until disk_ahead_wait().
int disk_ahead_begin(struct disk_ahead *ahead, int file, uint8_t *data, size_t size, uint64_t offset);
int disk_ahead_wait(struct disk_ahead *ahead, size_t *got); // once for each that was begun
