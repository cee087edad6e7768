"""Databases for scenarios, each private: a server of its own in a folder of its own, on a socket in it. A server that isn't
installed is a skip, said aloud; with HUTONG_REQUIRE_REAL set it is a failure.

    with open_database("postgresql") as database:
        database.run("SELECT 1;")          # a list of rows, each a list of texts
        database.connection                # for ODBC
"""
import contextlib
import getpass
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from hutong_bus import SOURCE, wait_until

LEGACY = SOURCE / "adapters" / "public_security" / "legacy"
KINDS = ["sqlite", "postgresql", "mariadb"]


def missing(what):
    if os.environ.get("HUTONG_REQUIRE_REAL"):
        pytest.fail(f"{what} is required here and can't be had")
    pytest.skip(f"{what} can't be had")


def as_user(user, *command, **options):
    if os.geteuid() == 0:
        command = ("runuser", "-u", user, "--", *map(str, command))
    return subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, cwd="/", **options)


def table(text):
    return [line.split("\t") for line in text.splitlines()]


class Sqlite:
    def __init__(self, folder):
        self.path = f"{folder}/register.db"
        self.connection = f"Driver=SQLite3;Database={self.path};Timeout=10000"

    def start(self):
        pass

    def stop(self):
        pass

    def run(self, text):
        command = ["sqlite3", "-batch", "-bail", "-separator", "\t", "-cmd", ".timeout 20000", self.path]
        return table(subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout)


class PostgreSql:
    def __init__(self, folder):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            missing("PostgreSQL")
        self.folder = folder
        self.bin = found[-1].parent
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self.connection = f"Driver=PostgreSQL Unicode;Servername={folder};Database=postgres;Username=postgres"
        as_user(self.user, self.bin / "initdb", "-D", f"{folder}/d", "-E", "UTF8", "--locale=C.UTF-8", "-U", "postgres", "-A", "trust")

    def start(self):
        as_user(self.user, self.bin / "pg_ctl", "-D", f"{self.folder}/d", "-l", f"{self.folder}/log", "-w", "-o",
                f"-k {self.folder} -c listen_addresses= -c fsync=off", "start")

    def stop(self):
        as_user(self.user, self.bin / "pg_ctl", "-D", f"{self.folder}/d", "-m", "immediate", "stop")

    def run(self, text):
        command = ["psql", "-h", self.folder, "-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAt", "-F", "\t"]
        return table(subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout)


class MariaDb:
    def __init__(self, folder):
        if not shutil.which("mariadbd") or not shutil.which("mariadb-install-db"):
            missing("MariaDB")
        self.folder = folder
        self.user = "mysql" if os.geteuid() == 0 else getpass.getuser()
        self.connection = f"Driver=MariaDB Unicode;SOCKET={folder}/s;Database=register;User=root"
        self.client = ["mariadb", "--no-defaults", "-uroot", f"--socket={folder}/s", "--default-character-set=utf8mb4", "-N", "-B"]
        self.server = None
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/d", f"--user={self.user}",
                        "--auth-root-authentication-method=normal"], check=True, capture_output=True)

    def start(self):
        self.server = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={self.folder}/d", f"--user={self.user}", f"--socket={self.folder}/s",
             "--skip-networking", "--innodb-flush-log-at-trx-commit=2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def ready():
            made = subprocess.run(self.client, input="CREATE DATABASE IF NOT EXISTS register CHARACTER SET utf8mb4", text=True,
                                  capture_output=True)
            assert self.server.poll() is None, "MariaDB ended"
            return made.returncode == 0

        wait_until(ready, "MariaDB")

    def stop(self):
        self.server.kill()
        self.server.wait()

    def run(self, text):
        return table(subprocess.run([*self.client, "register"], input=text, check=True, capture_output=True, text=True).stdout)


@contextlib.contextmanager
def open_database(kind):
    """With the register's tables, our outbox and inbox, and one office."""
    folder = tempfile.mkdtemp(prefix="hutong-db-", dir="/tmp")  # short: a socket's path has 107 characters at most
    try:
        if os.geteuid() == 0 and kind != "sqlite":
            with contextlib.suppress(LookupError):  # the server isn't installed; said below
                shutil.chown(folder, {"postgresql": "postgres", "mariadb": "mysql"}[kind])
        database = {"sqlite": Sqlite, "postgresql": PostgreSql, "mariadb": MariaDb}[kind](folder)
        database.start()
        try:
            for part in ("register", "outbox", "inbox"):
                database.run((LEGACY / f"{part}.{kind}.sql").read_text("utf-8"))
            database.run("INSERT INTO T_DWDM VALUES ('330106450000', '派出所', '11330106002497001A');")
            yield database
        finally:
            database.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
