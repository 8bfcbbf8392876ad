"""The small mistakes that scripts/mutants puts into a C++ file. A mistake is a place in the text, what stands there, and
what stands there when a number is asked for: both are compiled, one of them is chosen when the program runs.

It reads tokens, not C++: clang-format puts blanks around operators of two operands and none around the brackets of
templates, which is what tells them apart. What does not compile the tool finds out and leaves away.
"""

import bisect
import collections
import dataclasses
import re
from typing import Callable

TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.']*|<=>|->\*|<<=|>>=|\.\.\.|::|->|\+\+|--|&&|\|\||[<>=!+\-*/%&|^]=|<<|[^\s\w]")
HIDDEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![\w])\'(?:\\.|[^\'\\\n])+\'|^[ \t]*#(?:\\\n|[^\n])*',
                    re.S | re.M)
CLOSING = {")": "(", "]": "[", "}": "{"}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "<<=", ">>="}
NO_STATEMENT = set("if for while do switch else case default return co_return co_yield throw try catch goto break continue using "
                   "const constexpr static auto struct class enum union namespace template typename typedef friend public private "
                   "protected operator explicit virtual inline extern static_assert void int bool char double float unsigned "
                   "long delete new spdlog".split())
COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
# What binds less than an operator ends its operands. All stand between blanks but the first row.
ENDS = {",", ";", "?", ":", "return", "co_return", "co_yield", "case", "throw"} | ASSIGNMENTS
LOWER = {
    "||": ENDS,
    "&&": ENDS | {"||"},
    "==": ENDS | {"||", "&&", "|", "&", "^"},
    "<": ENDS | {"||", "&&", "|", "&", "^", "==", "!="},
    "+": ENDS | {"||", "&&", "|", "&", "^", "==", "!=", "<", ">", "<=", ">=", "<<", ">>", "<=>"},
}
SAME = {"||": {"||"}, "&&": {"&&"}, "==": {"==", "!="}, "<": {"<", ">", "<=", ">="}, "+": {"+", "-"}}
LEVEL = {"||": "||", "&&": "&&", "==": "==", "!=": "==", "<": "<", "<=": "<", ">": "<", ">=": "<", "+": "+", "-": "+"}


@dataclasses.dataclass
class Mistake:
    kind: str
    start: int                           # what is replaced: text[start:end]
    end: int
    before: str                          # for people: what stands there, and what instead
    after: str
    write: Callable[[str], str]          # the code, by the expression that tells whether it is this one's turn
    line: int = 0
    line_text: str = ""                  # of a line that stands there twice, with the one before
    nth: int = 1                         # of mistakes that read the same

    def key(self):
        return (self.kind, self.before, self.after, self.line_text, self.nth)


