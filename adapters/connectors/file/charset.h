// The encodings of legacy files to UTF-8 and back, each mistake with its exact byte. Three are known:
//   gb18030  GB 18030-2022, with Unicode's recommendation L2/23-003R for what older data holds (see
//   charset.c) gbk      its one- and two-byte part: what software from before 2000 can show utf-8    RFC
//   3629; a byte order mark at the start of a file is passed over
// In all of them the bytes of newline, carriage return, quote and comma occur as these characters only.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

enum charset_name {
    CHARSET_UTF8,
    CHARSET_GB18030,
    CHARSET_GBK,
};
extern const char *const charset_names[]; // in the order of charset_name, ends with NULL

enum {
    CHARSET_BAD = 1, // the text can't be converted; the error says where and why
};

struct charset;

// Returns owned; NULL without memory or without the converter (glibc's gconv modules).
struct charset *charset_new(enum charset_name name);
void charset_destroy(struct charset **self);
enum charset_name charset_kind(const struct charset *charset);

// Bytes of the character at the start of `bytes` (size > 0), right or wrong; at least 1, at most
// `bytes.size`.
size_t charset_step(const struct charset *charset, struct bytes bytes);

// Appends the UTF-8 of `bytes`. CHARSET_BAD with `*at`: the offset of the first byte of what is wrong (a NUL
// is wrong too), the text like "byte 0xFF is not GB18030", and the buffer as it was. -ENOMEM, -EMSGSIZE.
int charset_decode(
    const struct charset *charset, struct bytes bytes, struct buffer *out, size_t *at, struct error *error);

// Appends `text` (UTF-8) in the encoding. CHARSET_BAD with a text like "character 5, U+20BB7, is not in
// GBK".
int charset_encode(const struct charset *charset, struct bytes text, struct buffer *out, struct error *error);
