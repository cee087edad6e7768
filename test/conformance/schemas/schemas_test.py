"""The schemas of conf/schemas: they are right, they fit the files of this repository, and they know the keys that the loaders know."""
import json
import re

import jsonschema
import pytest
import yaml

from files import FAULTS, MODELINE, ROOT, SCHEMAS, faulty, modeline, schema_of, yaml_files

NAMES = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema, as the tools and editors read it: no dates, no yes and no."""


Core.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$", "-+.0123456789"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
]:
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))


def problems(name, text):
    return list(jsonschema.Draft7Validator(schema(name)).iter_errors(yaml.load(text, Core)))


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name):
    jsonschema.Draft7Validator.check_schema(schema(name))


@pytest.mark.parametrize("path", yaml_files())
def test_a_file_fits_its_schema_and_names_it(path):
    text = (ROOT / path).read_text("utf-8")
    assert problems(schema_of(path), text) == []
    assert [line for line in text.split("\n") if line.startswith(MODELINE)] == [modeline(path)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0]}-{fault[2].strip()}")
def test_a_mistake_is_found(fault):
    text, _ = faulty(*fault)
    assert problems(schema_of(fault[0]), text)


# ---- The keys that the loaders accept ----

TABLE = re.compile(r"struct config_key (\w+)\[[^\]]*\] = \{(.*?)\};", re.S)
MACRO = re.compile(r"#define (\w+_KEYS)\b\s*\\\n(.*?)(?:[^\\]\n\n|\Z)", re.S)
ENTRY = re.compile(r'\{\s*(?:\\\s*)?"(\w+)",\s*(CONFIG_REQUIRED|CONFIG_OPTIONAL)')
FUNCTION = re.compile(r"^(?:static )?[\w *]+?\*?(\w+)\([^;{]*\)\s*\{", re.M | re.S)


def c_files():
    for path in sorted(ROOT.rglob("*.c")):
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith("build") or "_test" in path.name or "_fuzz" in path.name or "testing" in path.name:
            continue
        if (text := path.read_text("utf-8")) and "config_key" in text:
            yield relative, text


def macros():
    found = {"adapters/runtime/text.h TEXT_FORM_KEYS": (ROOT / "adapters/runtime/text.h").read_text("utf-8")}
    found["OUT_KEYS"] = (ROOT / "adapters/connectors/file/file_config.c").read_text("utf-8")
    return {name.split()[-1]: dict(ENTRY.findall(text[text.index("#define " + name.split()[-1]) :].split("\n\n")[0].split("};")[0]
                                                 if name == "OUT_KEYS" else text[text.index("#define " + name.split()[-1]) :].split("\n\n")[0]))
            for name, text in found.items()}


def tables():
    """{"broker/policy/settings.c root_keys": {"listen": True, …}}: each table of the loaders, by file and name or function."""
    out = {}
    shared = macros()
    for path, text in c_files():
        for match in TABLE.finditer(text):
            keys = dict(ENTRY.findall(match[2]))
            for macro, its in shared.items():
                if macro in match[2]:
                    keys |= its
            name = match[1]
            if name == "keys":
                name = [f[1] for f in FUNCTION.finditer(text[: match.start()])][-1]
            if keys:
                out[f"{path} {name}"] = {key: need == "CONFIG_REQUIRED" for key, need in keys.items()}
    return out


def objects(node):
    """Each object of a schema whose keys are those of tables of the loaders."""
    if isinstance(node, dict):
        if str(node.get("$comment", "")).startswith("keys: "):
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def loaders_keys(comment, known):
    """"A + B - key": the keys of two tables without one."""
    keys = {}
    for sign, name in re.findall(r"([+-]?) ?((?:\w+/)[\w/.]+ \w+|\w+)", comment.removeprefix("keys: ")):
        if sign == "-":
            keys.pop(name)
        else:
            keys |= known[name]
    return keys


def test_schemas_and_loaders_know_the_same_keys():
    known = tables()
    assert len(known) > 30
    used = set()
    for name in NAMES:
        for item in objects(schema(name)):
            keys = loaders_keys(item["$comment"], known)
            used |= {table for table in known if table in item["$comment"]}
            assert set(item["properties"]) == set(keys), (name, item["$comment"])
            if "- name" not in item["$comment"] and "row.c" not in item["$comment"]:
                assert set(item.get("required", [])) == {key for key, need in keys.items() if need}, (name, item["$comment"])
            assert item["additionalProperties"] is False
    assert set(known) - used == set(), "tables of the loaders that no schema names"


def test_each_key_is_explained():
    for name in NAMES:
        for item in objects(schema(name)):
            for key, value in item["properties"].items():
                text = value.get("description") or value.get("$ref")
                assert text, (name, item["$comment"], key)


def test_the_settings_in_the_docs_are_right():
    text = (ROOT / "docs/editors.md").read_text("utf-8")
    settings, problem = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S))
    for path, patterns in settings["yaml.schemas"].items():
        assert (ROOT / path).exists(), path
        first = patterns if isinstance(patterns, str) else patterns[0]
        assert list(ROOT.glob(first)), first
    assert {f"./conf/schemas/{name}.schema.json" for name in NAMES} == set(settings["yaml.schemas"])
    assert problem["endColumn"] - problem["column"] == problem["length"]
