# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the options of a smoke test into a :class:`~.smoke_model.SmokeTest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._module import RollbackError
from .jsonpath import JsonPath
from .smoke_model import (
    KINDS,
    CommandTest,
    HttpTest,
    JsonRule,
    SmokeTest,
    SqlTest,
    TcpTest,
    absolute,
    filled,
    pattern,
)

JSON_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "equals": {"type": "raw"},
    "matches": {"type": "str"},
    "min_items": {"type": "int"},
}
HTTP_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "method": {
        "type": "str",
        "default": "GET",
        "choices": ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"],
    },
    "headers": {"type": "dict"},
    "body": {"type": "str"},
    "body_json": {"type": "raw"},
    "form": {"type": "dict"},
    "follow_redirects": {"type": "bool", "default": False},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "json": {"type": "list", "elements": "dict", "options": JSON_OPTIONS},
    "regex": {"type": "str"},
    "answer_headers": {"type": "dict"},
    "max_seconds": {"type": "float"},
    "extract": {"type": "dict"},
}
TCP_OPTIONS: dict[str, dict[str, Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
}
COMMAND_OPTIONS: dict[str, dict[str, Any]] = {
    "argv": {"type": "list", "elements": "str", "required": True},
    "rc": {"type": "int", "default": 0},
    "regex": {"type": "str"},
}
SQL_OPTIONS: dict[str, dict[str, Any]] = {
    "query": {"type": "str", "required": True},
    "equals": {"type": "raw"},
    "min_rows": {"type": "int", "default": 1},
    "login_host": {"type": "str"},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_db": {"type": "str", "required": True},
}
CHECK_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "http": {
        "type": "dict",
        "options": HTTP_OPTIONS,
        "mutually_exclusive": [["body", "body_json", "form"]],
    },
    "tcp": {"type": "dict", "options": TCP_OPTIONS},
    "command": {"type": "dict", "options": COMMAND_OPTIONS},
    "sql": {"type": "dict", "options": SQL_OPTIONS},
    "needs": {"type": "list", "elements": "str", "default": []},
    "retry": {"type": "str", "choices": ["safe", "always", "never"], "default": "safe"},
    "timeout": {"type": "float"},
}


def read_tests(
    entries: Sequence[Mapping[str, Any]], base_url: str | None, timeout: float, secrets: Mapping[str, str]
) -> list[SmokeTest]:
    """The tests described by ``entries`` (validated against CHECK_OPTIONS)."""
    return [_test(entry, base_url, timeout, secrets) for entry in entries]


def _test(entry: Mapping[str, Any], base_url: str | None, timeout: float, secrets: Mapping[str, str]) -> SmokeTest:
    where = f"checks[{entry['name']}]"
    given = [kind for kind in KINDS if entry.get(kind)]
    if len(given) != 1:
        raise RollbackError(f"{where}: give exactly one of {', '.join(KINDS)}; it has {', '.join(given) or 'none'}")
    kind = given[0]
    options, at = entry[kind], f"{where}.{kind}"
    what: HttpTest | TcpTest | CommandTest | SqlTest
    if kind == "http":
        what = _http(options, base_url, at)
    elif kind == "tcp":
        what = TcpTest(options["host"], options["port"])
    elif kind == "command":
        if not options["argv"]:
            raise RollbackError(f"{at}.argv is empty; give the program and its arguments as a list")
        what = CommandTest(tuple(options["argv"]), options["rc"], pattern(options["regex"], f"{at}.regex"))
    else:
        what = SqlTest(_database(options, secrets), options["query"], options["equals"], options["min_rows"])
    own = entry.get("timeout") or timeout
    return SmokeTest(entry["name"], what, tuple(entry["needs"]), entry["retry"], own)


def _http(options: Mapping[str, Any], base_url: str | None, where: str) -> HttpTest:
    return HttpTest(
        url=absolute(base_url, options["path"], f"{where}.path"),
        method=options["method"],
        headers=options["headers"] or {},
        body=options["body"],
        body_json=options["body_json"],
        form=options["form"],
        status=tuple(options["status"]),
        json=tuple(_rule(rule, f"{where}.json") for rule in options["json"] or ()),
        regex=pattern(options["regex"], f"{where}.regex"),
        answer_headers={
            name: found
            for name, text in (options["answer_headers"] or {}).items()
            if (found := pattern(str(text), f"{where}.answer_headers[{name}]"))
        },
        max_seconds=options["max_seconds"],
        extract={
            name: JsonPath.parse(str(path), f"{where}.extract[{name}]")
            for name, path in (options["extract"] or {}).items()
        },
        follow_redirects=options["follow_redirects"],
    )


def _rule(rule: Mapping[str, Any], where: str) -> JsonRule:
    path = JsonPath.parse(rule["path"], f"{where}.path")
    return JsonRule(path, rule["equals"], pattern(rule["matches"], f"{where}.matches"), rule["min_items"])


def _database(options: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Keyword arguments for libpq."""
    names = {"login_host": "host", "login_port": "port", "login_user": "user", "login_password": "password"}
    found = {own: options[name] for name, own in names.items() if options.get(name)}
    return {**filled(found, secrets), "port": options["login_port"], "dbname": options["login_db"]}
