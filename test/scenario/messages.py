"""The departments' messages in Python: protoc's code, made once a run in a temporary folder."""
import functools
import importlib
import pathlib
import subprocess
import sys
import tempfile

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


@functools.lru_cache(maxsize=None)
def _generated():
    folder = tempfile.TemporaryDirectory(prefix="hutong-pb-")
    protos = [str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")]
    subprocess.run(["protoc", "-I", PROTO, f"--python_out={folder.name}", *protos], check=True)
    sys.path.insert(0, folder.name)
    return folder  # lives as long as the process


def module(name):
    """module("gov.housing.v1.tenancy") has its message classes."""
    _generated()
    return importlib.import_module(name + "_pb2")
