#!/usr/bin/python3
"""Makes data/ from an unpacked npm package @bufbuild/cel-spec: the tests as JSON, a file each, and the .proto files.

Usage: vendor.py PACKAGE_FOLDER     (needs node; only whoever takes over a newer version runs this)
"""
import base64
import json
import pathlib
import re
import subprocess
import sys

from google.protobuf import descriptor_pb2

DATA = pathlib.Path(__file__).resolve().parent / "data"
PROTOS = ["syntax", "checked", "value", "eval", "conformance/test/simple",
          "conformance/proto2/test_all_types", "conformance/proto2/test_all_types_extensions",
          "conformance/proto3/test_all_types"]
TYPES = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool",
         9: "string", 12: "bytes", 13: "uint32", 15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64"}
LICENSE = """// Copyright 2022-2025 Google LLC
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

// Printed by vendor.py from the descriptor that the npm package carries.
"""


def type_name(field):
    return TYPES.get(field.type) or field.type_name


def entry_of(message, field):
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith("." + message.name + "." + nested.name):
            return nested
    return None


def field_options(field):
    options = []
    if field.HasField("default_value"):
        quote = '"' if field.type in (9, 12) else ""
        options.append(f"default = {quote}{field.default_value}{quote}")
    if field.options.HasField("packed"):
        options.append(f"packed = {str(field.options.packed).lower()}")
    if field.options.HasField("deprecated"):
        options.append(f"deprecated = {str(field.options.deprecated).lower()}")
    return f" [{', '.join(options)}]" if options else ""


def put_field(field, message, syntax, out, indent):
    entry = entry_of(message, field) if message else None
    group = field.type == 10
    if entry:
        label, kind = "", f"map<{type_name(entry.field[0])}, {type_name(entry.field[1])}>"
    else:
        in_oneof = field.HasField("oneof_index") and not field.proto3_optional
        kind = "group" if group else type_name(field)
        label = {1: "optional ", 2: "required ", 3: "repeated "}[field.label]
        if in_oneof or (syntax == "proto3" and field.label == 1 and not field.proto3_optional):
            label = ""
    if group:
        nested = next(n for n in message.nested_type if n.name.lower() == field.name)
        out.append(f"{indent}{label}group {nested.name} = {field.number} {{")
        for inner in nested.field:
            put_field(inner, nested, syntax, out, indent + "  ")
        out.append(indent + "}")
        return
    out.append(f"{indent}{label}{kind} {field.name} = {field.number}{field_options(field)};")


def put_enum(enum, out, indent):
    out.append(f"{indent}enum {enum.name} {{")
    if enum.options.allow_alias:
        out.append(f"{indent}  option allow_alias = true;")
    out += [f"{indent}  {value.name} = {value.number};" for value in enum.value]
    out.append(indent + "}")


def put_message(message, syntax, out, indent=""):
    out.append(f"{indent}message {message.name} {{")
    inner = indent + "  "
    groups = {field.name for field in message.field if field.type == 10}
    for enum in message.enum_type:
        put_enum(enum, out, inner)
    for nested in message.nested_type:
        if not nested.options.map_entry and nested.name.lower() not in groups:
            put_message(nested, syntax, out, inner)
    for reserved in message.reserved_range:
        out.append(f"{inner}reserved {reserved.start} to {reserved.end - 1};")
    if message.reserved_name:
        out.append(inner + "reserved " + ", ".join(f'"{name}"' for name in message.reserved_name) + ";")
    for extension in message.extension_range:
        end = "max" if extension.end == 0x20000000 else extension.end - 1
        out.append(f"{inner}extensions {extension.start} to {end};")
    put_extensions(message.extension, syntax, out, inner)
    done = set()
    for field in message.field:
        oneof = field.oneof_index if field.HasField("oneof_index") and not field.proto3_optional else None
        if oneof is None:
            put_field(field, message, syntax, out, inner)
        elif oneof not in done:
            done.add(oneof)
            out.append(f"{inner}oneof {message.oneof_decl[oneof].name} {{")
            for member in message.field:
                if member.HasField("oneof_index") and member.oneof_index == oneof and not member.proto3_optional:
                    put_field(member, message, syntax, out, inner + "  ")
            out.append(inner + "}")
    out.append(indent + "}")


def put_extensions(extensions, syntax, out, indent=""):
    for extension in extensions:
        out.append(f"{indent}extend {extension.extendee} {{")
        put_field(extension, None, syntax, out, indent + "  ")
        out.append(indent + "}")


def proto_text(file):
    syntax = file.syntax or "proto2"
    out = [LICENSE, f'syntax = "{syntax}";', "", f"package {file.package};", ""]
    out += [f'import "{name}";' for name in file.dependency] + [""]
    for enum in file.enum_type:
        put_enum(enum, out, "")
    for message in file.message_type:
        put_message(message, syntax, out)
    put_extensions(file.extension, syntax, out)
    return "\n".join(out) + "\n"


def vendor_protos(package):
    for name in PROTOS:
        source = (package / f"dist/cjs/gen/cel/expr/{name}_pb.js").read_text()
        encoded = re.search(r'fileDesc\)\("([^"]*)"(?:, \[([^\]]*)\])?', source)
        raw = encoded.group(1)
        file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(raw + "=" * (-len(raw) % 4)))
        if not file.dependency: # the package keeps them as JavaScript imports
            file.dependency.extend(imports_of(encoded.group(2) or ""))
        target = DATA / f"cel/expr/{name}.proto"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(proto_text(file))


def imports_of(names):
    for name in re.findall(r"file_([a-z0-9_]+)", names):
        if name.startswith("google_protobuf_"):
            yield f"google/protobuf/{name[len('google_protobuf_'):]}.proto"
        else:
            yield next(f"cel/expr/{p}.proto" for p in PROTOS if "cel_expr_" + p.replace("/", "_") == name)


def vendor_tests(package):
    script = f"""
      const {{tests}} = require('{package.resolve()}/dist/cjs/testdata/conformance.js');
      const keep = (key, value) => Object.is(value, -0) ? '-0' : value; // JSON.stringify would drop the sign
      process.stdout.write(JSON.stringify(tests, keep));"""
    suite = json.loads(subprocess.run(["node", "-e", script], check=True, capture_output=True).stdout)
    for file in suite["suites"]:
        lines = [f'{{"name": {json.dumps(file["name"])}, "section": [']
        for i, section in enumerate(file.get("suites", [])):
            lines.append(("," if i else "") + f'{{"name": {json.dumps(section["name"])}, "test": [')
            tests = [json.dumps(test["original"], separators=(",", ":")) for test in section.get("tests", [])]
            lines.append(",\n".join(tests))
            lines.append("]}")
        lines.append("]}")
        if file.get("suites"):
            (DATA / f"{file['name']}.json").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    vendor_protos(pathlib.Path(sys.argv[1]))
    vendor_tests(pathlib.Path(sys.argv[1]))
