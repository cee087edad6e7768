"""Red Hat's yaml-language-server, which editors run, with the schemas: clean files are clean, mistakes are underlined at their
line, keys are completed and explained. scripts/editor installs it; where it can't, this is skipped, but not in CI."""
import os
import pathlib
import warnings

import pytest

from editor import Editor
from files import FAULTS, ROOT, faulty, schema_of, yaml_files

SERVER = ROOT / "build/editor/node_modules/yaml-language-server/bin/yaml-language-server"
REQUIRED = os.environ.get("HUTONG_REQUIRE_REAL") == "1" or os.environ.get("CI") == "true"


@pytest.fixture(scope="module")
def editor():
    if not SERVER.exists():
        text = f"no yaml-language-server in build/editor: run scripts/editor (it needs npm and the network)"
        if REQUIRED:
            pytest.fail(text)
        warnings.warn(text)
        pytest.skip(text)
    session = Editor(SERVER, ROOT)
    yield session
    session.close()


def place(name):
    """A name that no file has, in the folder of one, so that the modeline's path leads to the schema."""
    place.count += 1
    return (ROOT / name).with_name(f"unsaved-{place.count}-{pathlib.PurePath(name).name}").as_uri()


place.count = 0


@pytest.mark.parametrize("path", yaml_files())
def test_a_file_is_clean(editor, path):
    found = editor.open((ROOT / path).as_uri(), (ROOT / path).read_text("utf-8"))
    assert [(item["range"]["start"]["line"] + 1, item["message"]) for item in found] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0]}-{fault[2].strip()}")
def test_a_mistake_is_underlined_at_its_line(editor, fault):
    text, line = faulty(*fault)
    found = editor.open(place(fault[0]), text)
    assert line in {item["range"]["start"]["line"] for item in found}, found


# File, the line behind which a new one begins, its indentation, and some of the keys that are offered.
COMPLETIONS = [
    ("conf/broker.yaml", "log_level: info", 0, {"heartbeat", "drain", "limits"}),
    ("conf/broker.yaml", "journal:", 2, {"segment_size", "digest", "batch"}),
    ("conf/agencies/housing.yaml", "  - name: tenancy", 4, {"keys"}),
    ("routes/residence.yaml", "    from: public_security/population", 4, {"split"}),
    ("routes/residence.test.yaml", "    message: moved_in", 4, {"with", "from", "subject", "at"}),
    ("adapters/public_security/adapter.yaml", "odbc:", 2, {"password_file", "timeout"}),
]


@pytest.mark.parametrize("path,behind,indent,keys", COMPLETIONS, ids=lambda value: str(value)[:40])
def test_keys_are_offered(editor, path, behind, indent, keys):
    lines = (ROOT / path).read_text("utf-8").split("\n")
    line = next(i for i, text in enumerate(lines) if text.startswith(behind)) + 1
    lines.insert(line, " " * indent)
    uri = place(path)
    editor.open(uri, "\n".join(lines))
    answer = editor.at("textDocument/completion", uri, line, indent)
    items = answer["items"] if isinstance(answer, dict) else answer
    assert keys <= {item["label"] for item in items}


def test_values_are_offered(editor):
    lines = (ROOT / "conf/broker.yaml").read_text("utf-8").split("\n")
    line = lines.index("log_level: info")
    lines[line] = "log_level: "
    uri = place("conf/broker.yaml")
    editor.open(uri, "\n".join(lines))
    answer = editor.at("textDocument/completion", uri, line, len("log_level: "))
    items = answer["items"] if isinstance(answer, dict) else answer
    assert {"debug", "info", "warning", "error"} <= {item["label"] for item in items}


def test_a_key_is_explained(editor):
    text = (ROOT / "routes/residence.yaml").read_text("utf-8")
    line = next(i for i, row in enumerate(text.split("\n")) if row.startswith("    order_by"))
    uri = place("routes/residence.yaml")
    editor.open(uri, text)
    answer = editor.at("textDocument/hover", uri, line, 6)
    assert "messages of one value reach a system in order" in answer["contents"]["value"].replace("\\", "")