class Source:
    def __init__(self, text):
        self.text = text
        masked = HIDDEN.sub(self._mask, text)
        self.tokens = []
        for found in TOKEN.finditer(masked):
            self.tokens.append((found.group(), found.start(), found.end()))
        self.match = {}
        open_ = []
        for at, (token, _, _) in enumerate(self.tokens):
            if token in "([{":
                open_.append(at)
            elif token in CLOSING and open_ and self.tokens[open_[-1]][0] == CLOSING[token]:
                self.match[at] = open_.pop()
                self.match[self.match[at]] = at
        self.parent = [-1] * len(self.tokens)
        stack = []
        for at, (token, _, _) in enumerate(self.tokens):
            if token in CLOSING and stack:
                stack.pop()
            self.parent[at] = stack[-1] if stack else -1
            if token in "([{":
                stack.append(at)
        self.masked = masked

    @staticmethod
    def _mask(found):
        whole = found.group()
        if whole.startswith(("//", "/*")) or whole.lstrip(" \t").startswith("#"):
            return re.sub(r"[^\n]", " ", whole)
        return '"' + re.sub(r"[^\n]", "_", whole[1:-1]) + '"'

    def token(self, at):
        return self.tokens[at][0] if 0 <= at < len(self.tokens) else ""

    def spaced(self, at):
        _, start, end = self.tokens[at]
        return self.text[start - 1:start].isspace() and self.text[end:end + 1].isspace()

    def slice(self, first, last):
        """The text from one token to another, both with it."""
        return self.text[self.tokens[first][1]:self.tokens[last][2]]

    def ends_operand(self, at, lower):
        token = self.token(at)
        if token not in lower:
            return False
        return token in {",", ";", "?", ":", "return", "co_return", "co_yield", "case", "throw"} or self.spaced(at)

    def operands(self, at):
        """First token of the left operand and last of the right one."""
        level = LEVEL[self.token(at)]
        first = at
        while True:
            before = first - 1
            if before < 0 or before == self.parent[at] or self.ends_operand(before, LOWER[level]):
                break
            first = self.match.get(before, before) if self.token(before) in CLOSING else before
        last = at
        while True:
            after = last + 1
            if after >= len(self.tokens) or self.token(after) in CLOSING:
                break
            if self.ends_operand(after, LOWER[level]) or (self.token(after) in SAME[level] and self.spaced(after)):
                break
            last = self.match.get(after, after) if self.token(after) in "([{" else after
        return (first, last) if first < at < last else (None, None)

    def constant_of(self, at):
        """The word constexpr that begins the declaration which this number stands in."""
        while at > 0 and self.token(at - 1) not in {";", "}"}:
            if self.token(at - 1) == "{" and not re.match(r"k[A-Z]|\w+_t$|seconds$|minutes$|hours$", self.token(at - 2)):
                break
            at -= 1
        return at if self.token(at) == "constexpr" else None

    def header_of(self, at):
        """The word before a bracketed head that ends with token `at`: if, for, while, switch; else nothing."""
        if self.token(at) == "else":
            return "else"
        if self.token(at) != ")" or at not in self.match:
            return ""
        word = self.token(self.match[at] - 1)
        return word if word in {"if", "for", "while", "switch", "constexpr"} else ""

    def begins_statement(self, at):
        before = self.token(at - 1)
        if before in {";", "{", "}"} or self.header_of(at - 1):
            return True
        return before == ":" and self.parent[at] >= 0 and self.token(self.parent[at]) == "{" and not self.spaced(at - 1)

    def end_of_statement(self, at):
        """The token `;` that ends the statement; nothing where a body comes first."""
        while at < len(self.tokens) and self.token(at) != ";":
            token = self.token(at)
            if token in CLOSING:
                return None
            if token == "{" and self.token(at - 1) in {")", "const", "override", "noexcept", "mutable"}:
                if self.masked[self.tokens[self.match.get(at - 1, at - 1)][1] - 1] != "]":
                    return None
            at = self.match.get(at, at) + 1 if token in "([{" else at + 1
        return at if at < len(self.tokens) else None

    def is_expression(self, first, last):
        """Whether the statement declares nothing."""
        at = first
        if self.token(at) in {"co_await", "*", "++", "--"}:
            at += 1
        if not re.match(r"[A-Za-z_]", self.token(at)) or self.token(at) in NO_STATEMENT:
            return False
        while at < last:
            token, after = self.token(at), self.token(at + 1)
            if token in ASSIGNMENTS and self.spaced(at):
                return True
            named = re.match(r"[A-Za-z_]", token)
            if named and re.match(r"[A-Za-z_]", after):
                return False
            if token in {"&", "*", "&&", ">", ">>"} and re.match(r"[A-Za-z_]", after) and not self.spaced(at):
                return False
            at = self.match.get(at, at) + 1 if token in "([{" else at + 1
        return True


