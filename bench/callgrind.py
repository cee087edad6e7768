"""Runs a program under callgrind and reads what it counted: instructions by function and object, calls into libraries."""
import collections
import dataclasses
import pathlib
import re
import subprocess
import sys


@dataclasses.dataclass
class Counts:
    own: collections.Counter        # instructions by function of our own code
    libraries: collections.Counter  # instructions by library
    calls: collections.Counter      # calls from our own code into a library, by function


def symbol(binary, name):
    """What the compiler made of the name of a function."""
    names = subprocess.run(["nm", binary], capture_output=True, text=True, check=True).stdout
    found = re.search(rf" [tT] ({re.escape(name)}(?:\.\S+)?)\n", names)
    if not found:
        sys.exit(f"callgrind: {binary} has no function {name}")
    return found.group(1)


def run(command, counted, out):
    """Counts what happens below the function `counted`. Returns the program's standard output."""
    words = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--toggle-collect={symbol(command[0], counted)}",
             "--compress-pos=no", *[str(word) for word in command]]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit("callgrind: valgrind is not installed: scripts/packages test")
    if done.returncode != 0 or not pathlib.Path(out).exists():
        sys.exit(f"callgrind: nothing could be counted:\n{done.stdout}{done.stderr}")
    return done.stdout


class Reader:
    """The format of https://valgrind.org/docs/manual/cl-format.html, as far as callgrind writes it with --compress-pos=no."""

    def __init__(self, binary):
        self.binary = pathlib.Path(binary).name
        self.names = {"ob": {}, "fn": {}}
        self.counts = Counts(collections.Counter(), collections.Counter(), collections.Counter())
        self.object = self.function = self.called_object = self.called = ""
        self.skip = False  # the next line's cost belongs to a call

    def name(self, space, text):
        found = re.match(r"\((\d+)\)(?: (.*))?$", text)
        if not found:
            return text
        if found.group(2) is not None:
            self.names[space][found.group(1)] = found.group(2)
        return self.names[space].get(found.group(1), "")

    def is_own(self, name):
        return pathlib.Path(name).name == self.binary

    def assign(self, key, text):
        if key == "ob":
            self.object = self.name("ob", text)
        elif key == "fn":
            self.function = self.name("fn", text)
            self.called_object = self.object
        elif key == "cob":
            self.called_object = self.name("ob", text)
        elif key == "cfn":
            self.called = self.name("fn", text)

    def call(self, text):
        times = int(text.split()[0])
        if self.is_own(self.object) and self.called_object and not self.is_own(self.called_object):
            self.counts.calls[plain(self.called)] += times
        self.called_object = self.object
        self.skip = True

    def cost(self, instructions):
        if self.skip:
            self.skip = False
        elif self.is_own(self.object):
            self.counts.own[plain(self.function)] += instructions
        else:
            self.counts.libraries[pathlib.Path(self.object).name] += instructions

    def read(self, path):
        for line in pathlib.Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            if re.match(r"[0-9]", line):
                fields = line.split()
                self.cost(int(fields[1]) if len(fields) > 1 else 0)
            elif line.startswith("calls="):
                self.call(line[6:])
            else:
                key, equals, text = line.partition("=")
                if equals and " " not in key:
                    self.assign(key, text)
        return self.counts


def plain(function):
    """A function's name without what compiler, linker, recursion and the C library's choice by the CPU add to it."""
    if function.startswith("0x"):
        return "(no name)"  # its address is another one in each build
    chosen = re.match(r"__(mem[a-z]+|str[a-z]+)_(avx|evex|sse|erms|ssse)", function)
    if chosen:
        return {"memmove": "memcpy"}.get(chosen.group(1), chosen.group(1))  # one and the same there
    return re.sub(r"('\d+|\.(constprop|isra|part|cold)\.?\d*|@@?[A-Z_0-9.]+)+$", "", function)


def read(path, binary):
    return Reader(binary).read(path)
