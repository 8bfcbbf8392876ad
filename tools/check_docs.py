#!/usr/bin/env python3
"""Fails when the documentation names a path or command that does not exist, or when a file of the project names a path
of the machine it was written on."""

import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]
SKIP = {"build", ".git"}
# Written in two halves, so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + "|".join(["wor" "k", "far" "m", "roo" "t", "home/(?!runner|user|you|me)\\w+", "tmp/bash_" "jobs"]) + r")/")
PLACEHOLDER = re.compile(r"[<>*{}$|…]|\.\.\.|[A-Z]{3,}")
# A script named anywhere in the tree, be it in a comment.
SCRIPT = re.compile(r"(?<![\w/.-])scripts/[a-z][\w.-]*\w")
PROGRAMS = {"bakusoku", "zbxmod-host", "simaws", "spool_bench", "weblog_bench", "zbxload", "bench_zbxmod"}


def text_files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=SOURCE, capture_output=True, text=True,
                            check=False)
    paths = ([SOURCE / line for line in listed.stdout.splitlines()] if listed.returncode == 0 and listed.stdout else
             [path for path in SOURCE.rglob("*") if path.is_file() and path.relative_to(SOURCE).parts[0] not in SKIP])
    for path in paths:
        if not path.is_file() or "corpus" in path.parts:
            continue
        data = path.read_bytes()
        if b"\0" not in data:
            yield path, data.decode("utf-8", "replace")


def subcommands():
    """The names that cli/ registers with its command line parser."""
    names = set()
    for path in (SOURCE / "cli").glob("*.cpp"):
        names |= set(re.findall(r'add_subcommand\(\s*"([\w-]+)"', path.read_text(encoding="utf-8")))
    return names


def presets():
    """The names of CMakePresets.json."""
    read = json.loads((SOURCE / "CMakePresets.json").read_text(encoding="utf-8"))
    return {each["name"] for each in read["configurePresets"] if not each.get("hidden")}


def check_word(word, top, folder):
    """A complaint about one word of code in a document of that folder, or nothing."""
    word = word.rstrip(".,:;)")
    word = word.removeprefix("./")
    if PLACEHOLDER.search(word) or "/" not in word or word.startswith(("/", "http:", "https:", "-", "~")):
        return None
    first = word.split("/")[0]
    if first == "build":
        parts = word.split("/")
        if len(parts) == 4 and parts[2] == "bin" and parts[3] not in PROGRAMS:
            return f"{word}: no such program is built"
        return None
    if re.fullmatch(r"[a-z]\w*/", word):
        return None if (SOURCE / word).is_dir() or (folder / word).is_dir() else f"{word}: no such folder"
    if first not in top or not re.fullmatch(r"[\w./+-]+", word):
        return None
    path = SOURCE / word
    if path.exists() or list(SOURCE.glob(f"*/include/{word}")):  # a public header is named as it is included
        return None
    # Something else with slashes in it, such as an item key or an ARN, is not taken for a path.
    return f"{word}: does not exist" if path.suffix or word.endswith("/") or path.parent.is_dir() else None


def check_command(line, commands):
    for name in re.findall(r"--preset[ =]([a-z]+)", line):
        if name not in presets():
            return f"--preset {name}: no such preset"
    words = line.replace("$ ", "", 1).split() if line.startswith("$ ") else line.split()
    while words and (re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]) or words[0] in ("sudo", "exec")):
        words.pop(0)
    if not words:
        return None
    program = words[0].removeprefix("./")
    if program.startswith(("scripts/", ".ci/")) and not os.access(SOURCE / program, os.X_OK):
        return f"{program}: is not an executable file"
    if pathlib.PurePath(program).name == "bakusoku" and len(words) > 1 and re.fullmatch(r"[a-z][\w-]*", words[1]):
        if commands and words[1] not in commands:
            return f"bakusoku {words[1]}: no such command"
    return None


def check_document(path, text, top, commands):
    for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
        if not re.match(r"\w+:", target) and not (path.parent / target).exists():
            yield f"link to {target}: does not exist"
    fenced = re.findall(r"^```(?:sh|bash|console|shell)\n(.*?)^```", text, re.M | re.S)
    unfenced = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    indented = re.findall(r"\n\n((?: {4}.*\n|\n(?= {4}))+)", unfenced)
    for block in fenced + indented:
        for line in block.splitlines():
            if complaint := check_command(line.strip(), commands):
                yield complaint
            for word in line.split("#")[0].split():
                if complaint := check_word(word.strip("'\""), top, path.parent):
                    yield complaint
    for code in re.findall(r"`([^`\n]+)`", unfenced):
        if complaint := check_command(code, commands):
            yield complaint
        for word in code.split():
            if complaint := check_word(word.strip("'\""), top, path.parent):
                yield complaint


def main():
    wrong, documents = [], 0
    top = {path.name for path in SOURCE.iterdir()} - SKIP
    commands = subcommands()
    for path, text in text_files():
        name = path.relative_to(SOURCE)
        if path.suffix == ".md":
            documents += 1
            wrong += [f"{name}: {complaint}" for complaint in check_document(path, text, top, commands)]
        for number, line in enumerate(text.splitlines(), 1):
            if found := MACHINE_PATHS.search(line):
                wrong.append(f"{name}:{number}: names a path of one machine ({found.group()})")
            wrong += [f"{name}:{number}: {script}: does not exist" for script in SCRIPT.findall(line)
                      if not (SOURCE / script).exists()]
    print("\n".join(sorted(set(wrong))) if wrong else f"{documents} documents name only what exists")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
