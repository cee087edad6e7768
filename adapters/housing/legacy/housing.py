#!/usr/bin/python3
"""The housing office's tenancy service of about 2008: SOAP 1.1 over HTTP, document/literal, its own store (SQLite).

GET /TenancyService.asmx?wsdl answers the WSDL; everything else is POST with a SOAPAction. See README.md beside it.
"""
import argparse
import datetime
import http.server
import pathlib
import random
import re
import signal
import sqlite3
import sys
import threading
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

NS = "http://tenancy.housing.example/2008/"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PATH = "/TenancyService.asmx"
BODY_LIMIT = 1024 * 1024
RELATIONS = {"SELF", "SPOUSE", "CHILD", "GRANDCHILD", "PARENT", "GRANDPARENT", "SIBLING", "RELATIVE", "NONE"}
MARITAL = {"S", "M", "D", "W"}

SCHEMA = """
CREATE TABLE IF NOT EXISTS units (unit_code TEXT PRIMARY KEY, estate_no TEXT, region TEXT, area TEXT, use_type TEXT);
CREATE TABLE IF NOT EXISTS titles (title_no TEXT, unit_code TEXT, owner_card TEXT, registered_on TEXT);
CREATE TABLE IF NOT EXISTS fund_accounts (account_no TEXT, card_no TEXT, balance TEXT, monthly TEXT);
CREATE TABLE IF NOT EXISTS tenancies (record_no TEXT PRIMARY KEY, tenant_card TEXT, tenant_name TEXT, tenant_sex TEXT,
    landlord_card TEXT, unit_code TEXT, begin_on TEXT, end_on TEXT, rent TEXT, marital TEXT, deceased_on TEXT);
CREATE TABLE IF NOT EXISTS lease_changes (serial INTEGER PRIMARY KEY AUTOINCREMENT, change_type TEXT, record_no TEXT,
    filed_at TEXT);
CREATE TABLE IF NOT EXISTS occupancies (id INTEGER PRIMARY KEY AUTOINCREMENT, request_no TEXT, card_no TEXT,
    unit_code TEXT, relation TEXT, registered_on TEXT, entered_at TEXT);
CREATE TABLE IF NOT EXISTS deceased (id INTEGER PRIMARY KEY AUTOINCREMENT, request_no TEXT, card_no TEXT, died_on TEXT,
    marked INTEGER, entered_at TEXT);
CREATE TABLE IF NOT EXISTS marital_updates (id INTEGER PRIMARY KEY AUTOINCREMENT, request_no TEXT, husband_card TEXT,
    wife_card TEXT, marital TEXT, since TEXT, entered_at TEXT);
CREATE TABLE IF NOT EXISTS requests (request_no TEXT PRIMARY KEY, operation TEXT, entered_at TEXT);
CREATE INDEX IF NOT EXISTS tenancies_tenant ON tenancies (tenant_card);
CREATE INDEX IF NOT EXISTS titles_owner ON titles (owner_card);
"""


class Fault(Exception):
    """A soap:Fault: who is to blame ("Client", "Server"), the service's error code, a text."""

    def __init__(self, who, code, text):
        super().__init__(text)
        self.who, self.code, self.text = who, code, text


def now():
    return datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")


# ---- Checks of what comes in ----

def check_character(first17):
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(c) * w for c, w in zip(first17, weights)) % 11]


def text(request, name, need=True):
    value = (request.findtext(f"{{{NS}}}{name}") or "").strip()
    if need and not value:
        raise Fault("Client", "MISSING_FIELD", f"缺少参数 {name}")
    return value


def card(request, name):
    value = text(request, name)
    if not re.fullmatch(r"[0-9]{17}[0-9X]", value) or check_character(value[:17]) != value[17]:
        raise Fault("Client", "BAD_CARD_NO", f"{name} 身份证号错误")
    return value


