"""The disk's own figures, in the run that they are compared with: what a sync costs where nothing else happens."""
import mmap
import os
import pathlib
import time

SIZES = {"4_kib": 4096, "64_kib": 65536, "1_mib": 1048576}
FILE_BYTES = 64 << 20


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def zero_filled(path):
    """As the journal's segments: blocks are there and were written, so a sync changes no metadata."""
    with open(path, "wb") as out:
        for _ in range(FILE_BYTES >> 20):
            out.write(bytes(1 << 20))
        out.flush()
        os.fsync(out.fileno())


def open_direct(path):
    try:
        return os.open(path, os.O_RDWR | os.O_DIRECT), True
    except OSError:
        return os.open(path, os.O_RDWR), False


def sync_us(fd, size, count):
    """Latencies of `count` appends of `size` bytes with fdatasync."""
    memory = mmap.mmap(-1, size)  # page-aligned, as O_DIRECT wants it
    memory.write(os.urandom(size))
    times, at = [], 0
    for _ in range(count):
        started = time.monotonic_ns()
        os.pwrite(fd, memory, at)
        os.fdatasync(fd)
        times.append((time.monotonic_ns() - started) / 1000)
        at = at + size if at + 2 * size <= FILE_BYTES else 0
    return times


def measure(folder, count=1000):
    path = pathlib.Path(folder) / f"hutong-bench-disk-{os.getpid()}"
    try:
        zero_filled(path)
        fd, direct = open_direct(path)
        try:
            result = {"direct": direct}
            for name, size in SIZES.items():
                times = sync_us(fd, size, count if size < 1 << 20 else count // 5)
                result[f"sync_{name}_p50_us"] = round(percentile(times, 50))
                result[f"sync_{name}_p99_us"] = round(percentile(times, 99))
            return result
        finally:
            os.close(fd)
    finally:
        path.unlink(missing_ok=True)
