#!/usr/bin/env python3
"""Compiles one module with a mistake that zbxmod finds while it is compiled, and fails unless the compiler refuses it
with the words of its "// expects:" lines. The same file with -DRIGHT, the mistake put right, must compile: so that it is
this mistake and no other that is refused. What all of them include is compiled once, before, where the compiler can.

usage: refused.py COMPILER HEADER FILE.cpp INCLUDE_DIRECTORY...
       refused.py COMPILER HEADER --precompile INCLUDE_DIRECTORY...
"""

import pathlib
import re
import subprocess
import sys


def run(compiler, includes, *more):
    command = [compiler, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused",
               *(f"-I{each}" for each in includes), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    return done.returncode, done.stderr


def precompile(compiler, header, includes):
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text('#include "zbxmod/module.h"\n', encoding="utf-8")
    made = header.with_name(header.name + ".gch")
    made.unlink(missing_ok=True)
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    if "clang" in said:  # takes a precompiled header with just the same macros only
        return
    code, said = run(compiler, includes, "-x", "c++-header", "-o", made, header)
    if code != 0:
        sys.exit(said)


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    compiler, header, source, *includes = sys.argv[1:]
    if source == "--precompile":
        return precompile(compiler, pathlib.Path(header), includes)
    expected = re.findall(r"^// expects: (.*)$", pathlib.Path(source).read_text(encoding="utf-8"), re.M)
    if not expected:
        sys.exit(f"{source}: no '// expects:' line")
    code, said = run(compiler, includes, "-fsyntax-only", "-include", header, "-DRIGHT", source)
    if code != 0:
        sys.exit(f"{source}: is refused even when it is right:\n{said}")
    code, said = run(compiler, includes, "-fsyntax-only", "-include", header, source)
    if code == 0:
        sys.exit(f"{source}: compiles")
    # Compilers break no lines inside a message, but quote them differently.
    for words in expected:
        if words not in said:
            sys.exit(f"{source}: the compiler does not say '{words}':\n{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
