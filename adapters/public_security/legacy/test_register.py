"""The register, its operations and our triggers give the same outbox on SQLite, PostgreSQL and MariaDB. A server is started
for the test alone, in a folder of its own; one that isn't installed is skipped, unless HUTONG_REQUIRE_REAL is set."""
import getpass
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).parent
VALUES = {
    "ryid": 1, "gmsfhm": "11010519491231002X", "xm": "张𠮷", "xb": "1", "mz": "01", "csrq": "19491231", "hyzk": "10",
    "bglx": "02", "qrssxq": None, "hh": "100000001", "yhzgx": "02", "ssxq": "330106", "sqdm": "330106002051",
    "wgdm": "330106002051001", "jdmc": "北山街道", "sqmc": "上保社区", "lmmp": "保俶路1号", "lz": "3", "dyh": "2", "shh": "501",
    "mlxz": "保俶路1号3幢2单元501室", "dzbm": "330106002051000030200501", "djsj": "20261124093000", "djdw": "330106450000",
    "czy": "张三", "swrq": "20261123", "swyy": "I25.1", "swdd": "330106", "zmsbh": "330100000001", "huohrq": None,
    "zh": "J1", "nfsfhm": "11010519491231002X", "nvfsfhm": "440524188001010014", "nfhyzk": "21", "nvfhyzk": "21",
    "djrq": "20261124", "bah": "ZL1", "czrsfhm": "11010519491231002X", "qsrq": "20261201", "zzrq": "20271130",
    "barq": "20261124"}
EXPECTED = [
    ["residence", "BG1", "11010519491231002X", "张𠮷", "1949-12-31", "02", "330106002051", "501", "2026-11-24T09:30:00+08:00",
     "11330106002497001A", ""],
    ["death", "SW1", "11010519491231002X", "张𠮷", "1949-12-31", "", "330106002051", "501", "2026-11-24T09:30:00+08:00",
     "11330106002497001A", "2026-11-23"]]
LOOK = ("SELECT kind, entry_number, citizen_number, name, birth_date, COALESCE(change_type, ''), division, room, registered_at,"
        " organ_code, COALESCE(died_on, '') FROM hutong_outbox ORDER BY id")


def quoted(value):
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def operations():
    text = (HERE / "operations.sql").read_text("utf-8")
    for part in text.split("-- operation: ")[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), re.sub(r":(\w+)", lambda m: quoted(VALUES[m.group(1)]), re.sub(r"^--.*$", "", body, flags=re.M))


def script(kind, *names):
    found = dict(operations())
    parts = [(HERE / f"{part}.{kind}.sql").read_text("utf-8") for part in ("register", "outbox", "inbox")]
    parts.append("INSERT INTO T_DWDM VALUES ('330106450000', '派出所', '11330106002497001A');")
    return "\n".join(parts + [found[name] for name in names])




def as_user(user, *command, **options):
    if os.geteuid() == 0:
        command = ("runuser", "-u", user, "--", *command)
    return subprocess.run(command, check=True, capture_output=True, text=True, **options)


def missing(what):
    if os.environ.get("HUTONG_REQUIRE_REAL"):
        pytest.fail(f"{what} is required here")
    pytest.skip(f"{what} is not installed")


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="hutong-register-", dir="/tmp")  # short: a socket's path has 107 characters at most
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def postgresql(folder):
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        missing("PostgreSQL")
    bin_folder = found[-1].parent
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    as_user(user, bin_folder / "initdb", "-D", f"{folder}/d", "-E", "UTF8", "--locale=C.UTF-8", "-U", "postgres", "-A", "trust", cwd="/")
    as_user(user, bin_folder / "pg_ctl", "-D", f"{folder}/d", "-l", f"{folder}/log", "-w", "-o",
            f"-k {folder} -c listen_addresses= -c fsync=off", "start", cwd="/", stdin=subprocess.DEVNULL)

    def run(text):
        return subprocess.run(["psql", "-h", folder, "-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAt", "-F", "\t"],
                              input=text, check=True, capture_output=True, text=True).stdout
    run.command = ["psql", "-h", folder, "-U", "postgres", "-d", "postgres", "-qAt"]
    yield run
    as_user(user, bin_folder / "pg_ctl", "-D", f"{folder}/d", "-m", "immediate", "stop", cwd="/")


