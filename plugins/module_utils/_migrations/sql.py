# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what SQL statements take away: dropped tables and columns, emptied tables; no input or output."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .._postgres.arguments import BOOKKEEPING
from .._postgres.evaluate import ignored
from .model import Drop

TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$)
      | (?P<string>[eEbBxX]?'(?:[^'\\]|''|\\.)*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<meta>\\[A-Za-z!?][^\n]*)
      | (?P<word>[A-Za-z_\u0080-\uffff][\w$]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
NAMED = re.compile(r"irreversible|cannot be (undone|reversed|reverted)|no way back", re.IGNORECASE)
# Statements whose effect is not in their text, or which overwrite values that only they know.
HIDDEN = ("DO", "SELECT", "CALL", "EXECUTE", "PERFORM", "WITH", "COPY", "MERGE", "PREPARE", "EXPLAIN")
# What psql does with these commands changes no data; others read files, run programs or go to another database.
PLAIN_COMMANDS = re.compile(r"\\(set|unset|echo|qecho|warn|pset|timing|if|elif|else|endif|encoding|g|gset|[tax])\b")
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
        if kind == "meta":  # a command of psql ends with its line; \g and its kin send what stands before it
            if current and match.group().startswith("\\g"):
                yield current
                current = []
            yield [(kind, match.group().strip())]
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
        if _hides(tokens, text):
            hidden.append(text[:80])
    return found, hidden


def _hides(tokens: list[tuple[str, str]], text: str) -> bool:
    """Whether a statement may cost data that its text does not name."""
    if tokens[0][0] == "meta":
        return not PLAIN_COMMANDS.match(text)
    words = Words(tokens)
    if tokens[0][1].upper() in HIDDEN:
        return not HARMLESS_FUNCTIONS.match(text)
    if words.take("UPDATE"):
        words.take("ONLY")
        return not ignored(".".join(words.name()), BOOKKEEPING)
    keywords = [text.upper() for kind, text in tokens if kind == "word"]
    if keywords[:1] == ["INSERT"]:
        return "CONFLICT" in keywords and "UPDATE" in keywords
    if words.take("ALTER", "TABLE"):
        return _retypes(words)
    if words.take("ALTER", "TYPE"):
        return keywords[-1] == "CASCADE"
    if words.take("DROP", "EXTENSION") or words.take("DROP", "OWNED"):
        return True
    emptied = words.take("TRUNCATE")
    dropped = words.take("DROP") and not words.take("TABLE") and not words.take("SCHEMA")
    return (emptied or dropped) and keywords[-1] == "CASCADE"


def _retypes(words: Words) -> bool:
    """Whether an action of ALTER TABLE gives a column another type, which may round or cut its values."""
    _table(words)
    while True:
        if words.take("ALTER"):
            words.take("COLUMN")
            words.name()
            words.take("SET", "DATA")
            if words.take("TYPE"):
                return True
        if not words.next_action():
            return False


def _table(words: Words) -> tuple[str, ...]:
    """The table of an ALTER TABLE."""
    words.take("IF", "EXISTS")
    words.take("ONLY")
    table = words.name()
    words.punctuation("*")
    return table


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
    table = _table(words)
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