def date(request, name):
    value = text(request, name)
    try:
        datetime.datetime.strptime(value, "%Y-%m-%d")
    except ValueError:
        raise Fault("Client", "BAD_DATE", f"{name} 日期应为 YYYY-MM-DD") from None
    return value


def number(request, name, low, high):
    value = text(request, name)
    if not re.fullmatch(r"[0-9]{1,18}", value) or not low <= int(value) <= high:
        raise Fault("Client", "BAD_NUMBER", f"{name} 应为 {low} 至 {high} 的整数")
    return int(value)


def one_of(request, name, allowed):
    value = text(request, name)
    if value not in allowed:
        raise Fault("Client", "BAD_CODE", f"{name} 代码错误: {value}")
    return value


# ---- The store and its operations ----

class Store:
    def __init__(self, path):
        self.db = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA)
        self.lock = threading.Lock()

    def unit(self, request):
        code = text(request, "UnitCode")
        if not self.db.execute("SELECT 1 FROM units WHERE unit_code = ?", (code,)).fetchone():
            raise Fault("Client", "UNKNOWN_UNIT", f"房屋编码不存在: {code}")
        return code

    def claim(self, request, operation):
        """False when this RequestNo has had its effect already."""
        cursor = self.db.execute("INSERT OR IGNORE INTO requests VALUES (?, ?, ?)",
                                 (text(request, "RequestNo"), operation, now()))
        return cursor.rowcount == 1

    def register_occupancy(self, request):
        row = (text(request, "RequestNo"), card(request, "CardNo"), self.unit(request),
               one_of(request, "Relation", RELATIONS), date(request, "RegisteredOn"), now())
        if not self.claim(request, "RegisterOccupancy"):
            return result("DUPLICATE", "重复请求")
        self.db.execute("INSERT INTO occupancies (request_no, card_no, unit_code, relation, registered_on, entered_at)"
                        " VALUES (?, ?, ?, ?, ?, ?)", row)
        return result("OK", "登记成功")

    def mark_tenancy_deceased(self, request):
        card_no, died_on = card(request, "CardNo"), date(request, "DateOfDeath")
        if not self.claim(request, "MarkTenancyDeceased"):
            return result("DUPLICATE", "重复请求")
        marked = self.db.execute("UPDATE tenancies SET deceased_on = ? WHERE tenant_card = ?", (died_on, card_no)).rowcount
        self.db.execute("INSERT INTO deceased (request_no, card_no, died_on, marked, entered_at) VALUES (?, ?, ?, ?, ?)",
                        (text(request, "RequestNo"), card_no, died_on, marked, now()))
        return result("OK", "标记成功", f"<Marked>{marked}</Marked>")

    def update_marital_status(self, request):
        husband, wife = card(request, "HusbandCardNo"), card(request, "WifeCardNo")
        marital, since = one_of(request, "Marital", MARITAL), date(request, "Since")
        if not self.claim(request, "UpdateMaritalStatus"):
            return result("DUPLICATE", "重复请求")
        self.db.execute("UPDATE tenancies SET marital = ? WHERE tenant_card IN (?, ?)", (marital, husband, wife))
        self.db.execute("INSERT INTO marital_updates (request_no, husband_card, wife_card, marital, since, entered_at)"
                        " VALUES (?, ?, ?, ?, ?, ?)", (text(request, "RequestNo"), husband, wife, marital, since, now()))
        return result("OK", "更新成功")

    def file_lease(self, request):
        """From the service's own counters, which check less than the service does of others."""
        record_no = text(request, "RecordNo")
        row = (record_no, text(request, "TenantCardNo"), text(request, "TenantName"),
               one_of(request, "TenantSex", {"M", "F"}), text(request, "LandlordCardNo"), self.unit(request),
               date(request, "BeginDate"), date(request, "EndDate"), text(request, "MonthlyRent"))
        cursor = self.db.execute("INSERT OR IGNORE INTO tenancies (record_no, tenant_card, tenant_name, tenant_sex,"
                                 " landlord_card, unit_code, begin_on, end_on, rent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        if cursor.rowcount == 0:
            return result("DUPLICATE", "备案号已存在")
        self.db.execute("INSERT INTO lease_changes (change_type, record_no, filed_at) VALUES ('1', ?, ?)",
                        (record_no, now()))
        return result("OK", "备案成功")

    def query_lease_changes(self, request):
        after, most = number(request, "AfterSerial", 0, 2**62), number(request, "Max", 1, 1000)
        rows = self.db.execute(
            "SELECT c.serial, c.change_type, c.record_no, t.tenant_name, t.tenant_card, t.tenant_sex, t.landlord_card,"
            " t.unit_code, u.region, t.begin_on, t.end_on, t.rent, c.filed_at FROM lease_changes c JOIN tenancies t"
            " USING (record_no) JOIN units u USING (unit_code) WHERE c.serial > ? ORDER BY c.serial LIMIT ?",
            (after, most + 1)).fetchall()
        names = ("Serial", "ChangeType", "RecordNo", "TenantName", "TenantCardNo", "TenantSex", "LandlordCardNo",
                 "UnitCode", "RegionCode", "BeginDate", "EndDate", "MonthlyRent", "FiledAt")
        changes = "".join(element("LeaseChange", names, row) for row in rows[:most])
        return changes + f"<More>{'true' if len(rows) > most else 'false'}</More>"

    def query_property(self, request):
        card_no = card(request, "CardNo")
        units = self.db.execute("SELECT t.title_no, u.estate_no, u.unit_code, u.area, u.use_type, t.registered_on FROM titles t"
                                " JOIN units u USING (unit_code) WHERE t.owner_card = ?", (card_no,)).fetchall()
        accounts = self.db.execute("SELECT account_no, balance, monthly FROM fund_accounts WHERE card_no = ?",
                                   (card_no,)).fetchall()
        names = ("TitleNo", "EstateNo", "UnitCode", "Area", "UseType", "RegisteredOn")
        return ("".join(element("Property", names, row) for row in units)
                + "".join(element("FundAccount", ("AccountNo", "Balance", "Monthly"), row) for row in accounts))


def element(name, names, values):
    inner = "".join(f"<{n}>{escape(str(v if v is not None else ''))}</{n}>" for n, v in zip(names, values))
    return f"<{name}>{inner}</{name}>"


def result(code, message, more=""):
    return f"<Code>{code}</Code><Message>{escape(message)}</Message>{more}"


OPERATIONS = {
    "QueryLeaseChanges": Store.query_lease_changes,
    "RegisterOccupancy": Store.register_occupancy,
    "MarkTenancyDeceased": Store.mark_tenancy_deceased,
    "UpdateMaritalStatus": Store.update_marital_status,
    "FileLease": Store.file_lease,
    "QueryProperty": Store.query_property,
}


# ---- SOAP ----

class Service:
    def __init__(self, store, charset="utf-8", flaky=None):
        self.store, self.charset = store, charset
        self.random = random.Random(flaky) if flaky is not None else None

    def chance(self, share):
        return self.random is not None and self.random.random() < share

    def answer(self, body):
        """The response's bytes, its HTTP status, and whether the line breaks before it gets out (only when flaky)."""
        try:
            name, request = self.read(body)
            with self.store.lock:
                if self.chance(0.03):
                    raise Fault("Server", "SYSTEM_BUSY", "系统忙，请稍后再试")
                inner = self.perform(name, request)
                lost = self.chance(0.01)
            return self.envelope(f'<{name}Response xmlns="{NS}"><{name}Result>{inner}</{name}Result></{name}Response>'), 200, lost
        except Fault as fault:
            detail = f'<detail><ErrorCode xmlns="{NS}">{fault.code}</ErrorCode></detail>'
            return self.envelope(f"<soap:Fault><faultcode>soap:{fault.who}</faultcode><faultstring>{escape(fault.text)}"
                                 f"</faultstring>{detail}</soap:Fault>"), 500, False

    def perform(self, name, request):
        self.store.db.execute("BEGIN IMMEDIATE")
        try:
            inner = OPERATIONS[name](self.store, request)
        except BaseException:
            self.store.db.execute("ROLLBACK")
            raise
        self.store.db.execute("COMMIT")
        return inner

    @staticmethod
    def read(body):
        declared = re.match(rb"<\?xml[^>]*encoding=[\"']([A-Za-z0-9_-]+)[\"']", body)
        if declared and declared.group(1).lower() in (b"gbk", b"gb2312", b"gb18030"):
            try:
                body = re.sub(rb"^<\?xml[^>]*\?>", b"", body).decode(declared.group(1).decode()).encode("utf-8")
            except UnicodeDecodeError:
                raise Fault("Client", "BAD_ENCODING", "编码错误") from None
        if b"<!DOCTYPE" in body:
            raise Fault("Client", "BAD_XML", "不允许DTD")
        try:
            envelope = ET.fromstring(body)
        except ET.ParseError as error:
            raise Fault("Client", "BAD_XML", f"XML错误: {error}") from None
        found = envelope.find(f"{{{SOAP}}}Body")
        request = found[0] if found is not None and len(found) else None
        name = request.tag.removeprefix(f"{{{NS}}}") if request is not None else ""
        if name not in OPERATIONS:
            raise Fault("Client", "UNKNOWN_OPERATION", f"没有此操作: {name}")
        return name, request

    def envelope(self, inner):
        document = (f'<?xml version="1.0" encoding="{self.charset}"?>\r\n<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>'
                    f"{inner}</soap:Body></soap:Envelope>")
        return document.encode(self.charset, "xmlcharrefreplace")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of an answer leave together
    service = None
    wsdl = b""

    def reply(self, status, body, kind=None):
        self.send_response(status)
        self.send_header("Content-Type", kind or f"text/xml; charset={self.service.charset}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.lower() == PATH.lower() + "?wsdl":
            host = self.headers.get("Host", "localhost").encode("ascii", "ignore")
            self.reply(200, self.wsdl.replace(b"@HOST@", host), "text/xml; charset=utf-8")
        else:
            self.reply(404, b"not found\r\n", "text/plain")

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        if self.path.lower() != PATH.lower():
            self.close_connection = True
            return self.reply(404, b"not found\r\n", "text/plain")
        if size <= 0 or size > BODY_LIMIT:
            self.close_connection = True
            return self.reply(413, b"too large or no length\r\n", "text/plain")
        body, status, lost = self.service.answer(self.rfile.read(size))
        if lost:  # as a worn line does: the effect is there, the answer isn't
            self.close_connection = True
            return None
        return self.reply(status, body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def serve(store_path, port, charset, flaky, port_file):
    Handler.service = Service(Store(store_path), charset, flaky)
    Handler.wsdl = (pathlib.Path(__file__).parent / "TenancyService.wsdl").read_bytes()
    server = Server(("127.0.0.1", port), Handler)
    if port_file:
        temporary = pathlib.Path(port_file + ".tmp")
        temporary.write_text(f"{server.server_port}\n")
        temporary.rename(port_file)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"http://127.0.0.1:{server.server_port}{PATH}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="SQLite file")
    parser.add_argument("--port", type=int, default=0, help="0: any free one, printed on the first line")
    parser.add_argument("--port-file", help="where to write the port once it listens")
    parser.add_argument("--charset", default="utf-8", choices=["utf-8", "gbk"], help="of its answers")
    parser.add_argument("--flaky", type=int, metavar="SEED", help="temporary faults and lost answers, now and then")
    args = parser.parse_args()
    serve(args.store, args.port, args.charset, args.flaky, args.port_file)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
