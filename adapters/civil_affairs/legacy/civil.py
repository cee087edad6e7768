#!/usr/bin/python3
"""The civil affairs office's registration program, a batch program of about 2004.

It keeps its own ledger (SQLite), drops what it registered as CSV files into out/, and picks up what others put into in/.
Files are GB18030 with CRLF, every field in quotes, headings in Chinese, dates as 2026/11/24. See README.md beside it.
"""
import argparse
import csv
import datetime
import io
import os
import pathlib
import sqlite3
import sys
import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS marriages (serial INTEGER PRIMARY KEY AUTOINCREMENT, business TEXT, certificate TEXT,
    registered_on TEXT, husband_name BLOB, husband_number TEXT, husband_status TEXT, wife_name BLOB, wife_number TEXT,
    wife_status TEXT, dropped INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS allowances (serial INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT, applicant_name TEXT,
    applicant_number TEXT, sex TEXT, category TEXT, persons INTEGER, yuan TEXT, start_on TEXT, division TEXT,
    status TEXT DEFAULT '在保', stopped_on TEXT, dropped INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS residence_changes (entry TEXT, number TEXT, name TEXT, division TEXT, address TEXT,
    changed_on TEXT, file TEXT, line INTEGER);
CREATE TABLE IF NOT EXISTS deaths (entry TEXT, number TEXT, name TEXT, died_on TEXT, certificate TEXT, file TEXT,
    line INTEGER);
CREATE TABLE IF NOT EXISTS leases (lease TEXT, number TEXT, division TEXT, yuan TEXT, start_on TEXT, end_on TEXT,
    file TEXT, line INTEGER);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, rows INTEGER, refused INTEGER, taken_at TEXT);
CREATE TABLE IF NOT EXISTS refusals (file TEXT, line INTEGER, reason TEXT, raw BLOB);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER);
CREATE INDEX IF NOT EXISTS allowances_number ON allowances (applicant_number);
"""

MARRIAGE_HEADINGS = ["业务类别", "字号", "登记日期", "男方姓名", "男方身份证号", "男方婚姻状况", "女方姓名", "女方身份证号",
                     "女方婚姻状况", "登记机关", "登记机关代码", "行政区划"]
ALLOWANCE_HEADINGS = ["低保证号", "申请人姓名", "申请人身份证号", "性别", "救助类别", "保障人数", "月保障金额", "起始日期", "社区代码"]
ORGAN = ["杭州市西湖区民政局婚姻登记处", "11330106002496067U", "330106"]


def check_character(first17):
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(c) * w for c, w in zip(first17, weights)) % 11]


class Refused(Exception):
    pass


def want_number(text):
    if len(text) != 18 or not text[:17].isascii() or not text[:17].isdigit():
        raise Refused("身份证号不是18位")
    if check_character(text[:17]) != text[17]:
        raise Refused("身份证号校验位不符")
    return text


def want_date(text):
    try:
        datetime.datetime.strptime(text, "%Y/%m/%d")
    except ValueError:
        raise Refused("日期应为YYYY/MM/DD") from None
    if len(text) != 10:
        raise Refused("日期应为YYYY/MM/DD")
    return text


def want_division(text):
    if not text.isascii() or not text.isdigit() or len(text) not in (6, 9, 12):
        raise Refused("区划代码应为6、9或12位")
    if text[:2] not in DIVISION_PROVINCES:
        raise Refused("区划代码不存在")
    return text


DIVISION_PROVINCES = set("11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 "
                         "82".split())


def want_text(text):
    if not text:
        raise Refused("不能为空")
    return text


def want_money(text):
    whole, _, cents = text.partition(".")
    if not whole.isdigit() or len(cents) != 2 or not cents.isdigit():
        raise Refused("金额应为元，两位小数")
    return text


# By the beginning of a file's name: the ledger's table, and heading, column, check of each field.
INCOMING = {
    "JZBG": ("residence_changes", [("流水号", "entry", want_text), ("身份证号", "number", want_number),
                                   ("姓名", "name", want_text), ("区划代码", "division", want_division),
                                   ("地址", "address", want_text), ("变更日期", "changed_on", want_date)]),
    "SWTZ": ("deaths", [("流水号", "entry", want_text), ("身份证号", "number", want_number), ("姓名", "name", want_text),
                        ("死亡日期", "died_on", want_date), ("证明书编号", "certificate", str)]),
    "ZLBA": ("leases", [("备案号", "lease", want_text), ("身份证号", "number", want_number),
                        ("区划代码", "division", want_division), ("月租金", "yuan", want_money),
                        ("起始日期", "start_on", want_date), ("终止日期", "end_on", want_date)]),
}


class Civil:
    """The program on its home folder: ledger.sqlite, in/, out/, archive/."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        for folder in ("in", "out", "archive"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(self.home / "ledger.sqlite", timeout=30)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA)

    def close(self):
        self.db.close()

    # ---- What its clerks enter ----

    def marry(self, certificate, husband, wife, registered_on, business="IA"):
        """husband and wife: (name, number, status); a name may be bytes as an old terminal left them."""
        with self.db:
            self.db.execute(
                "INSERT INTO marriages (business, certificate, registered_on, husband_name, husband_number, husband_status,"
                " wife_name, wife_number, wife_status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (business, certificate, registered_on, *husband, *wife))

    def grant(self, number, name, citizen, sex, category, persons, yuan, start_on, division, dropped=0):
        with self.db:
            self.db.execute(
                "INSERT INTO allowances (number, applicant_name, applicant_number, sex, category, persons, yuan, start_on,"
                " division, dropped) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, name, citizen, sex, category, persons, yuan, start_on, division, dropped))

    # ---- Files out ----

    def _write(self, prefix, headings, rows):
        serial = self._next(prefix)
        name = f"{prefix}_{datetime.date.today():%Y%m%d}_{serial:04d}.csv"
        temporary = self.home / "out" / (name + ".tmp")
        with open(temporary, "wb") as file:
            for row in [headings, *rows]:
                file.write(b",".join(quote(field) for field in row) + b"\r\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, self.home / "out" / name)
        return name

    def _next(self, counter):
        self.db.execute("INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", (counter,))
        return self.db.execute("SELECT value FROM counters WHERE name = ?", (counter,)).fetchone()[0]

    def drop(self):
        """Writes what is new into out/; returns the files' names. A file appears whole, by rename."""
        names = []
        with self.db:
            rows = self.db.execute("SELECT serial, business, certificate, registered_on, husband_name, husband_number,"
                                   " husband_status, wife_name, wife_number, wife_status FROM marriages WHERE dropped = 0"
                                   " ORDER BY serial").fetchall()
            if rows:
                names.append(self._write("HYDJ", MARRIAGE_HEADINGS, [[*row[1:], *ORGAN] for row in rows]))
                self.db.execute("UPDATE marriages SET dropped = 1 WHERE serial <= ?", (rows[-1][0],))
            rows = self.db.execute("SELECT serial, number, applicant_name, applicant_number, sex, category, persons, yuan,"
                                   " start_on, division FROM allowances WHERE dropped = 0 ORDER BY serial").fetchall()
            if rows:
                names.append(self._write("DBFF", ALLOWANCE_HEADINGS, [row[1:] for row in rows]))
                self.db.execute("UPDATE allowances SET dropped = 1 WHERE serial <= ?", (rows[-1][0],))
        return names

    # ---- Files in ----

    def poll(self):
        """Takes every whole file from in/; returns (files, rows, refused)."""
        files = rows = refused = 0
        for path in sorted((self.home / "in").glob("*.csv")):
            taken, bad = self._take(path)
            files, rows, refused = files + 1, rows + taken, refused + bad
        return files, rows, refused

    def _take(self, path):
        known = self.db.execute("SELECT 1 FROM files WHERE name = ?", (path.name,)).fetchone()
        taken = refused = 0
        if not known:
            with self.db:
                for line, raw in enumerate(path.read_bytes().split(b"\r\n"), 1):
                    if line == 1 or not raw:
                        continue
                    reason = self._take_row(path.name, line, raw)
                    taken, refused = taken + (not reason), refused + bool(reason)
                    if reason:
                        self.db.execute("INSERT INTO refusals VALUES (?, ?, ?, ?)", (path.name, line, reason, raw))
                self.db.execute("INSERT INTO files VALUES (?, ?, ?, ?)",
                                (path.name, taken, refused, datetime.datetime.now().isoformat(timespec="seconds")))
        os.replace(path, self.home / "archive" / path.name)
        return taken, refused

    def _take_row(self, file, line, raw):
        try:
            table, fields = INCOMING[file.split("_")[0]]
            values = next(csv.reader(io.StringIO(raw.decode("gb18030"))))
            if len(values) != len(fields):
                raise Refused(f"应有{len(fields)}列，实有{len(values)}列")
            values = [check(value) for (_, _, check), value in zip(fields, values)]
        except KeyError:
            return "文件名不识"
        except UnicodeDecodeError:
            return "不是GB18030编码"
        except Refused as refused:
            return str(refused)
        columns = ", ".join(column for _, column, _ in fields)
        marks = ", ".join("?" * (len(fields) + 2))
        self.db.execute(f"INSERT INTO {table} ({columns}, file, line) VALUES ({marks})", (*values, file, line))
        self._follow(table, values)
        return None

    def _follow(self, table, values):
        if table == "deaths":
            self.db.execute("UPDATE allowances SET status = '停发', stopped_on = ? WHERE applicant_number = ? AND"
                            " status = '在保'", (values[3], values[1]))
        elif table == "residence_changes":
            self.db.execute("UPDATE allowances SET division = ? WHERE applicant_number = ?", (values[3], values[1]))

    def dump(self, out):
        for table in ("marriages", "allowances", "residence_changes", "deaths", "leases", "files", "refusals"):
            for row in self.db.execute(f"SELECT * FROM {table}"):
                print(table, *row, sep="\t", file=out)


def quote(field):
    data = field if isinstance(field, bytes) else str(field).encode("gb18030")
    return b'"' + data.replace(b'"', b'""') + b'"'


def run(civil, interval):
    while True:
        dropped = civil.drop()
        files, rows, refused = civil.poll()
        if dropped or files:
            print(f"dropped={len(dropped)} taken={files} rows={rows} refused={refused}", flush=True)
        time.sleep(interval)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", required=True, help="its folder")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("init", help="make the folders and an empty ledger")
    verbs.add_parser("drop", help="write what is new into out/")
    verbs.add_parser("poll", help="take the files in in/")
    verbs.add_parser("dump", help="print the ledger")
    verbs.add_parser("run", help="drop and poll until stopped").add_argument("--interval", type=float, default=1.0)
    marry = verbs.add_parser("marry", help="register a marriage")
    for name in ("certificate", "husband-name", "husband-number", "wife-name", "wife-number", "date"):
        marry.add_argument("--" + name, required=True)
    marry.add_argument("--husband-status", default="初婚")
    marry.add_argument("--wife-status", default="初婚")
    marry.add_argument("--business", default="IA", choices=["IA", "IB", "ICA", "ICB"])
    grant = verbs.add_parser("grant", help="grant an allowance")
    for name in ("number", "name", "citizen-number", "sex", "yuan", "date", "division"):
        grant.add_argument("--" + name, required=True)
    grant.add_argument("--category", default="城市低保")
    grant.add_argument("--persons", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    civil = Civil(args.home)
    if args.verb == "marry":
        civil.marry(args.certificate, (args.husband_name, args.husband_number, args.husband_status),
                    (args.wife_name, args.wife_number, args.wife_status), args.date, args.business)
    elif args.verb == "grant":
        civil.grant(args.number, args.name, args.citizen_number, args.sex, args.category, args.persons, args.yuan,
                    args.date, args.division)
    elif args.verb == "drop":
        print(*civil.drop(), sep="\n")
    elif args.verb == "poll":
        print("files={} rows={} refused={}".format(*civil.poll()))
    elif args.verb == "dump":
        civil.dump(sys.stdout)
    elif args.verb == "run":
        run(civil, args.interval)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
