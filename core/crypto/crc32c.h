// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds what a disk or a torn write did, not what a forger did.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Goes on from `crc` (0 at the start), so that pieces may be given one by one.
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
// The same without the CPU's own instruction; slower. For CPUs without it, and tests.
uint32_t crc32c_table(uint32_t crc, const void *data, size_t size);
