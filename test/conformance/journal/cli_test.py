"""hutong(1) as a user runs it."""
import json
import os
import pathlib
import stat
import subprocess

import pytest


def hutong(*args, code=0):
    run = subprocess.run([os.environ['HUTONG'], *map(str, args)], capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stderr
    return run.stdout if code == 0 else run.stderr


@pytest.fixture(scope='module')
def journal(tmp_path_factory):
    folder = tmp_path_factory.mktemp('made') / 'journal'
    subprocess.run([os.environ['JOURNAL_MAKE'], 'make', folder, '5'], check=True)
    return folder


def test_help_and_bad_use():
    assert 'journal' in hutong('--help')
    assert hutong('--version').startswith('hutong ')
    assert 'verify' in hutong('journal', '--help')
    assert 'generate' in hutong('keys', '--help')
    hutong(code=2)
    assert "jurnal" in hutong('jurnal', code=2)
    assert '--from is a number' in hutong('journal', 'list', '--from', 'x', '.', code=2)
    assert 'no kind' in hutong('journal', 'list', '--kind', 'x', '.', code=2)
    hutong('journal', 'list', '--nonsense', '.', code=2)
    hutong('journal', 'list', code=2)
    hutong('journal', 'show', '0', '.', code=2)
    assert 'No such file' in hutong('journal', 'list', '/nowhere', code=1)


def test_full_disk_is_told(journal):
    with open('/dev/full', 'w', encoding='utf-8') as full:
        run = subprocess.run([os.environ['HUTONG'], 'journal', 'list', journal], stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1


def test_list_and_show(journal):
    records = [json.loads(line) for line in hutong('journal', 'list', '--json', journal).splitlines()]
    assert [record['sequence'] for record in records] == list(range(1, len(records) + 1))
    assert len(hutong('journal', 'list', journal).splitlines()) == len(records)
    some = [json.loads(line) for line in
            hutong('journal', 'list', '--from', 20, '--kind', 'queue', '--count', 3, '--json', journal).splitlines()]
    assert some == [record for record in records[19:] if record['kind'] == 'queue'][:3]
    assert json.loads(hutong('journal', 'show', '--json', 33, journal)) == records[32]
    assert 'no record' in hutong('journal', 'show', 100000, journal, code=1)


def test_verify(journal, tmp_path):
    verdict = json.loads(hutong('journal', 'verify', '--json', journal))
    assert verdict['records'] > 50 and len(verdict['chain']) == 64
    assert verdict['chain'] in hutong('journal', 'verify', journal)
    data = bytearray((journal / '00000000000000000001.segment').read_bytes())
    data[5000] ^= 1
    (tmp_path / '00000000000000000001.segment').write_bytes(data)
    assert 'damaged at offset' in hutong('journal', 'verify', tmp_path, code=1)


def test_keys(tmp_path):
    public, secret = hutong('keys', 'generate', 'housing/tenancy', '-o', tmp_path).splitlines()
    assert pathlib.Path(public).name == 'housing-tenancy' and secret == public + '_secret'
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    assert 'not overwritten' in hutong('keys', 'generate', 'housing/tenancy', '-o', tmp_path, code=1)
    shown = json.loads(hutong('keys', 'show', '--json', public))
    assert shown['name'] == 'housing/tenancy' and len(shown['public_key']) == 40
    assert hutong('keys', 'show', secret) == f"{shown['public_key']} housing/tenancy\n"
    secret_key = [line.split('"')[1] for line in open(secret, encoding='ascii') if 'secret-key' in line][0]
    assert secret_key not in hutong('keys', 'show', secret)
    assert 'No such file' in hutong('keys', 'generate', 'x', '-o', tmp_path / 'none' / 'deeper', code=1)
    assert hutong('keys', 'show', tmp_path / 'none' / 'deeper', code=1)
    (tmp_path / 'bad').write_text('curve\n  public-key = "x"\n', encoding='ascii')
    assert ':2:' in hutong('keys', 'show', tmp_path / 'bad', code=2)
    assert 'control' in hutong('keys', 'generate', 'a\nb', '-o', tmp_path, code=2)
