# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoke tests as they are declared: what is asked, what is expected, what one test hands to the next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._module import RollbackError
from .client import check_url
from .jsonpath import JsonPath
from .verdict import Verdict

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
KINDS = ("http", "tcp", "command", "sql")


@dataclass(frozen=True)
class JsonRule:
    """What has to be at a JSON path: there and not empty, and as said where anything is said."""

    path: JsonPath
    equals: Any = None
    matches: re.Pattern[str] | None = None
    min_items: int | None = None


@dataclass(frozen=True)
class HttpTest:
    """One request and what makes its answer a good one; the body is not yet filled in with references."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    body_json: Any = None
    form: Mapping[str, Any] | None = None
    status: tuple[int, ...] = (200,)
    json: tuple[JsonRule, ...] = ()
    regex: re.Pattern[str] | None = None
    answer_headers: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    max_seconds: float | None = None
    extract: Mapping[str, JsonPath] = field(default_factory=dict)
    follow_redirects: bool = False


@dataclass(frozen=True)
class TcpTest:
    """A port that has to accept connections."""

    host: str
    port: int


@dataclass(frozen=True)
class CommandTest:
    """A program that has to end with status ``rc`` and, where given, print what matches."""

    argv: tuple[str, ...]
    rc: int = 0
    regex: re.Pattern[str] | None = None


@dataclass(frozen=True)
class SqlTest:
    """A query whose first value has to equal something, or that has to return rows."""

    connection: Mapping[str, Any]
    query: str
    equals: Any = None
    min_rows: int = 1


@dataclass(frozen=True)
class SmokeTest:
    """One named test; ``needs`` are the tests that have to pass before it is run."""

    name: str
    what: HttpTest | TcpTest | CommandTest | SqlTest
    needs: tuple[str, ...] = ()
    retry: str = "safe"
    timeout: float = 10


@dataclass(frozen=True)
class Try:
    """What one attempt found; ``repeatable`` tells whether asking again can do no harm."""

    verdict: Verdict
    message: str
    status: int | None = None
    seconds: float = 0.0
    extracted: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


@dataclass(frozen=True)
class SmokeOutcome:
    """What became of a test; ``seconds`` is the time of its last attempt."""

    test: SmokeTest
    verdict: Verdict
    message: str
    attempts: int = 0
    status: int | None = None
    seconds: float = 0.0


def references(value: Any) -> set[str]:
    """Names referred to as ``${name}`` anywhere in a text, list or mapping."""
    if isinstance(value, str):
        return set(REFERENCE.findall(value))
    if isinstance(value, Mapping):
        return set().union(*(references(key) | references(one) for key, one in value.items()), set())
    if isinstance(value, Sequence):
        return set().union(*(references(one) for one in value), set())
    return set()


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """``value`` with every ``${name}`` replaced; a name that has no value stays as it is."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: values.get(match[1], match[0]), value)
    if isinstance(value, Mapping):
        return {filled(key, values): filled(one, values) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(one, values) for one in value]
    return value


def parts(test: SmokeTest) -> list[Any]:
    """Everything in ``test`` that may hold references."""
    what = test.what
    if isinstance(what, HttpTest):
        expected = [rule.equals for rule in what.json]
        return [what.url, what.headers, what.body, what.body_json, what.form, expected]
    if isinstance(what, CommandTest):
        return [what.argv]
    if isinstance(what, SqlTest):
        return [what.equals]
    return [what.host]


def order(tests: Sequence[SmokeTest], given: Mapping[str, str]) -> dict[str, set[str]]:
    """For each test the names of those that come first, by ``needs`` and by references to extracted values."""
    makers = {name: test.name for test in tests if isinstance(test.what, HttpTest) for name in test.what.extract}
    names = {test.name for test in tests}
    if len(names) != len(tests):
        raise RollbackError("checks: two checks have the same name; give each a name of its own")
    before: dict[str, set[str]] = {}
    for test in tests:
        unknown = sorted(set(test.needs) - names)
        if unknown:
            raise RollbackError(f"checks[{test.name}].needs: there is no check {', '.join(unknown)}")
        wanted = references(parts(test)) - set(given)
        missing = sorted(wanted - set(makers))
        if missing:
            raise RollbackError(
                f"checks[{test.name}]: nobody provides ${{{missing[0]}}}; extract it in another check "
                "or give it in secrets"
            )
        before[test.name] = set(test.needs) | {makers[name] for name in wanted}
    _refuse_circles(before)
    return before


def _refuse_circles(before: Mapping[str, set[str]]) -> None:
    done: set[str] = set()
    while len(done) < len(before):
        ready = {name for name in before if name not in done and before[name] <= done}
        if not ready:
            circle = ", ".join(sorted(set(before) - done))
            raise RollbackError(f"checks: {circle} wait for each other in a circle; take one of their needs away")
        done |= ready


def pattern(text: str | None, option: str) -> re.Pattern[str] | None:
    """The compiled regular expression of ``option``."""
    try:
        return re.compile(text) if text is not None else None
    except re.error as error:
        raise RollbackError(f"{option}: {text!r} is no regular expression: {error}") from None


def absolute(base: str | None, path: str, option: str) -> str:
    """``path`` under ``base``, or ``path`` itself where it is a URL already."""
    if path.startswith(("http://", "https://")):
        return check_url(path, option)
    if not base:
        raise RollbackError(f"{option}: {path!r} is a path and there is no base_url to put it to")
    return f"{check_url(base, 'base_url').rstrip('/')}/{path.lstrip('/')}"
