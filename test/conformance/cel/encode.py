"""The tests of data/ as the binary messages that the harness reads."""
import json
import pathlib
import subprocess

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

DATA = pathlib.Path(__file__).resolve().parent / "data"


def descriptor_set(folder):
    """Builds the catalogue of the suite's types; returns its path."""
    target = folder / "set.binpb"
    protos = sorted(str(path.relative_to(DATA)) for path in DATA.rglob("*.proto"))
    known = [f"google/protobuf/{name}.proto" for name in
             ["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"]]
    subprocess.run(["protoc", "-I", DATA, "-I", "/usr/include", "--include_imports",
                    f"--descriptor_set_out={target}", *protos, *known], check=True)
    return target


def test_file_class(set_path):
    files = descriptor_pb2.FileDescriptorSet.FromString(set_path.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    name = "cel.expr.conformance.test.SimpleTestFile"
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name)), pool


def without_extensions(members):
    """json_format doesn't read proto2's extensions; the tests that have any are excluded."""
    return {key: value for key, value in members if not key.startswith("[")}


def encode(names, folder):
    """Writes set.binpb and NAME.binpb of each name into the folder; returns the paths of the latter."""
    kind, pool = test_file_class(descriptor_set(folder))
    paths = []
    for name in names:
        text = (DATA / f"{name}.json").read_text(encoding="utf-8")
        tests = json.loads(text, object_pairs_hook=without_extensions)
        message = json_format.ParseDict(tests, kind(), descriptor_pool=pool)
        path = folder / f"{name}.binpb"
        path.write_bytes(message.SerializeToString(deterministic=True))
        paths.append(path)
    return paths
