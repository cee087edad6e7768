#!/usr/bin/python3
"""Verifies a journal, from docs/journal.md alone: verify.py FOLDER.

Prints what it saw as one line of JSON. Exit code 0: whole; 1: damaged (the line says where); 2: bad use.
"""
import hashlib
import json
import os
import re
import struct
import sys

BLOCK = 4096


class Damaged(Exception):
    pass


def make_crc_table():
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = make_crc_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def without(data, at):
    return data[:at] + bytes(4) + data[at + 4:]


def block_up(size):
    return (size + BLOCK - 1) // BLOCK * BLOCK


def u16(data, at):
    return struct.unpack_from('<H', data, at)[0]


def u32(data, at):
    return struct.unpack_from('<I', data, at)[0]


def u64(data, at):
    return struct.unpack_from('<Q', data, at)[0]


def need(condition, what):
    if not condition:
        raise Damaged(what)


class Verifier:
    def __init__(self, redo=None):
        self.redo = redo  # an erasure under way
        self.id = None
        self.digest = None
        self.link = None
        self.next_sequence = None
        self.segments = self.batches = self.records = self.erased = self.torn_bytes = 0

    def hash(self, data):
        return hashlib.new({1: 'sha256', 2: 'sm3'}[self.digest], data).digest()

    def root(self, leaves):
        if len(leaves) == 1:
            return leaves[0]
        k = 1
        while 2 * k < len(leaves):
            k *= 2
        return self.hash(b'\1' + self.root(leaves[:k]) + self.root(leaves[k:]))

    # ---- Head ----

    def head(self, data, number):
        need(data[:4] == b'HTJS' and u32(data, 4) == 1, 'offset 0: no head')
        length = u32(data, 8)
        need(128 <= length <= len(data) and u64(data, 104) == length - 128, 'offset 0: lengths in the head')
        head = data[:length]
        need(u32(head, 12) == crc32c(without(head, 12)), "offset 0: the head's CRC")
        need(u64(head, 64) == number, 'offset 0: the head is of another segment')
        if self.id is None:
            self.id, self.digest = head[16:32], head[96]
            self.next_sequence = u64(head, 80)
            need(number > 1 or head[32:64] == bytes(32), 'offset 0: the first chain is not zeros')
        else:
            need(head[16:32] == self.id and head[96] == self.digest, 'offset 0: another journal')
            need(head[32:64] == self.link, 'offset 0: the chain is broken')
        need(u64(head, 80) == self.next_sequence, 'offset 0: the sequence does not follow')
        self.link = self.hash(b'\3' + head)
        return {'epoch': u64(head, 72), 'time': u64(head, 88), 'end': block_up(length)}

    # ---- Batches ----

    def is_batch(self, data, at, epoch):
        header = data[at:at + 112]
        return (len(header) == 112 and header[:4] == b'HTJB' and u32(header, 4) == 1
                and u32(header, 104) == crc32c(without(header, 104)) and u64(header, 16) == epoch)

    def finish_erasure(self, data, number):
        """The record that is being erased, as it will be."""
        redo = self.redo
        if not redo or redo['segment'] != number or redo['epoch'] != u64(data, 72):
            return data
        at, length, leaf = redo['offset'], redo['length'], redo['leaf']
        body = at + 48 + 12 * u16(data, at + 10) if at + 48 <= len(data) else len(data)
        if at + length > len(data) or u32(data, at) != length or u64(data, at + 32) != redo['sequence'] or body + 16 > at + length:
            return data
        rest = b'\1' + data[at + 9:at + 16] + leaf[:16] + data[at + 32:body] + leaf[16:] + bytes(at + length - body - 16)
        return data[:at + 4] + struct.pack('<I', crc32c(rest)) + rest + data[at + length:]

    def take_records(self, data, at, header):
        """Returns the leaves and the entries, or None where they are not whole."""
        leaves, entries = [], []
        end = at + u32(header, 8)
        place = at + 112
        if end > len(data):
            return None
        for i in range(u32(header, 12)):
            length = u32(data, place) if place + 48 <= end else 0
            record = data[place:place + length]
            if length < 48 or place + length > end or u32(record, 4) != crc32c(record[8:]):
                return None
            count = u16(record, 10)
            need(u64(record, 32) == u64(header, 24) + i, f'offset {place}: the sequence')
            need(u64(record, 40) == u64(header, 32), f'offset {place}: the time')
            if record[8] & 1:
                body = 48 + 12 * count
                leaves.append(record[16:32] + record[body:body + 16])
                self.erased += 1
            else:
                leaves.append(self.hash(record[8:]))
            for e in range(count):
                entries.append((u32(record, 48 + 12 * e), u64(record, 52 + 12 * e), place))
            place += length
        return (leaves, entries) if place == end else None

    def batch(self, data, at, segment):
        header = data[at:at + 112]
        taken = self.take_records(data, at, header) if self.is_batch(data, at, segment['epoch']) else None
        if taken is None:
            return None
        leaves, entries = taken
        need(u64(header, 24) == self.next_sequence, f'offset {at}: the sequence does not follow')
        need(u64(header, 32) >= segment['time'], f'offset {at}: time goes back')
        need(self.root(leaves) == header[40:72], f'offset {at}: the root')
        self.link = self.hash(b'\2' + self.link + header[40:72] + header[4:40])
        need(self.link == header[72:104], f'offset {at}: the chain is broken')
        segment['time'] = u64(header, 32)
        segment['batches'] += 1
        for queue, position, place in entries:
            items = segment['queues'].setdefault(queue, (position, []))
            need(position == items[0] + len(items[1]), f'offset {at}: queue {queue} has a gap')
            items[1].append(place)
        self.next_sequence += len(leaves)
        self.batches += 1
        self.records += len(leaves)
        return block_up(u32(header, 8))

    # ---- Foot ----

    def foot(self, at, segment):
        """The foot as this segment's batches make it."""
        queues, items = b'', b''
        start = at + 112 + 24 * len(segment['queues'])
        for queue, (first, places) in sorted(segment['queues'].items()):
            queues += struct.pack('<IIQQ', queue, len(places), first, start + len(items))
            items += struct.pack(f'<{len(places)}I', *places)
        length = 112 + len(queues) + len(items)
        foot = struct.pack('<4sIIIQQQQ32sQIIQQ', b'HTJF', 1, length, len(segment['queues']), segment['epoch'],
                           segment['first'], self.next_sequence - 1, segment['time'], self.link, segment['batches'],
                           0, 0, at, 0) + queues + items
        foot = foot[:88] + struct.pack('<I', crc32c(foot)) + foot[92:]
        room = block_up(length + 16)
        return foot + bytes(room - length - 16) + struct.pack('<QI4s', at, length, b'HTJE')

    def end(self, data, at, segment, last):
        if data[at:at + 4] == b'HTJF':
            foot = self.foot(at, segment)
            if data[at:] == foot or last and data[at:].rstrip(b'\0') == foot:
                return  # in the last segment the room behind the foot may not be given back yet
        need(last, f'offset {at}: no foot, or not the one that the records make')
        found = data[-4:] == b'HTJE' and u64(data, len(data) - 16)
        need(not found or found <= at or crc32c(without(data[found:found + u32(data, found + 8)], 88)) != u32(data, found + 88),
             f'offset {at}: damaged before the foot')
        for behind in range(at + BLOCK, len(data), BLOCK):
            need(not self.is_batch(data, behind, segment['epoch']), f'offset {at}: damaged before offset {behind}')
        self.torn_bytes = len(data[at:].rstrip(b'\0'))

    def segment(self, data, number, last):
        data = self.finish_erasure(data, number)
        segment = self.head(data, number)
        segment.update(first=self.next_sequence, batches=0, queues={})
        at = segment['end']
        while (length := self.batch(data, at, segment)) is not None:
            at += length
        self.end(data, at, segment, last)
        self.segments += 1


