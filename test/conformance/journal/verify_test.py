"""The verifier that was written from docs/journal.md, and the one in C, agree on journals whole and damaged."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
TOOL = os.environ['JOURNAL_MAKE']
sys.path.insert(0, str(HERE))
import verify  # noqa: E402


def by_python(folder):
    run = subprocess.run([sys.executable, HERE / 'verify.py', folder], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return json.loads(run.stdout)


def by_c(folder):
    run = subprocess.run([TOOL, 'verify', folder], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1)
    return json.loads(run.stdout) if run.returncode == 0 else {'damaged': run.stderr}


@pytest.mark.parametrize('digest', [[], ['sm3']])
@pytest.mark.parametrize('seed', ['1', '2', '3'])
def test_whole_journals(tmp_path, seed, digest):
    folder = tmp_path / 'journal'
    subprocess.run([TOOL, 'make', folder, seed, *digest], check=True)
    verdict = by_python(folder)
    assert verdict == by_c(folder)
    assert verdict['records'] > 50 and verdict['segments'] >= 2


@pytest.fixture(scope='module')
def journal(tmp_path_factory):
    folder = tmp_path_factory.mktemp('made') / 'journal'
    subprocess.run([TOOL, 'make', folder, '7'], check=True)
    return folder


@pytest.mark.parametrize('seed', range(12))
def test_one_bit(journal, tmp_path, seed):
    """Any bit that counts, of any segment: both say damaged, or both cut the same tail."""
    chance = random.Random(seed)
    folder = tmp_path / 'journal'
    shutil.copytree(journal, folder)
    segment = folder / chance.choice(sorted(os.listdir(folder)))
    data = bytearray(segment.read_bytes())
    place = chance.choice([i for i, byte in enumerate(data) if byte])
    data[place] ^= 1 << chance.randrange(8)
    segment.write_bytes(data)
    python, c = by_python(folder), by_c(folder)
    assert ('damaged' in python) == ('damaged' in c), (segment.name, place, python, c)
    if 'damaged' in python:
        assert segment.name in python['damaged'] or 'chain' in python['damaged']
    else:
        assert python == c and python['torn_bytes'] > 0


def test_a_rewritten_record_is_found(journal, tmp_path):
    """A forger makes every CRC right again: the root tells."""
    folder = tmp_path / 'journal'
    shutil.copytree(journal, folder)
    segment = folder / '00000000000000000001.segment'
    data = bytearray(segment.read_bytes())
    record = 4096 + 112
    length = verify.u32(data, record)
    data[record + 9] ^= 1
    data[record + 4:record + 8] = verify.crc32c(data[record + 8:record + length]).to_bytes(4, 'little')
    segment.write_bytes(data)
    assert 'the root' in by_python(folder)['damaged']
    assert 'Merkle root' in by_c(folder)['damaged']


def test_a_removed_segment_is_found(journal, tmp_path):
    folder = tmp_path / 'journal'
    shutil.copytree(journal, folder)
    (folder / '00000000000000000002.segment').unlink()
    assert 'missing' in by_python(folder)['damaged']
    assert 'missing' in by_c(folder)['damaged']


@pytest.mark.parametrize('digest', [[], ['sm3']])
def test_what_is_erased_still_verifies(tmp_path, digest):
    folder = tmp_path / 'journal'
    subprocess.run([TOOL, 'make', folder, '5', *digest], check=True)
    chain = by_python(folder)['chain']
    erased = sum(subprocess.run([TOOL, 'erase', folder, str(n)], capture_output=True, check=False).returncode == 0 for n in range(1, 40))
    verdict = by_python(folder)
    assert erased > 20 and verdict['erased'] == erased
    assert verdict['chain'] == chain
    assert verdict == by_c(folder)


def test_an_erasure_under_way_counts_as_done(tmp_path):
    folder = tmp_path / 'journal'
    subprocess.run([TOOL, 'make', folder, '7'], check=True)
    segment = folder / '00000000000000000001.segment'
    data = segment.read_bytes()
    at = 4096 + 112
    while verify.u32(data, at) < 700:  # a record of two sectors, in the first batch or behind it
        at += verify.u32(data, at)
        if at + 48 > len(data) or verify.u32(data, at) == 0:
            at = (at + 4095) // 4096 * 4096 + 112
    length = verify.u32(data, at)
    verifier = verify.Verifier()
    verifier.digest = 1
    leaf = verifier.hash(data[at + 8:at + length])
    rest = length.to_bytes(4, 'little') + b''.join(n.to_bytes(8, 'little') for n in (1, verify.u64(data, 72), at, verify.u64(data, at + 32))) + leaf
    redo = b'HTJR' + (1).to_bytes(4, 'little') + verify.crc32c(rest).to_bytes(4, 'little') + rest
    (folder / 'erase.redo').write_bytes(redo)
    torn = data[:at + 600] + bytes(length - 600) + data[at + length:]  # a part is on the disk, without a good CRC
    segment.write_bytes(torn)
    assert by_python(folder)['erased'] == 1
    assert by_python(folder) == by_c(folder)
    (folder / 'erase.redo').write_bytes(redo[:60])
    assert 'damaged' in by_python(folder) and 'damaged' in by_c(folder)
