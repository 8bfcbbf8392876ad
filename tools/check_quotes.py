#!/usr/bin/env python3
"""Fails when a document shows a file that reads otherwise by now: a block of code behind the line
"<!-- the whole of PATH -->" must be the text of that file. With --write the blocks are made so."""

import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]
QUOTE = re.compile(r"(<!-- the whole of (\S+) -->\n```\w*\n)(.*?)(^```$)", re.M | re.S)


def main():
    wrong, seen = [], 0
    for document in sorted([*SOURCE.glob("*.md"), *SOURCE.glob("docs/**/*.md"), *SOURCE.glob("zbxmod/**/*.md")]):
        text = document.read_text(encoding="utf-8")
        for _, path, shown, _ in QUOTE.findall(text):
            seen += 1
            if not (SOURCE / path).exists():
                wrong.append(f"{document.relative_to(SOURCE)}: there is no {path}")
            elif shown != (SOURCE / path).read_text(encoding="utf-8"):
                wrong.append(f"{document.relative_to(SOURCE)}: {path} reads otherwise (python3 tools/check_quotes.py --write)")
        if "--write" in sys.argv:
            document.write_text(QUOTE.sub(lambda quote: quote[1] + (SOURCE / quote[2]).read_text(encoding="utf-8") + quote[4],
                                          text), encoding="utf-8")
    print("\n".join(wrong) if wrong else f"{seen} files are shown as they are")
    return 1 if wrong or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
