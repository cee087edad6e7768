#!/usr/bin/python3
"""Runs the gate between two states of .proto files (hutong schema check) over a table of changes.

    compat.py --tool build/debug/bin/hutong [--doc docs/schema.md] [--cases cases.txt] [--write]

cases.txt: each change with exactly the findings that it must give, each with its places. docs/schema.md: each rule has a
row with an example, which must give the rule (and only what the row names besides); every rule of the program has a row, and
the row says whom it breaks as the program does. --write prints the cases with what is found now, to be read before it is kept.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def files_of(body):
    """{"a.proto": text, …}: "[b.proto]" starts another file. Line 1 is the head where the body brings none."""
    parts = re.split(r"\[(\w+\.proto)\]", body)
    named = {"a.proto": parts[0]}
    named.update(zip(parts[1::2], parts[2::2]))
    files = {}
    for name, text in named.items():
        text = text.strip("\n").strip(" ")
        head = "" if text.startswith("syntax") else 'syntax = "proto3";' + ("" if text.startswith("package") else " package p;") + "\n"
        files[name] = head + text + "\n"
    return files


def check(tool, before, after):
    with tempfile.TemporaryDirectory() as folder:
        for side, body in (("old", before), ("new", after)):
            for name, text in files_of(body).items():
                path = os.path.join(folder, side, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
        run = subprocess.run([tool, "schema", "check", "--json", os.path.join(folder, "old"), os.path.join(folder, "new")],
                             capture_output=True, text=True, check=False)
        if not run.stdout:
            return None, run.stderr.replace(folder + "/", "")
        result = json.loads(run.stdout)
        assert run.returncode == (2 if result["breaks"] else 0), run.returncode
        assert result["breaks"] == sum(f["severity"] == "break" for f in result["findings"])
        return result["findings"], folder


def place(where, folder, side):
    if where is None:
        return "-"
    name = os.path.relpath(where["file"], os.path.join(folder, side)) if os.path.isabs(where["file"]) else where["file"]
    return "%s%d:%d" % ("" if name == "a.proto" else name + ":", where["line"], where["column"])


def lines_of(findings, folder):
    return ["%s %s at %s was %s" % (f["severity"], f["rule"], place(f["place"], folder, "new"), place(f["was"], folder, "old"))
            for f in findings]


# ---- The table ----

def read_cases(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for block in re.split(r"^== ", text, flags=re.M)[1:]:
        match = re.match(r"(.*?)\n-- before\n(.*?)-- after\n(.*?)-- finds\n(.*)\Z", block, re.S)
        if not match:
            sys.exit("%s: the case \"%s\" has not before, after, finds" % (path, block.split("\n")[0]))
        yield match.group(1), match.group(2), match.group(3), [line for line in match.group(4).split("\n") if line]


def run_case(tool, case):
    name, before, after, expected = case
    findings, folder = check(tool, before, after)
    if findings is None:
        return name, before, after, expected, ["refused: " + folder.strip()]
    return name, before, after, expected, lines_of(findings, folder)


def run_cases(tool, path, write):
    failed = passed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, before, after, expected, found in pool.map(lambda case: run_case(tool, case), read_cases(path)):
            if write:
                print("== %s\n-- before\n%s-- after\n%s-- finds\n%s\n" % (name, before, after, "\n".join(found)))
            if found == expected:
                passed += 1
                continue
            failed += 1
            if not write:
                print("case \"%s\":\n  expected:\n    %s\n  found:\n    %s" % (name, "\n    ".join(expected), "\n    ".join(found)))
    return passed, failed


# ---- The documented rules ----

ROW = re.compile(r"^\| `([\w-]+)` \| ([\w, ]+) \| `(.*?)` → `(.*?)`(?: \(with (.*?)\))? \| (.*) \|$", re.M)


def run_row(tool, row):
    rule, _, before, after, also, _ = row
    findings, problem = check(tool, before, after)
    found = {f["rule"] for f in findings} if findings is not None else {"refused: " + problem}
    wanted = {rule} | set(re.findall(r"`([\w-]+)`", also))
    return None if found == wanted else "rule %s: its example gives %s, not %s" % (rule, sorted(found), sorted(wanted))


def run_doc(tool, path):
    with open(path, encoding="utf-8") as file:
        rows = ROW.findall(file.read())
    rules = json.loads(subprocess.run([tool, "schema", "check", "--rules", "--json"], capture_output=True, check=True).stdout)
    problems = ["the rule %s has no row" % rule["rule"] for rule in rules if rule["rule"] not in {row[0] for row in rows}]
    known = {rule["rule"]: rule for rule in rules}
    for row in rows:
        rule = known.get(row[0])
        if not rule:
            problems.append("there is no rule %s" % row[0])
        elif (", ".join(rule["breaks"]), rule["right"]) != (row[1], row[5]):
            problems.append("the row of %s says otherwise than --rules" % row[0])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        problems += [problem for problem in pool.map(lambda row: run_row(tool, row), rows) if problem]
    for problem in problems:
        print("%s: %s" % (path, problem))
    return len(rows) - len(problems), len(problems)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--doc")
    parser.add_argument("--cases", default=os.path.join(HERE, "cases.txt"))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    passed, failed = run_cases(options.tool, options.cases, options.write)
    if options.write:
        return 0
    if options.doc:
        more_passed, more_failed = run_doc(options.tool, options.doc)
        passed, failed = passed + more_passed, failed + more_failed
    print("%d passed, %d failed, 0 excluded" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
