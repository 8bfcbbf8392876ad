#!/usr/bin/env python3
"""Fails when an include points the wrong way. The folders' order is ALLOWED; a folder may always include itself."""

import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]

ALLOWED = {
    "base": [],
    "ask": [],      # built into the module: nothing but the standard library
    "zbxmod": [],   # for anyone's modules: nothing of ours
    "zabbix": ["base"],
    "aws": ["base"],
    "weblog": ["base"],
    "services": ["base"],
    "agent": ["base", "ask", "zabbix", "aws", "weblog", "services"],
    "cli": ["base", "ask", "zabbix", "aws", "weblog", "services", "agent"],
    "module": ["zbxmod", "ask"],
    "simaws": ["base"],
    "bench": ["base", "aws", "zbxmod", "zabbix", "agent", "weblog", "simaws"],
}
# What a folder's tests may include besides: the other side of what they test.
TESTS_MAY = {"aws": ["simaws"], "agent": ["simaws"], "cli": ["simaws"], "simaws": ["aws"], "module": ["base", "zbxmod"]}
# Single headers that may be included although their folder may not: pure codecs.
HEADERS = {"simaws": re.compile(r"aws/\w*(codec|query|xml|json|url|timestamp)\w*\.h$")}

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([\w./-]+)[">]', re.M)
SUFFIXES = {".h", ".hpp", ".c", ".cpp", ".in"}


def main():
    wrong, seen = [], 0
    folders = set(ALLOWED)
    for folder, allowed in ALLOWED.items():
        for path in sorted((SOURCE / folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            seen += 1
            is_test = path.stem.endswith("_test") or "tests" in path.relative_to(SOURCE).parts
            may = {folder, *allowed, *(TESTS_MAY.get(folder, []) if is_test else [])}
            for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
                target = include.split("/")[0]
                if "/" not in include or target not in folders or target in may:
                    continue
                if folder in HEADERS and HEADERS[folder].match(include):
                    continue
                # <module>, <base> and the like are ours only where the file is.
                if not (SOURCE / include).exists() and not list(SOURCE.glob(f"{target}/include/{include}")):
                    continue
                wrong.append(f"{path.relative_to(SOURCE)}: includes {include}; {folder}/ may include only "
                             f"{', '.join(sorted(may))}")
    unknown = {path.parent.relative_to(SOURCE).parts[0] for path in SOURCE.glob("*/*.cpp")} - folders - {"fuzz", "tests", "tools", "build"}
    wrong += [f"{folder}/: not in the order of folders (tools/check_layers.py)" for folder in sorted(unknown)]
    print("\n".join(wrong) if wrong else f"includes of {seen} files point one way")
    return 1 if wrong or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