def mistakes(text):
    """All of them, in the order of the text."""
    source = Source(text)
    found = []
    tokens = source.tokens
    in_log = [False] * len(tokens)
    for at, (token, _, _) in enumerate(tokens):
        if token == "spdlog" and source.token(at + 3) == "(":
            for inside in range(at, source.match.get(at + 3, at) + 1):
                in_log[inside] = True

    def add(kind, first, last, after, write, before=None):
        if any(in_log[first:last + 1]):
            return
        found.append(Mistake(kind, tokens[first][1], tokens[last][2],
                             short(before if before is not None else source.slice(first, last)), short(after), write))

    for at, (token, start, end) in enumerate(tokens):
        if token in LEVEL and source.spaced(at):
            first, last = source.operands(at)
            if first is None:
                continue
            left = text[tokens[first][1]:start].rstrip()
            right = text[end:tokens[last][2]].lstrip()
            if "co_await" in left + right or (token in "+-" and '"' in source.masked[tokens[first][1]:tokens[last][2]]):
                continue
            others = [COMPARISONS[token]] if token in COMPARISONS else [{"&&": "||", "||": "&&", "+": "-", "-": "+"}[token]]
            kind = "comparison" if token in COMPARISONS else "and-or" if token in {"&&", "||"} else "plus-minus"
            for other in others:
                add(kind, first, last, f"{left} {other} {right}",
                    lambda turn, left=left, right=right, token=token, other=other:
                    f"({turn} ? (({left}) {other} ({right})) : (({left}) {token} ({right})))")
        elif token in {"if", "while"} and source.token(at + 1) == "(" and at + 1 in source.match:
            opened, closed = at + 1, source.match[at + 1]
            own = [i for i in range(opened + 1, closed) if source.parent[i] == opened]
            first = max([opened] + [i for i in own if source.token(i) == ";"]) + 1
            last = closed - 1
            plain = not any(source.token(i) == "=" for i in own if i >= first)  # not a declaration
            if first <= last and plain:
                condition = source.slice(first, last)
                add("negated", first, last, f"!({condition})",
                    lambda turn, condition=condition: f"(static_cast<bool>({condition}) != {turn})")
        elif token in {"min", "max"} and source.token(at - 1) == "::" and source.token(at - 2) == "std":
            open_ = at + 1
            while source.token(open_) not in {"(", ";", ")"}:
                open_ += 1
            if source.token(open_) == "(" and open_ in source.match:
                last = source.match[open_]
                rest = text[end:tokens[last][2]]
                other = "max" if token == "min" else "min"
                if "co_await" not in rest:
                    add("min-max", at - 2, last, f"std::{other}{rest}",
                        lambda turn, rest=rest, token=token, other=other: f"({turn} ? std::{other}{rest} : std::{token}{rest})")
        elif token in {"true", "false"}:
            other = "false" if token == "true" else "true"
            add("constant", at, at, other, lambda turn, token=token: f"({token} != {turn})")
        elif re.fullmatch(r"\d[\d']*(?:h|min|s|ms|us|ns|u|U|uz|LL)?", token):
            digits = re.match(r"[\d']+", token).group()
            unit = token[len(digits):]
            number = int(digits.replace("'", ""))
            other = f"{number + 1 if number < 10 else number * 2}{unit}"
            begin = source.constant_of(at)
            if begin is not None:
                # It stops being one of the compiler's; where one is needed, the mistake is left away.
                stop = source.end_of_statement(begin)
                if stop is None:
                    continue
                head, tail = text[tokens[begin][2]:start], text[end:tokens[stop][2]]
                add("constant", begin, stop, f"constexpr{head}{other}{tail}",
                    lambda turn, head=head, tail=tail, token=token, other=other: f"const{head}({turn} ? {other} : {token}){tail}")
            else:
                add("constant", at, at, other, lambda turn, token=token, other=other: f"({turn} ? {other} : {token})")
        if not source.begins_statement(at):
            continue
        stop = source.end_of_statement(at)
        if stop is None:
            continue
        statement = source.slice(at, stop)
        drop = lambda turn, statement=statement: f"{{ if (!{turn}) {{ {statement} }} }}"  # noqa: E731
        if token in {"continue", "break"} and stop == at + 1:
            add("jump dropped", at, stop, "", drop)
        elif token in {"return", "co_return"}:
            if guarded(source, at) and (stop == at + 1 or not ends_function(source, at, stop)):
                add("return dropped", at, stop, "", drop)
        elif source.is_expression(at, stop):
            assigned = [i for i in range(at, stop) if source.token(i) in ASSIGNMENTS and source.spaced(i) and source.parent[i] == source.parent[at]]
            if assigned and source.token(assigned[0]) in {"+=", "-="}:
                place = assigned[0]
                other = "-=" if source.token(place) == "+=" else "+="
                changed = source.slice(at, place - 1) + f" {other} " + source.slice(place + 1, stop)
                if '"' not in source.masked[tokens[at][1]:tokens[stop][2]]:
                    add("plus-minus", at, stop, changed,
                        lambda turn, changed=changed, statement=statement: f"{{ if ({turn}) {{ {changed} }} else {{ {statement} }} }}")
            if assigned:
                add("assignment dropped", at, stop, "", drop)
            elif source.token(stop - 1) == ")" or token in {"++", "--"} or source.token(stop - 1) in {"++", "--"}:
                add("call dropped" if source.token(stop - 1) == ")" else "assignment dropped", at, stop, "", drop)
    number_all(text, found)
    return found


def guarded(source, at):
    """Whether a return hangs on an if."""
    if source.header_of(at - 1) in {"if", "else"}:
        return source.header_of(at - 1) == "if"
    block = source.parent[at]
    return block > 0 and source.token(block) == "{" and source.header_of(block - 1) == "if"


def ends_function(source, at, stop):
    """Whether nothing of the function comes behind the statement: without it the end would be reached without a value."""
    after = stop + 1
    while source.token(after) == "}":
        opener = source.match.get(after)
        if opener is None:
            return True
        if source.header_of(opener - 1) not in {"if", "for", "while", "else", "switch"}:
            return True
        if source.header_of(opener - 1) in {"for", "while"}:
            return False
        after += 1
    return False


def number_all(text, found):
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    occurrences = collections.Counter(line.strip() for line in lines)
    seen = {}
    found.sort(key=lambda each: (each.start, each.end, each.kind, each.after))
    for each in found:
        each.line = bisect.bisect_right(starts, each.start)
        each.line_text = lines[each.line - 1].strip()
        if occurrences[each.line_text] > 1 and each.line > 1:
            each.line_text = lines[each.line - 2].strip() + " / " + each.line_text
        same = (each.kind, each.before, each.after, each.line_text)
        seen[same] = seen.get(same, 0) + 1
        each.nth = seen[same]


def short(code):
    return re.sub(r"\s+", " ", re.sub(r"//[^\n]*", "", code)).strip()