def read_redo(folder):
    try:
        with open(os.path.join(folder, 'erase.redo'), 'rb') as file:
            data = file.read(80)
    except FileNotFoundError:
        return None
    if len(data) < 80 or data[:4] != b'HTJR' or u32(data, 4) != 1 or u32(data, 8) != crc32c(data[12:]):
        return None  # cut: nothing was touched yet
    return {'length': u32(data, 12), 'segment': u64(data, 16), 'epoch': u64(data, 24), 'offset': u64(data, 32),
            'sequence': u64(data, 40), 'leaf': data[48:80]}


def verify(folder):
    numbers = sorted(int(name[:20]) for name in os.listdir(folder) if re.fullmatch(r'\d{20}\.segment', name))
    need(numbers, 'no segment')
    verifier = Verifier(read_redo(folder))
    for i, number in enumerate(numbers):
        name = f'{number:020}.segment'
        try:
            need(number == numbers[0] + i, f'{numbers[0] + i:020}.segment is missing')
            with open(os.path.join(folder, name), 'rb') as file:
                verifier.segment(file.read(), number, i + 1 == len(numbers))
        except Damaged as damage:
            raise Damaged(f'{name}: {damage}') from None
    return verifier


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        v = verify(sys.argv[1])
    except Damaged as damage:
        print(json.dumps({'damaged': str(damage)}))
        return 1
    print(json.dumps({'segments': v.segments, 'batches': v.batches, 'records': v.records, 'erased': v.erased,
                      'torn_bytes': v.torn_bytes, 'chain': v.link.hex()}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