@pytest.fixture
def mariadb(folder):
    if not shutil.which("mariadbd") or not shutil.which("mariadb-install-db"):
        missing("MariaDB")
    user = "mysql" if os.geteuid() == 0 else getpass.getuser()
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/d", f"--user={user}",
                    "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    server = subprocess.Popen(["mariadbd", "--no-defaults", f"--datadir={folder}/d", f"--user={user}", f"--socket={folder}/s",
                               "--skip-networking"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = ["mariadb", "--no-defaults", "-uroot", f"--socket={folder}/s", "--default-character-set=utf8mb4", "-N", "-B"]

    def run(text):
        return subprocess.run([*client, "register"], input=text, check=True, capture_output=True, text=True).stdout
    run.command = [*client, "register"]
    try:
        deadline = time.monotonic() + 30
        while subprocess.run(client, input="CREATE DATABASE IF NOT EXISTS register CHARACTER SET utf8mb4", capture_output=True,
                             text=True).returncode:
            assert time.monotonic() < deadline and server.poll() is None, "MariaDB doesn't start"
            time.sleep(0.05)
        yield run
    finally:
        server.kill()
        server.wait()


def check_letters(status):
    assert [row.strip() for row in status] == ["21", "J1", "ZL1"]


LETTERS = "SELECT HYZK FROM T_CZRK UNION ALL SELECT ZH FROM T_HYBG UNION ALL SELECT BAH FROM T_ZLBA"
BEFORE_DEATH = ("enter", "move", "marriage_letter", "lease_letter", "die")


def test_sqlite():
    db = sqlite3.connect(":memory:")
    db.executescript(script("sqlite", *BEFORE_DEATH))
    assert [list(row) for row in db.execute(LOOK)] == EXPECTED
    check_letters([row[0] for row in db.execute(LETTERS)])


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_servers(kind, request):
    run = request.getfixturevalue(kind)
    run(script(kind, *BEFORE_DEATH))
    assert [line.split("\t") for line in run(LOOK + ";").splitlines()] == EXPECTED
    check_letters(run(LETTERS + ";").splitlines())


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_ids_rise_in_the_order_of_commits(kind, request):
    """A second change waits until the first one's transaction is over: a reader never sees a higher id before a lower one."""
    run = request.getfixturevalue(kind)
    run(script(kind, "enter"))
    move = dict(operations())["move"].split(";")[0] + ";\n"
    first = subprocess.Popen(run.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    first.stdin.write("BEGIN;\n" + move + "SELECT 'inserted';\n")
    first.stdin.flush()
    if kind == "postgresql":
        assert "inserted" in first.stdout.readline()
    else:
        wait_for(lambda: "RUNNING" in run("SELECT trx_state FROM information_schema.innodb_trx WHERE trx_rows_modified > 0;"))
    second = subprocess.Popen(run.command, stdin=subprocess.PIPE, text=True)
    second.stdin.write(move)
    second.stdin.close()
    waits = ("SELECT count(*) FROM pg_locks WHERE NOT granted;" if kind == "postgresql"
             else "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT';")
    wait_for(lambda: run(waits).strip() == "1")
    assert run("SELECT count(*) FROM hutong_outbox;").strip() == "0"
    first.communicate("COMMIT;\n", timeout=30)
    assert second.wait(30) == 0
    ids = [int(line) for line in run("SELECT id FROM hutong_outbox ORDER BY id;").split()]
    assert len(ids) == 2 and ids[0] < ids[1]


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.15)  # InnoDB refreshes its table of transactions only when it was left alone for 0.1 s
