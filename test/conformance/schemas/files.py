"""The YAML files of this repository, their schemas, and mistakes in them that a schema finds."""
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SCHEMAS = ROOT / "conf/schemas"
TOWN = "test/conformance/routes/town"
FOLDERS = {"agencies": "agency", "agreements": "agreement", "codes": "codes", "routes": "routes"}
MODELINE = "# yaml-language-server: $schema="


def schema_of(path):
    path = pathlib.PurePath(path)
    if path.name.endswith(".test.yaml"):
        return "route-tests"
    if path.name in ("adapter.yaml", "broker.yaml"):
        return path.stem
    return FOLDERS[path.parent.name]


def yaml_files():
    """All that are configuration; the cases of test/conformance/routes are no YAML before their marks are taken out."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "*.yaml"], capture_output=True, text=True, check=True)
    paths = [p for p in listed.stdout.split() if not p.startswith("test/") or p.startswith(TOWN)]
    assert len(paths) > 40
    return paths


def modeline(path):
    schema = SCHEMAS / f"{schema_of(path)}.schema.json"
    return MODELINE + os.path.relpath(schema, (ROOT / path).parent)


# File, what stands there, what is put there, and the line (a part of it) that must be marked.
FAULTS = [
    ("conf/broker.yaml", "log_level: info", "log_level: infos", "log_level"),
    ("conf/broker.yaml", "curve: true", "curve: yes", "curve"),
    ("conf/broker.yaml", "listen: tcp://", "listen: ", "listen"),
    ("conf/broker.yaml", "  retention: 1096d", "  retention: 1096 days", "retention"),
    ("conf/broker.yaml", "  folder:", "  foldr:", "foldr"),
    ("conf/broker.yaml", "codes: codes", "code: codes", "code: codes"),
    ("conf/agencies/housing.yaml", "agency: housing", "agency: Housing", "Housing"),
    ("conf/agencies/housing.yaml", "  - name: tenancy", "  - nam: tenancy", "nam"),
    ("conf/agencies/housing.yaml", "title: 住房租赁登记备案系统", "titel: 住房租赁登记备案系统", "titel"),
    ("conf/agencies/civil_affairs.yaml", "credit_code: 11330106002496067U", "credit_code: 11330106", "credit_code"),
    ("conf/agreements/death-to-housing.yaml", "until: 2035-12-31", "until: 2035/12/31", "until"),
    ("conf/agreements/death-to-housing.yaml", "receiver: housing/tenancy", "receiver: housing", "receiver"),
    ("conf/agreements/death-to-housing.yaml", "  - citizen_number", "  - '*'", "*"),
    ("conf/agreements/death-to-housing.yaml", "basis:", "bases:", "bases"),
    ("conf/codes/gb2261_1.yaml", '{ code: "1", name', "{ code: 1, name", "code: 1,"),
    ("conf/codes/gb2261_1.yaml", "entries:", "entrys:", "entrys"),
    ("conf/codes/gb2261_2_to_housing.yaml", '{ from: "20", to: "M" }', '{ from: "20" }', '"20"'),
    ("routes/residence.yaml", "    order_by:", "    orderby:", "orderby"),
    ("routes/residence.yaml", "      - system: housing/tenancy", "      - sytem: housing/tenancy", "sytem"),
    ("routes/residence.yaml", "from: public_security/population", "from: public_security", "from"),
    ("routes/residence.yaml", "expires: 7d", "expires: 7", "expires"),
    ("routes/residence.yaml", "backoff: 1s..10m", "backoff: 10m", "backoff"),
    ("routes/residence.yaml", "retries: 10", "retries: -1", "retries"),
    ("routes/residence.yaml", "  - name: residence", "  - name: to housing", "to housing"),
    ("routes/residence.test.yaml", "    expect: nobody", "    expect: noone", "noone"),
    ("routes/residence.test.yaml", "    message: moved_in", "    mesage: moved_in", "mesage"),
    ("routes/residence.test.yaml", "at: 2026-11-24T08:00:00+08:00", "at: today", "at: today"),
    ("adapters/housing/adapter.yaml", "  system: housing/tenancy", "  sytem: housing/tenancy", "sytem"),
    ("adapters/housing/adapter.yaml", "      every: 1s", "      every: often", "every"),
    ("adapters/housing/adapter.yaml", "        otherwise: reject             #", "        otherwise: refuse #", "refuse"),
    ("adapters/civil_affairs/adapter.yaml", "    encoding: gb18030\n    rows", "    encoding: big5\n    rows", "big5"),
    ("adapters/civil_affairs/adapter.yaml", "      file: JZBG_{date}_{first}.csv", "      file: JZBG_{date}.csv", "JZBG"),
    ("adapters/public_security/adapter.yaml", "  every: 250ms", "  evry: 250ms", "evry"),
]


def faulty(path, old, new, line):
    """The text with the mistake, and the number (from 0) of the line that is wrong."""
    text = (ROOT / path).read_text("utf-8")
    assert old in text, (path, old)
    start = text.index(old)
    text = text[:start] + new + text[start + len(old) :]
    number = text[: text.index(line, start)].count("\n")
    return text, number
