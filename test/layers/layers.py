#!/usr/bin/env python3
"""The house's rule: an include points to the same folder or down. Fails on an upward or sideways one.

Usage: layers.py [ROOT]
"""
import pathlib
import re
import sys

# Folder -> the folders whose headers it may include (besides its own). Generated protobuf headers belong to proto.
CORE = {
    "core/base": set(),
    "core/config": {"core/base"},
    "core/schema": {"core/base"},
    "core/codes": {"core/base", "core/config"},
    "core/wire": {"core/base"},
    "core/crypto": {"core/base"},
    "core/cel": {"core/base", "core/schema", "core/codes", "core/crypto"},
    "core/mapping": {"core/base", "core/config", "core/schema", "core/codes", "core/cel"},
    "core/journal": {"core/base", "core/crypto"},
}
ALL_CORE = set(CORE)
BROKER = {
    "broker/policy": {"core/base", "core/config", "core/schema", "core/codes", "core/crypto"},
    "broker/routing": ALL_CORE - {"core/journal"} | {"broker/policy"},
    "broker/routing/trial": ALL_CORE - {"core/journal"} | {"broker/policy", "broker/routing"},
    "broker/configuration": ALL_CORE - {"core/journal"} | {"broker/policy", "broker/routing"},
    "broker/delivery": {"core/base", "core/wire", "core/journal", "broker/policy", "broker/routing"},
    "broker/session": ALL_CORE | {"broker/policy", "broker/routing", "broker/delivery"},
    "broker/net": {"core/base"},
    "broker/admin": {"core/base"},
    "broker/kafka": {"core/base", "core/journal", "broker/delivery"},
}
BROKER["broker"] = ALL_CORE | set(BROKER)
ADAPTERS = {
    "sdk": ALL_CORE,
    "sdk/examples": {"sdk"},
    "adapters/runtime": ALL_CORE | {"sdk"},
    "adapters/connectors/text": {"core/base", "core/config"},
}
for name in ("odbc", "file", "http", "kafka"):
    ADAPTERS["adapters/connectors/" + name] = ALL_CORE | {"adapters/runtime", "adapters/connectors/text"}
ADAPTERS["adapters"] = ALL_CORE | {"sdk"} | set(ADAPTERS)
TOOLS = {
    "cli": ALL_CORE | {"broker/policy", "broker/routing", "broker/routing/trial", "broker/configuration", "sdk"},
    "bench": ALL_CORE | {"broker/policy", "broker/routing", "broker/configuration", "broker/delivery", "broker", "sdk"},
}
RULES = {**CORE, **BROKER, **ADAPTERS, **TOOLS}

# Which library's headers only which folders may name.
EXTERNAL = {
    r"zmq\.h|czmq\.h": {"broker/net", "sdk", "bench", "core/crypto"},
    r"yaml\.h": {"core/config"},
    r"zlib\.h": {"broker/configuration"},
    r"openssl/.*": {"core/crypto"},
    r"librdkafka/.*": {"adapters/connectors/kafka", "broker/kafka", "bench"},
    r"sql(ext|types)?\.h": {"adapters/connectors/odbc"},
    r"microhttpd\.h": {"broker/admin", "adapters/connectors/http"},
}


def folder_of(path):
    """The rule that a file stands under: its folder, or the nearest one above that has a rule."""
    folder = path
    while folder and folder not in RULES:
        folder = folder.rpartition("/")[0]
    return folder


def problems(root):
    files = [p for top in ("core", "broker", "sdk", "adapters", "cli", "bench") for p in (root / top).rglob("*.[ch]")]
    for file in sorted(files):
        name = file.relative_to(root).as_posix()
        here = folder_of(name.rpartition("/")[0])
        if not here:
            yield f"{name}: the folder has no rule in test/layers"
            continue
        test = name.endswith(("_test.c", "_fuzz.c", "_bench.c", "_tool.c", "testing.h", "testing.c"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not found:
                continue
            target = found.group(2)
            for pattern, allowed in EXTERNAL.items():
                if re.fullmatch(pattern, target) and here not in allowed and not test:
                    yield f"{name}:{number}: {target} may be named only in {', '.join(sorted(allowed))}"
            if "/" not in target or target.startswith(("hutong/", "gov/", "google/")) or found.group(1) == "<":
                continue
            there = folder_of(target.rpartition("/")[0])
            if target.startswith("test/"):
                if not test:
                    yield f"{name}:{number}: {target} is for tests"
            elif there != here and there not in RULES[here]:
                yield f"{name}:{number}: {here} may not include {target}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(problems(root))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
