#!/usr/bin/python3
"""Every message, field, enum and enum value under proto/gov has a comment; a field that holds a code names its standard
or list; no proto3 `optional` (protoc-c refuses it). Usage: comments.py PROTO_FOLDER"""
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

# Path steps of SourceCodeInfo: field numbers in descriptor.proto.
MESSAGE, ENUM, FIELD, NESTED, NESTED_ENUM, VALUE = 4, 5, 2, 3, 4, 2


def load(folder, files):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", "-I", folder, "--include_source_info", "-o", out.name, *files], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read())


def walk_enum(enum, path, name):
    yield path, f"{name}.{enum.name}", None
    for i, value in enumerate(enum.value):
        yield path + (VALUE, i), f"{name}.{enum.name}.{value.name}", None


def walk_message(message, path, name):
    name = f"{name}.{message.name}"
    yield path, name, None
    for i, field in enumerate(message.field):
        yield path + (FIELD, i), f"{name}.{field.name}", field
    for i, nested in enumerate(message.nested_type):
        yield from walk_message(nested, path + (NESTED, i), name)
    for i, enum in enumerate(message.enum_type):
        yield from walk_enum(enum, path + (NESTED_ENUM, i), name)


def walk(file):
    for i, message in enumerate(file.message_type):
        yield from walk_message(message, (MESSAGE, i), file.package)
    for i, enum in enumerate(file.enum_type):
        yield from walk_enum(enum, (ENUM, i), file.package)


CODED = ("citizen_number", "sex", "ethnicity", "marital_status")


def problems(file):
    comments = {tuple(l.path): l.leading_comments.strip() for l in file.source_code_info.location}
    folder = pathlib.PurePath(file.name).parent
    if file.package != ".".join(folder.parts):
        yield f"{file.name}: package {file.package} doesn't follow the folder"
    if not any(tuple(l.path) == (12,) and (l.leading_comments or l.leading_detached_comments)
               for l in file.source_code_info.location):
        yield f"{file.name}: the file has no comment at its top"
    for path, name, field in walk(file):
        text = comments.get(path, "")
        if len(text) < 4 or not text.split(" [")[0].rstrip().endswith((".", "?")):
            yield f"{name}: no comment that is a sentence"
        if field is not None and field.proto3_optional:
            yield f"{name}: proto3 optional"
        if field is not None and field.name.endswith(CODED) and "GB" not in text:
            yield f"{name}: the comment names no standard"


def main():
    folder = pathlib.Path(sys.argv[1])
    files = sorted(str(p.relative_to(folder)) for p in (folder / "gov").rglob("*.proto"))
    assert files, "no files"
    found = [p for file in load(folder, files).file for p in problems(file)]
    print("\n".join(found) or f"{len(files)} files are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
