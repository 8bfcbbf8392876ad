#!/usr/bin/env python3
"""Fails when a source file is not as clang-format 14 would write it (.clang-format). Another version would format
some lines otherwise, so without version 14 nothing is checked and the exit code is 77 (skipped), in
continuous integration 1.

usage: check_format.py [FILE...]      (all .cpp, .h and .c files of the project by default)
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]
SUFFIXES = {".cpp", ".h", ".c"}
SKIP = {"build", ".git"}
VERSION = "14"


def program():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if path := shutil.which(name):
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if re.search(rf"version {VERSION}\.", said):
                return path
    return None


def main():
    files = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or sorted(
        path for path in SOURCE.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and path.relative_to(SOURCE).parts[0] not in SKIP)
    clang_format = program()
    if not clang_format:
        print(f"skipped: no clang-format {VERSION} here (package clang-format-{VERSION})")
        return 1 if os.environ.get("CI") else 77
    result = subprocess.run([clang_format, "--dry-run", *map(str, files)], cwd=SOURCE, capture_output=True, text=True,
                            check=False)
    wrong = {}
    for name, line in re.findall(r"^(/[^:\n]+):(\d+):\d+: warning: code should be clang-formatted", result.stderr, re.M):
        wrong.setdefault(pathlib.Path(name), []).append(int(line))
    for path, lines in sorted(wrong.items()):
        name = path.relative_to(SOURCE) if path.is_relative_to(SOURCE) else path
        print(f"{name}:{lines[0]}: not formatted ({len(lines)} places)")
    if result.returncode != 0 or not files:
        print(result.stderr.strip() or "no files")
        return 1
    if not wrong:
        print(f"{len(files)} files are formatted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
