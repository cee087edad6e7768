// The encodings of legacy files to UTF-8 and back, each mistake with its exact byte. Three are known:
//   gb18030  GB 18030-2022, with Unicode's recommendation L2/23-003R for what older data holds (see
//   encoding.c) gbk      its one- and two-byte part: what software from before 2000 can show utf-8    RFC
//   3629; a byte order mark at the start of a file is passed over
// In all of them the bytes of newline, carriage return, quote and comma occur as these characters only.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

enum encoding_name {
    ENCODING_UTF8,
    ENCODING_GB18030,
    ENCODING_GBK,
};
extern const char *const encoding_names[]; // in the order of encoding_name, ends with NULL

enum {
    ENCODING_BAD = 1, // the text can't be converted; the error says where and why
};

struct encoding;

// Returns owned; NULL without memory or without the converter (glibc's gconv modules).
struct encoding *encoding_new(enum encoding_name name);
void encoding_destroy(struct encoding **self);
enum encoding_name encoding_kind(const struct encoding *encoding);

// Bytes of the character at the start of `bytes` (size > 0), right or wrong; at least 1, at most
// `bytes.size`.
size_t encoding_step(const struct encoding *encoding, struct bytes bytes);

// Appends the UTF-8 of `bytes`. ENCODING_BAD with `*at`: the offset of the first byte of what is wrong (a NUL
// is wrong too), the text like "byte 0xFF is not GB18030", and the buffer as it was. -ENOMEM, -EMSGSIZE.
int encoding_decode(
    const struct encoding *encoding, struct bytes bytes, struct buffer *out, size_t *at, struct error *error);

// Appends `text` (UTF-8) in the encoding. ENCODING_BAD with a text like "character 5, U+20BB7, is not in
// GBK".
int encoding_encode(
    const struct encoding *encoding, struct bytes text, struct buffer *out, struct error *error);
