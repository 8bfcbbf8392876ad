#!/usr/bin/env python3
"""Compiles one module with a mistake that zbxmod finds while it is compiled, and fails unless the compiler refuses it
with the words of its "// expects:" lines. The same file with -DRIGHT, the mistake put right, must compile: so that it is
this mistake and no other that is refused.

usage: refused.py COMPILER FILE.cpp INCLUDE_DIRECTORY...
"""

import pathlib
import re
import subprocess
import sys


def compile_file(compiler, source, includes, *more):
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused",
               *(f"-I{each}" for each in includes), *more, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    return done.returncode, done.stderr


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    compiler, source, *includes = sys.argv[1:]
    expected = re.findall(r"^// expects: (.*)$", pathlib.Path(source).read_text(encoding="utf-8"), re.M)
    if not expected:
        sys.exit(f"{source}: no '// expects:' line")
    code, said = compile_file(compiler, source, includes, "-DRIGHT")
    if code != 0:
        sys.exit(f"{source}: is refused even when it is right:\n{said}")
    code, said = compile_file(compiler, source, includes)
    if code == 0:
        sys.exit(f"{source}: compiles")
    # Compilers break no lines inside a message, but quote them differently.
    for words in expected:
        if words not in said:
            sys.exit(f"{source}: the compiler does not say '{words}':\n{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
