"""The scan itself: it must find an upward include, a sideways one and a library out of its place."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def scan(root):
    return subprocess.run([sys.executable, HERE / "layers.py", root], capture_output=True, text=True, check=False)


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_upward_include_is_found(tmp_path):
    write(tmp_path, "core/base/a.c", '#include "core/base/a.h"\n#include "broker/broker.h"\n')
    result = scan(tmp_path)
    assert result.returncode == 1
    assert "core/base/a.c:2: core/base may not include broker/broker.h" in result.stdout


def test_connector_never_includes_another(tmp_path):
    write(tmp_path, "adapters/connectors/odbc/a.c", '#include "adapters/connectors/http/b.h"\n')
    assert scan(tmp_path).returncode == 1


def test_sdk_never_includes_broker(tmp_path):
    write(tmp_path, "sdk/a.c", '#include "broker/policy/policy.h"\n')
    assert scan(tmp_path).returncode == 1


def test_library_out_of_place(tmp_path):
    write(tmp_path, "broker/session/a.c", "#include <zmq.h>\n")
    assert "zmq.h may be named only in" in scan(tmp_path).stdout


def test_downward_is_fine(tmp_path):
    write(tmp_path, "broker/session/a.c", '#include "core/base/list.h"\n#include <stdio.h>\n')
    assert scan(tmp_path).returncode == 0
