# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what SQL statements take away: dropped tables and columns, emptied tables; no input or output."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import Drop

TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$)
      | (?P<string>[eEbBxX]?'(?:[^'\\]|''|\\.)*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<word>[A-Za-z_\u0080-\uffff][\w$]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
NAMED = re.compile(r"irreversible|cannot be (undone|reversed|reverted)|no way back", re.IGNORECASE)
# Statements whose effect is not in their text.
HIDDEN = ("DO", "SELECT", "CALL", "EXECUTE", "PERFORM", "WITH", "COPY")
EMPTY = "its down script is empty"
HARMLESS_FUNCTIONS = re.compile(r"\s*SELECT\s+(pg_catalog\.)?(setval|set_config|pg_advisory\w+)\s*\(", re.IGNORECASE)


class Words:
    """The tokens of one statement, read from the left; keywords compare without case, quoted names as they are."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def take(self, *keywords: str) -> bool:
        """Step over ``keywords`` if they come next, all of them."""
        ahead = self._tokens[self._at : self._at + len(keywords)]
        if len(ahead) == len(keywords) and all(
            kind == "word" and text.upper() == keyword for (kind, text), keyword in zip(ahead, keywords, strict=True)
        ):
            self._at += len(keywords)
            return True
        return False

    def punctuation(self, sign: str) -> bool:
        """Step over ``sign`` if it comes next."""
        if self._at < len(self._tokens) and self._tokens[self._at] == ("other", sign):
            self._at += 1
            return True
        return False

    def name(self) -> tuple[str, ...]:
        """A possibly qualified name, folded as PostgreSQL does; empty if none comes next."""
        parts: list[str] = []
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "quoted":
                parts.append(text[1:-1].replace('""', '"'))
            elif kind == "word":
                parts.append(text.lower())
            else:
                break
            self._at += 1
            if not self.punctuation("."):
                break
        return tuple(parts)

    def names(self) -> Iterator[tuple[str, ...]]:
        """Names separated by commas."""
        while True:
            self.take("ONLY")
            yield self.name()
            self.punctuation("*")
            if not self.punctuation(","):
                return

    def next_action(self) -> bool:
        """Step to after the next comma that is not in parentheses."""
        depth = 0
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            self._at += 1
            if kind == "other":
                depth += {"(": 1, ")": -1}.get(text, 0)
                if text == "," and depth == 0:
                    return True
        return False


def statements(sql: str) -> Iterator[list[tuple[str, str]]]:
    """The statements of ``sql`` as lists of ``(kind, text)``, without comments."""
    current: list[tuple[str, str]] = []
    for match in TOKEN.finditer(sql):
        kind = "dollar" if match.group("dollar") else str(match.lastgroup)
        if kind == "skip":
            continue
        if (kind, match.group()) == ("other", ";"):
            if current:
                yield current
            current = []
        else:
            current.append((kind, match.group()))
    if current:
        yield current


def drops(sql: str) -> tuple[list[Drop], list[str]]:
    """``(what is taken away, statements that hide what they do)``."""
    found: list[Drop] = []
    hidden: list[str] = []
    for tokens in statements(sql):
        found += _drops_of(Words(tokens))
        text = " ".join(text for _unused, text in tokens)
        if tokens[0][1].upper() in HIDDEN and not HARMLESS_FUNCTIONS.match(text):
            hidden.append(text[:80])
    return found, hidden


def _drops_of(words: Words) -> list[Drop]:
    for kind in ("TABLE", "SCHEMA", "MATERIALIZED"):
        if words.take("DROP", kind):
            if kind == "MATERIALIZED":
                return []
            words.take("IF", "EXISTS")
            return [Drop(kind.lower(), name) for name in words.names() if name]
    if words.take("TRUNCATE"):
        words.take("TABLE")
        return [Drop("truncate", name) for name in words.names() if name]
    if words.take("DELETE", "FROM"):
        words.take("ONLY")
        return [Drop("delete", words.name())]
    if words.take("ALTER", "TABLE"):
        return _dropped_columns(words)
    return []


def _dropped_columns(words: Words) -> list[Drop]:
    words.take("IF", "EXISTS")
    words.take("ONLY")
    table = words.name()
    words.punctuation("*")
    found = []
    while True:
        if words.take("DROP") and not words.take("CONSTRAINT"):
            words.take("COLUMN")
            words.take("IF", "EXISTS")
            column = words.name()
            if column:
                found.append(Drop("column", table, column[-1]))
        if not words.next_action():
            return found


def refusal(sql: str) -> str:
    """Why this way down is none: it is empty, or it says so itself; empty text if it looks runnable."""
    if not any(True for _unused in statements(sql)):
        said = NAMED.search(sql)
        return "its script says that it is irreversible" if said else EMPTY
    if re.search(r"\bRAISE\b[^;]*irreversible", sql, re.IGNORECASE):
        return "its script raises an error that says it is irreversible"
    return ""
