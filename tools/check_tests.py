#!/usr/bin/env python3
"""Fails when a test is never run: every *_test.cpp, fuzz target and end-to-end test file must be reached by ctest in the
given build tree, and every fuzz target needs a corpus to replay. With BAKUSOKU_TESTS_ONCE that is asked of the tests that
belong into this kind of build.

usage: check_tests.py BUILD_DIR      (configured; nothing needs to be built)
"""

import json
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]
SKIP = {"build", ".git"}
PLAIN = {"zbxmod", "module"}  # with BAKUSOKU_TESTS_ONCE not sanitized, see cmake/Targets.cmake


def files(pattern):
    return [path for path in sorted(SOURCE.rglob(pattern)) if path.relative_to(SOURCE).parts[0] not in SKIP]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1])
    # Which target a file is compiled into, and which targets and tests ctest knows.
    targets = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        written = entry.get("output") or re.search(r" -o (\S+)", entry["command"])[1]
        found = re.search(r"CMakeFiles/([^/]+)[.]dir/", written)
        targets.setdefault(pathlib.Path(entry["file"]).resolve(), set()).add(found.group(1) if found else "")
    registered = "".join(path.read_text(encoding="utf-8") for path in build.rglob("CTestTestfile.cmake"))
    suites = set(re.findall(r"/([^/\"]+)\[1\]_include[.]cmake", registered))
    tests = set(re.findall(r"add_test\(\[?=*\[?\"?([\w.-]+)", registered))

    wrong = []
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    once = "BAKUSOKU_TESTS_ONCE:BOOL=ON" in cache
    sanitized = "BAKUSOKU_SANITIZE_ADDRESS:BOOL=ON" in cache
    units = [path for path in files("*_test.cpp")
             if not once or (path.relative_to(SOURCE).parts[0] in PLAIN) != sanitized]
    for path in units:
        if not targets.get(path.resolve(), set()) & suites:
            wrong.append(f"{path.relative_to(SOURCE)}: in no bakusoku_test(...)")
    # Only sanitized builds replay the corpora.
    decoders = files("fuzz_*.cpp") if any(name.startswith("fuzz.") for name in tests) else []
    for path in decoders:
        names = [name for name in targets.get(path.resolve(), set()) if f"fuzz.{name}" in tests]
        if not names:
            wrong.append(f"{path.relative_to(SOURCE)}: in no bakusoku_fuzz(...)")
        for name in names:
            if not any((SOURCE / "fuzz/corpus" / name).glob("*")):
                wrong.append(f"{path.relative_to(SOURCE)}: fuzz/corpus/{name} is empty, so nothing is replayed")
    scripts = sorted((SOURCE / "tests/e2e").glob("test_*.py"))
    listing = (SOURCE / "tests/CMakeLists.txt").read_text(encoding="utf-8")
    listed = set(re.findall(r"^ *bakusoku_e2e\((\w+)", listing, re.M))
    for name, classes in re.findall(r"^ *bakusoku_e2e\((\w+)[^)]*\bCLASSES ([\w ]+)", listing, re.M):
        text = (SOURCE / f"tests/e2e/test_{name}.py").read_text(encoding="utf-8")
        theirs = {each for each, body in re.findall(r"^class (\w+)(.*?)(?=^class |\Z)", text, re.M | re.S) if "    def test_" in body}
        wrong += [f"tests/e2e/test_{name}.py: {each} is not among its CLASSES" for each in sorted(theirs - set(classes.split()))]
    # Some run in plain builds only, so the list itself is what counts.
    wrong += [f"{path.relative_to(SOURCE)}: in no bakusoku_e2e(...)" for path in scripts if path.stem[5:] not in listed]
    if not units or not scripts or not suites:
        wrong.append(f"{build}: ctest knows no tests there")
    print("\n".join(wrong) if wrong else
          f"ctest reaches all {len(units)} unit test files, {len(decoders)} fuzz targets and {len(scripts)} end-to-end test files")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
